import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as reference
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.model import metric_intervals, metrics
from oneclick_pipeline.model.metric_intervals import corrected_interval, intervals

PAIRS = {
    "roc_auc": reference.roc_auc_score,
    "average_precision": reference.average_precision_score,
    "log_loss": lambda y, p: reference.log_loss(y, p, labels=[0, 1]),
    "brier": reference.brier_score_loss,
}


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0])), min_size=2, max_size=40))
def test_metrics_equal_scikit_learn(rows):
    declined = np.array([0, 1, *(y for y, _ in rows)])
    p = np.array([0.3, 0.6, *(p for _, p in rows)])
    for name, expected in PAIRS.items():
        assert metrics.BY_FOLD[name](declined, p) == pytest.approx(expected(declined, p)), name


@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.5, 0.8]), st.integers(1, 4)), min_size=1, max_size=30))
def test_a_weight_of_three_is_the_customer_three_times(rows):
    declined, p, weight = (np.array(column) for column in zip((0, 0.3, 1), (1, 0.6, 1), *rows, strict=True))
    often = np.repeat(np.arange(len(p)), weight.astype(int))
    for name, metric in (metrics.BY_FOLD | {"ece": metrics.ece}).items():
        assert metric(declined, p, weight) == pytest.approx(metric(declined[often], p[often])), name


def test_ece_of_honest_and_of_dishonest_probabilities():
    declined = np.array([1, 0, 0, 0] * 25)
    assert metrics.ece(declined, np.full(100, 0.25)) == pytest.approx(0)
    assert metrics.ece(declined, np.full(100, 0.75)) == pytest.approx(0.5)
    assert metrics.ece(np.array([1]), np.array([1.0])) == 0


def test_corrected_interval_by_hand():
    # mean 0.5, s² = 0.02, J = 2, 1/J + 1/(folds − 1) = 1.5, t(0.975; 1) = 12.7062
    got = corrected_interval([0.4, 0.6], folds=2, bounds=(-9, 9))
    half = 12.7062 * np.sqrt(1.5 * 0.02)
    assert (got.estimate, got.low, got.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half), rel=1e-5)


def test_corrected_interval_is_wider_than_the_naive_one_and_stays_in_bounds():
    values = np.linspace(0.95, 1.0, 10)
    got = corrected_interval(values, folds=5, bounds=(0, 0.98))
    naive = 2.262 * values.std(ddof=1) / np.sqrt(10)
    assert got.estimate - got.low > 1.5 * naive
    assert got.high == 0.98


def predictions(rng):
    p = rng.random(200)
    fold = np.arange(200) % 5
    parts = [pd.DataFrame({"repeat": r, "fold": fold, "declined": rng.random(200) < p, "p_decline": p}) for r in range(2)]
    return pd.concat(parts).astype({"declined": int})


def test_intervals_hold_every_metric():
    got = intervals(predictions(np.random.default_rng(1)))
    assert tuple(got) == metrics.METRICS
    assert all(m.low <= m.estimate <= m.high for m in got.values())


def test_pseudo_values_of_a_mean_are_the_scores_of_the_folds(monkeypatch):
    rows = predictions(np.random.default_rng(2))
    monkeypatch.setattr(metric_intervals, "ece", metrics.brier)
    got = intervals(rows)
    assert (got["ece"].estimate, got["ece"].low, got["ece"].high) == pytest.approx(
        (got["brier"].estimate, got["brier"].low, got["brier"].high)
    )
