"""The plan of a month: who gets which offer, who is held out of it, who nothing, and why.

The policy gives the offers that are expected to gain most (`assignment`), the experiment leaves a part of that to
chance (`experiment`), so that the effects can be measured. A hold-out takes nothing of the budget; its would-be offers
are chosen like everybody else's, at the same prices. So the policy is solved for everybody who does not explore with
limits as much wider as only a part of them receives; where those who do receive would still exceed a limit, the
customers who gain least are left out, receivers and controls alike, and the two stay comparable.

Three rules keep poor offers away: the policy never gives one whose believed effect is 0 or above; nobody gets one that
harms with a probability of `HARMFUL` or more; and nobody explores one that would not pay for itself with this customer
even at the better end of its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from oneclick_pipeline.offers import assignment, eligibility, experiment
from oneclick_pipeline.scores.profit import value_of
from oneclick_pipeline.tables import ARMS, ASSIGNMENTS, OFFER_PLAN, REASONS_OF_PLAN, check_month

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from pandas.api.extensions import ExtensionArray

    from oneclick_pipeline.offers.catalogue import Offer
    from oneclick_pipeline.settings import Campaigns, Settings

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]
    _Number = TypeVar("_Number", np.float64, np.int16, np.int64)

HARMFUL = 0.9
"""Probability that an offer raises P(decline), as believed, from which it is not even explored."""

EXPLORED_PART = 0.5
"""Part of the budget and of every capacity that exploration may use up, so that a plan is left."""

_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Summary:
    """A plan in figures; money in finance units.

    Attributes:
        arms: Customers by arm; assignments and reasons likewise.
        assignments: How the arms came about.
        reasons: Why.
        given: Customers who get each offer.
        cost: What the offers given cost.
        budget: What they might.
        expected_gain: Expected gain of the offers given, less their cost; nobody treated is 0.
        expected_gain_low: Lower end of its 95 % interval: chance of the believed effects, which are taken as independent
            between offers and as wrong alike in all segments of one offer; no chance of who declines.
        expected_gain_high: Upper end of its 95 % interval.
        without_limits: Expected gain if every customer who may get an offer got their best, without limits or controls.
        by_risk: Expected gain within the limits, without controls, by p_decline x value, the highest first.
        gap: Share of the best expected gain that the policy's solution lacks at most.
        price_of_budget: What one more unit of budget would bring.
        prices: What one more of each offer would bring.
        explored_share: Share of u(explore) up to which somebody was explored; less than the settings' where room ran out.
        detectable_effects: Smallest change of the share of decliners that this plan can show, by offer; NaN where none.
        detectable_effect: The same of all offers together.
    """

    arms: Mapping[str, int]
    assignments: Mapping[str, int]
    reasons: Mapping[str, int]
    given: Mapping[str, int]
    cost: float
    budget: float
    expected_gain: float
    expected_gain_low: float
    expected_gain_high: float
    without_limits: float
    by_risk: float
    gap: float
    price_of_budget: float
    prices: Mapping[str, float]
    explored_share: float
    detectable_effects: Mapping[str, float]
    detectable_effect: float


@dataclass(frozen=True)
class Plan:
    """A month's plan: `tables.OFFER_PLAN` in the order of the customers, and its summary."""

    table: pd.DataFrame
    summary: Summary


@dataclass(frozen=True)
class _Offers:
    """What the plan needs of m offers as arrays: shape (m,)."""

    ids: tuple[str, ...]
    cost: Numbers
    capacity: Numbers


def offer_plan(
    customers: pd.DataFrame,
    offers: Sequence[Offer],
    beliefs: pd.DataFrame | None,
    settings: Settings,
    *,
    month: str,
    effects: Numbers | None = None,
    worth: Numbers | None = None,
) -> Plan:
    """Plan a month.

    Args:
        customers: See `eligibility.join`: features, p_decline, segment and model_version, one row a customer, n rows.
        offers: Offers valid in the month, m of them; their order changes nothing.
        beliefs: `tables.OFFER_BELIEFS`; an offer without a row of the segment is believed by its row `all`, without
            that, or without beliefs, by the catalogue's prior.
        settings: Budget, shares, caps, horizon.
        month: Snapshot month.
        effects: Effect of each offer on each customer's P(decline), shape (n, m), in the order of `offers`, NaN where
            the beliefs are to be used. What is believed of the offer as a whole still says whether it is harmful.
        worth: What it is worth to keep each customer from declining, finance units, shape (n,); without it, the settings'
            share of their profit over the horizon.

    Raises:
        BadInputError: If `month` is no month.
    """
    import numpy as np
    import pandas as pd

    check_month(month)
    ranked = sorted(range(len(offers)), key=lambda j: offers[j].id)
    offers = [offers[j] for j in ranked]
    m, limits = len(offers), settings.offers
    known = _Offers(
        tuple(o.id for o in offers),
        np.array([o.cost for o in offers], dtype=float),
        np.array([np.inf if o.capacity is None else o.capacity for o in offers], dtype=float),
    )
    fits = eligibility.fits(offers, customers)
    refused = eligibility.refusal(customers, fits, limits)
    ids = customers["customer_id"].to_numpy(dtype=np.int64)
    tie = experiment.hashes(ids, limits.salt, "ties", month)
    rows = np.flatnonzero(refused == "")
    rows = rows[np.argsort(tie[rows])]  # from here on in an order that has nothing to do with that of the table

    p, profit = (customers[name].to_numpy(dtype=float, na_value=np.nan) for name in ("p_decline", "profit"))
    value = value_of(profit, settings.value) * limits.lost_share if worth is None else worth
    effect, sd = _believed(offers, beliefs, customers["segment"].iloc[rows], by_segment=effects is None)
    harmful = _probability_of_harm(effect, sd) >= HARMFUL
    allowed, good = fits[rows] & ~harmful, effect < 0
    if effects is not None:
        own = effects[rows][:, ranked]
        effect = np.where(np.isnan(own), effect, own)

    def earns(effect: Numbers) -> Numbers:
        return np.asarray(np.minimum(-effect, p[rows, None]) * value[rows, None] - known.cost)

    expected = earns(effect)
    gain = np.where(allowed & good & (effect < 0) & (expected > 0), expected, -np.inf)
    explorable = allowed & (earns(effect - _NORMAL_95 * sd) > 0)

    draws = experiment.draw(ids[rows], limits, month)
    explored, waves = experiment.explore(
        explorable,
        draws,
        limits,
        cost=known.cost,
        budget=EXPLORED_PART * limits.budget,
        capacity=np.floor(EXPLORED_PART * known.capacity),
    )
    policy, solved = _policy(gain, explored, draws, known, settings, tie[rows])
    chances = experiment.propensities(explorable, policy, explored, waves, limits)

    held, exploring = draws.hold_out < limits.control_share, explored != experiment.NOTHING
    cases = [held, explored >= 0, exploring, policy < 0, draws.control < limits.offer_control_share]
    arm = np.select(cases, [1, 0, 1, 2, 1], 0)  # of ARMS
    offer = np.where(exploring, np.maximum(explored, -1), policy).astype(np.int16)
    reason = np.select(cases, ["hold_out", "offered", "control", "", "control"], "offered").astype(object)
    reason[reason == ""] = np.where((gain > 0).any(axis=1), "no_room", "not_worth")[reason == ""]
    propensity = np.select(
        cases, [chances.hold_out, chances.explored, chances.explored, chances.nothing, chances.hold_out], chances.plan
    )
    allowed[exploring] = _could_draw(explorable, draws, waves)[exploring]
    fits[rows], chosen = allowed, np.flatnonzero(offer >= 0)
    anything: Flags = np.logical_or.reduce(allowed, axis=1)
    per_offer = {"cost": np.where(arm == 0, known.cost[offer], 0.0) if m else np.zeros(len(rows))}
    for name, numbers in (("expected_effect", effect), ("expected_gain", expected)):
        per_offer[name] = np.full(len(rows), np.nan)
        per_offer[name][chosen] = numbers[chosen, offer[chosen]]
    refused[rows] = reason

    def everybody(numbers: NDArray[_Number], otherwise: float) -> NDArray[_Number]:
        whole = np.full(len(ids), otherwise, numbers.dtype)
        whole[rows] = numbers
        return whole

    table = customers[["customer_id", "segment", "p_decline", "model_version"]].assign(
        arm=_words(everybody(arm, 2), ARMS),
        offer_id=_words(everybody(offer, -1), known.ids),
        assignment=_words(everybody(np.select([held, exploring], [2, 1], 0), 3), ASSIGNMENTS),
        reason=_words(pd.Categorical(refused, categories=REASONS_OF_PLAN).codes, REASONS_OF_PLAN),
        propensity=everybody(np.clip(propensity, 0, 1), np.nan),
        control_share=limits.control_share,
        exploration_share=waves[-1].end if waves else 0.0,
        offer_control_share=limits.offer_control_share,
        fits=_lists(fits, known.ids),
        value=value,
        expected_effect=everybody(per_offer["expected_effect"], np.nan),
        expected_gain=everybody(per_offer["expected_gain"], np.nan),
        cost=everybody(per_offer["cost"], 0.0),
    )[OFFER_PLAN.names]
    given = (arm == 0) & (offer >= 0)
    low, middle, high = _interval(per_offer["expected_gain"], sd, value[rows], offer, given)
    return Plan(
        table,
        Summary(
            **{f"{name}s": _count(table[name]) for name in ("arm", "assignment", "reason")},
            given={name: int((given & (offer == j)).sum()) for j, name in enumerate(known.ids)},
            cost=float(np.bincount(offer[given], minlength=m) @ known.cost) if m else 0.0,
            budget=limits.budget,
            expected_gain=middle,
            expected_gain_low=low,
            expected_gain_high=high,
            without_limits=float(gain.max(axis=1, initial=0).sum()),
            by_risk=_by_risk(gain, p[rows] * value[rows], known, limits.budget),
            gap=solved.gap,
            price_of_budget=solved.price_of_budget,
            prices=dict(zip(known.ids, solved.prices.tolist(), strict=True)),
            explored_share=waves[-1].end if waves else 0.0,
            detectable_effects={
                name: _detectable(p[rows], arm, offer, exploring, allowed[:, j], settings.campaigns, j)
                for j, name in enumerate(known.ids)
            },
            detectable_effect=_detectable(p[rows], arm, offer, exploring, anything, settings.campaigns),
        ),
    )


def digest(table: pd.DataFrame) -> str:
    """SHA-256 of a plan's content: the same for the same plan in any order of rows, also when read from its file."""
    import hashlib

    import numpy as np
    import pandas as pd

    table, found = table.sort_values("customer_id", kind="stable"), hashlib.sha256()
    for column in OFFER_PLAN.columns:
        values = table[column.name]
        if column.kind == "str":
            content = values.astype(object).where(values.notna(), "").to_numpy()
        else:
            content = values.to_numpy(dtype=float if column.kind == "float" else np.int64, na_value=np.nan)
        found.update(pd.util.hash_array(content).tobytes())
    return found.hexdigest()


def _believed(
    offers: Sequence[Offer], beliefs: pd.DataFrame | None, segment: pd.Series, *, by_segment: bool
) -> tuple[Numbers, Numbers]:
    """Believed effect of every offer on every customer and its standard deviation, by segment or not; each (n, m)."""
    import numpy as np

    codes, segments = segment.factorize()
    believed = np.array([[(o.effect_mean, o.effect_sd) for o in offers]] * len(segments)).reshape(len(segments), len(offers), 2)
    if beliefs is not None:
        number = {o.id: j for j, o in enumerate(offers)}
        rows = beliefs[beliefs["offer_id"].isin(list(number))]
        for whole in (True, False)[: 1 + by_segment]:  # what is known of a segment after what is known of all
            for row in rows[(rows["segment"] == "all") == whole].itertuples():
                believed[(segments == row.segment) | whole, number[str(row.offer_id)]] = row.mean, row.sd
    return believed[codes, :, 0], believed[codes, :, 1]


def _probability_of_harm(mean: Numbers, sd: Numbers) -> Numbers:
    """Probability that an effect is above 0; where it is believed for certain, 1 from 0 on."""
    import numpy as np
    from scipy.special import ndtr

    with np.errstate(over="ignore"):
        ratio = np.divide(mean, sd, out=np.where(mean < 0, -np.inf, np.inf), where=sd > 0)
    harm: Numbers = ndtr(ratio)
    return harm


def _could_draw(explorable: Flags, draws: experiment.Draws, waves: tuple[experiment.Wave, ...]) -> Flags:
    """What every customer could draw, or could have drawn, in the wave of their u(explore), shape (n, m)."""
    could = explorable.copy()
    for wave in waves:
        could[(draws.explore >= wave.begin) & (draws.explore < wave.end)] &= wave.is_open
    return could


def _policy(
    gain: Numbers, explored: Choice, draws: experiment.Draws, known: _Offers, settings: Settings, key: NDArray[np.uint64]
) -> tuple[Choice, assignment.Assignment]:
    """What the policy gives, or would give, to everybody, -1 none; within what exploration has left of the limits."""
    import numpy as np

    limits, m = settings.offers, len(known.ids)
    counts = np.bincount(explored[explored >= 0], minlength=m)[:m]
    budget, capacity = limits.budget - float(counts @ known.cost), known.capacity - counts
    rest = explored == experiment.NOTHING
    receives = rest & (draws.hold_out >= limits.control_share) & (draws.control >= limits.offer_control_share)
    share = max(int(receives.sum()), 1) / max(int(rest.sum()), 1)
    solved = assignment.assign(gain[rest], known.cost, max(budget, 0.0) / share, capacity / share, key=key[rest])

    reduced = gain - (solved.prices + solved.price_of_budget * known.cost)
    choice = np.where(reduced.max(axis=1, initial=0) > 0, reduced.argmax(axis=1) if m else -1, -1).astype(np.int16)
    choice[rest] = solved.choice
    for j in np.flatnonzero(np.isfinite(capacity)):
        members = np.flatnonzero(choice == j)
        members = members[np.argsort(-reduced[members, j], kind="stable")]
        choice[members[np.cumsum(receives[members]) > capacity[j]]] = -1
    members = np.flatnonzero(choice >= 0)
    cost = known.cost[choice[members]] if m else np.zeros(0)
    with np.errstate(divide="ignore", over="ignore"):  # what costs nothing comes first
        rate = np.where(cost > 0, reduced[members, choice[members]] / cost, np.inf)
    order = np.argsort(-rate, kind="stable")
    spent = np.cumsum(np.where(receives[members], cost, 0.0)[order])
    within = max(budget, 0.0) + limits.budget * assignment.ROUNDING
    choice[members[order][(spent > within) & (cost[order] > 0)]] = -1
    return choice, solved


def _by_risk(gain: Numbers, risk: Numbers, known: _Offers, budget: float) -> float:
    """Gain of giving everybody their best offer that has room, the highest risk x value first."""
    import numpy as np

    total, left, space = 0.0, budget, known.capacity
    order = np.flatnonzero((gain > 0).any(axis=1))
    order = order[np.argsort(-risk[order], kind="stable")]
    while order.size and (is_open := (known.cost <= left) & (space >= 1)).any():
        now = np.where(is_open, gain[order], -np.inf)
        best = now.max(axis=1)
        choice = np.where(best > 0, now.argmax(axis=1), -1).astype(np.int16)
        taken = assignment.room(choice, known.cost, left, space, is_open)
        counts = np.bincount(choice[:taken] + 1, minlength=len(known.ids) + 1)[1:]
        total += float(best[:taken][choice[:taken] >= 0].sum())
        left, space, order = left - float(counts @ known.cost), space - counts, order[taken:]
    return total


def _interval(gain: Numbers, sd: Numbers, value: Numbers, offer: Choice, given: Flags) -> tuple[float, float, float]:
    """Expected gain of what is given, between the ends of its 95 % interval: low, middle, high."""
    import numpy as np

    middle = float(gain[given].sum())
    by_offer = np.bincount(offer[given], weights=sd[given, offer[given]] * value[given], minlength=1)
    half = _NORMAL_95 * float(np.sqrt((by_offer**2).sum()))
    return middle - half, middle, middle + half


def _detectable(
    p: Numbers,
    arm: NDArray[np.int_],
    offer: Choice,
    exploring: Flags,
    could_draw: Flags,
    settings: Campaigns,
    j: int | None = None,
) -> float:
    """Smallest effect of offer j, or of any, seen by both comparisons together: those targeted, and those exploring.

    The effects of both are pooled by inverse variance. The score's own variance is what adjusting for it takes away.
    """
    import numpy as np

    chosen = offer >= 0 if j is None else offer == j
    information = 0.0
    for offered, control in (
        (~exploring & chosen & (arm == 0), ~exploring & chosen & (arm == 1)),
        (exploring & chosen & (arm == 0), exploring & could_draw & (arm == 1)),
    ):
        if offered.any() and control.any():
            share, spread = p[offered | control].mean(), p[offered | control].var()
            effect = experiment.detectable_effect(
                offered.sum(),
                control.sum(),
                share,
                power=settings.power,
                significance=settings.significance,
                explained=float(np.clip(spread / max(share * (1 - share), 1e-12), 0, 1)),
            )
            information += float(np.nan_to_num(1 / effect**2)) if effect > 0 else 0.0
    return information**-0.5 if information else float("nan")


def _words(codes: NDArray[np.integer], words: Sequence[str]) -> ExtensionArray:
    """Texts of their numbers, none of -1."""
    import pandas as pd

    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(list(words), dtype="str"))).astype("str").array


def _lists(fits: Flags, ids: Sequence[str]) -> ExtensionArray:
    """Offers that fit, by commas, of every customer."""
    import numpy as np
    import pandas as pd

    codes, texts = np.zeros(len(fits), dtype=np.int64), [""]
    for j, name in enumerate(ids):  # few combinations stand for many customers
        codes, pairs = pd.factorize(2 * codes + fits[:, j])
        texts = [",".join(filter(None, (texts[pair // 2], name if pair % 2 else ""))) for pair in pairs.tolist()]
    return _words(codes, texts)


def _count(values: pd.Series) -> dict[str, int]:
    """How often each text occurs, by name."""
    return {str(name): int(count) for name, count in values.value_counts().sort_index().items()}
