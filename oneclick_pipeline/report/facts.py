"""All figures of the page, none of them formatted; money in finance units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oneclick_pipeline.contracts.segments import SEGMENTS, Segment
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.report import estimates
from oneclick_pipeline.report.changes import Changes, changes
from oneclick_pipeline.report.focus import Focus, focus
from oneclick_pipeline.report.frames import coded, interval, number, numbers, rows, segment_places, text, worth
from oneclick_pipeline.report.made_with import cut, horizon_of
from oneclick_pipeline.report.monitoring import MonitoringFacts, monitoring
from oneclick_pipeline.report.offers import Campaigns, Plan, campaigns, plan
from oneclick_pipeline.report.quality import Quality, quality
from oneclick_pipeline.report.totals import meaning, recorded, totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.report.estimates import Floats
    from oneclick_pipeline.report.source import Month
    from oneclick_pipeline.settings import Settings
    from oneclick_pipeline.stats import Interval

_POINTS = 250
_REASONS = 6


@dataclass(frozen=True)
class Group:
    """A segment in figures; None if it is empty, or nothing is known about its customers, or they are irregular."""

    segment: Segment
    customers: int
    share: float
    declines: Interval | None
    mean_p: float | None
    profit: float | None
    at_risk: Interval | None
    consent: float | None
    premium: float | None
    category: str | None
    promo: float | None
    revenue: float | None
    minutes: float | None
    tenure_days: float | None


@dataclass(frozen=True)
class Reason:
    """Why the model considers customers likely to decline: how many of them have it among their three strongest reasons."""

    ru: str
    en: str
    customers: int
    share: Interval
    focus: Interval | None


@dataclass(frozen=True)
class Reasons:
    """The reasons of those at high risk.

    Attributes:
        customers: How many are at high risk.
        threshold: p_decline from which the risk is high.
        reasons: What raises their risk, the most frequent first.
        importance: Features by the log loss that the model would lose without them, with intervals; empty where unknown.
    """

    customers: int
    threshold: float
    reasons: tuple[Reason, ...]
    importance: tuple[tuple[str, Interval], ...]


@dataclass(frozen=True)
class Facts:
    """What the page says.

    Attributes:
        month: Snapshot month.
        meaning: What the scores are about, see `contracts.scores.MEANING`; of tables of earlier versions by the model's record.
        horizon: Months ahead of a forecast.
        unit_roubles: Roubles in a finance unit; None where the store does not say.
        customers: Customers of the month.
        regular: Regular ones.
        scored: Regular customers with a probability.
        declines: Expected declines among them; None where no interval was recorded, like all of these figures.
        at_risk: Their profit of the horizon, weighted by p_decline; None likewise.
        profit: Sum of what these customers earn in the horizon.
        risks: p_decline from which the risk is middle, and high.
        changes: Against the month before; None where that was not run.
        focus: The focus group; None where no segment has customers.
        groups: Every segment.
        dots: Sampled customers of each segment by profit and p_decline, for the picture.
        reasons: Why.
        plan: The offers of the month.
        campaigns: What earlier ones achieved.
        quality: How far to trust it, and the appendix.
        monitoring: Whether the data are still those the model was trained on, and whether its scores proved right.
    """

    month: str
    meaning: str
    horizon: int
    unit_roubles: float | None
    customers: int
    regular: int
    scored: int
    declines: Interval | None
    at_risk: Interval | None
    profit: float
    risks: tuple[float, float]
    changes: Changes | None
    focus: Focus | None
    groups: tuple[Group, ...]
    dots: dict[str, tuple[tuple[float, float], ...]]
    reasons: Reasons
    plan: Plan
    campaigns: Campaigns
    quality: Quality
    monitoring: MonitoringFacts

    @property
    def known_from(self) -> str:
        """The month from which it can be checked what became of the customers."""
        return add_months(self.month, self.horizon)

    @property
    def history_from(self) -> str:
        """The oldest month that a forecast of this month needs."""
        return add_months(self.month, -self.horizon)

    @property
    def own_group(self) -> Group | None:
        """The focus group among the segments."""
        return next((g for g in self.groups if self.focus is not None and g.segment == self.focus.segment), None)


def gather(source: Month, offers: tuple[Offer, ...], settings: Settings) -> Facts:
    """All figures of a month.

    Args:
        source: Its tables.
        offers: The catalogue, for the names of the offers.
        settings: Settings of the home; what the tables show of those that the month was run with comes before them.
    """
    p, at_risk = numbers(source.segments["p_decline"]), numbers(source.segments["value_at_risk"])
    horizon = horizon_of(p, numbers(source.segments["profit"]), at_risk) or settings.value.horizon_months
    place, high_risk = segment_places(source.segments["segment"]), settings.segments.high_risk
    risks = tuple(cut(p, place, risk, today) for risk, today in ((1, settings.segments.middle_risk), (2, high_risk)))
    regular = source.features["regular"].to_numpy(dtype=bool) & ~np.isnan(p)
    profiles = {row["segment"]: row for row in rows(source.profiles)}
    declines, sum_at_risk = totals(source.profiles)
    focus_group = focus(source.segments, source.features)
    before = source.before
    planned = plan(source.plan, source.summary, source.curve, offers)
    return Facts(
        month=source.month,
        meaning=meaning(source.profiles) or source.model.meaning,
        horizon=horizon,
        unit_roubles=planned.recorded.unit_roubles if planned.recorded else None,
        customers=len(p),
        regular=int(source.features["regular"].sum()),
        scored=int(regular.sum()),
        declines=declines,
        at_risk=sum_at_risk,
        profit=float(np.nansum(worth(p, at_risk)[regular])),
        risks=(risks[0], risks[1]),
        changes=None if before is None else changes(before, source),
        focus=focus_group,
        groups=tuple(_group(one, profiles[one.id]) for one in SEGMENTS),
        dots=_dots(source, p),
        reasons=_reasons(source, p, focus_group, risks[1]),
        plan=planned,
        campaigns=campaigns(source.campaigns, source.effects, source.beliefs, offers, horizon),
        quality=quality(source),
        monitoring=monitoring(source.drift, source.health, source.month, settings.monitoring),
    )


def _group(segment: Segment, row: Mapping[str, Any]) -> Group:
    """A segment by its row of the profiles."""
    return Group(
        segment=segment,
        customers=int(row["customers"]),
        share=float(row["share"]),
        declines=recorded(row, "expected_declines"),
        mean_p=number(row, "mean_p_decline"),
        profit=number(row, "mean_profit"),
        at_risk=recorded(row, "value_at_risk"),
        consent=number(row, "consent_share"),
        premium=number(row, "premium_share"),
        category=text(row, "top_category"),
        promo=number(row, "mean_promo_share"),
        revenue=number(row, "mean_revenue_m0"),
        minutes=number(row, "mean_minutes_m0"),
        tenure_days=number(row, "mean_tenure_days"),
    )


def _dots(source: Month, p: Floats) -> dict[str, tuple[tuple[float, float], ...]]:
    """As many customers of every segment as a picture can show, evenly by customer number."""
    place, profit = segment_places(source.segments["segment"]), numbers(source.segments["profit"])
    dots = {}
    for i, one in enumerate(SEGMENTS):
        if one.risk is not None:
            group = np.flatnonzero(place == i)
            group = group[:: max(-(-len(group) // _POINTS), 1)]
            dots[one.id] = tuple((float(x), float(y)) for x, y in zip(profit[group], p[group], strict=True))
    return dots


def _reasons(source: Month, p: Floats, focus_group: Focus | None, threshold: float) -> Reasons:
    """What raises the risk of those at high risk, counted over their three strongest reasons."""
    high = p >= threshold  # False of NaN
    inside = high & (segment_places(source.segments["segment"]) == (SEGMENTS.index(focus_group.segment) if focus_group else -1))
    counts: dict[tuple[str, str], list[int]] = {}
    for k in (1, 2, 3):
        raises = high & (numbers(source.scores[f"reason_{k}_effect"]) > 0)
        ru, russian = coded(source.scores[f"reason_{k}_ru"])
        en, english = coded(source.scores[f"reason_{k}_en"])
        for chosen, place in ((raises, 0), (raises & inside, 1)):
            has_reason = chosen & (ru >= 0) & (en >= 0)
            numbered = np.bincount(ru[has_reason] * len(english) + en[has_reason])
            for pair in np.flatnonzero(numbered):
                a, b = divmod(int(pair), len(english))
                counts.setdefault((_phrase(russian[a]), _phrase(english[b])), [0, 0])[place] += int(numbered[pair])
    ordered = sorted(counts.items(), key=lambda item: (-item[1][0], item[0]))[:_REASONS]
    n_high, n_inside = int(high.sum()), int(inside.sum())
    reasons = []
    for (ru_text, en_text), (n, m) in ordered:
        if (whole := estimates.share(n, n_high)) is not None:
            reasons.append(Reason(ru_text, en_text, n, whole, estimates.share(m, n_inside)))
    return Reasons(n_high, threshold, tuple(reasons), _importance(source.explanation))


def _phrase(reason: str) -> str:
    """A reason without its direction: all that are counted raise the risk."""
    return reason.rpartition(": ")[0]


def _importance(table: pd.DataFrame | None) -> tuple[tuple[str, Interval], ...]:
    if table is None:
        return ()
    ordered = rows(table.sort_values("log_loss_increase", ascending=False))
    return tuple((row["feature"], x) for row in ordered if (x := interval(row, "log_loss_increase")) is not None)
