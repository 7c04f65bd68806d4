"""The profit curve of a plan, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline import pictures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def curve_picture(curve: pd.DataFrame) -> Figure:
    """Expected gain over the budget with its band, what earlier campaigns showed where there are some, the plan marked.

    Args:
        curve: `contracts.offers.PROFIT_CURVE`.
    """
    picture = pictures.figure(9, 4.2)
    axes = pictures.tidy(picture.subplots())
    axes.axhline(0, color=pictures.GREY, linewidth=0.8)
    budget, own = curve["budget"], curve[curve["budget_share"] == 1]
    low, high = curve["expected_gain_low"], curve["expected_gain_high"]
    axes.fill_between(budget, low, high, color=pictures.STABLE, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(budget, curve["expected_gain"], color=pictures.STABLE, linewidth=2, label="expected gain less cost")
    if curve["past_gain"].notna().any():
        axes.fill_between(budget, curve["past_gain_low"], curve["past_gain_high"], color=pictures.GREY, alpha=0.15, linewidth=0)
        axes.plot(
            budget, curve["past_gain"], color=pictures.GREY, linewidth=1.3, linestyle="--", label="as earlier campaigns showed"
        )
    axes.plot(own["budget"], own["expected_gain"], "o", color=pictures.INK, markersize=6, label="the plan")
    axes.set_xlabel("Budget, finance units", fontsize=pictures.TEXT, color=pictures.INK)
    axes.set_ylabel("Gain, finance units", fontsize=pictures.TEXT, color=pictures.INK)
    axes.set_xlim(0, max(float(budget.max()), 1e-9))
    axes.legend(fontsize=pictures.SMALL, facecolor="white", edgecolor="none", framealpha=1)
    return picture
