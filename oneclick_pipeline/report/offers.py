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
    from oneclick_pipeline.report.estimates import Floats
    from oneclick_pipeline.settings import Settings

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
        gain: What it is expected to gain, less its cost, with the interval of what is believed of its effect.
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
    gain: Interval
    segment: Segment | None
    segment_share: float
    mean_p: float


@dataclass(frozen=True)
class Curve:
    """The best share to treat by the assumptions of the settings, and the curve itself.

    Attributes:
        best_share: Share of the regular customers.
        best_customers: So many.
        best: Expected profit there, with its interval.
        points: Share treated, expected profit, its ends, and that of customers drawn at random.
        cost: What an offer is assumed to cost.
        saved: Share of decliners that it is assumed to keep.
    """

    best_share: float
    best_customers: int
    best: Interval
    points: tuple[tuple[float, float, float, float, float], ...]
    cost: float
    saved: float


@dataclass(frozen=True)
class Plan:
    """The plan of the month.

    Attributes:
        offered: Customers who get an offer.
        controls: Customers who are held out at random.
        budget: What the offers may cost.
        cost: What they cost.
        kept: Declines they are expected to prevent.
        gain: Expected gain less cost, with the interval of what is believed of the effects.
        offers: Every offer that any customer gets or is held out of, the most given first.
        refused: Customers without an offer by reason.
        curve: See `Curve`; None where the curve has no customers.
    """

    offered: int
    controls: int
    budget: float
    cost: float
    kept: float
    gain: Interval
    offers: tuple[Planned, ...]
    refused: tuple[tuple[str, int], ...]
    curve: Curve | None


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


def plan(table: Columns, beliefs: pd.DataFrame, curve: pd.DataFrame, offers: Sequence[Offer], settings: Settings) -> Plan:
    """The plan in figures.

    The interval of the gain is that of `offers.planner`: the belief about an offer may be wrong in the same way for all its
    customers, and independently between offers. It takes the standard deviations from `offer_beliefs`, by offer and segment.

    Args:
        table: `contracts.offers.OFFER_PLAN`; a column at a time is in memory.
        beliefs: `contracts.campaigns.OFFER_BELIEFS`.
        curve: `contracts.scores.PROFIT_CURVE`.
        offers: The catalogue, for titles.
        settings: Settings of the home.
    """
    (arms, arm_words), (offer, ids) = coded(table["arm"]), coded(table["offer_id"])
    given, held_out = (arms == arm_words.index(arm) if arm in arm_words else np.zeros(len(arms), dtype=bool) for arm in _ARMS)
    place = segment_places(table["segment"])
    columns = {name: numbers(table[name]) for name in ("cost", "expected_effect", "expected_gain", "value", "p_decline")}
    spread, names = np.nan_to_num(_sd(ids, beliefs)[offer, place] * columns["value"]), titles(offers)
    planned = []
    for i, name in enumerate(ids):
        mine = offer == i
        if not mine.any():
            continue  # a word of the column that no row holds
        his = mine & given
        own_gain = normal(float(np.nansum(columns["expected_gain"][his])), float(spread[his].sum()))
        count = np.bincount(place[his], minlength=len(SEGMENTS))
        planned.append(
            Planned(
                id=name,
                titles=_titles(names, name),
                given=int(his.sum()),
                controls=int((mine & held_out).sum()),
                cost=float(columns["cost"][his].sum()),
                kept=-float(np.nansum(columns["expected_effect"][his])),
                gain=own_gain,
                segment=SEGMENTS[int(count.argmax())] if his.any() else None,
                segment_share=float(count.max() / max(count.sum(), 1)),
                mean_p=float(np.nanmean(columns["p_decline"][his])) if his.any() else 0.0,
            )
        )
    gain = sum(o.gain.estimate for o in planned)
    half = float(np.sqrt(sum((o.gain.high - o.gain.estimate) ** 2 for o in planned)))
    reasons = table["reason"].value_counts()
    return Plan(
        offered=int(given.sum()),
        controls=int(held_out.sum()),
        budget=settings.offers.budget,
        cost=float(columns["cost"][given].sum()),
        kept=sum(o.kept for o in planned),
        gain=Interval(gain, gain - half, gain + half),
        offers=tuple(sorted(planned, key=lambda o: (-o.given, o.id))),
        refused=tuple(
            sorted(((r, int(reasons[r])) for r in REASONS_OF_PLAN if r not in _TOLD and reasons.get(r, 0)), key=lambda x: -x[1])
        ),
        curve=_curve(curve, settings),
    )


def titles(offers: Sequence[Offer]) -> dict[str, dict[str, str]]:
    """Titles of the catalogue by offer and language."""
    return {o.id: {"ru": o.title_ru, "en": o.title_en} for o in offers}


def _sd(ids: Sequence[str], beliefs: pd.DataFrame) -> Floats:
    """Standard deviation of what is believed of each offer (rows) in each segment (columns), that of all where it has none.

    A last row of zeros denotes no offer, at position −1.
    """
    believed = {(row["offer_id"], row["segment"]): row["sd"] for row in rows(beliefs)}
    table = np.zeros((len(ids) + 1, len(SEGMENTS)))
    for i, offer in enumerate(ids):
        table[i] = [believed.get((offer, s.id), believed.get((offer, ALL), 0.0)) for s in SEGMENTS]
    return table


def _curve(curve: pd.DataFrame, settings: Settings) -> Curve | None:
    if curve.empty or not int(curve["customers"].max()):
        return None
    best = max(rows(curve), key=lambda row: row["expected_profit"])
    columns = ["treated_share", "expected_profit", "expected_profit_low", "expected_profit_high", "random_profit"]
    return Curve(
        best_share=best["treated_share"],
        best_customers=best["customers"],
        best=Interval(best["expected_profit"], best["expected_profit_low"], best["expected_profit_high"]),
        points=tuple(
            (float(a), float(b), float(c), float(d), float(e)) for a, b, c, d, e in curve[columns].to_numpy(dtype=float)
        ),
        cost=settings.value.offer_cost,
        saved=settings.value.saved_share,
    )


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
