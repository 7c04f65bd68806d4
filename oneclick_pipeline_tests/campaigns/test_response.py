"""How customers respond to offers: the regression against closed forms, and on campaigns whose effects are known."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

from oneclick_pipeline.campaigns import response
from oneclick_pipeline.campaigns.response import ERROR, LEVEL_SD, learn
from oneclick_pipeline.contracts.customers import FEATURE_NAMES, FEATURES

TEXTS = [c.name for c in FEATURES if c.kind == "str"]
TRUE = {"a": -0.08, "b": 0.0, "c": 0.06}
PRIORS = pd.DataFrame({"offer_id": list(TRUE), "mean": 0.0, "sd": 0.2})
LEAST = min(response._GRID)


def features(rows, rng):
    """What is known of customers: numbers from 0 to 1, and texts."""
    known = pd.DataFrame({name: rng.random(rows) for name in FEATURE_NAMES})
    known[TEXTS] = rng.choice(list("xyz"), (rows, len(TEXTS)))
    return known


def campaigns(customers, *, seed, months=1, differs=0.0, wrong=0.0, by="tenure_days", chosen_more=0.0, true=TRUE):
    """Outcomes of campaigns, and what was known before.

    Args:
        customers: How many in each month.
        seed: Seed.
        months: How many months.
        differs: How much lower the effect of every offer is for the highest `promo_share` than for the lowest.
        wrong: How much too low the score is for the upper half of `by`: a feature, or "profit", which is none.
        by: See `wrong`.
        chosen_more: How much likelier the plan chooses that half; who is not chosen is there only if held out.
        true: The effects.
    """
    rng = np.random.default_rng(seed)
    rows, names = customers * months, np.array([*true, None], dtype=object)
    known = features(rows, rng)
    upper = (rng.random(rows) if by == "profit" else known[by].to_numpy()) > 0.5
    score = rng.uniform(0.25, 0.75, rows)
    held, explored = rng.random(rows) < 0.25, rng.random(rows) < 0.2
    chosen = rng.random(rows) < 0.5 + chosen_more * (upper - 0.5)
    drawn, best = rng.integers(0, len(true) + 1, rows), rng.integers(0, len(true), rows)
    offer = np.where(explored & ~held, drawn, np.where(chosen, best, -1))
    got = ~held & (offer >= 0) & (offer < len(true)) & (explored | (rng.random(rows) < 0.8))
    effect = np.array([*true.values(), 0.0])[offer] - differs * (known["promo_share"].to_numpy() - 0.5)
    p = score + wrong * upper + np.where(got, effect, 0.0)
    outcomes = pd.DataFrame(
        {
            "campaign_month": np.repeat([f"2025-{m + 1:02}" for m in range(months)], customers),
            "customer_id": np.tile(np.arange(customers), months),
            "arm": np.where(got, "offer", "control"),
            "offer_id": names[offer],
            "assignment": np.select([held, explored], ["hold_out", "exploration"], "plan"),
            "p_decline": score,
            "declined": pd.array((rng.random(rows) < p).astype(int), dtype="Int64"),
        }
    )
    there = held | explored | chosen
    return outcomes[there].reset_index(drop=True), known[there].reset_index(drop=True).assign(p_decline=score[there])


def everybody(known):
    return np.ones((len(known), len(PRIORS)), dtype=bool)


@pytest.fixture(scope="module")
def world():
    return campaigns(6000, seed=1)


@pytest.fixture(scope="module")
def found(world):
    return learn(*world, PRIORS)


def test_one_offer_and_nothing_known_is_the_textbook_posterior():
    """Controls tell the level, offered less level the effect: two normal means, one after the other."""
    offered, y = np.arange(300) < 180, (np.arange(300) % 5 < 2).astype(int)
    outcomes = pd.DataFrame({"customer_id": np.arange(300), "arm": np.where(offered, "offer", "control"), "declined": y})
    outcomes = outcomes.assign(campaign_month="2025-01", offer_id="a", assignment="plan", p_decline=0.45)
    known = pd.DataFrame({name: "x" if name in TEXTS else 1.0 for name in FEATURE_NAMES}, index=range(300))
    priors = pd.DataFrame({"offer_id": ["a"], "mean": [-0.05], "sd": [0.04]})
    got = learn(outcomes, known.assign(p_decline=0.45), priors)

    variance = got.dispersion * 0.45 * 0.55
    level = 2 * LEVEL_SD**2  # of the month, and of those chosen by the plan
    known_level = 1 / (1 / level + (~offered).sum() / variance)
    middle = known_level * (y - 0.45)[~offered].sum() / variance
    precision, seen = 0.04**-2, 1 / (known_level + variance / offered.sum())
    mean, sd = got.average(known.assign(p_decline=0.45), np.ones((300, 1), dtype=bool))
    assert mean[0] == pytest.approx((precision * -0.05 + seen * ((y - 0.45)[offered].mean() - middle)) / (precision + seen))
    assert sd[0] == pytest.approx((precision + seen) ** -0.5)
    assert got.customer_effects(known.assign(p_decline=0.45))[:, 0] == pytest.approx(mean[0])


@pytest.fixture(scope="module", params=[0, 1])
def small(request):
    """Rows of a design: sums, and the design itself, written down coefficient by coefficient."""
    rng = np.random.default_rng(request.param)
    rows, names, offers = 60, ("x", "y", "y"), 2 + request.param
    arm, level = rng.integers(-1, offers, rows), rng.integers(0, 3, rows)
    levels, ramps = np.eye(3)[level], rng.normal(size=(rows, len(names)))
    weight, residual = rng.uniform(1, 5, rows), rng.normal(0, 0.5, rows)
    sums = response._Sums.of(names, levels, np.column_stack([np.ones(rows), ramps]), residual, weight, arm, offers)
    design = []
    for j, z, x in zip(arm, levels, ramps, strict=True):
        own = [np.append(1, x) * (j == offer) for offer in range(offers)]
        design.append(np.concatenate([z, x, x * (j >= 0), *own]))
    return sums, np.array(design), weight, residual


def test_sums_are_those_of_the_whole_design(small):
    sums, design, weight, residual = small
    left, right = sums.normal()
    np.testing.assert_allclose(left, design.T @ np.diag(weight) @ design, atol=1e-9)
    np.testing.assert_allclose(right, design.T @ (weight * residual), atol=1e-9)


def given(offers):
    return np.linspace(-0.1, 0.1, offers), np.linspace(0.03, 0.2, offers)


def likelihood(small, scales):
    """Logarithm of the normal density of the residuals, all coefficients integrated out."""
    sums, design, weight, residual = small
    mean, precision = sums.prior(*given(len(sums.square) - 1), scales)
    covariance = np.diag(1 / weight) + design @ np.linalg.solve(precision, design.T)
    return multivariate_normal(design @ mean, covariance).logpdf(residual)


@pytest.mark.parametrize("name", [ERROR, "x", "y"])
def test_evidence_is_the_density_of_the_outcomes(small, name):
    sums, *_ = small
    scales = {ERROR: 0.02, "x": 0.3, "y": 0.004}
    left, right = sums.normal()
    mean, precision = sums.prior(*given(len(sums.square) - 1), scales)
    covariance, mine = np.linalg.inv(left + precision), np.flatnonzero(sums.owners == name)
    moved = covariance @ (right - left @ mean)
    for sd in (0.001, scales[name], 0.1, 1.0):
        got = response._evidence(covariance[np.ix_(mine, mine)], moved[mine], scales[name], sd)
        assert got == pytest.approx(likelihood(small, scales | {name: sd}) - likelihood(small, scales), abs=1e-8)


def test_no_other_scale_is_likelier(small, monkeypatch):
    monkeypatch.setattr(response, "_GRID", (0.01, 0.05, 0.2, 1.0, 3.0))
    monkeypatch.setattr(response, "_ROUNDS", 50)
    sums, *_ = small
    scales = response._most_evident(sums, *given(len(sums.square) - 1))

    def posterior(scales):
        above = sum(sd > 0.01 for name, sd in scales.items() if name != ERROR)
        return likelihood(small, scales) - above * np.log(4)  # half for none, half for four others

    assert set(scales) == {ERROR, "x", "y"}
    best = posterior(scales)
    for name in scales:
        assert best >= max(posterior(scales | {name: sd}) for sd in response._GRID) - 1e-9


def test_intervals_hold_the_true_mean_in_95_percent_of_campaigns():
    held = []
    for seed in range(60):
        outcomes, known = campaigns(1500, seed=seed, months=2)
        mean, sd = learn(outcomes, known, PRIORS).average(known, everybody(known))
        held += list(np.abs(mean - list(TRUE.values())) < 1.96 * sd)
    assert 0.9 <= np.mean(held) <= 0.99


def test_effects_that_differ_by_one_feature_are_found():
    outcomes, known = campaigns(12_000, seed=3, differs=0.2)
    got = learn(outcomes, known, PRIORS)
    new = features(500, np.random.default_rng(9)).assign(p_decline=0.5)
    true = np.array(list(TRUE.values())) - 0.2 * (new["promo_share"].to_numpy()[:, None] - 0.5)
    estimated = got.customer_effects(new)
    for j in range(len(TRUE)):
        assert np.corrcoef(estimated[:, j], true[:, j])[0, 1] > 0.9
    assert np.sqrt(((estimated - true) ** 2).mean()) < 0.03  # 0.058 without it
    assert got.summary()["effects differ by"].startswith("promo_share")


def test_where_effects_do_not_differ_few_are_believed_to():
    differ = []
    for seed in range(12):
        outcomes, known = campaigns(4000, seed=50 + seed)
        got = learn(outcomes, known, PRIORS)
        differ.append([sd > LEAST for name, sd in got.scales.items() if name != ERROR])
        alike = got.customer_effects(known).std(axis=0).max() < 0.001
        assert alike == (got.summary()["effects differ by"] == "nothing that was seen") == (not any(differ[-1]))
    assert np.mean(differ) < 0.06  # nearly half, were all scales as likely before any outcome
    assert np.mean(np.any(differ, axis=1)) <= 0.5


@pytest.mark.parametrize("by", ["tenure_days", "profit"])
def test_a_score_that_is_wrong_on_those_whom_the_plan_prefers_biases_nothing(by):
    """Too low by 0.05 on one half: told by a feature, or by what customers are worth, which is none but moves the plan."""
    errors, naive = [], []
    for seed in range(30):
        outcomes, known = campaigns(4000, seed=seed, wrong=0.05, by=by, chosen_more=0.9)
        mean, _ = learn(outcomes, known, PRIORS).average(known, everybody(known))
        errors.append((mean - list(TRUE.values())).mean())
        residual, offered = outcomes["declined"] - outcomes["p_decline"], outcomes["arm"] == "offer"
        apart = [residual[offered & (outcomes["offer_id"] == name)].mean() - true for name, true in TRUE.items()]
        naive.append(np.mean(apart) - residual[~offered].mean())
    assert abs(np.mean(errors)) < 3 * np.std(errors) / 30**0.5
    assert np.mean(naive) - np.mean(errors) > 0.008


def test_outcomes_that_are_repeated_count_once(world):
    """Four months in which every customer gets and does the same."""
    outcomes, known = world
    months = [outcomes.assign(campaign_month=f"2025-0{m}") for m in range(1, 5)]
    four, once = learn(pd.concat(months), pd.concat([known] * 4), PRIORS), learn(outcomes, known, PRIORS)
    assert once.dispersion == pytest.approx(1, abs=0.05)
    assert four.dispersion == pytest.approx(4, rel=0.05)
    sd = [got.average(known, everybody(known))[1] for got in (once, four)]
    assert sd[1] == pytest.approx(sd[0], rel=0.1)


def test_order_of_rows_and_of_offers_changes_nothing(world, found):
    order = np.random.default_rng(1).permutation(len(world[0]))
    again = learn(world[0].iloc[order], world[1].iloc[order], PRIORS)
    assert again.scales == found.scales
    np.testing.assert_allclose(again.customer_effects(world[1]), found.customer_effects(world[1]), atol=1e-9)
    turned = learn(*world, PRIORS.iloc[::-1])
    assert turned.offers == ("c", "b", "a")
    np.testing.assert_allclose(turned.customer_effects(world[1])[:, ::-1], found.customer_effects(world[1]), atol=1e-9)


@pytest.mark.parametrize("offers", [1, 3])
def test_effects_on_a_customer_do_not_depend_on_the_others(world, offers):
    found, customers = learn(*world, PRIORS.head(offers)), world[1].head(403)
    for rows in (1, 7):
        parts = [found.customer_effects(customers[begin : begin + rows]) for begin in range(0, len(customers), rows)]
        np.testing.assert_array_equal(np.concatenate(parts), found.customer_effects(customers))


def test_withdrawn_offers_and_unknown_classes_teach_nothing(world, found):
    outcomes, known = world
    more, before = campaigns(500, seed=2, true={"gone": -0.5}, months=1)
    gone = (more["arm"] == "offer").to_numpy()
    unknown = more[~gone].assign(declined=pd.NA, campaign_month="2025-02")
    unscored = more[~gone].assign(p_decline=np.nan, campaign_month="2025-03")
    others = pd.concat([more[gone], unknown, unscored])
    known_of_others = pd.concat([before[gone], before[~gone], before[~gone]])
    got = learn(pd.concat([outcomes, others]), pd.concat([known, known_of_others]), PRIORS)
    assert got.customers == len(outcomes)
    assert got.offered.tolist() == [((outcomes["offer_id"] == n) & (outcomes["arm"] == "offer")).sum() for n in TRUE]
    np.testing.assert_array_equal(got.customer_effects(known), found.customer_effects(known))


def test_nothing_is_learnt_without_both_arms(world):
    outcomes, known = world
    for arm in ("offer", "control"):
        kept = (outcomes["arm"] == arm).to_numpy()
        assert learn(outcomes[kept], known[kept], PRIORS) is None
    assert learn(outcomes.assign(declined=pd.NA), known, PRIORS) is None
    assert learn(outcomes.head(0), known.head(0), PRIORS) is None
    expected = response.held_out(outcomes.assign(declined=pd.NA), known, PRIORS.assign(mean=[0.1, 0.2, 0.3]), 1)
    assert expected.tolist() == [[0.1, 0.2, 0.3]] * len(outcomes)


def test_an_offer_that_nobody_got_keeps_its_prior_and_what_all_offers_share():
    outcomes, known = campaigns(8000, seed=4, differs=0.3)
    got = learn(outcomes, known, pd.concat([PRIORS, pd.DataFrame({"offer_id": ["new"], "mean": [-0.03], "sd": [0.02]})]))
    effects = got.customer_effects(known)
    assert effects[:, 3].mean() == pytest.approx(-0.03, abs=0.002)
    assert np.corrcoef(effects[:, 3], known["promo_share"])[0, 1] < -0.9
    _, sd = got.average(known, np.ones((len(known), 4), dtype=bool))
    assert sd[3] == pytest.approx(0.02, rel=0.05)
    assert sd[3] > sd[:3].max() / 2


def test_what_is_not_known_of_a_customer_counts_as_the_mean():
    outcomes, known = campaigns(8000, seed=4, differs=0.3)
    text, special = TEXTS[0], np.arange(len(known)) % 2 == 0  # with half of the customers offers work worse
    known[text] = np.where(special, "special", known[text])
    outcomes.loc[special & (outcomes["arm"] == "offer").to_numpy() & (np.arange(len(known)) % 3 == 0), "declined"] = 1
    known.loc[known.index[:50], "tenure_days"] = np.nan
    got = learn(outcomes, known, PRIORS)
    assert {"promo_share", text} <= set(got.summary()["effects differ by"].split(", "))
    for name, unknown in (("promo_share", np.nan), ("tenure_days", np.nan), (text, "never seen"), (text, None)):
        somebody = known.iloc[[100] * len(known)]
        with_every_value = got.customer_effects(somebody.assign(**{name: known[name].to_numpy()}))
        with_none = got.customer_effects(somebody.head(1).assign(**{name: [unknown]}))
        assert with_none[0] == pytest.approx(with_every_value.mean(axis=0), abs=1e-12)
        assert name == "tenure_days" or np.ptp(with_every_value, axis=0).min() > 0.02


def test_features_that_tell_nothing_and_such_that_are_nearly_all_alike(world):
    outcomes, known = world
    rare = np.arange(len(known)) % 20 == 0
    changed = known.assign(contacts_6m=7.0, minutes_m0=np.nan, unpaid_items=np.where(rare, 3, 0), **{TEXTS[0]: None})
    got = learn(outcomes, changed, PRIORS)
    assert set(got.scales) == set(FEATURE_NAMES) - {"contacts_6m", "minutes_m0", TEXTS[0]} | {ERROR, "p_decline"}
    assert np.isfinite(got.customer_effects(changed)).all()
    ramps = response._Ramps.of(changed)
    (column,) = ramps.columns(changed)[:, [name == "unpaid_items" for name in ramps.features]].T
    assert column.tolist() == rare.astype(float).tolist()


def test_average_is_that_of_the_customers_asked_for(world, found):
    known = world[1]
    among = np.column_stack([known["promo_share"] < 0.3, np.zeros(len(known), dtype=bool), np.ones(len(known), dtype=bool)])
    mean, sd = found.average(known, among)
    effects = found.customer_effects(known)
    assert mean[0] == pytest.approx(effects[among[:, 0], 0].mean())
    assert mean[2] == pytest.approx(effects[:, 2].mean())
    assert np.isnan([mean[1], sd[1]]).all()
    assert (sd[[0, 2]] > 0).all()
    nobody = found.average(known.head(0), among[:0])
    assert np.isnan(nobody).all()
    assert found.customer_effects(known.head(0)).shape == (0, 3)


def test_an_offer_never_sent_is_believed_less_once_others_disappoint():
    outcomes, before = campaigns(6000, seed=3, true=dict.fromkeys("abc", 0.0))
    priors = pd.DataFrame({"offer_id": list("abcd"), "mean": -0.1, "sd": 0.05})
    mean, sd = learn(outcomes, before, priors).average(before, np.ones((len(before), 4), dtype=bool))
    assert -0.1 < mean[3] - 0.005 < -0.05
    assert 0.03 < sd[3] < 0.05
