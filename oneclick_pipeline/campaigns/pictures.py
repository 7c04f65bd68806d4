"""Pictures of campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.estimate import mixture
from oneclick_pipeline.campaigns.offer_effects import ALL
from oneclick_pipeline.pictures import DECLINED, GREY, INK, SMALL, STABLE, TEXT, TITLE, figure, printable, tidy

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4


def cumulative(effects: pd.DataFrame, offer: str) -> pd.DataFrame:
    """What was known of an offer's effect on `declined` after each campaign.

    Months are joined by inverse variance, with always-valid intervals, since the picture is read after every campaign. The final
    estimate, over all campaigns, is in `effects` itself (it also uses months that are too small to be read alone, and
    knows which customers were in several).

    Args:
        effects: `contracts.campaigns.OFFER_EFFECTS`.
        offer: Offer, or `all`.

    Returns:
        month, effect, low, high: one row per campaign that was measured, in order of time.
    """
    kind = "targeted" if offer == ALL else "pooled"
    mine = effects[(effects["offer_id"] == offer) & (effects["segment"] == ALL) & (effects["comparison"] == kind)]
    mine = mine[(mine["outcome"] == "declined") & (mine["status"] == "measured") & (mine["campaigns"] != ALL)]
    mine = mine.sort_values("campaigns", ignore_index=True)
    weight = (mine["standard_error"] ** -2.0).cumsum()
    effect = (mine["effect"] * mine["standard_error"] ** -2.0).cumsum() / weight
    looks = mixture(0.25)  # the most that the variance of a share can be
    half = [looks.half(w**-0.5) for w in weight]
    return mine[["campaigns"]].rename(columns={"campaigns": "month"}).assign(effect=effect, low=effect - half, high=effect + half)


def forest(effects: pd.DataFrame) -> Figure:
    """Cumulative forest plot: each offer's effect on decline after every campaign, and over all of them, with 95 % intervals.

    The intervals hold at every look. Blue ones lie below 0 (fewer decline), vermilion ones above, grey ones hold 0. Offers
    that were never measured have an empty panel that says so.

    Args:
        effects: `contracts.campaigns.OFFER_EFFECTS`.
    """
    offers = sorted(set(effects["offer_id"]) - {ALL})
    shown = [ALL, *offers] if (effects["offer_id"] == ALL).any() else offers
    months = sorted(set(effects.loc[effects["outcome"] == "declined", "campaigns"]) - {ALL})
    columns = min(_COLUMNS, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    picture = figure(2.6 * columns + 0.6, 0.9 + rows * (0.9 + 0.17 * (len(months) + 1)))
    title = "Change of the share who decline, percentage points, 95 % intervals that hold at every look"
    picture.suptitle(title, x=0.01, ha="left", fontsize=TITLE, color=INK, weight="bold")
    panels = picture.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, offer in zip(panels, shown, strict=False):
        _panel(tidy(axes), effects, offer, months)
    for axes in panels[max(0, len(shown) - columns) : len(shown)]:
        axes.tick_params(labelbottom=True)
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    return picture


def _panel(axes: Axes, effects: pd.DataFrame, offer: str, months: list[str]) -> None:
    """One offer: a row per month, the newest below, all campaigns last."""
    known = cumulative(effects, offer)
    kind = "targeted" if offer == ALL else "pooled"
    total = effects[
        (effects["campaigns"] == ALL)
        & (effects["offer_id"] == offer)
        & (effects["segment"] == ALL)
        & (effects["comparison"] == kind)
        & (effects["outcome"] == "declined")
    ]
    axes.axvline(0, color=GREY, linewidth=0.8)
    rows = [(months.index(r["month"]), r["effect"], r["low"], r["high"], 1.2) for r in known.to_dict("records")]
    over_all = [(r["effect"], r["effect_low"], r["effect_high"]) for r in total.to_dict("records")]
    rows += [(len(months), *interval, 2.6) for interval in over_all if np.isfinite(interval).all()]
    for place, effect, low, high, width in rows:
        colour = STABLE if high < 0 else DECLINED if low > 0 else GREY
        axes.hlines(place, 100 * low, 100 * high, color=colour, linewidth=width)
        axes.plot(100 * effect, place, "o", color=colour, markersize=2.5 + width)
    if not rows:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", fontsize=SMALL, color=GREY)
    label = "all offers" if offer == ALL else offer
    axes.set_title(printable(label), loc="left", fontsize=TEXT, color=INK, weight="bold")
    axes.set_yticks(range(len(months) + 1), [*months, "all campaigns"])
    axes.set_ylim(len(months) + 0.6, -0.6)
