import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.model.metric_intervals import intervals
from oneclick_pipeline.model.metrics import METRICS
from oneclick_pipeline.model.slices import ENOUGH, slices


@pytest.fixture
def judged(trained, training):
    return slices(training, trained.predictions)


def test_every_customer_is_in_one_slice_of_every_feature(judged, training):
    sums = judged.groupby("feature")[["customers", "declined"]].sum()
    assert set(sums.index) == {"service_level", "favourite_category", "marketing_consent", "tenure_days"}
    assert (sums["customers"] == len(training)).all()
    assert (sums["declined"] == training["declined"].sum()).all()


def test_slices_have_the_metrics_with_their_intervals(judged):
    for name in METRICS:
        assert (judged[f"{name}_low"] <= judged[name]).all()
        assert (judged[name] <= judged[f"{name}_high"]).all()


def test_a_slice_of_everybody_has_the_figures_of_everybody(trained, training):
    rows = training.assign(service_level="premium")
    one = slices(rows, trained.predictions).iloc[0]
    whole = intervals(trained.predictions)
    assert (one["ece"], one["ece_low"], one["ece_high"]) == (whole["ece"].estimate, whole["ece"].low, whole["ece"].high)
    # a mean over customers is the mean over folds, but for folds of unequal size
    assert one["brier"] == pytest.approx(whole["brier"].estimate, abs=1e-3)


def test_what_a_slice_does_badly_is_seen():
    """Probabilities are right for standard and reversed for premium: all together it looks fair."""
    rng = np.random.default_rng(1)
    p = rng.random(1200)
    premium = np.arange(1200) % 4 == 0
    predictions = pd.DataFrame(
        {"repeat": 0, "fold": np.arange(1200) % 5, "declined": rng.random(1200) < p, "p_decline": np.where(premium, 1 - p, p)}
    ).astype({"declined": int})
    rows = pd.DataFrame(
        {
            "service_level": np.where(premium, "premium", "standard"),
            "favourite_category": "Кухонная посуда",
            "marketing_consent": True,
            "tenure_days": rng.integers(1, 999, 1200),
        }
    )
    found = slices(rows, predictions).set_index(["feature", "value"])["roc_auc"]
    assert found["service_level", "premium"] < 0.3
    assert found["service_level", "standard"] > 0.8
    assert found["favourite_category", "Кухонная посуда"] > 0.6


@pytest.mark.parametrize(("declined", "enough"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_few_customers_have_no_figures(declined, enough):
    label = np.repeat([1, 0], [declined, 100])
    predictions = pd.DataFrame(
        {"repeat": 0, "fold": np.arange(len(label)) % 3, "declined": label, "p_decline": label * 0.5 + 0.2}
    )
    rows = pd.DataFrame(
        {"service_level": "premium", "favourite_category": None, "marketing_consent": True, "tenure_days": np.arange(len(label))}
    )
    first = slices(rows, predictions).iloc[0]
    assert first["feature"] == "service_level"
    assert first["roc_auc"] == 1.0 if enough else np.isnan(first["roc_auc"])
    assert first["customers"] == declined + 100
