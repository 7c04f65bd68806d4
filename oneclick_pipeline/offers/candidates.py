"""The customers of a plan: the inputs of the decision, batch by batch, then all together.

Two rules already keep poor offers out here: no one gets one that harms with a probability of `HARMFUL` or more; and
no one explores one that would not pay for itself with this customer even at the better end of its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.experiment.draws import hashes
from oneclick_pipeline.offers.gain_sample import Sample
from oneclick_pipeline.stats import Z_95

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.catalogue.offer import Offer

    Numbers = NDArray[np.float64]
    Gains = NDArray[np.float32]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]

HARMFUL = 0.9
"""Probability that an offer raises P(decline), as believed, from which it is not even explored."""


@dataclass(frozen=True)
class OfferArrays:
    """What the plan needs of m offers as arrays: shape (m,)."""

    ids: tuple[str, ...]
    cost: Numbers
    capacity: Numbers

    @classmethod
    def of(cls, offers: Sequence[Offer]) -> OfferArrays:
        """Of some offers, in their order."""
        return cls(
            tuple(o.id for o in offers),
            np.array([o.cost for o in offers], dtype=float),
            np.array([np.inf if o.capacity is None else o.capacity for o in offers], dtype=float),
        )


@dataclass(frozen=True)
class Everybody:
    """What is known of all n customers of a plan, or of a batch of them.

    Attributes:
        ids: Their numbers, (n,).
        version: Version of the model that scored them, (n,).
        p: p_decline, (n,).
        value: What it is worth to keep each, (n,).
        segments: Different segments.
        segment: Number of each one's segment among them, (n,).
        reason: Number of the reason why they can get none, -1 for who can, (n,); completed when the plan is decided.
        fits: Offers that fit, without harmful ones for those who may get one, (n, m); completed like `reason`.
    """

    ids: NDArray[np.int64]
    version: NDArray[np.int64]
    p: Numbers
    value: Numbers
    segments: list[str]
    segment: Choice
    reason: NDArray[np.int8]
    fits: Flags


@dataclass(frozen=True)
class Batch(Everybody):
    """The inputs of the decision for n customers, k of whom may get an offer.

    Attributes:
        gain: Expected gain of those k from each offer, -inf where the policy may not give it, (k, m); in single precision,
            which no estimate of a gain deserves, since these are half of what a plan of millions holds in memory.
        explorable: Offers that they may explore, (k, m).
        effect: Effects on each of them, None where the segment says them, (k, m).
        sample: What the posterior of the gain needs of some of them.
    """

    gain: Gains
    explorable: Flags
    effect: Numbers | None
    sample: Sample


@dataclass(frozen=True)
class Candidates:
    """The k customers who may get an offer, in an order that has nothing to do with that of the table.

    Attributes:
        among: Their rows among all customers, in the order of these, (k,).
        place: Place of each of `among` in the order of what follows, (k,).
        rows: Their rows among all customers, (k,).
        tie: A number of each, which settles ties, (k,).
        fits: Offers that fit each, whatever is drawn, as bits (`np.packbits`): one byte per customer and eight offers.
        gain: See `Batch`, as for the rest.
        explorable: Offers that they may explore.
        effect: Effects on each of them.
        sample: What the posterior of the gain needs of some of them, in their order.
    """

    among: NDArray[np.intp]
    place: NDArray[np.intp]
    rows: NDArray[np.intp]
    tie: NDArray[np.uint64]
    fits: NDArray[np.uint8]
    gain: Gains
    explorable: Flags
    effect: Numbers | None
    sample: Sample

    def first(self, k: int) -> Candidates:
        """The first k of them, a random sample as their order is random."""
        kept = np.flatnonzero(self.place < k)
        return Candidates(
            among=self.among[kept],
            place=self.place[kept],
            rows=self.rows[:k],
            tie=self.tie[:k],
            fits=self.fits[:k],
            gain=self.gain[:k],
            explorable=self.explorable[:k],
            effect=None if self.effect is None else self.effect[:k],
            sample=self.sample.first(k),
        )


def gathered(batches: list[Batch], salt: str, month: str) -> tuple[Everybody, Candidates]:
    """All batches together; the list is empty afterwards.

    Args:
        batches: In their order.
        salt: Of the ties.
        month: Of the ties.
    """
    segments = sorted({name for batch in batches for name in batch.segments})
    number = {name: i for i, name in enumerate(segments)}
    segment = [np.array([number[name] for name in b.segments], dtype=np.int16)[b.segment] for b in batches]
    ids, version, p, value, reason, fits = (
        np.concatenate([getattr(b, name) for b in batches]) for name in ("ids", "version", "p", "value", "reason", "fits")
    )
    among = np.flatnonzero(reason < 0)
    tie = hashes(ids[among], salt, "ties", month)
    order = np.argsort(tie)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    gains, explorables = [b.gain for b in batches], [b.explorable for b in batches]
    effects = [b.effect for b in batches if b.effect is not None]
    sample = Sample.gathered([b.sample for b in batches], [len(b.gain) for b in batches], place)
    batches.clear()  # so that a part goes when it is copied
    candidates = Candidates(
        among=among,
        place=place,
        rows=among[order],
        tie=tie[order],
        fits=np.packbits(fits, axis=1)[among[order]],
        gain=_scattered(gains, place),
        explorable=_scattered(explorables, place),
        effect=_scattered(effects, place) if effects else None,
        sample=sample,
    )
    return Everybody(ids, version, p, value, segments, np.concatenate(segment), reason, fits), candidates


def _scattered(parts: list[NDArray], place: NDArray[np.intp]) -> NDArray:
    """The rows of all parts in the order of their places, one part after the other given up."""
    whole, begin = np.empty((len(place), parts[0].shape[1]), parts[0].dtype), 0
    while parts:
        part = parts.pop(0)
        whole[place[begin : begin + len(part)]] = part
        begin += len(part)
    return whole


def believed_effects(
    offers: Sequence[Offer], beliefs: pd.DataFrame | None, segments: Sequence[str], *, by_segment: bool
) -> Numbers:
    """Believed effect of every offer and its standard deviation in some segments; (segments, m, 2)."""
    believed = np.array([[(o.effect_mean, o.effect_sd) for o in offers]] * len(segments)).reshape(len(segments), len(offers), 2)
    if beliefs is not None:
        number = {o.id: j for j, o in enumerate(offers)}
        rows = beliefs[beliefs["offer_id"].isin(list(number))]
        for whole in (True, False)[: 1 + by_segment]:  # what is believed of a segment after what is believed of all
            for row in rows[(rows["segment"] == "all") == whole].itertuples():
                among = [whole or name == row.segment for name in segments]
                believed[among, number[str(row.offer_id)]] = row.mean, row.sd
    return believed


def expected_gain(effect: Numbers, p: Numbers, value: Numbers, cost: Numbers) -> Numbers:
    """What an offer brings minus its cost: only those who would have declined can be kept."""
    return np.asarray(np.minimum(-effect, p) * value - cost)


def harmless(mean: Numbers, sd: Numbers) -> Flags:
    """Whether an offer is not believed to do harm; if its effect is believed with certainty, harm begins at 0."""
    from scipy.special import ndtr

    with np.errstate(over="ignore"):
        ratio = np.divide(mean, sd, out=np.where(mean < 0, -np.inf, np.inf), where=sd > 0)
    return np.asarray(~(ndtr(ratio) >= HARMFUL), dtype=bool)


def may_pay(effect: Numbers, sd: Numbers, p: Numbers, value: Numbers, cost: Numbers) -> Flags:
    """Whether an offer pays for itself at the better end of the 95 % interval of its effect."""
    return expected_gain(effect - Z_95 * sd, p, value, cost) > 0
