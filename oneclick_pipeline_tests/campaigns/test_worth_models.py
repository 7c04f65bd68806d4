"""What was to be expected of earlier customers."""

from dataclasses import replace

import numpy as np
import pytest

from oneclick_pipeline.campaigns.worth_models import _normal_scores, predicted
from oneclick_pipeline.campaigns.worth_rows import Rows


def test_normal_scores_keep_ties_and_what_is_unknown():
    scores = _normal_scores(np.array([3.0, 1.0, np.nan, 2.0, 2.0]))
    assert scores[2] == 0
    assert scores[3] == scores[4] == pytest.approx(0)
    assert scores[1] == pytest.approx(-scores[0])
    assert _normal_scores(np.full(2, np.nan)).tolist() == [0, 0]


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(1)
    n = 3000
    numbers = rng.normal(size=(n, 5))
    numbers[rng.random((n, 5)) < 0.05] = np.nan
    kind = rng.choice(["a", "b"], n)
    p = 1 / (1 + np.exp(-np.nan_to_num(numbers[:, 3]) - (kind == "a")))
    profit = rng.gamma(4, 1, n)
    quarter = 3 * profit * (1 - 0.3 * p) + 0.1 * rng.normal(size=n)
    after = np.column_stack([quarter, np.where(np.arange(n) < 2000, quarter, np.nan), np.full(n, np.nan)])
    rows = Rows(np.arange(n), profit, numbers, kind[:, None].astype(object), (rng.random(n) < p).astype(float), after)
    return rows, p, predicted(rows, profit, np.arange(n) % 3, 0)


def test_probability_and_profit_are_found(case):
    _, p, (probability, expected) = case
    assert np.sqrt(np.mean((probability - p) ** 2)) < 0.11
    assert probability.mean() == pytest.approx(p.mean(), abs=0.03)
    np.testing.assert_allclose(expected[:, 0], 3 * (1 - 0.3 * p), atol=0.5)
    assert np.isfinite(expected[:, 1]).all()  # of those too whose quarter is not over
    assert np.isnan(expected[:, 2]).all()


def test_no_one_is_predicted_from_their_own_outcome(case):
    rows, _, (probability, expected) = case
    own = np.arange(3000) % 3 == 0
    declined, after = np.where(own, 1, rows.declined), np.where(own[:, None], 1e3, rows.after)
    again = predicted(replace(rows, declined=declined, after=after), rows.profit, np.arange(3000) % 3, 0)
    np.testing.assert_array_equal(again[0][own], probability[own])
    np.testing.assert_array_equal(again[1][own], expected[own])
