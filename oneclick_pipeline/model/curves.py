"""Curves: what every value of one feature adds to the log-odds of declining, and how a curve is fitted to Shapley values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_KNOTS = 13
_FEW = 12
_STIFFNESS = tuple(10.0**power for power in (-2, -1, 0, 1, 2, 3))


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
        require_finite(self.feature, self.typical, self.missing, *self.knots, *self.contributions)
        ascending = all(a < b for a, b in zip(self.knots, self.knots[1:], strict=False))
        if not (ascending and len(self.knots) == len(self.contributions) >= 1 + self.straight):
            raise BadInputError(
                f"{self.feature}: the knots do not ascend, or their number differs from that of the contributions"
            )

    def at(self, values: Floats) -> Floats:
        """Contribution of every value; NaN is an empty one."""
        import numpy as np

        if self.straight:
            slope = (self.contributions[-1] - self.contributions[0]) / (self.knots[-1] - self.knots[0])
            contribution = self.contributions[0] + slope * (values - self.knots[0])
        else:
            contribution = np.interp(values, self.knots, self.contributions)
        return np.where(np.isnan(values), self.missing, contribution)

    def shifted(self, by: float) -> NumberCurve:
        """The same curve, every contribution `by` higher."""
        return replace(self, contributions=tuple(c + by for c in self.contributions), missing=self.missing + by)


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
        require_finite(self.feature, self.missing, self.unknown, *self.contributions.values())

    def at(self, texts: pd.Series) -> Floats:
        """Contribution of every text; a missing one is an empty one."""
        import numpy as np
        import pandas as pd

        codes, different = pd.factorize(texts, use_na_sentinel=True)
        by_code = np.array([*(self.contributions.get(t, self.unknown) for t in different), self.missing])
        contribution: Floats = by_code[codes]  # −1, the code of a missing text, is the last
        return contribution

    def shifted(self, by: float) -> TextCurve:
        """The same curve, every contribution but that of unknown texts `by` higher."""
        moved = {text: c + by for text, c in self.contributions.items()}
        return replace(self, contributions=moved, missing=self.missing + by)


Curve = NumberCurve | TextCurve


def from_record(content: dict[str, Any]) -> Curve:
    """The curve that was written as a JSON object."""
    if "knots" in content:
        as_tuples = {name: tuple(content[name]) for name in ("knots", "contributions")}
        return NumberCurve(**content | as_tuples)
    return TextCurve(**content)


def number_curve(name: str, all_values: pd.Series, values: pd.Series, contributions: Floats) -> NumberCurve:
    """Penalised least squares on hat functions; the stiffness by generalised cross-validation.

    Source: Eilers, Marx (1996), Flexible smoothing with B-splines and penalties; Golub, Heath, Wahba (1979). The model
    fills an empty value with the median, so that is what an empty value contributes.
    """
    import numpy as np

    usual, knots = typical(all_values), _knots(all_values)
    filled = values.fillna(usual).to_numpy()
    hats = np.column_stack([np.interp(filled, knots, hat) for hat in np.eye(len(knots))])
    bend = np.diff(np.eye(len(knots)), 2, axis=0) if len(knots) > 2 else np.zeros((1, len(knots)))  # noqa: PLR2004
    gram, right = hats.T @ hats, hats.T @ contributions
    best, heights = np.inf, np.zeros(len(knots))
    for stiffness in _STIFFNESS:
        system = gram + stiffness * bend.T @ bend + 1e-6 * np.eye(len(knots))  # the last: a knot that no customer is near
        solution = np.linalg.solve(system, right)
        freedom = len(filled) - np.trace(np.linalg.solve(system, gram))
        score = float(((contributions - hats @ solution) ** 2).sum()) / max(freedom, 1.0) ** 2
        if score < best:
            best, heights = score, solution
    missing = float(np.interp(usual, knots, heights))
    return NumberCurve(name, usual, tuple(knots.tolist()), tuple(heights.tolist()), missing, straight=False)


def text_curve(name: str, all_values: pd.Series, values: pd.Series, contributions: Floats) -> TextCurve:
    """Mean contribution of every text; an empty one counts as the most frequent, with which the model fills it."""
    import pandas as pd

    known = texts(all_values)
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


def line(values: pd.Series) -> tuple[float, float]:
    """Two different values to draw a line through: the outermost."""
    known = values.dropna()
    low = float(known.min()) if len(known) else 0.0
    return low, float(known.max()) if len(known) and known.max() > low else low + 1.0


def texts(values: pd.Series) -> list[str]:
    """The different texts, sorted."""
    return sorted(values.dropna().unique())


def typical(values: pd.Series) -> float:
    """The median; 0 where all are empty."""
    known = values.dropna()
    return float(known.median()) if len(known) else 0.0


def require_finite(what: str, *numbers: float) -> None:
    """Refuse anything but finite numbers.

    Raises:
        BadInputError: If there is one.
    """
    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise BadInputError(f"{what}: a value is not a finite number")
