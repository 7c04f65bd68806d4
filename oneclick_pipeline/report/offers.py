"""The offers of the month, and what those of earlier months achieved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oneclick_pipeline.campaigns.offer_effects import ALL
from oneclick_pipeline.contracts.offers import REASONS_OF_PLAN
from oneclick_pipeline.contracts.segments import SEGMENTS, Segment
from oneclick_pipeline.report.frames import coded, interval, number, numbers, rows, segment_places
from oneclick_pipeline.stats import Interval, normal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.contracts.schema import Columns

_ARMS = ("offer", "control")
_TOLD = ("offered", "control", "hold_out")
"""Reasons that are shown as arms; the others say why a customer gets nothing."""


@dataclass(frozen=True)
class Planned:
    """One offer in the plan.

    Attributes:
        id: Its identifier.
        titles: Its title, by language.
        given: Customers who get it.
        controls: Customers who would, and are held out.
        cost: Of all that are given.
        kept: Declines that it is expected to prevent.
        gain: What it is expected to gain, less its cost.
        segment: Segment that most of its customers are in; None if no one gets it.
        segment_share: Share of them.
        mean_p: Mean p_decline of those who get it.
    """

    id: str
    titles: Mapping[str, str]
    given: int
    controls: int
    cost: float
    kept: float
    gain: float
    segment: Segment | None
    segment_share: float
    mean_p: float


@dataclass(frozen=True)
class Recorded:
    """What the plan was made with, and what it was expected to bring, as it is recorded in `contracts.offers.PLAN_SUMMARY`.

    Attributes:
        budget: What the offers may cost.
        gain: Expected gain less cost, with its interval.
        price_of_budget: What one more unit of budget would bring.
        effects: Where the effects come from: catalogue or learned.
        worth: Where the worth of a kept customer comes from: assumed or learned.
        worth_months: Months whose profit it is.
        worth_share: Share of the profit that a decline is assumed to take away; None where the worth is learned.
        worth_mean: Mean worth; None where it is assumed.
        unit_roubles: Roubles in a finance unit; None where the store does not say.
    """

    budget: float
    gain: Interval
    price_of_budget: float
    effects: str
    worth: str
    worth_months: int
    worth_share: float | None
    worth_mean: Interval | None
    unit_roubles: float | None


@dataclass(frozen=True)
class Budget:
    """What the plan would bring with a budget: a point of `contracts.offers.PROFIT_CURVE`.

    Attributes:
        share: The budget as a share of the plan's.
        budget: The budget.
        offers: Customers who would get an offer.
        gain: Expected gain less cost.
        past: The same by what earlier campaigns showed; None while none has matured.
    """

    share: float
    budget: float
    offers: int
    gain: Interval
    past: Interval | None


@dataclass(frozen=True)
class Plan:
    """The plan of the month.

    Attributes:
        offered: Customers who get an offer.
        controls: Customers who are held out at random.
        cost: What the offers cost.
        kept: Declines they are expected to prevent.
        gain: Expected gain less cost, by the rows of the plan.
        offers: Every offer that any customer gets or is held out of, the most given first.
        refused: Customers without an offer by reason.
        recorded: See `Recorded`; None of a month that was planned before it was kept.
        curve: By budget, from none to twice the plan's; empty where that was not kept, or there is no budget.
    """

    offered: int
    controls: int
    cost: float
    kept: float
    gain: float
    offers: tuple[Planned, ...]
    refused: tuple[tuple[str, int], ...]
    recorded: Recorded | None
    curve: tuple[Budget, ...]

    @property
    def undrawn(self) -> int:
        """Customers held out before any offer was drawn for them; those of an offer stand with it."""
        return self.controls - sum(o.controls for o in self.offers)

    @property
    def by_share(self) -> dict[float, Budget]:
        """The points of the curve by share of the plan's budget."""
        return {point.share: point for point in self.curve}


@dataclass(frozen=True)
class Measured:
    """What an offer changed, by one outcome; the figures are None where nothing may be concluded from them.

    Attributes:
        offer: Identifier, or `all`.
        titles: Title by language; empty for all offers together.
        outcome: declined, revenue or profit.
        offered: Customers offered whose outcome is known.
        controls: Customers held out whose outcome is known.
        effect: Offer less control.
        significant: Whether it is beyond chance, allowing for the number of comparisons.
        detectable: Smallest effect that this many customers can show; None where unknown.
        status: measured, not_enough_data or sample_ratio_mismatch.
        always_valid: Whether the interval holds however often it is read while outcomes come in.
    """

    offer: str
    titles: Mapping[str, str]
    outcome: str
    offered: int
    controls: int
    effect: Interval | None
    significant: bool
    detectable: float | None
    status: str
    always_valid: bool


@dataclass(frozen=True)
class Belief:
    """What is believed about an offer: before any campaign, and now; change of P(decline) with 95 % intervals."""

    offer: str
    titles: Mapping[str, str]
    prior: Interval
    now: Interval
    customers: int


@dataclass(frozen=True)
class Campaigns:
    """What earlier campaigns brought.

    Attributes:
        months: Month, offered, controls, whether it has matured: one row per campaign.
        matured: Campaigns whose outcome is known.
        effects: All offers together first, then each; all campaigns together.
        beliefs: Every offer of the plan's catalogue.
        broken: Comparisons whose split is not as planned.
        first_known: Months until a campaign's outcome is known.
    """

    months: tuple[tuple[str, int, int, bool], ...]
    matured: int
    effects: tuple[Measured, ...]
    beliefs: tuple[Belief, ...]
    broken: int
    first_known: int

    @property
    def always_valid(self) -> bool:
        """Whether intervals hold however often they are read; those in tables of earlier versions are for one reading."""
        return any(e.always_valid for e in self.effects)

    def of(self, outcome: str) -> tuple[Measured, ...]:
        """The effects on an outcome."""
        return tuple(e for e in self.effects if e.outcome == outcome)


def plan(table: Columns, summary: pd.DataFrame | None, curve: pd.DataFrame | None, offers: Sequence[Offer]) -> Plan:
    """The plan in figures: those of the whole are recorded, those of single offers are sums of the plan's rows.

    Args:
        table: `contracts.offers.OFFER_PLAN`; a column at a time is in memory.
        summary: `contracts.offers.PLAN_SUMMARY`; None of a month that was planned before there was one.
        curve: `contracts.offers.PROFIT_CURVE`; None likewise.
        offers: The catalogue, for titles.
    """
    (arms, arm_words), (offer, ids) = coded(table["arm"]), coded(table["offer_id"])
    given, held_out = (arms == arm_words.index(arm) if arm in arm_words else np.zeros(len(arms), dtype=bool) for arm in _ARMS)
    place, names = segment_places(table["segment"]), titles(offers)
    columns = {name: numbers(table[name]) for name in ("cost", "expected_effect", "expected_gain", "p_decline")}
    planned = []
    for i, name in enumerate(ids):
        mine = offer == i
        if not mine.any():
            continue  # a word of the column that no row holds
        his = mine & given
        count = np.bincount(place[his], minlength=len(SEGMENTS))
        planned.append(
            Planned(
                id=name,
                titles=_titles(names, name),
                given=int(his.sum()),
                controls=int((mine & held_out).sum()),
                cost=float(columns["cost"][his].sum()),
                kept=-float(np.nansum(columns["expected_effect"][his])),
                gain=float(np.nansum(columns["expected_gain"][his])),
                segment=SEGMENTS[int(count.argmax())] if his.any() else None,
                segment_share=float(count.max() / max(count.sum(), 1)),
                mean_p=float(np.nanmean(columns["p_decline"][his])) if his.any() else 0.0,
            )
        )
    reasons = table["reason"].value_counts()
    return Plan(
        offered=int(given.sum()),
        controls=int(held_out.sum()),
        cost=sum(o.cost for o in planned),
        kept=sum(o.kept for o in planned),
        gain=sum(o.gain for o in planned),
        offers=tuple(sorted(planned, key=lambda o: (-o.given, o.id))),
        refused=tuple(
            sorted(((r, int(reasons[r])) for r in REASONS_OF_PLAN if r not in _TOLD and reasons.get(r, 0)), key=lambda x: -x[1])
        ),
        recorded=None if summary is None else _recorded(rows(summary)[0]),
        curve=() if curve is None else _curve(curve),
    )


def _recorded(row: Mapping[str, Any]) -> Recorded:
    mean, error = number(row, "worth_mean"), number(row, "worth_standard_error")
    return Recorded(
        budget=row["budget"],
        gain=Interval(row["expected_gain"], row["expected_gain_low"], row["expected_gain_high"]),
        price_of_budget=row["price_of_budget"],
        effects=row["effects"],
        worth=row["worth"],
        worth_months=row["worth_months"],
        worth_share=number(row, "worth_share"),
        worth_mean=None if mean is None or error is None else normal(mean, error),
        unit_roubles=number(row, "profit_unit_roubles"),
    )


def _curve(curve: pd.DataFrame) -> tuple[Budget, ...]:
    points = [
        Budget(
            share=row["budget_share"],
            budget=row["budget"],
            offers=row["offers"],
            gain=Interval(row["expected_gain"], row["expected_gain_low"], row["expected_gain_high"]),
            past=interval(row, "past_gain"),
        )
        for row in rows(curve)
    ]
    return tuple(points) if any(point.offers for point in points) else ()


def titles(offers: Sequence[Offer]) -> dict[str, dict[str, str]]:
    """Titles of the catalogue by offer and language."""
    return {o.id: {"ru": o.title_ru, "en": o.title_en} for o in offers}


def campaigns(
    sent: pd.DataFrame, effects: pd.DataFrame, beliefs: pd.DataFrame, offers: Sequence[Offer], horizon: int
) -> Campaigns:
    """What earlier campaigns brought.

    Args:
        sent: See `source.Month.campaigns`.
        effects: `contracts.campaigns.OFFER_EFFECTS`.
        beliefs: `contracts.campaigns.OFFER_BELIEFS`.
        offers: The catalogue, for titles.
        horizon: Months until an outcome is known.
    """
    names = titles(offers)
    together = effects[(effects["campaigns"] == ALL) & (effects["segment"] == ALL)]
    kinds = np.where(together["offer_id"] == ALL, "targeted", "pooled")
    together = together[together["comparison"] == kinds]
    measured = [_measured(row, names) for row in rows(together)]
    months = tuple((str(r["campaign_month"]), int(r["offered"]), int(r["controls"]), bool(r["matured"])) for r in rows(sent))
    whole = beliefs[beliefs["segment"] == ALL]
    return Campaigns(
        months=months,
        matured=sum(matured for *_, matured in months),
        effects=tuple(sorted(measured, key=lambda e: (e.offer != ALL, -e.offered, e.offer))),
        beliefs=tuple(
            Belief(
                r["offer_id"],
                _titles(names, r["offer_id"]),
                normal(r["prior_mean"], r["prior_sd"]),
                normal(r["mean"], r["sd"]),
                int(r["customers"]),
            )
            for r in rows(whole)
        ),
        broken=int((effects["status"] == "sample_ratio_mismatch").sum()),
        first_known=horizon,
    )


def _measured(row: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> Measured:
    offer = str(row["offer_id"])
    return Measured(
        offer=offer,
        titles={} if offer == ALL else _titles(names, offer),
        outcome=str(row["outcome"]),
        offered=int(row["offered"]),
        controls=int(row["controls"]),
        effect=interval(row, "effect") if row["status"] == "measured" else None,
        significant=bool(row["significant"]),
        detectable=number(row, "detectable_effect"),
        status=str(row["status"]),
        always_valid=row.get("interval") == "always_valid",  # tables of earlier versions do not say: theirs are fixed
    )


def _titles(names: Mapping[str, Mapping[str, str]], offer: str) -> Mapping[str, str]:
    """Titles of an offer; its identifier if the catalogue no longer has it."""
    return names.get(offer, {"ru": offer, "en": offer})
