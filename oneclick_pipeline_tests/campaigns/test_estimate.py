import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oneclick_pipeline.campaigns.estimate import _clustering, estimate
from oneclick_pipeline.campaigns.shares import Count, exact_difference
from oneclick_pipeline.settings import Campaigns

SETTINGS = Campaigns()


def regression(y, arm, covariates, strata=None):
    """Coefficient of the arm and its HC1 standard error, by least squares on arm, covariates and strata."""
    dummies = np.ones((len(y), 1)) if strata is None else np.eye(strata.max() + 1)[strata]
    x = np.column_stack([arm, covariates, dummies]).astype(float)
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ y
    residual = y - x @ beta
    sandwich = inverse @ (x * residual[:, None] ** 2).T @ x @ inverse
    return beta[0], np.sqrt(sandwich[0, 0] * len(y) / (len(y) - x.shape[1]))


def one_campaign(rng, n, effect, share=0.5):
    """Declines of n customers with known risks, of whom a share is offered something that changes P(decline)."""
    risk, arm = rng.beta(2, 3, n), rng.random(n) < share
    y = rng.random(n) < np.clip(risk + effect * arm, 0, 1)
    return y.astype(float), arm, risk, np.where(arm, np.clip(risk + effect, 0, 1) - risk, 0)


def test_welch_without_covariates_is_scipys():
    from scipy import stats

    rng = np.random.default_rng(1)
    y, arm = np.concatenate([rng.normal(5, 3, 60), rng.normal(6, 1, 90)]), np.repeat([False, True], [60, 90])
    found = estimate(y, arm, settings=SETTINGS)
    known = stats.ttest_ind(y[arm], y[~arm], equal_var=False)
    interval = known.confidence_interval(0.95)
    assert found.effect == pytest.approx(y[arm].mean() - y[~arm].mean())
    assert (found.effect_low, found.effect_high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(known.pvalue)
    assert found.standard_error == pytest.approx(found.effect / known.statistic)
    assert (found.offered, found.controls, found.mean_controls) == (90, 60, pytest.approx(y[~arm].mean()))


OUTCOMES = {
    "revenue": lambda rng, size: rng.lognormal(0, 1.5, size) * (rng.random(size) < 0.5),
    "rare": lambda rng, size: (rng.random(size) < 0.02).astype(float),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("interval", ["fixed", "always_valid"])
def test_few_controls_who_are_alike_are_no_proof(outcome, interval):
    """60 controls without a decline, or a large sum, proved an effect that was not there: in up to 30 % of trials."""
    rng, looks, trials = np.random.default_rng(7), (3, 5, 8, 12) if interval == "always_valid" else (3,), 300
    false = 0
    for _ in range(trials):
        y, arm = OUTCOMES[outcome](rng, 12 * 200), np.tile(np.arange(200) < 180, 12)
        found = [estimate(y[: 200 * k], arm[: 200 * k], settings=SETTINGS, interval=interval) for k in looks]
        false += any(one.p_value is not None and one.p_value < 0.05 for one in found)
    assert false <= 0.05 * trials


@pytest.mark.parametrize("strata", [False, True])
def test_adjusted_effect_agrees_with_regression(strata):
    rng = np.random.default_rng(2)
    n = 4000
    group = rng.integers(0, 5, n)
    arm = rng.random(n) < (np.array([0.5, 0.6, 0.7, 0.8, 0.9])[group] if strata else 0.7)
    x = rng.normal(size=(n, 2)) + group[:, None]
    y = x @ [1.0, -2.0] + group**2 - 0.3 * arm + rng.normal(size=n)
    found = estimate(y, arm, x, settings=SETTINGS, strata=group if strata else None)
    effect, error = regression(y, arm, x, group if strata else None)
    assert found.effect == pytest.approx(effect, abs=0.05 * error)
    assert found.standard_error == pytest.approx(error, rel=0.06)
    assert found.effect_low < -0.3 < found.effect_high


def test_covariates_narrow_the_interval_and_gaps_in_them_do_no_harm():
    rng = np.random.default_rng(3)
    x, arm = rng.normal(size=2000), rng.random(2000) < 0.5
    y = x + 0.3 * rng.normal(size=2000) + 0.1 * arm
    plain, adjusted = (estimate(y, arm, covariate, settings=SETTINGS) for covariate in (None, x))
    assert adjusted.standard_error < 0.35 * plain.standard_error
    with_gaps = estimate(y, arm, np.where(rng.random(2000) < 0.3, np.nan, x), settings=SETTINGS)
    assert adjusted.standard_error < with_gaps.standard_error < plain.standard_error
    assert with_gaps.effect == pytest.approx(0.1, abs=3 * with_gaps.standard_error)
    useless = estimate(y, arm, np.column_stack([x, 2 * x, np.full(2000, 7.0), np.full(2000, np.nan)]), settings=SETTINGS)
    assert useless.effect == pytest.approx(adjusted.effect)
    assert useless.standard_error == pytest.approx(adjusted.standard_error, rel=0.01)


def test_detectable_effect_agrees_with_tea_tasting():
    import tea_tasting
    from tea_tasting.aggr import Aggregates

    rng = np.random.default_rng(4)
    y, arm = rng.normal(3, 2, 3000), np.arange(3000) < 2000
    found = estimate(y, arm, settings=SETTINGS)
    metric = tea_tasting.Mean("y", alpha=0.05, power=0.8, ratio=2, n_obs=3000)
    known = metric.solve_power_from_aggregates(Aggregates(3000, {"y": y.mean()}, {"y": y.var()}), "effect_size")
    assert found.detectable_effect == pytest.approx(known[0].effect_size, rel=0.02)


def test_no_effect_is_found_in_5_percent_of_campaigns_without_one():
    rng = np.random.default_rng(5)
    found = [estimate(*one_campaign(rng, 600, 0.0)[:3], settings=SETTINGS) for _ in range(500)]
    assert 0.03 <= np.mean([f.p_value < 0.05 for f in found]) <= 0.07
    assert [f.p_value < 0.05 for f in found] == [f.effect_low > 0 or f.effect_high < 0 for f in found]


def test_intervals_hold_the_true_effect_in_95_percent_of_campaigns():
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(500):
        *data, change = one_campaign(rng, 800, -0.08, share=0.8)
        found = estimate(*data, settings=SETTINGS, expected_share=0.8)
        inside += [found.effect_low <= change[data[1]].mean() <= found.effect_high] if found.status == "measured" else []
    assert len(inside) >= 495
    assert 0.93 <= np.mean(inside) <= 0.97


def test_intervals_of_customers_in_many_campaigns_hold_too():
    """A tenth is held out in all months; what a customer does in one month is much like the next."""
    rng, inside, naive = np.random.default_rng(7), [], []
    n, months = 300, 6
    customers, strata = np.tile(np.arange(n), months), np.repeat(np.arange(months), n)
    for repetition in range(300):
        held = rng.random(n) < 0.15
        arm = ~np.tile(held, months) & (rng.random(n * months) > 0.1)
        y = np.tile(rng.normal(size=n), months) + 0.5 * rng.normal(size=n * months) + 0.4 * arm + strata
        by_customer = estimate(y, arm, settings=SETTINGS, strata=strata, customers=customers)
        inside.append(by_customer.effect_low <= 0.4 <= by_customer.effect_high)
        if repetition < 60:
            as_independent = estimate(y, arm, settings=SETTINGS, strata=strata)
            naive.append(as_independent.effect_low <= 0.4 <= as_independent.effect_high)
    assert 0.92 <= np.mean(inside) <= 0.97
    assert np.mean(naive) < 0.85


def test_broken_split_is_stopped():
    rng = np.random.default_rng(8)
    y, arm, risk, _ = one_campaign(rng, 2000, 0.0)
    lost = arm & (y == 1) & (rng.random(2000) < 0.3)  # a third of the offered who declined is in no file
    found = estimate(y[~lost], arm[~lost], risk[~lost], settings=SETTINGS, expected_share=0.5)
    assert found.status == "sample_ratio_mismatch"
    assert found.sample_ratio_p < 0.001
    assert [found.effect, found.effect_low, found.p_value, found.mean_controls, found.detectable_effect] == [None] * 5


def test_few_customers_are_told_what_they_could_see():
    rng = np.random.default_rng(9)
    y, arm = rng.normal(0, 1, 80), np.arange(80) < 45
    found = estimate(y, arm, settings=SETTINGS)
    assert (found.status, found.effect, found.p_value) == ("not_enough_data", None, None)
    assert found.detectable_effect == pytest.approx(2.8 * y.std() * np.sqrt(1 / 45 + 1 / 35), rel=0.05)


@pytest.mark.parametrize(
    ("y", "arm"),
    [
        ([], []),
        ([np.nan], [True]),
        ([1.0], [True]),
        ([1.0, 2.0], [True, True]),
        ([1.0, 2.0], [True, False]),
        ([5.0] * 200, [True, False] * 100),
    ],
)
def test_nothing_is_said_where_nothing_can_be(y, arm):
    found = estimate(y, arm, [[1.0]] * len(y), settings=SETTINGS, expected_share=0.5)
    assert (found.status, found.effect, found.detectable_effect) == ("not_enough_data", None, None)


def test_one_customer_in_all_rows_says_nothing():
    rows = [0.0, 0.0, 0.0, 1.0], [False, True, True, False]
    found = estimate(*rows, settings=Campaigns(min_group=2), customers=[7] * 4)
    assert (found.status, found.effect) == ("not_enough_data", None)


@hypothesis_settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans(), st.integers(0, 3), st.integers(0, 5)), min_size=1, max_size=40),
    st.floats(-1e6, 1e6),
)
def test_effect_is_finite_and_moves_with_nothing_but_the_difference(rows, shift):
    y, arm, strata, customers = (np.array(column) for column in zip(*rows, strict=True))
    y = np.round(y, 3)
    given_rows = {"settings": Campaigns(min_group=2), "strata": strata, "customers": customers}
    found = estimate(y, arm, settings=given_rows["settings"], strata=strata, customers=customers)
    assert found.offered + found.controls == len(rows)
    if found.status != "measured":
        return
    assert np.isfinite([found.effect, found.effect_low, found.effect_high, found.standard_error, found.p_value]).all()
    assert found.effect_low <= found.effect <= found.effect_high
    moved = estimate(y + shift, arm, **given_rows)
    if moved.status == "measured":
        assert moved.effect == pytest.approx(found.effect, abs=1e-6 * max(1, np.abs(y).max(), abs(shift)))


@pytest.mark.parametrize(
    ("hits", "sizes", "method"),
    [
        ((100, 0), (100, 100), "exact"),  # nothing varies in either arm
        ((0, 9), (100, 100), "exact"),
        ((20, 30), (40, 100), "exact"),  # a small arm
        ((20, 30), (100, 100), "welch"),
    ],
)
def test_shares_that_few_have_are_compared_exactly(hits, sizes, method):
    arm = np.repeat([True, False], sizes)
    y = np.concatenate([np.arange(size) < hit for hit, size in zip(hits, sizes, strict=True)])
    found = estimate(y, arm, np.random.default_rng(1).normal(size=len(y)), settings=SETTINGS, expected_share=0.5, binary=True)
    if sizes[0] != sizes[1]:
        assert (found.status, found.method) == ("sample_ratio_mismatch", None)
        found = estimate(y, arm, settings=SETTINGS, binary=True)
    assert (found.status, found.method) == ("measured", method)
    assert found.effect_low < found.effect < found.effect_high or found.effect in {found.effect_low, found.effect_high}
    if method == "exact":
        exact = exact_difference(*(Count(*pair) for pair in zip(hits, sizes, strict=True)))
        assert (found.effect, found.effect_low, found.effect_high, found.p_value) == exact
        assert found.mean_controls == hits[1] / sizes[1]
        assert (found.standard_error, found.detectable_effect) == (None, None)


@pytest.mark.parametrize("customers", [None, np.arange(200) // 2])
def test_outcomes_that_are_all_the_same_say_nothing_and_warn_of_nothing(customers):
    arm = np.arange(200) % 2 == 0
    found = estimate(np.zeros(200), arm, settings=SETTINGS, customers=customers)
    assert (found.status, found.effect) == ("not_enough_data", None)


def test_clustering_of_what_does_not_vary_is_none():
    assert _clustering(np.zeros(6), np.arange(6) // 2) == 1.0
    assert _clustering(np.ones(6), np.arange(6) // 2) == 2.0
