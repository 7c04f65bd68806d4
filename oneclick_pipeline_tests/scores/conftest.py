"""Effects made by hand, in which everything can be read off."""

from __future__ import annotations

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.model.contributions import CLOSED_FORM, Effects, Fidelity, NumberCurve, TextCurve
from oneclick_pipeline.model.training_set import NUMBERS


def make_effects(**slopes: float) -> Effects:
    """Every number is typically 10 and contributes its slope times its distance from that; texts by `slopes`, plus or minus."""

    def curve(name):
        slope = slopes.get(name, 0.0)
        if name in NUMBERS:
            return NumberCurve(name, 10.0, (10.0, 11.0), (0.0, slope), missing=slope, straight=True)
        return TextCurve(
            name, {"standard": slope, "premium": -slope, "Товары для детей": slope}, missing=slope / 2, unknown=slope
        )

    return Effects(CLOSED_FORM, 0.0, tuple(map(curve, FEATURE_NAMES)), (0.0,) * len(FEATURE_NAMES), Fidelity(1, 1.0, 1.0, 1.0))
