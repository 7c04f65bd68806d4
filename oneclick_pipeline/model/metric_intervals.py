"""Confidence intervals of ROC-AUC, log loss and the other metrics, from repeated cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.model.metrics import BOUNDS, BY_FOLD, ece
from oneclick_pipeline.model.training_set import weights_of
from oneclick_pipeline.stats import Interval, t_95

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.metrics import Metric


def corrected_interval(
    values: Sequence[float] | NDArray[np.float64],
    *,
    folds: int,
    estimate: float | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """95 % interval of a mean over repeated folds, widened because their training sets overlap.

    The variance of the mean is (1/J + n_test/n_train) · s² with n_test/n_train = 1/(folds − 1), Student's t with
    J − 1 degrees of freedom. Source: Nadeau, Bengio (2003), Inference for the generalization error; for repeats
    Bouckaert, Frank (2004).

    Args:
        values: Score of every fold of every repeat (J of them).
        folds: Folds of one repeat.
        estimate: Centre of the interval; the mean of the values if left out.
        bounds: Limits of the metric.
    """
    import numpy as np

    values = np.asarray(values, dtype=float)
    centre = float(values.mean()) if estimate is None else estimate
    half = float(half_widths(values, folds=folds))
    return Interval(centre, max(bounds[0], centre - half), min(bounds[1], centre + half))


def half_widths(values: NDArray[np.float64], *, folds: int) -> NDArray[np.float64]:
    """Half widths of the intervals of `corrected_interval`, for values of shape (J, …), over the first axis."""
    import numpy as np

    j = len(values)
    half: NDArray[np.float64] = t_95(j - 1) * np.sqrt((1 / j + 1 / (folds - 1)) * values.var(axis=0, ddof=1))
    return half


def fold_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Score every outer fold.

    Args:
        predictions: One row per customer and repeat: `repeat`, `fold`, `declined`, `p_decline`; with `weight` where
            customers represent others.

    Returns:
        One row per fold: `repeat`, `fold` and the metrics of `BY_FOLD`.
    """
    import pandas as pd

    rows = []
    for (repeat, fold), part in predictions.groupby(["repeat", "fold"]):
        outcome = part["declined"].to_numpy(), part["p_decline"].to_numpy(), weights_of(part)
        rows.append({"repeat": repeat, "fold": fold} | {name: metric(*outcome) for name, metric in BY_FOLD.items()})
    return pd.DataFrame(rows)


def intervals(predictions: pd.DataFrame) -> dict[str, Interval]:
    """Every metric of `METRICS` with its interval, from out-of-fold predictions as `fold_scores` takes them."""
    scores = fold_scores(predictions)
    folds = int(predictions["fold"].nunique())
    folds_scored = {
        name: corrected_interval(scores[name].to_numpy(), folds=folds, bounds=BOUNDS.get(name, (0.0, 1.0))) for name in BY_FOLD
    }
    return folds_scored | {"ece": jackknife_interval(predictions, ece, folds=folds)}


def jackknife_interval(
    predictions: pd.DataFrame,
    metric: Metric,
    *,
    folds: int,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Interval:
    """A metric over all rows of a repeat, its spread from jackknife pseudo-values over the folds.

    For metrics that make no sense on a single fold, or on the part of a fold that lies in a small group. A fold's
    pseudo-value, folds·θ − (folds − 1)·θ without the fold, is for a mean such as Brier the fold's own score, so the
    corrected formula applies alike. Source: Efron, Tibshirani (1993), ch. 11.
    """
    whole, pseudo = [], []
    for _, part in predictions.groupby("repeat"):
        declined, p, fold = (part[name].to_numpy() for name in ("declined", "p_decline", "fold"))
        weight = weights_of(part)
        theta = metric(declined, p, weight)
        whole.append(theta)
        others = [metric(declined[rest], p[rest], weight[rest]) for rest in (fold != k for k in range(folds))]
        pseudo += [folds * theta - (folds - 1) * without for without in others]
    return corrected_interval(pseudo, folds=folds, estimate=sum(whole) / len(whole), bounds=bounds)
