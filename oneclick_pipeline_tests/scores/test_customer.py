from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.scores import customer_scores

from .conftest import make_contributions

CONTRIBUTIONS = make_contributions(minutes_m0=-0.1, unpaid_items=0.2)
FEATURES = pd.DataFrame(
    dict.fromkeys(FEATURE_NAMES, 1.0),
    index=range(4),
).assign(
    customer_id=[10, 11, 12, 13],
    regular=[True, True, False, False],
    regular_reason=["regular", "regular", "no_purchase_in_a_month", "not_in_market_file"],
    profit=[2.0, -1.0, 3.0, 4.0],
)
HELD_OUT = pd.DataFrame({"customer_id": [10, 99], "p_decline": [0.25, 0.9]})


def score(features=FEATURES, predict=lambda rows: np.full(len(rows), 0.5)):
    return customer_scores(
        features, predict, CONTRIBUTIONS, HELD_OUT, model_name="m", model_version=3, horizon_months=3, meaning="forecast"
    )


def test_customer_scores_by_hand():
    """The out-of-fold probability where there is one; value is probability x profit x months; nothing for who is in no file."""
    scores = score()
    assert scores["score_basis"].tolist() == ["out_of_fold", "model", "model", "not_scored"]
    np.testing.assert_array_equal(scores["p_decline"], [0.25, 0.5, 0.5, np.nan])
    np.testing.assert_array_equal(scores["value_at_risk"], [0.25 * 2 * 3, 0.0, 0.5 * 3 * 3, np.nan])
    assert set(zip(scores["model_name"], scores["model_version"], strict=True)) == {("m", 3)}
    assert set(scores["meaning"]) == {"forecast"}


def test_customer_scores_shows_the_model_features_only():
    seen = []
    score(predict=lambda rows: seen.append(list(rows.columns)) or np.zeros(len(rows)))
    assert seen == [list(FEATURE_NAMES)]


def test_customer_scores_keeps_every_customer_in_order():
    shuffled = FEATURES.iloc[[2, 0, 3, 1]].reset_index(drop=True)
    assert score(shuffled)["customer_id"].tolist() == [12, 10, 13, 11]


def test_customer_scores_gives_reasons_to_whoever_is_scored():
    scores = score()
    assert scores["reason_1"].tolist()[:3] == ["unpaid_items"] * 3
    assert scores["reason_1_effect"].tolist()[:3] == pytest.approx([-1.8] * 3)
    assert scores["reason_2"].tolist()[:3] == ["minutes_m0"] * 3
    assert scores["reason_2_ru"].tolist()[0].endswith("чем у типичного покупателя: риск выше")
    assert scores.filter(like="reason_").iloc[3].isna().all()


def test_customer_scores_where_nobody_is_scored():
    scores = score(FEATURES.iloc[[3]])
    assert scores["score_basis"].tolist() == ["not_scored"]
    assert scores.columns.tolist() == CUSTOMER_SCORES.names


def test_customer_scores_of_batches_are_those_of_the_whole():
    def predict(rows):
        return (rows["minutes_m0"] / 10).to_numpy()

    features = FEATURES.assign(minutes_m0=[1.0, 2.0, np.nan, 4.0])
    parts = [score(features.iloc[begin : begin + 1].reset_index(drop=True), predict) for begin in range(4)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), score(features, predict))
