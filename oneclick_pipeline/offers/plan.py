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

from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.contracts.offers import ARMS, ASSIGNMENTS, OFFER_PLAN, REASONS_OF_PLAN
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.offers import assignment, experiment
from oneclick_pipeline.scores.profit import value_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.settings import Campaigns, Settings
    from oneclick_pipeline.settings import Offers as OfferSettings

    Numbers = NDArray[np.float64]
    Gains = NDArray[np.float32]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]
    _Number = TypeVar("_Number", np.float64, np.int16, np.int64)

HARMFUL = 0.9
"""Probability that an offer raises P(decline), as believed, from which it is not even explored."""

EXPLORED_PART = 0.5
"""Part of the budget and of every capacity that exploration may use up, so that a plan is left."""

_NORMAL_95 = 1.959964
_ROWS = 1 << 16
_NOTHING_PLANNED = 3
# By case: held out for good, explored an offer, explored control, nothing planned, held out for the month, given.
_CASES = (
    ("control", "hold_out", "hold_out"),
    ("offer", "exploration", "offered"),
    ("control", "exploration", "control"),
    ("none", "plan", "not_worth"),
    ("control", "plan", "control"),
    ("offer", "plan", "offered"),
)


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
    """A month's plan: `contracts.offers.OFFER_PLAN` in the order of the customers, and its summary."""

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
        customers: Features, p_decline, segment and model_version, one row per customer, n rows.
        offers: Offers valid in the month, m of them; their order changes nothing.
        beliefs: `contracts.campaigns.OFFER_BELIEFS`; an offer without a row of the segment is believed by its row `all`, without
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
    planner = Planner(offers, beliefs, settings, month=month, by_segment=effects is None)
    planner.add(planner.look(customers, effects, worth))
    decided = planner.decide()
    texts = {c.name: "str" for c in OFFER_PLAN.columns if c.kind == "str"}
    return Plan(decided.table(0, len(customers)).astype(texts).set_index(customers.index), decided.summary)


@dataclass(frozen=True)
class _Batch:
    """What there is to decide on of n customers, k of whom may get an offer.

    Attributes:
        ids: Their numbers, (n,).
        version: Version of the model that scored them, (n,).
        p: p_decline, (n,).
        value: What it is worth to keep each, (n,).
        segments: Different segments.
        segment: Number of each one's segment among them, (n,).
        refused: Number of the reason why they can get none, -1 for who can, (n,).
        fits: Offers that fit, without harmful ones for those who may get one, (n, m).
        gain: Expected gain of those k from each offer, -inf where the policy may not give it, (k, m); in single precision,
            which no estimate of a gain deserves, since these are half of what a plan of millions holds in memory.
        explorable: Offers that they may explore, (k, m).
        effect: Effects on each of them, None where the segment tells them, (k, m).
    """

    ids: NDArray[np.int64]
    version: NDArray[np.int64]
    p: Numbers
    value: Numbers
    segments: list[str]
    segment: Choice
    refused: NDArray[np.int8]
    fits: Flags
    gain: Gains
    explorable: Flags
    effect: Numbers | None


class Planner:
    """A plan of customers who come batch by batch; of each a few numbers are kept until it is decided.

    `look` at every batch, on any thread; `add` what it found, in order; then `decide`. The batches change nothing.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        beliefs: pd.DataFrame | None,
        settings: Settings,
        *,
        month: str,
        cuts: eligibility.Quantiles | None = None,
        by_segment: bool = True,
    ) -> None:
        """Begin a plan.

        Args:
            offers: See `offer_plan`, as for all that is not told here.
            beliefs: What is believed.
            settings: Budget, shares, caps, horizon.
            month: Snapshot month.
            cuts: What `eligibility.quantiles` found of all customers; not needed where they are one batch.
            by_segment: Whether segments have beliefs of their own; they have not where effects are given.

        Raises:
            BadInputError: If `month` is no month.
        """
        import numpy as np

        self._month, self._settings, self._cuts = check_month(month), settings, cuts
        self._beliefs, self._by_segment = beliefs, by_segment
        self._ranked = sorted(range(len(offers)), key=lambda j: offers[j].id)
        self._offers = [offers[j] for j in self._ranked]
        self._known = _Offers(
            tuple(o.id for o in self._offers),
            np.array([o.cost for o in self._offers], dtype=float),
            np.array([np.inf if o.capacity is None else o.capacity for o in self._offers], dtype=float),
        )
        self._batches: list[_Batch] = []

    def look(self, customers: pd.DataFrame, effects: Numbers | None = None, worth: Numbers | None = None) -> _Batch:
        """What there is to decide on of some customers."""
        import numpy as np
        import pandas as pd

        limits, cost = self._settings.offers, self._known.cost
        fits = eligibility.fits(self._offers, customers, self._cuts)
        refused = eligibility.refusal(customers, fits, limits)
        rows = np.flatnonzero(refused == "")
        p, profit = (customers[name].to_numpy(dtype=float, na_value=np.nan) for name in ("p_decline", "profit"))
        value = value_of(profit, self._settings.value) * limits.lost_share if worth is None else worth
        segment, segments = customers["segment"].factorize()
        believed = self._believed(list(segments))[segment[rows]]
        effect, sd = believed[..., 0], believed[..., 1]
        allowed, good = fits[rows] & ~(_probability_of_harm(effect, sd) >= HARMFUL), effect < 0
        if effects is not None:
            own = effects[rows][:, self._ranked]
            effect = np.where(np.isnan(own), effect, own)
        expected = _earns(effect, p[rows, None], value[rows, None], cost)
        fits[rows] = allowed
        return _Batch(
            ids=customers["customer_id"].to_numpy(dtype=np.int64),
            version=customers["model_version"].to_numpy(),
            p=p,
            value=value,
            segments=[str(name) for name in segments],
            segment=segment.astype(np.int16),
            refused=pd.Index(REASONS_OF_PLAN).get_indexer(pd.Index(refused)).astype(np.int8),
            fits=fits,
            gain=np.where(allowed & good & (effect < 0) & (expected > 0), expected, -np.inf).astype(np.float32),
            explorable=allowed & (_earns(effect - _NORMAL_95 * sd, p[rows, None], value[rows, None], cost) > 0),
            effect=None if effects is None else effect,
        )

    def add(self, batch: _Batch) -> None:
        """Take in the next customers."""
        self._batches.append(batch)

    def decide(self) -> Decided:
        """Decide on all of them; afterwards the planner is empty."""
        import numpy as np

        limits, known = self._settings.offers, self._known
        segments = sorted({name for batch in self._batches for name in batch.segments})
        number = {name: i for i, name in enumerate(segments)}
        segment = [np.array([number[name] for name in b.segments], dtype=np.int16)[b.segment] for b in self._batches]
        ids, version, p, value, refused, fits = (
            np.concatenate([getattr(b, name) for b in self._batches])
            for name in ("ids", "version", "p", "value", "refused", "fits")
        )
        may = np.flatnonzero(refused < 0)
        tie = experiment.hashes(ids[may], limits.salt, "ties", self._month)
        order = np.argsort(tie)  # what follows is in an order that has nothing to do with that of the table
        rows, tie = may[order], tie[order]
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        gains, explorables = [b.gain for b in self._batches], [b.explorable for b in self._batches]
        effects = [b.effect for b in self._batches if b.effect is not None]
        self._batches.clear()  # so that a part goes when it is copied
        gain, explorable = _scattered(gains, place), _scattered(explorables, place)
        own = _scattered(effects, place) if effects else None

        draws = experiment.draw(ids[rows], limits, self._month)
        explored, waves = experiment.explore(
            explorable,
            draws,
            limits,
            cost=known.cost,
            budget=EXPLORED_PART * limits.budget,
            capacity=np.floor(EXPLORED_PART * known.capacity),
        )
        policy, solved = _policy(gain, explored, draws, known, self._settings, tie)
        held, exploring = draws.hold_out < limits.control_share, explored != experiment.NOTHING
        cases = [held, explored >= 0, exploring, policy < 0, draws.control < limits.offer_control_share]
        case = np.select(cases, range(len(cases)), len(cases)).astype(np.int8)
        offer = np.where(exploring, np.maximum(explored, -1), policy).astype(np.int16)
        could = _could_draw(explorable, draws, waves)
        fits[rows[exploring]] = could[exploring]
        del draws, could
        reason = _numbers(2, REASONS_OF_PLAN)[case]
        reason[(case == _NOTHING_PLANNED) & assignment.wanting(gain)] = REASONS_OF_PLAN.index("no_room")
        refused[rows] = reason

        segment_of, chosen = np.concatenate(segment), np.flatnonzero(offer >= 0)
        believed = self._believed(segments)[segment_of[rows[chosen]], offer[chosen]]
        effect, expected = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        effect[chosen] = believed[:, 0] if own is None else own[chosen, offer[chosen]]
        expected[chosen] = _earns(effect[chosen], p[rows[chosen]], value[rows[chosen]], known.cost[offer[chosen]])
        given = (_numbers(0, ARMS)[case] == 0) & (offer >= 0)
        spread = np.zeros(len(rows))
        spread[chosen] = believed[:, 1] * value[rows[chosen]]
        low, middle, high = _interval(expected, spread, offer, given)
        arm, risk = _numbers(0, ARMS)[case], p[rows]
        everybody = {"arm": np.full(len(ids), 2), "assignment": np.full(len(ids), 3)}
        everybody["arm"][rows], everybody["assignment"][rows] = arm, _numbers(1, ASSIGNMENTS)[case]

        def detectable(j: int | None = None) -> float:
            drawn: Flags = np.logical_or.reduce(fits[rows], axis=1) if j is None else fits[rows, j]
            return _detectable(risk, arm, offer, exploring, drawn, self._settings.campaigns, j)

        summary = Summary(
            arms=_count(everybody["arm"], ARMS),
            assignments=_count(everybody["assignment"], ASSIGNMENTS),
            reasons=_count(refused, REASONS_OF_PLAN),
            given={name: int((given & (offer == j)).sum()) for j, name in enumerate(known.ids)},
            cost=float(np.bincount(offer[given], minlength=len(known.ids)) @ known.cost) if known.ids else 0.0,
            budget=limits.budget,
            expected_gain=middle,
            expected_gain_low=low,
            expected_gain_high=high,
            without_limits=_best_of_each(gain),
            by_risk=_by_risk(gain, risk * value[rows], known, limits.budget),
            gap=solved.gap,
            price_of_budget=solved.price_of_budget,
            prices=dict(zip(known.ids, solved.prices.tolist(), strict=True)),
            explored_share=waves[-1].end if waves else 0.0,
            detectable_effects={name: detectable(j) for j, name in enumerate(known.ids)},
            detectable_effect=detectable(),
        )
        return Decided(
            summary,
            may=may,
            place=place,
            everybody={
                "ids": ids,
                "version": version,
                "p": p,
                "value": value,
                "reason": refused,
                "fits": fits,
                "segment": segment_of,
            },
            chosen={
                "case": case,
                "offer": offer,
                "policy": policy,
                "explored": explored,
                "explorable": explorable,
                "effect": effect,
                "expected": expected,
            },
            waves=waves,
            segments=segments,
            known=known,
            settings=limits,
        )

    def _believed(self, segments: Sequence[str]) -> Numbers:
        """Believed effect of every offer and its standard deviation in some segments, (segments, m, 2)."""
        return _believed(self._offers, self._beliefs, segments, by_segment=self._by_segment)


class Decided:
    """A plan that is decided, to be written batch by batch.

    Attributes:
        summary: The plan in figures.
    """

    def __init__(
        self,
        summary: Summary,
        *,
        may: NDArray[np.intp],
        place: NDArray[np.intp],
        everybody: Mapping[str, NDArray],
        chosen: Mapping[str, NDArray],
        waves: tuple[experiment.Wave, ...],
        segments: Sequence[str],
        known: _Offers,
        settings: OfferSettings,
    ) -> None:
        """Made by `Planner.decide`: `may` are the rows of those who may get an offer, `place` theirs in `chosen`."""
        self.summary = summary
        self._may, self._place, self._everybody, self._chosen = may, place, everybody, chosen
        self._waves, self._segments, self._known, self._settings = waves, segments, known, settings

    def tables(self, rows: int) -> Iterator[pd.DataFrame]:
        """The whole plan in batches of so many rows, at least one."""
        for begin in range(0, max(len(self._everybody["ids"]), 1), rows):
            yield self.table(begin, begin + rows)

    def table(self, begin: int, end: int) -> pd.DataFrame:
        """`contracts.offers.OFFER_PLAN` of some customers, in the order in which they came; texts are categories."""
        import numpy as np
        import pandas as pd

        first, last = np.searchsorted(self._may, [begin, end])
        at, within = self._place[first:last], self._may[first:last] - begin
        own = {name: values[begin:end] for name, values in self._everybody.items()}
        row = {name: values[at] for name, values in self._chosen.items()}
        n, case, m = len(own["ids"]), row["case"], len(self._known.ids)
        chances = experiment.propensities(row["explorable"], row["policy"], row["explored"], self._waves, self._settings)
        by_case = (chances.hold_out, chances.explored, chances.explored, chances.nothing, chances.hold_out, chances.plan)
        arm = _numbers(0, ARMS)[case]

        def whole(numbers: NDArray[_Number], otherwise: float) -> NDArray[_Number]:
            found = np.full(n, otherwise, numbers.dtype)
            found[within] = numbers
            return found

        return pd.DataFrame(
            {
                "customer_id": own["ids"],
                "arm": _words(whole(arm, 2), ARMS),
                "offer_id": _words(whole(row["offer"], -1), self._known.ids),
                "assignment": _words(whole(_numbers(1, ASSIGNMENTS)[case], 3), ASSIGNMENTS),
                "reason": _words(own["reason"], REASONS_OF_PLAN),
                "propensity": whole(np.clip(np.choose(case, by_case), 0, 1), np.nan),
                "control_share": self._settings.control_share,
                "exploration_share": self.summary.explored_share,
                "offer_control_share": self._settings.offer_control_share,
                "fits": _lists(own["fits"], self._known.ids),
                "segment": _words(own["segment"], self._segments),
                "p_decline": own["p"],
                "model_version": own["version"],
                "value": own["value"],
                "expected_effect": whole(row["effect"], np.nan),
                "expected_gain": whole(row["expected"], np.nan),
                "cost": whole(np.where(arm == 0, self._known.cost[row["offer"]], 0.0) if m else np.zeros(len(at)), 0.0),
            }
        )[OFFER_PLAN.names]


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


def _believed(offers: Sequence[Offer], beliefs: pd.DataFrame | None, segments: Sequence[str], *, by_segment: bool) -> Numbers:
    """Believed effect of every offer and its standard deviation in some segments; (segments, m, 2)."""
    import numpy as np

    believed = np.array([[(o.effect_mean, o.effect_sd) for o in offers]] * len(segments)).reshape(len(segments), len(offers), 2)
    if beliefs is not None:
        number = {o.id: j for j, o in enumerate(offers)}
        rows = beliefs[beliefs["offer_id"].isin(list(number))]
        for whole in (True, False)[: 1 + by_segment]:  # what is known of a segment after what is known of all
            for row in rows[(rows["segment"] == "all") == whole].itertuples():
                among = [whole or name == row.segment for name in segments]
                believed[among, number[str(row.offer_id)]] = row.mean, row.sd
    return believed


def _earns(effect: Numbers, p: Numbers, value: Numbers, cost: Numbers) -> Numbers:
    """What an offer brings less its cost: nobody is kept who would not have declined."""
    import numpy as np

    return np.asarray(np.minimum(-effect, p) * value - cost)


def _scattered(parts: list[NDArray], place: NDArray[np.intp]) -> NDArray:
    """The rows of all parts in the order of their places, one part after the other given up."""
    import numpy as np

    whole, begin = np.empty((len(place), parts[0].shape[1]), parts[0].dtype), 0
    while parts:
        part = parts.pop(0)
        whole[place[begin : begin + len(part)]] = part
        begin += len(part)
    return whole


def _best_of_each(gain: Gains) -> float:
    """Sum of everybody's best gain above 0."""
    import numpy as np

    best = np.zeros(len(gain))
    for column in gain.T:
        np.maximum(best, column, out=best)
    return float(best.sum())


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
    gain: Gains, explored: Choice, draws: experiment.Draws, known: _Offers, settings: Settings, key: NDArray[np.uint64]
) -> tuple[Choice, assignment.Assignment]:
    """What the policy gives, or would give, to everybody, -1 none; within what exploration has left of the limits."""
    import numpy as np

    limits, m = settings.offers, len(known.ids)
    counts = np.bincount(explored[explored >= 0], minlength=m)[:m]
    budget, capacity = limits.budget - float(counts @ known.cost), known.capacity - counts
    rest = explored == experiment.NOTHING
    receives = rest & (draws.hold_out >= limits.control_share) & (draws.control >= limits.offer_control_share)
    share = max(int(receives.sum()), 1) / max(int(rest.sum()), 1)
    solved = assignment.assign(gain, known.cost, max(budget, 0.0) / share, capacity / share, key=key, among=rest)

    price = solved.prices + solved.price_of_budget * known.cost
    _, choice = assignment.respond(gain.T, price)
    choice[rest] = solved.choice[rest]
    for j in np.flatnonzero(np.isfinite(capacity)):
        members = np.flatnonzero(choice == j)
        members = members[np.argsort(price[j] - gain[members, j], kind="stable")]
        choice[members[np.cumsum(receives[members]) > capacity[j]]] = -1
    members = np.flatnonzero(choice >= 0)
    cost = known.cost[choice[members]] if m else np.zeros(0)
    with np.errstate(divide="ignore", over="ignore"):  # what costs nothing comes first
        rate = np.where(cost > 0, (gain[members, choice[members]] - price[choice[members]]) / cost, np.inf)
    order = np.argsort(-rate, kind="stable")
    spent = np.cumsum(np.where(receives[members], cost, 0.0)[order])
    within = max(budget, 0.0) + limits.budget * assignment.ROUNDING
    choice[members[order][(spent > within) & (cost[order] > 0)]] = -1
    return choice, solved


def _by_risk(gain: Gains, risk: Numbers, known: _Offers, budget: float) -> float:
    """Gain of giving everybody their best offer that has room, the highest risk x value first."""
    import numpy as np

    total, left, space = 0.0, budget, known.capacity
    order = np.flatnonzero(assignment.wanting(gain))
    order = order[np.argsort(-risk[order], kind="stable")]
    while order.size and (is_open := (known.cost <= left) & (space >= 1)).any():
        next_ones = order[:_ROWS]  # the limits end long before most are asked
        best, choice = assignment.respond(np.where(is_open, gain[next_ones], -np.inf).T, np.zeros(len(known.ids)))
        taken = assignment.room(choice, known.cost, left, space, is_open)
        counts = np.bincount(choice[:taken] + 1, minlength=len(known.ids) + 1)[1:]
        total += float(best[:taken].sum(dtype=np.float64))
        left, space, order = left - float(counts @ known.cost), space - counts, order[taken:]
    return total


def _interval(gain: Numbers, spread: Numbers, offer: Choice, given: Flags) -> tuple[float, float, float]:
    """Expected gain of what is given, between the ends of its 95 % interval: low, middle, high."""
    import numpy as np

    middle = float(gain[given].sum())
    by_offer = np.bincount(offer[given], weights=spread[given], minlength=1)
    half = _NORMAL_95 * float(np.sqrt((by_offer**2).sum()))
    return middle - half, middle, middle + half


def _detectable(
    p: Numbers,
    arm: NDArray[np.int8],
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


def _numbers(part: int, words: Sequence[str]) -> NDArray[np.int8]:
    """Number of a part of every case among the words for it."""
    import numpy as np

    return np.array([words.index(case[part]) for case in _CASES], dtype=np.int8)


def _words(codes: NDArray[np.integer], words: Sequence[str]) -> pd.Categorical:
    """Texts of their numbers, none of -1."""
    import pandas as pd

    return pd.Categorical.from_codes(codes, pd.Index(list(words), dtype="str"))


def _lists(fits: Flags, ids: Sequence[str]) -> pd.Categorical:
    """Offers that fit, by commas, of every customer."""
    import numpy as np
    import pandas as pd

    codes, texts = np.zeros(len(fits), dtype=np.int64), [""]
    for j, name in enumerate(ids):  # few combinations stand for many customers
        codes, pairs = pd.factorize(2 * codes + fits[:, j])
        texts = [",".join(filter(None, (texts[pair // 2], name if pair % 2 else ""))) for pair in pairs.tolist()]
    return _words(codes, texts)


def _count(codes: NDArray[np.integer], words: Sequence[str]) -> dict[str, int]:
    """How often each text occurs, by name."""
    import numpy as np

    counts = np.bincount(codes, minlength=len(words)).tolist()
    return {word: count for word, count in sorted(zip(words, counts, strict=True)) if count}
