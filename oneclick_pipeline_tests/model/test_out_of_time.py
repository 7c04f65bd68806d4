"""Out of time: what a month's labels were not known yet is never learnt from."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.model import out_of_time as module
from oneclick_pipeline.model.metrics import METRICS
from oneclick_pipeline.model.out_of_time import out_of_time

from .conftest import QUICK, make_training

MONTHS = ("2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06", "2026-07", "2026-08")


def months_of(*pairs: tuple[str, str], customers: int = 80) -> pd.DataFrame:
    parts = [
        make_training(customers, seed=i).assign(feature_month=features, label_month=labels)
        for i, (features, labels) in enumerate(pairs)
    ]
    return pd.concat(parts, ignore_index=True).assign(copies=lambda t: np.arange(len(t)))


CHEAP = QUICK.model_copy(update={"families": ("logistic_regression", "decision_tree"), "nested_draws": 2})


@pytest.fixture(scope="module")
def history():
    return months_of(*zip(MONTHS[:5], MONTHS[3:], strict=True))


def test_judged_months_and_what_they_learnt_from(history):
    table = out_of_time(history, CHEAP)
    assert table[["feature_month", "label_month", "learnt_months"]].values.tolist() == [
        ["2026-04", "2026-07", "2026-01"],
        ["2026-05", "2026-08", "2026-01,2026-02"],
    ]
    assert (table["roc_auc"] > 0.8).all()
    for name in METRICS:
        assert (table[f"{name}_low"] <= table[name] + 0.02).all()
        assert (table[f"{name}_high"] >= table[name] - 0.02).all()


def test_labels_that_were_not_known_yet_change_nothing(history):
    """The labels of 2026-03 came in 2026-06, after both judged months' features."""
    spoilt = history.assign(declined=history["declined"].where(history["feature_month"] != "2026-03", 1 - history["declined"]))
    pd.testing.assert_frame_equal(out_of_time(spoilt, CHEAP), out_of_time(history, CHEAP))


def test_known_labels_change_something(history):
    spoilt = history.assign(declined=history["declined"].where(history["feature_month"] != "2026-01", 1 - history["declined"]))
    assert (out_of_time(spoilt, CHEAP)["roc_auc"] < out_of_time(history, CHEAP)["roc_auc"]).all()


@pytest.mark.parametrize(
    ("pairs", "months"),
    [
        ((("2026-10", "2026-10"),), 2),  # labels of the same snapshot
        ((("2026-01", "2026-04"), ("2026-02", "2026-05")), 2),  # the first label comes after the second month's features
        ((("2026-01", "2026-04"), ("2026-04", "2026-07")), 0),  # switched off
    ],
)
def test_without_enough_past_there_is_nothing_to_judge(pairs, months):
    table = out_of_time(months_of(*pairs), CHEAP.model_copy(update={"out_of_time_months": months}))
    assert table.empty
    assert list(table.columns[:2]) == ["feature_month", "label_month"]


def test_a_month_whose_past_is_too_small_is_left_out():
    rows = months_of(("2026-01", "2026-04"), ("2026-04", "2026-07"))
    few = rows[(rows["feature_month"] == "2026-04") | (rows.groupby("feature_month").cumcount() < 3)]
    assert out_of_time(few, CHEAP).empty


def test_intervals_hold_what_is_true():
    """A bootstrap interval of a mean: Brier of calibrated coins is 0.25, whatever falls."""
    rng = np.random.default_rng(3)
    held = 0
    for seed in range(20):
        declined = (rng.random(300) < 0.5).astype(int)
        figures = module._figures(declined, rng.choice([0.3, 0.7], 300), np.ones(300), seed)
        held += figures["brier_low"] <= 0.29 <= figures["brier_high"]
    assert held >= 16
