"""What has changed since the month before: who came and left, how risk and segments moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.segments import SEGMENTS, Segment
from oneclick_pipeline.report import estimates
from oneclick_pipeline.report.frames import numbers, segment_places
from oneclick_pipeline.report.totals import meaning, totals
from oneclick_pipeline.stats import change

if TYPE_CHECKING:
    from oneclick_pipeline.report.source import Before, Month
    from oneclick_pipeline.stats import Interval

    Compared = tuple[Interval, Interval, Interval]


@dataclass(frozen=True)
class Size:
    """A segment then and now: customers, and of those who stayed with the store how many moved in and out."""

    segment: Segment
    before: int
    now: int
    moved_in: int
    moved_out: int

    @property
    def change(self) -> int:
        """How many more."""
        return self.now - self.before


@dataclass(frozen=True)
class Move:
    """Customers who went from one segment to another."""

    origin: Segment
    target: Segment
    customers: int


@dataclass(frozen=True)
class Changes:
    """The month against the month before; money in finance units.

    Attributes:
        before: The month before.
        customers: Then and now.
        came: Customers who were not there before.
        left: Customers who are there no longer.
        stayed: Customers of both months.
        declines: Expected declines then, now, and their change; None where one of them is not recorded, or one was a
            recognition and the other a forecast.
        at_risk: Value at risk likewise.
        risk_of_stayed: Mean change of p_decline of one who stayed, with its interval; None of too few, and where one of the two
            was a recognition and the other a forecast.
        one_meaning: Whether p_decline is known to be about the same thing in both months.
        sizes: Every segment.
        moves: From segment to segment, the most customers first.
        moved: Customers who stayed with the store and changed their segment.
        other_model: Whether another version of the model scored then.
    """

    before: str
    customers: tuple[int, int]
    came: int
    left: int
    stayed: int
    declines: Compared | None
    at_risk: Compared | None
    risk_of_stayed: Interval | None
    one_meaning: bool
    sizes: tuple[Size, ...]
    moves: tuple[Move, ...]
    moved: int
    other_model: bool


def changes(before: Before, source: Month) -> Changes:
    """Compare a month with the one before."""
    then, now = before.segments, source.segments
    ids_then, ids_now = (table["customer_id"].to_numpy(dtype=np.int64) for table in (then, now))
    _, at_then, at_now = np.intersect1d(ids_then, ids_now, assume_unique=True, return_indices=True)
    p_then, p_now = numbers(then["p_decline"]), numbers(now["p_decline"])
    comparable = before.profiles is not None and meaning(before.profiles) == meaning(source.profiles)
    one_meaning = comparable or before.model_version == source.model.version
    was = totals(before.profiles) if comparable and before.profiles is not None else (None, None)
    declines, at_risk = (_compared(*pair) for pair in zip(was, totals(source.profiles), strict=True))
    code_then, code_now = segment_places(then["segment"]), segment_places(now["segment"])
    k = len(SEGMENTS)
    table = np.bincount(code_then[at_then] * k + code_now[at_now], minlength=k * k).reshape(k, k)
    still = np.diag(table)
    sizes = tuple(
        Size(s, int((code_then == i).sum()), int((code_now == i).sum()), int(table[:, i].sum() - still[i]),
             int(table[i].sum() - still[i]))
        for i, s in enumerate(SEGMENTS)
    )  # fmt: skip
    moves = sorted(
        (Move(SEGMENTS[i], SEGMENTS[j], int(table[i, j])) for i in range(k) for j in range(k) if i != j and table[i, j]),
        key=lambda m: -m.customers,
    )
    return Changes(
        before=before.month,
        customers=(len(ids_then), len(ids_now)),
        came=len(ids_now) - len(at_now),
        left=len(ids_then) - len(at_then),
        stayed=len(at_now),
        declines=declines,
        at_risk=at_risk,
        risk_of_stayed=estimates.mean(p_now[at_now] - p_then[at_then]) if one_meaning else None,
        one_meaning=one_meaning,
        sizes=sizes,
        moves=tuple(moves),
        moved=int(table.sum() - still.sum()),
        other_model=before.model_version != source.model.version,
    )


def _compared(then: Interval | None, now: Interval | None) -> Compared | None:
    """A figure then, now, and its change."""
    return None if then is None or now is None else (then, now, change(now, then))
