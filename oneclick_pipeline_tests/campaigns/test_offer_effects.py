from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oneclick_pipeline.campaigns import effects, pictures
from oneclick_pipeline.contracts.campaigns import OFFER_EFFECTS
from oneclick_pipeline.pictures import png
from oneclick_pipeline.settings import Campaigns, Offers
from oneclick_pipeline_tests.campaigns.drawn import campaign_outcomes

SETTINGS = Campaigns()
OFFERS = Offers()
SHARES = (0.3, 0.3, 0.2), (0.05, 0.1, 0.1)
TRUE = {"voucher": -0.08, "nothing": 0.0, "nuisance": 0.08}


@pytest.fixture(scope="module")
def outcomes():
    return campaign_outcomes(TRUE, OFFERS, customers=20_000, seed=3, months=3, matured=2)


@pytest.fixture(scope="module")
def table(outcomes):
    return effects.offer_effects(outcomes, SETTINGS)


def row(table, **key):
    key = {"campaigns": "all", "segment": "all", "comparison": "pooled", "outcome": "declined"} | key
    found = table[np.logical_and.reduce([table[name] == value for name, value in key.items()])]
    assert len(found) == 1
    return found.iloc[0]


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
    y, arm = np.concatenate([rng.normal(5, 1, 60), rng.normal(6, 3, 90)]), np.repeat([False, True], [60, 90])
    found = effects.estimate(y, arm, settings=SETTINGS)
    known = stats.ttest_ind(y[arm], y[~arm], equal_var=False)
    interval = known.confidence_interval(0.95)
    assert found.effect == pytest.approx(y[arm].mean() - y[~arm].mean())
    assert (found.effect_low, found.effect_high) == pytest.approx((interval.low, interval.high))
    assert found.p_value == pytest.approx(known.pvalue)
    assert found.standard_error == pytest.approx(found.effect / known.statistic)
    assert (found.offered, found.controls, found.mean_controls) == (90, 60, pytest.approx(y[~arm].mean()))


@pytest.mark.parametrize("strata", [False, True])
def test_adjusted_effect_agrees_with_regression(strata):
    rng = np.random.default_rng(2)
    n = 4000
    group = rng.integers(0, 5, n)
    arm = rng.random(n) < (np.array([0.5, 0.6, 0.7, 0.8, 0.9])[group] if strata else 0.7)
    x = rng.normal(size=(n, 2)) + group[:, None]
    y = x @ [1.0, -2.0] + group**2 - 0.3 * arm + rng.normal(size=n) * (1 + arm)
    found = effects.estimate(y, arm, x, settings=SETTINGS, strata=group if strata else None)
    effect, error = regression(y, arm, x, group if strata else None)
    assert found.effect == pytest.approx(effect, abs=0.05 * error)
    assert found.standard_error == pytest.approx(error, rel=0.03)
    assert found.effect_low < -0.3 < found.effect_high


def test_covariates_narrow_the_interval_and_gaps_in_them_do_no_harm():
    rng = np.random.default_rng(3)
    x, arm = rng.normal(size=2000), rng.random(2000) < 0.5
    y = x + 0.3 * rng.normal(size=2000) + 0.1 * arm
    plain, adjusted = (effects.estimate(y, arm, covariate, settings=SETTINGS) for covariate in (None, x))
    assert adjusted.standard_error < 0.35 * plain.standard_error
    with_gaps = effects.estimate(y, arm, np.where(rng.random(2000) < 0.3, np.nan, x), settings=SETTINGS)
    assert adjusted.standard_error < with_gaps.standard_error < plain.standard_error
    assert with_gaps.effect == pytest.approx(0.1, abs=3 * with_gaps.standard_error)
    useless = effects.estimate(y, arm, np.column_stack([x, 2 * x, np.full(2000, 7.0), np.full(2000, np.nan)]), settings=SETTINGS)
    assert useless.effect == pytest.approx(adjusted.effect)
    assert useless.standard_error == pytest.approx(adjusted.standard_error, rel=0.01)


def test_detectable_effect_agrees_with_tea_tasting():
    import tea_tasting
    from tea_tasting.aggr import Aggregates

    rng = np.random.default_rng(4)
    y, arm = rng.normal(3, 2, 3000), np.arange(3000) < 2000
    found = effects.estimate(y, arm, settings=SETTINGS)
    metric = tea_tasting.Mean("y", alpha=0.05, power=0.8, ratio=2, n_obs=3000)
    known = metric.solve_power_from_aggregates(Aggregates(3000, {"y": y.mean()}, {"y": y.var()}), "effect_size")
    assert found.detectable_effect == pytest.approx(known[0].effect_size, rel=0.02)


def test_no_effect_is_found_in_5_percent_of_campaigns_without_one():
    rng = np.random.default_rng(5)
    found = [effects.estimate(*one_campaign(rng, 600, 0.0)[:3], settings=SETTINGS) for _ in range(500)]
    assert 0.03 <= np.mean([f.p_value < 0.05 for f in found]) <= 0.07
    assert [f.p_value < 0.05 for f in found] == [f.effect_low > 0 or f.effect_high < 0 for f in found]


def test_intervals_hold_the_true_effect_in_95_percent_of_campaigns():
    rng = np.random.default_rng(6)
    inside = []
    for _ in range(500):
        *data, change = one_campaign(rng, 800, -0.08, share=0.8)
        found = effects.estimate(*data, settings=SETTINGS, expected_share=0.8)
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
        by_customer = effects.estimate(y, arm, settings=SETTINGS, strata=strata, customers=customers)
        inside.append(by_customer.effect_low <= 0.4 <= by_customer.effect_high)
        if repetition < 60:
            as_independent = effects.estimate(y, arm, settings=SETTINGS, strata=strata)
            naive.append(as_independent.effect_low <= 0.4 <= as_independent.effect_high)
    assert 0.92 <= np.mean(inside) <= 0.97
    assert np.mean(naive) < 0.85


def test_broken_split_is_stopped():
    rng = np.random.default_rng(8)
    y, arm, risk, _ = one_campaign(rng, 2000, 0.0)
    lost = arm & (y == 1) & (rng.random(2000) < 0.3)  # a third of the offered who declined is in no file
    found = effects.estimate(y[~lost], arm[~lost], risk[~lost], settings=SETTINGS, expected_share=0.5)
    assert found.status == "sample_ratio_mismatch"
    assert found.sample_ratio_p < 0.001
    assert [found.effect, found.effect_low, found.p_value, found.mean_controls, found.detectable_effect] == [None] * 5


def test_few_customers_are_told_what_they_could_see():
    rng = np.random.default_rng(9)
    y, arm = rng.normal(0, 1, 80), np.arange(80) < 45
    found = effects.estimate(y, arm, settings=SETTINGS)
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
    found = effects.estimate(y, arm, [[1.0]] * len(y), settings=SETTINGS, expected_share=0.5)
    assert (found.status, found.effect, found.detectable_effect) == ("not_enough_data", None, None)


def test_one_customer_in_all_rows_says_nothing():
    rows = [0.0, 0.0, 0.0, 1.0], [False, True, True, False]
    found = effects.estimate(*rows, settings=Campaigns(min_group=2), customers=[7] * 4)
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
    found = effects.estimate(y, arm, settings=given_rows["settings"], strata=strata, customers=customers)
    assert found.offered + found.controls == len(rows)
    if found.status != "measured":
        return
    assert np.isfinite([found.effect, found.effect_low, found.effect_high, found.standard_error, found.p_value]).all()
    assert found.effect_low <= found.effect <= found.effect_high
    moved = effects.estimate(y + shift, arm, **given_rows)
    if moved.status == "measured":
        assert moved.effect == pytest.approx(found.effect, abs=1e-6 * max(1, np.abs(y).max(), abs(shift)))


def test_offer_effects_keep_the_contract(table):
    OFFER_EFFECTS.contract().validate(pl.from_pandas(table))
    assert not table.duplicated(list(OFFER_EFFECTS.key)).any()
    assert set(table["offer_id"]) == {*TRUE, "all"}
    assert set(table.loc[table["offer_id"] == "all", "comparison"]) == {"targeted"}
    assert set(table.loc[table["campaigns"] != "all", "segment"]) == {"all"}
    assert set(table.loc[table["campaigns"] == "all", "segment"]) == {"all", "save_first", "watch"}


def test_offer_effects_find_the_truth(table):
    for offer, true in TRUE.items():
        for outcome, scale in (("declined", 1), ("revenue", -1000), ("profit", -1)):
            found = row(table, offer_id=offer, outcome=outcome)
            assert found["effect"] == pytest.approx(scale * true, abs=3.5 * found["standard_error"])
    assert row(table, offer_id="voucher")["significant"]
    assert row(table, offer_id="nuisance", outcome="profit")["significant"]
    assert not row(table, offer_id="nothing")["significant"]


def test_declines_are_counted_where_they_are_known(table):
    assert set(table.loc[table["outcome"] == "declined", "campaigns"]) == {"2025-01", "2025-02", "all"}
    assert set(table.loc[table["outcome"] == "revenue", "campaigns"]) == {"2025-01", "2025-02", "2025-03", "all"}
    months = [row(table, offer_id="voucher", campaigns=month)["offered"] for month in ("2025-01", "2025-02")]
    assert row(table, offer_id="voucher")["offered"] == sum(months)


def test_pooled_is_both_comparisons_and_sharper_than_either(table):
    pooled, targeted, fitting = (row(table, offer_id="nuisance", comparison=c) for c in ("pooled", "targeted", "fitting"))
    assert pooled["offered"] == targeted["offered"] + fitting["offered"]
    assert pooled["standard_error"] < min(targeted["standard_error"], fitting["standard_error"])
    assert min(targeted["effect"], fitting["effect"]) <= pooled["effect"] <= max(targeted["effect"], fitting["effect"])


def test_order_of_rows_changes_nothing(outcomes, table):
    shuffled = outcomes.sample(frac=1, random_state=1, ignore_index=True)
    pd.testing.assert_frame_equal(effects.offer_effects(shuffled, SETTINGS), table, rtol=1e-9, atol=1e-12)


def test_broken_offer_is_stopped_and_the_others_are_read(outcomes):
    rng = np.random.default_rng(1)
    mine = (outcomes["offer_id"] == "voucher") & (outcomes["arm"] == "offer") & (outcomes["campaign_month"] == "2025-01")
    table = effects.offer_effects(outcomes[~(mine & (rng.random(len(outcomes)) < 0.4))], SETTINGS)
    for comparison in ("targeted", "fitting", "pooled"):
        found = row(table, offer_id="voucher", campaigns="2025-01", comparison=comparison)
        assert found["status"] == "sample_ratio_mismatch"
        assert found[["effect", "effect_low", "effect_high", "standard_error", "p_value", "mean_controls"]].isna().all()
        assert not found["significant"]
    assert row(table, offer_id="nuisance", campaigns="2025-01")["status"] == "measured"
    assert row(table, offer_id="voucher")["offered"] == row(table, offer_id="voucher", campaigns="2025-02")["offered"]


def test_hold_out_that_has_drifted_apart_is_left_out():
    drawn = campaign_outcomes({"voucher": -0.08}, OFFERS, customers=20_000, seed=1, drift=1.6)
    found = row(effects.offer_effects(drawn, SETTINGS), offer_id="voucher", comparison="targeted")
    own = drawn[(drawn["assignment"] == "plan") & (drawn["arm"] == "control")]
    assert (found["status"], found["controls"]) == ("measured", len(own))


def test_expected_ratio_follows_what_could_be_explored():
    """Room for exploration ended at 2 %, not at 10 %: as if the plan had more customers."""
    drawn = campaign_outcomes({"voucher": -0.08}, Offers(exploration_share=0.4), customers=20_000, seed=1, explored=0.02)
    found = row(effects.offer_effects(drawn, SETTINGS), offer_id="voucher", comparison="targeted")
    held_out = drawn[(drawn["assignment"] != "exploration") & (drawn["arm"] == "control") & (drawn["offer_id"] == "voucher")]
    assert (found["status"], found["controls"]) == ("measured", len(held_out))
    assert found["sample_ratio_p"] > 0.001


def test_months_drawn_with_other_shares_are_read_by_their_own():
    """A store that lowered its hold-out: both months are read, and together; by today's shares the first would be broken."""
    wide, narrow = (Offers(control_share=h, exploration_share=e, offer_control_share=c) for h, e, c in SHARES)
    first = campaign_outcomes(TRUE, wide, customers=20_000, seed=1)
    second = campaign_outcomes(TRUE, narrow, customers=20_000, seed=2).assign(campaign_month="2025-02")
    second["customer_id"] += 20_000
    both = pd.concat([first, second], ignore_index=True)
    found = effects.offer_effects(both, SETTINGS)
    assert set(found["status"]) == {"measured"}
    held_out = both[(both["assignment"] != "exploration") & (both["arm"] == "control") & both["offer_id"].notna()]
    for offer, true in TRUE.items():
        for month in ("2025-01", "2025-02", "all"):
            for comparison in ("targeted", "fitting", "pooled"):
                seen = row(found, offer_id=offer, campaigns=month, comparison=comparison)
                assert seen["effect"] == pytest.approx(true, abs=3.5 * seen["standard_error"]), (offer, month, comparison)
        assert row(found, offer_id=offer, comparison="targeted")["controls"] == (held_out["offer_id"] == offer).sum()
    today = both.assign(control_share=narrow.control_share, offer_control_share=narrow.offer_control_share)
    assert (effects.offer_effects(today, SETTINGS)["status"] == "sample_ratio_mismatch").any()


def test_offers_that_were_not_in_the_draw_are_not_compared_with_its_controls(outcomes):
    without = outcomes[(outcomes["assignment"] != "exploration") | (outcomes["offer_id"] != "nuisance")]
    table = effects.offer_effects(without, SETTINGS)
    assert set(table.loc[table["offer_id"] == "nuisance", "comparison"]) == {"targeted", "pooled"}


def test_no_campaign_is_no_effect(outcomes):
    table = effects.offer_effects(outcomes.head(0), SETTINGS)
    assert len(table) == 0
    OFFER_EFFECTS.contract().validate(pl.from_pandas(table))


def test_significant_is_benjamini_hochberg():
    p = [0.01, 0.02, 0.03, 0.04, 0.2]  # all four of them lie under their step 0.01, 0.02, 0.03, 0.04
    table = pd.DataFrame({"campaigns": "all", "outcome": "declined", "p_value": [*p, np.nan]})
    assert effects.significant(table, SETTINGS).tolist() == [True] * 4 + [False] * 2
    lonely = table.assign(p_value=[0.03, *[0.9] * 4, np.nan])
    assert not effects.significant(lonely, SETTINGS).any()
    assert effects.significant(lonely.assign(campaigns=list("abcdef")), SETTINGS).tolist() == [True] + [False] * 5


def test_forest_cumulates_months(table):
    known = pictures.cumulative(table, "voucher")
    assert known["month"].tolist() == ["2025-01", "2025-02"]
    first, second = (row(table, offer_id="voucher", campaigns=month) for month in known["month"])
    assert known["effect"].iloc[0] == pytest.approx(first["effect"])
    weights = np.array([first["standard_error"], second["standard_error"]]) ** -2.0
    assert known["effect"].iloc[1] == pytest.approx(weights @ [first["effect"], second["effect"]] / weights.sum())
    assert known["high"].iloc[1] - known["low"].iloc[1] == pytest.approx(2 * 1.96 * weights.sum() ** -0.5, rel=1e-4)


def test_forest_is_drawn_of_anything(table):
    from matplotlib.image import imread

    for effects_shown in (table, table.head(0), table[table["outcome"] == "revenue"], table.assign(status="not_enough_data")):
        image = png(pictures.forest(effects_shown))
        assert imread(BytesIO(image)).shape[1] > 300
        assert image == png(pictures.forest(effects_shown))


@pytest.mark.parametrize("customers", [None, np.arange(200) // 2])
def test_outcomes_that_are_all_the_same_say_nothing_and_warn_of_nothing(customers):
    arm = np.arange(200) % 2 == 0
    found = effects.estimate(np.zeros(200), arm, settings=SETTINGS, customers=customers)
    assert (found.status, found.effect) == ("not_enough_data", None)


def test_clustering_of_what_does_not_vary_is_none():
    assert effects._clustering(np.zeros(6), np.arange(6) // 2) == 1.0
    assert effects._clustering(np.ones(6), np.arange(6) // 2) == 2.0
