"""A plan in figures, and what it was made with, as the table `contracts.offers.PLAN_SUMMARY`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.offers import PLAN_SUMMARY

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.campaigns.worth import Worth
    from oneclick_pipeline.offers.plan_summary import Summary
    from oneclick_pipeline.settings import Settings

_FIGURES = (
    "customers", "budget", "explored_share", "offers", "controls", "cost", "expected_gain", "expected_gain_low",
    "expected_gain_high", "without_limits", "by_risk", "detectable_effect", "gap", "price_of_budget",
)  # fmt: skip


def summary_table(
    plan: Summary, *, month: str, catalogue: str, learned: bool, worth: Worth, forecast: bool, settings: Settings
) -> pd.DataFrame:
    """`contracts.offers.PLAN_SUMMARY` of a plan: one row.

    Args:
        plan: Its figures.
        month: Snapshot month.
        catalogue: Digest of the catalogue.
        learned: Whether the effects of the offers were learned from campaigns.
        worth: The worth of a kept customer.
        forecast: Whether the score is a forecast; else it recognises the class of its own month.
        settings: Shares; roubles in a unit.
    """
    import pandas as pd

    limits, assumed = settings.offers, worth.source == "assumed"
    row = {name: getattr(plan, name) for name in _FIGURES} | {
        "month": month,
        "control_share": limits.control_share,
        "exploration_share": limits.exploration_share,
        "offer_control_share": limits.offer_control_share,
        "catalogue": catalogue,
        "effects": "learned" if learned else "catalogue",
        "worth": worth.source,
        "worth_months": worth.months,
        "worth_share": worth.coefficients[0] / worth.months if assumed else math.nan,
        "worth_mean": worth.mean,
        "worth_standard_error": worth.standard_error,
        "score": "forecast" if forecast else "recognition",
        "profit_unit_roubles": settings.value.profit_unit_roubles,
    }
    return pd.DataFrame([row])[PLAN_SUMMARY.names].astype({c.name: c.pandas for c in PLAN_SUMMARY.columns})
