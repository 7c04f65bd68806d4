"""Attribution: what the features contribute to the predictions of a fitted model.

A linear model has its contributions in closed form. For any other, Shapley values of a sample of customers are read as one
curve per feature; what a customer's own log-odds leave unexplained by the curves is split between the features in the
shares that the sample shows. How faithful that is, is measured on sampled customers that the curves were not fitted to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from threadpoolctl import threadpool_limits

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.model.contributions import CLOSED_FORM, CURVES, Contributions, Fidelity, by_curves, clipped_log_odds
from oneclick_pipeline.model.curves import Curve, NumberCurve, TextCurve, line, number_curve, text_curve, texts, typical
from oneclick_pipeline.model.shapley import shapley
from oneclick_pipeline.model.training_set import NUMBERS, in_canonical_order, inputs, sample

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Model

    Floats = NDArray[np.float64]
    LogOdds = Callable[[pd.DataFrame], Floats]

CONTRIBUTION = "contribution_"
"""Beginning of the sample's columns that hold Shapley values."""

# Measured: a soft vote of 40 neighbours, SVC and 60 extra trees on 1,000 rows takes 0.1 ms per row, hence 2 CPU s.
_CUSTOMERS, _BACKGROUND = 128, 6


class Explained(NamedTuple):
    """The contributions of a model, and the sample of customers they rest on.

    Attributes:
        contributions: See `Contributions`.
        sample: One row per sampled customer: features as the model is shown them, and `contribution_<feature>`, its
            sampled Shapley values in log-odds, moved so that they are against the mean customer.
    """

    contributions: Contributions
    sample: pd.DataFrame


def explain(pipeline: Any, training: pd.DataFrame, settings: Model) -> Explained:  # noqa: ANN401 - scikit-learn has no types
    """Explain a fitted model.

    Shapley values are sampled for 128 customers against 6 background rows that span the range of predictions; so few
    rows suffice because only interactions depend on them: what a feature does by itself is set against the mean of
    all training rows afterwards. Over customers drawn like the background, Shapley values have mean 0, whatever the model.

    Log-odds are those of p clipped to 0.002…0.998, since neighbours and trees say 0 and 1; a linear model's are not
    clipped.

    Args:
        pipeline: Fitted on `inputs`; anything with `predict_proba` of a frame.
        training: Rows of `contracts.model.TRAINING_SET` that it was trained on, in any order.
        settings: Seed, and the rows above which a sample serves.

    Returns:
        The contributions and the sample.
    """
    import numpy as np
    import pandas as pd

    rows = sample(in_canonical_order(training), settings.max_rows)
    frame = inputs(rows[~rows["copies"].duplicated()].reset_index(drop=True))
    linear = linear_log_odds(pipeline)
    log_odds = linear or (lambda customers: clipped_log_odds(pipeline.predict_proba(customers)[:, 1]))
    customers = frame.head(_CUSTOMERS)
    with threadpool_limits(limits=1):
        level = log_odds(frame.head(_CUSTOMERS * _BACKGROUND))
        order = np.argsort(level, kind="stable")
        background = frame.iloc[order[((np.arange(_BACKGROUND) + 0.5) / _BACKGROUND * len(order)).astype(int)]]
        values = shapley(log_odds, customers, background, seed=[settings.seed, 3])
        data = _Sample(customers, values, level[: len(customers)], frame)
        found, shift = _closed_form(linear, data) if linear else _curves(data)
    fidelity = _fidelity(data, found if linear else None)
    sampled = pd.DataFrame(values - shift, columns=[CONTRIBUTION + name for name in FEATURE_NAMES])
    baseline = float((data.level - (values - shift).sum(axis=1)).mean())
    contributions = Contributions(found.method, baseline, found.curves, found.shares, fidelity)
    return Explained(contributions, pd.concat([customers, sampled], axis=1))


def linear_log_odds(pipeline: Any) -> LogOdds | None:  # noqa: ANN401
    """The log-odds of a linear model as an exact function of its inputs; None for any other model.

    Linear is logistic regression at the end of a pipeline, or Platt's sigmoid on top of it: log-odds are then the
    sigmoid's slope times the decision function plus its intercept.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline

    if not isinstance(pipeline, Pipeline):
        return None
    last, slope, intercept = pipeline[-1], 1.0, 0.0
    if isinstance(last, CalibratedClassifierCV) and last.method == "sigmoid" and len(last.calibrated_classifiers_) == 1:
        calibrated = last.calibrated_classifiers_[0]
        last, sigmoid = calibrated.estimator, calibrated.calibrators[0]
        slope, intercept = -float(sigmoid.a_), -float(sigmoid.b_)
    if not isinstance(last, LogisticRegression):
        return None
    prepare = pipeline[:-1]
    return lambda frame: slope * last.decision_function(prepare.transform(frame)) + intercept


class _Sample(NamedTuple):
    """Customers with their Shapley values and log-odds, and all rows of the training."""

    customers: pd.DataFrame
    values: Floats
    level: Floats
    frame: pd.DataFrame

    def some(self, index: NDArray[np.intp]) -> _Sample:
        """Some of the customers."""
        return _Sample(self.customers.iloc[index], self.values[index], self.level[index], self.frame)


class _Curves(NamedTuple):
    """Contributions before their fidelity and the log-odds of the mean customer are known."""

    method: str
    curves: tuple[Curve, ...]
    shares: tuple[float, ...]


def _centred(curves: list[Curve], frame: pd.DataFrame) -> tuple[tuple[Curve, ...], Floats]:
    """The curves with mean 0 over the rows, and the means that they had."""
    means = by_curves(curves, frame).mean(axis=0)
    return tuple(c.shifted(-float(mean)) for c, mean in zip(curves, means, strict=True)), means


def _closed_form(log_odds: LogOdds, data: _Sample) -> tuple[_Curves, Floats]:
    """The contributions of a linear model, by putting values into one row: two make a line, every text has its own."""
    import numpy as np
    import pandas as pd

    base, tried = data.frame.iloc[[0]], []
    put: dict[str, list[Any]] = {
        name: [*(line if name in NUMBERS else texts)(data.frame[name]), np.nan, *([] if name in NUMBERS else ["\0"])]
        for name in FEATURE_NAMES
    }
    for name, values in put.items():
        tried += [base.assign(**{name: pd.Series([value], index=base.index, dtype=base[name].dtype)}) for value in values]
    heights = iter(log_odds(pd.concat(tried, ignore_index=True)).tolist())
    curves: list[Curve] = []
    for name, values in put.items():
        own = [next(heights) for _ in values]
        if name in NUMBERS:
            curves.append(
                NumberCurve(name, typical(data.frame[name]), (values[0], values[1]), (own[0], own[1]), own[2], straight=True)
            )
        else:
            curves.append(TextCurve(name, dict(zip(values[:-2], own[:-2], strict=True)), own[-2], own[-1]))
    centred, means = _centred(curves, data.frame)
    centred = tuple(
        TextCurve(c.feature, c.contributions, c.missing, c.unknown - float(m)) if isinstance(c, TextCurve) else c
        for c, m in zip(centred, means, strict=True)
    )
    fitted = _Curves(CLOSED_FORM, centred, (0.0,) * len(centred))
    return fitted, (data.values - by_curves(fitted.curves, data.customers)).mean(axis=0)


def _curves(data: _Sample) -> tuple[_Curves, Floats]:
    """Curves fitted to Shapley values, and by how much these must move to be against the mean customer."""
    curves: list[Curve] = []
    for i, name in enumerate(FEATURE_NAMES):
        fit = number_curve if name in NUMBERS else text_curve
        curves.append(fit(name, data.frame[name], data.customers[name], data.values[:, i]))
    centred, means = _centred(curves, data.frame)
    # The curves' errors e_j add up to the error of the customer's log-odds; the best linear guess of e_j from that
    # sum is cov(e_j, sum) / var(sum) times it.
    errors = data.values - means - by_curves(centred, data.customers)
    rest = errors.sum(axis=1)
    square = float(rest @ rest)
    shares = tuple(float(s) for s in errors.T @ rest / square) if square > 0 else (0.0,) * len(centred)
    return _Curves(CURVES, centred, shares), means


def _fidelity(data: _Sample, exact: _Curves | None) -> Fidelity:
    """Compare with Shapley values: a closed form as it is, curves that were fitted to the other half of the sample."""
    import numpy as np

    place = np.arange(len(data.customers))
    halves = place < len(place) // 2, place >= len(place) // 2
    true, guessed = [], []
    for judge, learn in (halves, halves[::-1]):
        judged = data.some(np.flatnonzero(judge))
        if exact is not None:
            parts = by_curves(exact.curves, judged.customers)
            shift = (judged.values - parts).mean(axis=0)
        else:
            half, shift = _curves(data.some(np.flatnonzero(learn)))
            parts = by_curves(half.curves, judged.customers)
            parts = parts + np.outer((judged.values - shift - parts).sum(axis=1), half.shares)
        true.append(judged.values - shift)
        guessed.append(parts)
    return compare(np.concatenate(true), np.concatenate(guessed))


def compare(true: Floats, guessed: Floats) -> Fidelity:
    """How well contributions agree with Shapley values, both of shape (customers, features)."""
    import numpy as np

    top, guess = (np.argsort(-np.abs(v), axis=1, kind="stable")[:, :3] for v in (true, guessed))
    common = (top[:, :, None] == guess[:, None, :]).any(axis=2).mean()
    square = float((true**2).sum())
    r2 = 1 - float(((true - guessed) ** 2).sum()) / square if square > 0 else 1.0
    return Fidelity(len(true), r2, float((top[:, 0] == guess[:, 0]).mean()), float(common))
