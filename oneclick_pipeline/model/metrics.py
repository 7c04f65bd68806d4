"""How well probabilities separate decliners from the rest, with intervals.

Written out in numpy: a search scores hundreds of small folds, and scikit-learn spends 2 to 6 ms on each
score of 200 rows (*measured*), most of it on checking arguments. The tests compare every one with scikit-learn. Every one
takes weights, of customers who represent others (`experiment.weights`); without any each customer counts once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int_]
    Floats = NDArray[np.float64]
    Metric = Callable[[Ints, Floats, Floats | None], float]

BINS = 10
METRICS = ("roc_auc", "average_precision", "log_loss", "brier", "ece")
BOUNDS = {"log_loss": (0.0, float("inf"))}


def roc_auc(declined: Ints, score: Floats, weight: Floats | None = None) -> float:
    """Probability that a decliner scores higher than another customer, ties counting half (Mann–Whitney U).

    >>> import numpy as np
    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    >>> roc_auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.8]), np.array([1.0, 1.0, 1.0, 3.0]))
    0.9375
    """
    import numpy as np

    weight = np.ones(len(declined)) if weight is None else weight
    _, place = np.unique(score, return_inverse=True)
    positive, negative = (np.bincount(place, weights=weight * (declined == label)) for label in (1, 0))
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (positive.sum() * negative.sum()))


def average_precision(declined: Ints, score: Floats, weight: Floats | None = None) -> float:
    """Precision averaged over the recall steps, from the highest score down; ties are one step.

    >>> import numpy as np
    >>> round(average_precision(np.array([0, 1, 1]), np.array([0.2, 0.1, 0.9])), 4)
    0.8333
    """
    import numpy as np

    weight = np.ones(len(declined)) if weight is None else weight
    values, place = np.unique(-score, return_inverse=True)
    hits = np.bincount(place, weights=weight * declined, minlength=len(values))
    hits_so_far = np.cumsum(hits)
    precision = hits_so_far / np.cumsum(np.bincount(place, weights=weight, minlength=len(values)))
    return float((precision * hits).sum() / hits_so_far[-1])


def log_loss(declined: Ints, p: Floats, weight: Floats | None = None) -> float:
    """Mean −log of the probability given to what happened (nats); p is kept one float step from 0 and 1.

    >>> import numpy as np
    >>> round(log_loss(np.array([1, 0]), np.array([0.5, 0.5])), 4)
    0.6931
    """
    import numpy as np

    step = np.finfo(float).eps
    p = np.clip(p, step, 1 - step)
    return float(-np.average(np.where(declined == 1, np.log(p), np.log1p(-p)), weights=weight))


def brier(declined: Ints, p: Floats, weight: Floats | None = None) -> float:
    """Mean squared distance of the probability from what happened.

    >>> import numpy as np
    >>> brier(np.array([1, 0]), np.array([0.5, 0.0]))
    0.125
    """
    import numpy as np

    return float(np.average((p - declined) ** 2, weights=weight))


def ece(declined: Ints, p: Floats, weight: Floats | None = None) -> float:
    """Expected calibration error: |share of decliners − mean p| in ten equally wide bins, weighted by customers.

    Source: Naeini, Cooper, Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.

    >>> import numpy as np
    >>> round(ece(np.array([1, 1, 0, 0]), np.array([0.9, 0.9, 0.3, 0.3])), 4)
    0.2
    """
    import numpy as np

    weight = np.ones(len(declined)) if weight is None else weight
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    gap = np.bincount(place, weights=weight * (declined - p), minlength=BINS)
    return float(np.abs(gap).sum() / weight.sum())


BY_FOLD: dict[str, Metric] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
}
"""Metrics that make sense on a fold of their own. ECE does not: on few rows chance alone makes it large."""
