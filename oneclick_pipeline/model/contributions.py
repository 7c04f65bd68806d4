"""What every value of every feature adds to a customer's log-odds of declining: reasons for millions at the price of a look-up.

Kept with every version of a model, as JSON. How it is computed for a fitted model is in `model.attribution`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.curves import Curve, NumberCurve, TextCurve, from_record, require_finite
from oneclick_pipeline.model.training_set import NUMBERS, inputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

VERSION = 1
CLOSED_FORM = "closed form"
CURVES = "dependence curves of sampled Shapley values"
_CLIP = 0.002
_REMEDY = "restore the file from a backup, or run retrain"


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
        """Refuse invalid figures."""
        require_finite("fidelity", self.customers, self.r2, self.top_reason, self.top_three)


@dataclass(frozen=True)
class Contributions:
    """What every feature contributes to a model's log-odds.

    Attributes:
        method: `CLOSED_FORM` or `CURVES`.
        baseline: Log-odds of the mean customer.
        curves: One per feature, in the order of `FEATURE_NAMES`; each has mean 0 over the training rows.
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
        """Refuse contributions that do not match the features."""
        if self.method not in (CLOSED_FORM, CURVES):
            raise BadInputError("the contributions were made by an unknown method", value=str(self.method))
        require_finite("contributions", self.baseline, *self.shares)
        kinds = {name: NumberCurve if name in NUMBERS else TextCurve for name in FEATURE_NAMES}
        if {c.feature: type(c) for c in self.curves} != kinds or tuple(c.feature for c in self.curves) != FEATURE_NAMES:
            raise BadInputError("the contributions do not match the features")
        if len(self.shares) != len(self.curves):
            raise BadInputError("the number of shares differs from the number of features")

    def __getitem__(self, feature: str) -> Curve:
        """The curve of a feature."""
        return self.curves[FEATURE_NAMES.index(feature)]

    def of(self, features: pd.DataFrame, p_decline: Floats) -> Floats:
        """What every feature adds to every customer's log-odds, against the mean customer.

        Args:
            features: Table with the feature columns, n rows.
            p_decline: Probability of every customer, n; not used in closed form. Otherwise a customer's
                contributions add up to its log-odds less the baseline, where it lies between 0.002 and 0.998.

        Returns:
            Contributions in log-odds, shape (n, features), in the order of `FEATURE_NAMES`.

        Raises:
            BadInputError: If a feature column is missing.
        """
        return self.of_inputs(inputs(features), p_decline)

    def of_inputs(self, frame: pd.DataFrame, p_decline: Floats) -> Floats:
        """`of` what `training_set.inputs` has made of a table already: that takes half of the time."""
        values = by_curves(self.curves, frame)
        if any(self.shares):
            rest = clipped_log_odds(p_decline) - self.baseline - values.sum(axis=1)
            for i, share in enumerate(self.shares):
                values[:, i] += share * rest
        return values

    def to_json(self) -> str:
        """The contributions as JSON text."""
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
    def from_json(cls, text: str) -> Contributions:
        """Read what `to_json` wrote.

        Raises:
            BadInputError: If the text is not JSON, of another version, or not sound.
        """
        try:
            content = json.loads(text)
            version = content.pop("version")
            curves = tuple(from_record(c) for c in content.pop("curves"))
            fidelity = Fidelity(**content.pop("fidelity"))
            contributions = cls(curves=curves, shares=tuple(content.pop("shares")), fidelity=fidelity, **content)
        except BadInputError as error:
            raise BadInputError(error.problem, value=error.value, remedy=_REMEDY) from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInputError("these are not feature contributions", value=str(error), remedy=_REMEDY) from error
        if version != VERSION:
            raise BadInputError(f"the contributions have version {version}, but this program reads {VERSION}", remedy=_REMEDY)
        return contributions


def by_curves(curves: Sequence[Curve], frame: pd.DataFrame) -> Floats:
    """Contributions by the curves alone, shape (rows, features)."""
    import numpy as np

    totals = np.empty((len(frame), len(curves)))
    for i, curve in enumerate(curves):
        values = frame[curve.feature]
        totals[:, i] = curve.at(values) if isinstance(curve, TextCurve) else curve.at(values.to_numpy())
    return totals


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
