"""Scores against what came: by hand, against scikit-learn, on simulated customers with known truth."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn

from oneclick_pipeline.contracts.monitoring import MODEL_HEALTH
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.metrics import ece
from oneclick_pipeline.monitoring import ModelVersion, health
from oneclick_pipeline.monitoring.health import ALL, Outcomes, measured
from oneclick_pipeline.settings import Labels, Monitoring

FIRST, THEN, LAST = "2026-01", "2026-04", "2026-05"
FORECAST = {1: ModelVersion("2025-12", ("2025-09",), same_month=False, roc_auc=0.75)}


def outcomes(p, declined, weight=None, customer=None):
    n = len(p)
    return Outcomes(
        np.arange(n) if customer is None else customer, np.asarray(declined, dtype=int), np.asarray(p, dtype=float),
        np.ones(n) if weight is None else np.asarray(weight, dtype=float),
    )  # fmt: skip


def people(n, seed=1, distorted=0.0):
    """True probabilities, what became of the customers, and a score that is right, or too sure."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.4, 1.2, n)
    truth = 1 / (1 + np.exp(-logit))
    declined = (rng.random(n) < truth).astype(int)
    return truth, declined, 1 / (1 + np.exp(-(1 + distorted) * logit))


def tables(p, declined, month=FIRST, version=1, basis="model", horizon=3):
    """Scores of a month, and the features of it and of the month that tells the classes."""
    ids = np.arange(len(p))
    scores = pd.DataFrame({"customer_id": ids, "p_decline": p, "score_basis": basis, "model_version": version})
    features = pd.DataFrame({
        "customer_id": ids, "activity": None, "regular": True, "revenue_m0": 1.0, "revenue_m1": 1.0, "revenue_m2": 1.0,
    }).astype({"activity": object})  # fmt: skip
    told = features.assign(activity=np.where(declined == 1, "declined", "stable"))
    return {month: scores}, {month: features, add_months(month, horizon): told} if horizon else {month: told}


def judged(scores, features, drawn=None, versions=None, month=LAST, **changes):
    table = health(
        scores,
        features,
        drawn or {},
        versions or FORECAST,
        month=month,
        horizon=3,
        rules=Labels(),
        settings=Monitoring(**changes),
    )
    assert list(table.columns) == MODEL_HEALTH.names
    return table


def test_figures_are_those_of_scikit_learn():
    _, declined, p = people(400)
    weight = np.random.default_rng(2).uniform(1, 5, 400)
    found, _ = measured(outcomes(np.round(p, 2), declined, weight))
    given = {"sample_weight": weight}
    assert found["roc_auc"].estimate == pytest.approx(sklearn.roc_auc_score(declined, np.round(p, 2), **given))
    assert found["log_loss"].estimate == pytest.approx(sklearn.log_loss(declined, np.round(p, 2), **given))
    assert found["brier"].estimate == pytest.approx(sklearn.brier_score_loss(declined, np.round(p, 2), **given))
    assert found["observed"].estimate == pytest.approx(np.average(declined, weights=weight))
    assert found["gap"].estimate == pytest.approx(found["expected"].estimate - found["observed"].estimate)
    assert measured(outcomes(p, declined))[0]["ece"].estimate == pytest.approx(ece(declined, p))
    assert all(x.low <= x.estimate <= x.high for x in found.values())


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Of 150 samples; the truth of every figure is that of a sample of 400,000."""
    large, _ = measured(outcomes(*people(400_000, 99)[2:0:-1]))
    held = dict.fromkeys(("roc_auc", "log_loss", "brier", "observed", "gap"), 0)
    for seed in range(150):
        found, _ = measured(outcomes(*people(500, seed)[2:0:-1]))
        for name in held:
            held[name] += found[name].low <= large[name].estimate <= found[name].high
    assert all(135 <= n <= 150 for n in held.values()), held


def test_customer_who_stands_in_several_months_counts_as_one():
    _, declined, p = people(300)
    once, _ = measured(outcomes(p, declined))
    twice, _ = measured(outcomes(np.tile(p, 2), np.tile(declined, 2), customer=np.tile(np.arange(300), 2)))
    for name in ("roc_auc", "log_loss", "gap"):
        assert (twice[name].low, twice[name].high) == pytest.approx((once[name].low, once[name].high))


def test_calibration_error_by_chance_is_what_right_scores_have():
    found = [measured(outcomes(*people(500, seed)[2:0:-1])) for seed in range(60)]
    assert np.mean([x["ece"].estimate for x, _ in found]) == pytest.approx(np.mean([chance for _, chance in found]), rel=0.1)
    assert sum(x["ece"].low > chance for x, chance in found) <= 3


def test_right_scores_pass_and_distorted_or_mixed_ones_do_not():
    truth, declined, _ = people(3000)
    good = judged(*tables(truth, declined)).set_index("feature_month")
    assert list(good.index) == [FIRST, ALL]
    assert set(good["calibration"]) == set(good["ranking"]) == {"stable"}
    assert good.loc[FIRST, "label_month"] == THEN
    too_high = judged(*tables(truth**0.5, declined))
    assert set(too_high["calibration"]) == {"shifted"}
    too_sure = judged(*tables(people(3000, distorted=1.5)[2], declined))
    assert set(too_sure["calibration"]) <= {"moderate", "shifted"}
    assert set(too_sure["ranking"]) == {"stable"}  # the order is the same
    mixed = judged(*tables(np.random.default_rng(5).permutation(truth), declined))
    assert set(mixed["ranking"]) == {"shifted"}


def test_few_of_a_class_are_not_enough_data():
    truth, declined, _ = people(90)
    rows = judged(*tables(truth, declined))
    assert set(rows["calibration"]) == set(rows["ranking"]) == {"not_enough_data"}
    assert rows["roc_auc"].isna().all()
    assert rows["customers"].tolist() == [90, 90]


@pytest.mark.parametrize("month", [FIRST, "2026-03"])
def test_nothing_is_judged_before_its_outcome_is_known(month):
    scores, features = tables(*people(300)[:2])
    assert judged(scores, {FIRST: features[FIRST]}, month=month).empty
    with pytest.raises(BadInputError, match="only known in"):
        judged(scores, features, month=month)


def test_scores_made_by_a_later_model_are_no_forecast():
    made = {1: ModelVersion(THEN, (FIRST,), same_month=False, roc_auc=0.8)}
    assert judged(*tables(*people(300)[:2]), versions=made).empty
    assert judged(*tables(*people(300)[:2]), versions={7: FORECAST[1]}).empty


def test_history_is_as_long_as_the_settings_say():
    scores, features = tables(*people(300)[:2])
    assert len(judged(scores, features, history_months=4)) == 2
    assert judged(scores, features, history_months=3).empty


def test_model_of_the_same_month_is_held_against_that_month():
    scores, features = tables(*people(300)[:2], horizon=0)
    versions = {1: ModelVersion(FIRST, (FIRST,), same_month=True, roc_auc=0.8)}
    assert judged(scores, features, versions=versions)["in_sample_left_out"].tolist() == [300, 300]
    scores[FIRST]["score_basis"] = np.where(np.arange(300) < 250, "out_of_fold", "model")
    rows = judged(scores, features, versions=versions)
    assert (rows["label_month"][0], rows["customers"][0], rows["in_sample_left_out"][0]) == (FIRST, 250, 50)
    assert judged(scores, features, versions=versions, month=FIRST).empty  # its own month is no earlier one


def test_months_of_a_version_are_judged_together_and_versions_apart():
    truth, declined, _ = people(400)
    scores, features = tables(truth, declined)
    more = tables(truth, declined, month="2026-02", version=2)
    versions = FORECAST | {2: FORECAST[1]}
    rows = judged(scores | more[0], features | more[1], versions=versions)
    assert rows[["feature_month", "model_version", "customers"]].to_numpy().tolist() == [
        [FIRST, 1, 400], ["2026-02", 2, 400], [ALL, 1, 400], [ALL, 2, 400]
    ]  # fmt: skip
    more[0]["2026-02"]["model_version"] = 1
    rows = judged(scores | more[0], features | more[1], versions=versions)
    assert rows.loc[rows["feature_month"] == ALL, "customers"].tolist() == [800]


def test_order_of_rows_changes_nothing():
    scores, features = tables(*people(300)[:2])
    order = np.random.default_rng(1).permutation(300)
    mixed = judged({FIRST: scores[FIRST].iloc[order]}, {m: t.iloc[order[::-1]] for m, t in features.items()})
    pd.testing.assert_frame_equal(judged(scores, features), mixed)


def treated(n=20_000, effect=-0.25, seed=1):
    """Who is offered something at high risk, held out or drawn as plans do, and what an offer does to them."""
    rng = np.random.default_rng(seed)
    truth = people(n, seed)[0]
    h, c = 0.1, 0.1
    planned = truth > 0.5
    held, kept = rng.random(n) < h, rng.random(n) < c
    offered = planned & ~held & ~kept
    declined = (rng.random(n) < np.clip(truth + np.where(offered, effect, 0.0), 0, 1)).astype(int)
    drawn = pd.DataFrame({
        "customer_id": np.arange(n), "arm": np.where(offered, "offer", "control"), "offer_id": "a",
        "assignment": np.where(held, "hold_out", "plan"), "p_no_offer": h + (1 - h) * c, "control_share": h,
    })[planned]  # fmt: skip
    return truth, declined, drawn, offered


def test_weights_take_the_influence_of_offers_out():
    """The score is right about no offer. Those offered decline less; left out unweighted, who is left is not like all."""
    truth, declined, drawn, offered = treated()
    scores, features = tables(truth, declined)
    naive = judged(scores, features).iloc[0]
    assert naive["calibration"] != "stable"
    assert naive["gap"] > 0.03
    weighted = judged(scores, features, {FIRST: drawn}).iloc[0]
    assert weighted["calibration"] == "stable"
    assert weighted["gap_low"] < 0 < weighted["gap_high"]
    assert weighted["offered_left_out"] == offered.sum()
    assert weighted["effective_customers"] < weighted["customers"] == len(truth) - offered.sum()
    # they stand for all: the share of decliners is that of a store without offers
    everybody = truth.mean()
    assert weighted["observed_low"] < everybody < weighted["observed_high"]
    assert declined[~offered].mean() < everybody - 0.03


def test_offers_of_any_month_before_the_outcome_count_and_those_after_it_do_not():
    truth, declined, drawn, offered = treated()
    scores, features = tables(truth, declined)
    for month, counts in (("2025-12", 0), (FIRST, offered.sum()), ("2026-03", offered.sum()), (THEN, 0)):
        assert judged(scores, features, {month: drawn})["offered_left_out"][0] == counts
