"""What was to be expected of earlier customers: the probability that they decline, and the profit of the quarters after.

Both are predicted by models that have not seen the customer. What they miss makes the worth wrong, above all what the
probability misses: with a logistic regression alone the worth comes out too high in the twin (*measured*, as in docs/offers.md).
So the probability is that of trees that are shown a logistic regression with kinks; the profit is that of a ridge regression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.worth_rows import Rows

    Floats = NDArray[np.float64]

_KINKS = (-1.5, -0.7, 0.0, 0.7, 1.5)
_PENALTY = {"logistic": 0.1, "ridge": 30.0}
_TREES = {
    "max_iter": 180,
    "max_leaf_nodes": 5,
    "learning_rate": 0.1,
    "min_samples_leaf": 30,
    "l2_regularization": 5.0,
    "max_features": 0.3,
    "early_stopping": False,
}


def predicted(rows: Rows, scale: Floats, fold: NDArray[np.int64], seed: int) -> tuple[Floats, Floats]:
    """P(declined), shape (n,), and expected profit of each quarter over the scale, shape (n, quarters).

    Args:
        rows: n earlier customers.
        scale: What the profit of each is divided by, above 0.
        fold: Fold of each; all rows of a customer are in one.
        seed: Of the trees.
    """
    bent, plain = _inputs(rows)
    outcome = rows.after / scale[:, None]
    p, expected = np.empty(len(fold)), np.full(outcome.shape, np.nan)
    with threadpool_limits(limits=1):  # small models: threads would spend more time waiting than working
        for k in np.unique(fold):
            asked = fold == k
            logit = _logit(bent, rows.declined, ~asked)
            p[asked] = _probability(np.column_stack([plain, logit]), rows.declined, asked, seed)
            expected[asked] = _expected(_design(rows, bent, logit, scale), outcome, asked)
    return p, expected


def _inputs(rows: Rows) -> tuple[Floats, Floats]:
    """Inputs of the linear models (standardised normal scores with kinks) and of the trees; both end with the categories."""
    import pandas as pd
    from sklearn.preprocessing import StandardScaler

    numbers = np.column_stack([rows.numbers, rows.profit])
    categories = pd.get_dummies(pd.DataFrame(rows.categories)).to_numpy(dtype=float)
    scores = np.column_stack([_normal_scores(column) for column in numbers.T])
    bent = np.column_stack([scores, *(np.maximum(scores - kink, 0) for kink in _KINKS), categories])
    return StandardScaler().fit_transform(bent), np.column_stack([numbers, categories])


def _normal_scores(values: Floats) -> Floats:
    """Normal quantiles of the ranks, ties in the middle; 0 where unknown."""
    from scipy.special import ndtri

    known = np.sort(values[~np.isnan(values)])
    ends = [np.searchsorted(known, values, side) for side in ("left", "right")]
    share = (ends[0] + ends[1]) / (2 * max(len(known), 1))
    least = 0.5 / max(len(known), 1)
    return np.where(np.isnan(values), 0.0, ndtri(np.clip(share, least, 1 - least)))


def _logit(bent: Floats, declined: Floats, others: NDArray[np.bool_]) -> Floats:
    """Logarithm of the odds by a logistic regression of the others."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_PENALTY["logistic"], max_iter=300, tol=1e-3).fit(bent[others], declined[others])
    return np.asarray(model.decision_function(bent))


def _probability(inputs: Floats, declined: Floats, asked: NDArray[np.bool_], seed: int) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(**_TREES, random_state=seed).fit(inputs[~asked], declined[~asked])
    return np.asarray(trees.predict_proba(inputs[asked])[:, 1])


def _design(rows: Rows, bent: Floats, logit: Floats, scale: Floats) -> Floats:
    """Columns of the expected profit over the scale: profit times all that is known, a multiple of profit, a constant."""
    from scipy.special import expit

    p = expit(logit)[:, None]
    factors = np.column_stack([bent, p, p**2, bent[:, :3] * p])
    return np.column_stack([factors * (np.maximum(rows.profit, 0) / scale)[:, None], rows.profit / scale, 1 / scale])


def _expected(design: Floats, outcome: Floats, asked: NDArray[np.bool_]) -> Floats:
    """Outcome of each quarter of those asked, by ridge regressions of the others for whom it is known."""
    expected = np.full((asked.sum(), outcome.shape[1]), np.nan)
    for quarter, after in enumerate(outcome.T):
        others = ~asked & np.isfinite(after)
        if others.any():
            x, y = design[others], after[others]
            ridge = np.linalg.solve(x.T @ x + _PENALTY["ridge"] * np.eye(x.shape[1]), x.T @ y)
            expected[:, quarter] = design[asked] @ ridge
    return expected
