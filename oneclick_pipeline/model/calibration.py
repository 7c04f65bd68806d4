"""From scores to honest probabilities: Platt's sigmoid and isotonic regression.

A calibrator is learned from scores of rows that their estimator has not seen, and evaluated on rows that the calibrator
has not seen either. The same calibrators that `CalibratedClassifierCV` fits (tested), so a registered model is plain
scikit-learn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from oneclick_pipeline.model.folds import splits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int_]

NONE, SIGMOID, ISOTONIC = "none", "sigmoid", "isotonic"
ISOTONIC_FROM = 2000
"""Rows from which isotonic regression is tried: with fewer its steps follow chance. Source: Niculescu-Mizil, Caruana
(2005), Predicting good probabilities with supervised learning, section 5."""
SUREST = 0.001
"""Isotonic regression gives 0 and 1 beyond all errors seen; no prediction is that certain."""


class Sigmoid(NamedTuple):
    """P(declined) = 1 / (1 + exp(−(slope·score + intercept)))."""

    slope: float
    intercept: float

    def __call__(self, score: Floats) -> Floats:
        """Probabilities of scores."""
        from scipy.special import expit

        p: Floats = expit(self.slope * score + self.intercept)
        return p


class Isotonic(NamedTuple):
    """A line through thresholds that never falls, flat beyond them."""

    scores: Floats
    p: Floats

    def __call__(self, score: Floats) -> Floats:
        """Probabilities of scores."""
        import numpy as np

        return np.interp(score, self.scores, self.p)


Calibrator = Sigmoid | Isotonic


def kinds_for(rows: int) -> tuple[str, ...]:
    """The calibrators worth trying on so many rows.

    >>> kinds_for(1000)
    ('sigmoid',)
    """
    return (SIGMOID, ISOTONIC) if rows >= ISOTONIC_FROM else (SIGMOID,)


def fit_calibrator(kind: str, score: Floats, declined: Ints, weight: Floats) -> Calibrator:
    """Learn a calibrator of a kind from scores and labels, and how much each counts."""
    return platt(score, declined, weight) if kind == SIGMOID else isotonic(score, declined, weight)


def cross_calibrated(kind: str, score: Floats, declined: Ints, weight: Floats, numbers: Ints) -> Floats:
    """Probabilities from out-of-fold scores: each fold by a calibrator learned from the other folds."""
    import numpy as np

    p = np.empty(len(score))
    for learn, judge in splits(numbers):
        p[judge] = fit_calibrator(kind, score[learn], declined[learn], weight[learn])(score[judge])
    return p


def isotonic(score: Floats, declined: Ints, weight: Floats) -> Isotonic:
    """Isotonic regression of the labels on the scores (pool adjacent violators), kept `SUREST` from 0 and 1.

    Source: Zadrozny, Elkan (2002), Transforming classifier scores into accurate multiclass probability estimates.
    """
    import numpy as np
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(score, declined, sample_weight=weight)
    return Isotonic(fitted.X_thresholds_, np.clip(fitted.y_thresholds_, SUREST, 1 - SUREST))


def platt(score: Floats, declined: Ints, weight: Floats) -> Sigmoid:
    """The sigmoid that fits scores best, by Newton's method.

    Source: Platt (1999), Probabilistic outputs for support vector machines, with his smoothed targets, which
    keep the slope finite where scores separate the classes; steps halved as in Lin, Lin, Weng (2007). The same
    sigmoid that `CalibratedClassifierCV` fits (tested), at a third of the time, *measured*.
    """
    import numpy as np
    from scipy.special import expit

    positives, negatives = (float(weight[declined == label].sum()) for label in (1, 0))
    target = np.where(declined == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, scale = float(score.mean()), float(score.std()) or 1.0
    columns = np.column_stack([(score - centre) / scale, np.ones(len(score))])

    def loss(w: Floats) -> float:
        z = columns @ w
        return float((weight * (np.logaddexp(0, z) - target * z)).sum())

    w = np.array([0.0, np.log((positives + 1) / (negatives + 1))])
    height = loss(w)
    for _ in range(50):
        p = expit(columns @ w)
        hessian = (columns.T * (weight * p * (1 - p))) @ columns + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, columns.T @ (weight * (p - target)))
        while (lower := loss(w - step)) > height + 1e-9 and np.abs(step).max() > 1e-6:  # noqa: PLR2004
            step = step / 2
        w, height = w - step, lower
        if np.abs(step).max() < 1e-6:  # noqa: PLR2004 - far below what a probability shows
            break
    return Sigmoid(float(w[0] / scale), float(w[1] - w[0] * centre / scale))


def keep_from_certainty(classifier: Any) -> None:  # noqa: ANN401 - scikit-learn has no types
    """Keep a fitted isotonic `CalibratedClassifierCV` `SUREST` from 0 and 1, as `isotonic` is: it has no setting for it."""
    import numpy as np

    for part in classifier.calibrated_classifiers_:
        for fitted in part.calibrators:
            fitted.y_thresholds_ = np.clip(fitted.y_thresholds_, SUREST, 1 - SUREST)
            fitted._build_f(fitted.X_thresholds_, fitted.y_thresholds_)  # noqa: SLF001 - what it interpolates with
