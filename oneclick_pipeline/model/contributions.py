"""What every value of every feature adds to a customer's log-odds of declining: reasons for millions at the price of a look-up.

A linear model has these effects in closed form. For any other, Shapley values of a sample of customers are read as one
curve a feature; what a customer's own log-odds leave unexplained by the curves is split between the features in the
shares that the sample shows. How faithful that is, is measured on sampled customers that the curves were not fitted to.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.shapley import shapley
from oneclick_pipeline.model.training_set import NUMBERS, in_canonical_order, inputs, sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Model

    Floats = NDArray[np.float64]
    LogOdds = Callable[[pd.DataFrame], Floats]

VERSION = 1
CLOSED_FORM = "closed form"
CURVES = "dependence curves of sampled Shapley values"
CONTRIBUTION = "contribution_"
"""Beginning of the sample's columns that hold Shapley values."""

# Measured: a soft vote of 40 neighbours, SVC and 60 extra trees on 1,000 rows takes 0.1 ms a row, hence 2 CPU s.
_CUSTOMERS, _BACKGROUND = 128, 6
_CLIP = 0.002
_KNOTS = 13
_FEW = 12
_STIFFNESS = tuple(10.0**power for power in (-2, -1, 0, 1, 2, 3))
_REMEDY = "restore the file from a backup, or run retrain"


@dataclass(frozen=True)
class NumberCurve:
    """What a number contributes: straight lines between knots.

    Attributes:
        feature: Its name.
        typical: Median of the training rows; 0 where all are empty.
        knots: Values, ascending.
        contributions: Contribution at each knot, log-odds.
        missing: Contribution of an empty value.
        straight: Whether the line goes on beyond the outer knots; if not, the curve is flat there.
    """

    feature: str
    typical: float
    knots: tuple[float, ...]
    contributions: tuple[float, ...]
    missing: float
    straight: bool

    def __post_init__(self) -> None:
        """Refuse a curve that gives no number."""
        _require_finite(self.feature, self.typical, self.missing, *self.knots, *self.contributions)
        ascending = all(a < b for a, b in zip(self.knots, self.knots[1:], strict=False))
        if not (ascending and len(self.knots) == len(self.contributions) >= 1 + self.straight):
            raise BadInputError(f"{self.feature}: the knots do not ascend, or are not as many as the contributions")

    def at(self, values: Floats) -> Floats:
        """Contribution of every value; NaN is an empty one."""
        import numpy as np

        if self.straight:
            slope = (self.contributions[-1] - self.contributions[0]) / (self.knots[-1] - self.knots[0])
            found = self.contributions[0] + slope * (values - self.knots[0])
        else:
            found = np.interp(values, self.knots, self.contributions)
        return np.where(np.isnan(values), self.missing, found)

    def shifted(self, by: float) -> NumberCurve:
        """The same curve, every contribution `by` higher."""
        return NumberCurve(
            self.feature, self.typical, self.knots, tuple(c + by for c in self.contributions), self.missing + by, self.straight
        )


@dataclass(frozen=True)
class TextCurve:
    """What a text contributes.

    Attributes:
        feature: Its name.
        contributions: Contribution of every known text, log-odds.
        missing: Contribution of an empty text.
        unknown: Contribution of any other text.
    """

    feature: str
    contributions: dict[str, float]
    missing: float
    unknown: float

    def __post_init__(self) -> None:
        """Refuse a curve that gives no number."""
        _require_finite(self.feature, self.missing, self.unknown, *self.contributions.values())

    def at(self, texts: pd.Series) -> Floats:
        """Contribution of every text; a missing one is an empty one."""
        import numpy as np
        import pandas as pd

        codes, different = pd.factorize(texts, use_na_sentinel=True)
        by_code = np.array([*(self.contributions.get(t, self.unknown) for t in different), self.missing])
        found: Floats = by_code[codes]  # −1, the code of a missing text, is the last
        return found

    def shifted(self, by: float) -> TextCurve:
        """The same curve, every contribution but that of unknown texts `by` higher."""
        moved = {text: c + by for text, c in self.contributions.items()}
        return TextCurve(self.feature, moved, self.missing + by, self.unknown)


Curve = NumberCurve | TextCurve


@dataclass(frozen=True)
class Fidelity:
    """How well the contributions agree with Shapley values of customers that they were not fitted to.

    Attributes:
        customers: Customers compared.
        r2: Share of the Shapley values' sum of squares that the contributions explain.
        top_reason: Share of customers whose strongest reason is the same.
        top_three: Mean share of the three strongest reasons that are the same.
    """

    customers: int
    r2: float
    top_reason: float
    top_three: float

    def __post_init__(self) -> None:
        """Refuse figures that are none."""
        _require_finite("fidelity", self.customers, self.r2, self.top_reason, self.top_three)


@dataclass(frozen=True)
class Effects:
    """A model's effects.

    Attributes:
        method: `CLOSED_FORM` or `CURVES`.
        baseline: Log-odds of the mean customer.
        curves: One a feature, in the order of `FEATURE_NAMES`; each has mean 0 over the training rows.
        shares: What each feature gets of the log-odds that the curves leave unexplained, adding up to 1; all 0 in
            closed form, which leaves nothing.
        fidelity: How faithful the contributions are.
    """

    method: str
    baseline: float
    curves: tuple[Curve, ...]
    shares: tuple[float, ...]
    fidelity: Fidelity

    def __post_init__(self) -> None:
        """Refuse effects that are not those of the features."""
        if self.method not in (CLOSED_FORM, CURVES):
            raise BadInputError("effects of an unknown method", value=str(self.method))
        _require_finite("effects", self.baseline, *self.shares)
        kinds = {name: NumberCurve if name in NUMBERS else TextCurve for name in FEATURE_NAMES}
        if {c.feature: type(c) for c in self.curves} != kinds or tuple(c.feature for c in self.curves) != FEATURE_NAMES:
            raise BadInputError("the effects are not those of the features")
        if len(self.shares) != len(self.curves):
            raise BadInputError("the effects have not one share a feature")

    def __getitem__(self, feature: str) -> Curve:
        """The curve of a feature."""
        return self.curves[FEATURE_NAMES.index(feature)]

    def contributions(self, features: pd.DataFrame, p_decline: Floats) -> Floats:
        """What every feature adds to every customer's log-odds, against the mean customer.

        Args:
            features: Table with the feature columns, n rows.
            p_decline: Probability of every customer, n; in closed form it is not looked at. Otherwise a customer's
                contributions add up to its log-odds less the baseline, where it lies between 0.002 and 0.998.

        Returns:
            Contributions in log-odds, shape (n, features), in the order of `FEATURE_NAMES`.

        Raises:
            BadInputError: If a feature column is missing.
        """
        return self.of_inputs(inputs(features), p_decline)

    def of_inputs(self, frame: pd.DataFrame, p_decline: Floats) -> Floats:
        """`contributions` of what `training_set.inputs` has made of a table already: that takes half of the time."""
        found = _parts(self.curves, frame)
        if any(self.shares):
            rest = clipped_log_odds(p_decline) - self.baseline - found.sum(axis=1)
            for i, share in enumerate(self.shares):
                found[:, i] += share * rest
        return found

    def to_json(self) -> str:
        """The effects as JSON text."""
        content = {
            "version": VERSION,
            "method": self.method,
            "baseline": self.baseline,
            "curves": [asdict(c) for c in self.curves],
            "shares": self.shares,
            "fidelity": asdict(self.fidelity),
        }
        return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Effects:
        """Read what `to_json` wrote.

        Raises:
            BadInputError: If the text is no JSON, of another version, or not sound effects.
        """
        try:
            content = json.loads(text)
            version = content.pop("version")
            curves = tuple(_curve(c) for c in content.pop("curves"))
            fidelity = Fidelity(**content.pop("fidelity"))
            found = cls(curves=curves, shares=tuple(content.pop("shares")), fidelity=fidelity, **content)
        except BadInputError as error:
            raise BadInputError(error.problem, value=error.value, remedy=_REMEDY) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInputError("this is no description of a model's effects", value=str(error), remedy=_REMEDY) from error
        if version != VERSION:
            raise BadInputError(f"the effects have version {version}, this program reads {VERSION}", remedy=_REMEDY)
        return found


class Explained(NamedTuple):
    """The effects of a model, and the sample of customers they rest on.

    Attributes:
        effects: The effects.
        sample: One row a sampled customer: features as the model is shown them, and `contribution_<feature>`, its
            sampled Shapley values in log-odds, moved so that they are against the mean customer.
    """

    effects: Effects
    sample: pd.DataFrame


def effects(pipeline: Any, training: pd.DataFrame, settings: Model) -> Explained:  # noqa: ANN401 - scikit-learn has no types
    """Explain a fitted model.

    Shapley values are sampled for 128 customers against 6 background rows that span the range of predictions; so few
    rows stand for all because only interactions depend on them: what a feature does by itself is set against the mean of
    all training rows afterwards. Over customers drawn like the background, Shapley values have mean 0, whatever the model.

    Log-odds are those of p clipped to 0.002…0.998, since neighbours and trees say 0 and 1; a linear model's are not
    clipped.

    Args:
        pipeline: Fitted on `inputs`; anything with `predict_proba` of a frame.
        training: Rows of `contracts.model.TRAINING_SET` that it was trained on, in any order.
        settings: Seed, and the rows above which a sample serves.

    Returns:
        The effects and the sample.
    """
    import numpy as np
    import pandas as pd
    from threadpoolctl import threadpool_limits

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
    contributions = pd.DataFrame(values - shift, columns=[CONTRIBUTION + name for name in FEATURE_NAMES])
    baseline = float((data.level - (values - shift).sum(axis=1)).mean())
    done = Effects(found.method, baseline, found.curves, found.shares, fidelity)
    return Explained(done, pd.concat([customers, contributions], axis=1))


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


def clipped_log_odds(p: Floats) -> Floats:
    """Log-odds of probabilities, clipped to 0.002…0.998.

    >>> import numpy as np
    >>> clipped_log_odds(np.array([0.5, 1.0])).round(3).tolist()
    [0.0, 6.213]
    """
    import numpy as np

    p = np.clip(p, _CLIP, 1 - _CLIP)
    odds: Floats = np.log(p / (1 - p))
    return odds


class _Sample(NamedTuple):
    """Customers with their Shapley values and log-odds, and all rows of the training."""

    customers: pd.DataFrame
    values: Floats
    level: Floats
    frame: pd.DataFrame

    def some(self, index: NDArray[np.intp]) -> _Sample:
        """Some of the customers."""
        return _Sample(self.customers.iloc[index], self.values[index], self.level[index], self.frame)


class _Found(NamedTuple):
    """Effects before their fidelity and the log-odds of the mean customer are known."""

    method: str
    curves: tuple[Curve, ...]
    shares: tuple[float, ...]


def _parts(curves: Sequence[Curve], frame: pd.DataFrame) -> Floats:
    """Contributions by the curves alone, shape (rows, features)."""
    import numpy as np

    found = np.empty((len(frame), len(curves)))
    for i, curve in enumerate(curves):
        values = frame[curve.feature]
        found[:, i] = curve.at(values) if isinstance(curve, TextCurve) else curve.at(values.to_numpy())
    return found


def _centred(curves: list[Curve], frame: pd.DataFrame) -> tuple[tuple[Curve, ...], Floats]:
    """The curves with mean 0 over the rows, and the means that they had."""
    means = _parts(curves, frame).mean(axis=0)
    return tuple(c.shifted(-float(mean)) for c, mean in zip(curves, means, strict=True)), means


def _closed_form(log_odds: LogOdds, data: _Sample) -> tuple[_Found, Floats]:
    """The effects of a linear model, by putting values into one row: two make a line, every text has its own."""
    import numpy as np
    import pandas as pd

    base, tried = data.frame.iloc[[0]], []
    put: dict[str, list[Any]] = {
        name: [*(_line if name in NUMBERS else _texts)(data.frame[name]), np.nan, *([] if name in NUMBERS else ["\0"])]
        for name in FEATURE_NAMES
    }
    for name, values in put.items():
        tried += [base.assign(**{name: pd.Series([value], index=base.index, dtype=base[name].dtype)}) for value in values]
    heights = iter(log_odds(pd.concat(tried, ignore_index=True)).tolist())
    curves: list[Curve] = []
    for name, values in put.items():
        own = [next(heights) for _ in values]
        if name in NUMBERS:
            typical = _typical(data.frame[name])
            curves.append(NumberCurve(name, typical, (values[0], values[1]), (own[0], own[1]), own[2], straight=True))
        else:
            curves.append(TextCurve(name, dict(zip(values[:-2], own[:-2], strict=True)), own[-2], own[-1]))
    centred, means = _centred(curves, data.frame)
    centred = tuple(
        TextCurve(c.feature, c.contributions, c.missing, c.unknown - float(m)) if isinstance(c, TextCurve) else c
        for c, m in zip(centred, means, strict=True)
    )
    found = _Found(CLOSED_FORM, centred, (0.0,) * len(centred))
    return found, (data.values - _parts(found.curves, data.customers)).mean(axis=0)


def _curves(data: _Sample) -> tuple[_Found, Floats]:
    """Curves fitted to Shapley values, and by how much these must move to be against the mean customer."""
    curves: list[Curve] = []
    for i, name in enumerate(FEATURE_NAMES):
        fit = _number_curve if name in NUMBERS else _text_curve
        curves.append(fit(name, data.frame[name], data.customers[name], data.values[:, i]))
    centred, means = _centred(curves, data.frame)
    # The curves' errors e_j add up to the error of the customer's log-odds; the best linear guess of e_j from that
    # sum is cov(e_j, sum) / var(sum) times it.
    errors = data.values - means - _parts(centred, data.customers)
    rest = errors.sum(axis=1)
    square = float(rest @ rest)
    shares = tuple(float(s) for s in errors.T @ rest / square) if square > 0 else (0.0,) * len(centred)
    return _Found(CURVES, centred, shares), means


def _fidelity(data: _Sample, exact: _Found | None) -> Fidelity:
    """Compare with Shapley values: a closed form as it is, curves that were fitted to the other half of the sample."""
    import numpy as np

    place = np.arange(len(data.customers))
    halves = place < len(place) // 2, place >= len(place) // 2
    true, told = [], []
    for judge, learn in (halves, halves[::-1]):
        judged = data.some(np.flatnonzero(judge))
        if exact is not None:
            parts = _parts(exact.curves, judged.customers)
            shift = (judged.values - parts).mean(axis=0)
        else:
            found, shift = _curves(data.some(np.flatnonzero(learn)))
            parts = _parts(found.curves, judged.customers)
            parts = parts + np.outer((judged.values - shift - parts).sum(axis=1), found.shares)
        true.append(judged.values - shift)
        told.append(parts)
    return compare(np.concatenate(true), np.concatenate(told))


def compare(true: Floats, told: Floats) -> Fidelity:
    """How well contributions agree with Shapley values, both of shape (customers, features)."""
    import numpy as np

    top, guess = (np.argsort(-np.abs(v), axis=1, kind="stable")[:, :3] for v in (true, told))
    common = (top[:, :, None] == guess[:, None, :]).any(axis=2).mean()
    square = float((true**2).sum())
    r2 = 1 - float(((true - told) ** 2).sum()) / square if square > 0 else 1.0
    return Fidelity(len(true), r2, float((top[:, 0] == guess[:, 0]).mean()), float(common))


def _number_curve(name: str, all_values: pd.Series, values: pd.Series, contributions: Floats) -> NumberCurve:
    """Penalised least squares on hat functions; the stiffness by generalised cross-validation.

    Source: Eilers, Marx (1996), Flexible smoothing with B-splines and penalties; Golub, Heath, Wahba (1979). The model
    fills an empty value with the median, so that is what an empty value contributes.
    """
    import numpy as np

    typical = _typical(all_values)
    knots = _knots(all_values)
    filled = values.fillna(typical).to_numpy()
    hats = np.column_stack([np.interp(filled, knots, hat) for hat in np.eye(len(knots))])
    bend = np.diff(np.eye(len(knots)), 2, axis=0) if len(knots) > 2 else np.zeros((1, len(knots)))  # noqa: PLR2004
    gram, right = hats.T @ hats, hats.T @ contributions
    best, heights = np.inf, np.zeros(len(knots))
    for stiffness in _STIFFNESS:
        system = gram + stiffness * bend.T @ bend + 1e-6 * np.eye(len(knots))  # the last: a knot that no customer is near
        found = np.linalg.solve(system, right)
        freedom = len(filled) - np.trace(np.linalg.solve(system, gram))
        score = float(((contributions - hats @ found) ** 2).sum()) / max(freedom, 1.0) ** 2
        if score < best:
            best, heights = score, found
    missing = float(np.interp(typical, knots, heights))
    return NumberCurve(name, typical, tuple(knots.tolist()), tuple(heights.tolist()), missing, straight=False)


def _text_curve(name: str, all_values: pd.Series, values: pd.Series, contributions: Floats) -> TextCurve:
    """Mean contribution of every text; an empty one counts as the most frequent, with which the model fills it."""
    import pandas as pd

    known = _texts(all_values)
    usual = all_values.mode()
    filled = values.fillna(usual.iloc[0]) if len(usual) else values
    means = pd.Series(contributions).groupby(filled.to_numpy()).mean()
    by_text = {text: float(means.get(text, contributions.mean())) for text in known}
    return TextCurve(name, by_text, by_text[usual.iloc[0]] if len(usual) else float(contributions.mean()), unknown=0.0)


def _knots(values: pd.Series) -> Floats:
    """All values where they are few, else quantiles; the outermost half per cent lies beyond the last knot."""
    import numpy as np

    known = values.dropna().to_numpy()
    different = np.unique(known)
    if len(different) <= _FEW:
        return different if len(different) else np.zeros(1)
    return np.unique(np.quantile(known, np.linspace(0.005, 0.995, _KNOTS)))


def _line(values: pd.Series) -> tuple[float, float]:
    """Two different values to draw a line through: the outermost."""
    known = values.dropna()
    low = float(known.min()) if len(known) else 0.0
    return low, float(known.max()) if len(known) and known.max() > low else low + 1.0


def _texts(values: pd.Series) -> list[str]:
    return sorted(values.dropna().unique())


def _typical(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.median()) if len(known) else 0.0


def _require_finite(what: str, *numbers: float) -> None:
    import math

    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise BadInputError(f"{what}: a value is no finite number")


def _curve(content: dict[str, Any]) -> Curve:
    if "knots" in content:
        as_tuples = {name: tuple(content[name]) for name in ("knots", "contributions")}
        return NumberCurve(**content | as_tuples)
    return TextCurve(**content)
