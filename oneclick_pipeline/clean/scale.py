"""What an amount typically is in a month, and whether that is plausible beside the month before and its own periods."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import inf
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, REVENUE, SITE_MINUTES
from oneclick_pipeline.engine.files import rows
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.figures import figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from oneclick_pipeline.contracts.schema import Table

AMOUNTS = {CUSTOMERS.name: "tenure_days", REVENUE.name: "revenue", SITE_MINUTES.name: "minutes", PROFIT.name: "profit"}
"""By clean table: the column whose scale is watched."""

LIMIT = 20
"""Times by which two medians differ from which they are not of one scale.

Life moves a median by up to five times (December), a mistaken unit, decimal mark or grouping by a hundred or a thousand: 20 is
about the middle between 5 and 100 on the log scale. So a hundredfold error is noticed even in a month that fell to a fifth.
"""

_LEAST_ROWS = 10  # the median of fewer is chance
_EXACT_ROWS = 500_000
_STRIDE = 31  # of larger tables every 31st row will do, at a third of the time; a prime, as customers have two or three rows


@dataclass(frozen=True)
class Typical:
    """What an amount typically is.

    Attributes:
        month: Snapshot month.
        period: Period of the rows; empty where the table has none.
        rows: Rows that were looked at.
        median: Median size of the values other than 0; 0 where there are none.
    """

    month: str
    period: str
    rows: int
    median: float


@dataclass(frozen=True)
class Leap:
    """Two medians that are too far apart.

    Attributes:
        now: That of the month.
        other: That of the month before, or of another period.
    """

    now: Typical
    other: Typical

    @property
    def times(self) -> float:
        """How many times the larger one is the smaller one; 1 where both are 0."""
        small, large = sorted((self.now.median, self.other.median))
        return large / small if small else inf if large else 1.0


def typical(path: Path, table: Table, month: str) -> list[Typical]:
    """What the amount of a clean table typically is, by period in the order of the contract; absent periods have no entry.

    Args:
        path: The table, whichever engine wrote it.
        table: Its contract.
        month: Snapshot month.
    """
    import polars as pl

    frame, periods = pl.scan_parquet(path, glob=False), [*_words(table)] or [""]
    medians = _medians(frame.gather_every(_STRIDE), table) if rows(path) > _EXACT_ROWS else {}
    if len(medians) < len(periods):  # a period that is rare may have been passed over
        medians = _medians(frame, table)
    return [Typical(month, period, *medians[period]) for period in periods if period in medians]


def _medians(frame: pl.LazyFrame, table: Table) -> dict[str, tuple[int, float]]:
    """By period: rows, and the median size of the values other than 0."""
    import polars as pl

    amount = pl.col(AMOUNTS[table.name])
    period = pl.col("period") if "period" in table.names else pl.lit("").alias("period")
    grouped = (
        frame.select(period, amount).group_by("period").agg(pl.len(), amount.filter(amount != 0).abs().median().alias("median"))
    )
    return {period: (rows, median or 0.0) for period, rows, median in grouped.collect().iter_rows()}


def absent_periods(table: Table, now: Sequence[Typical]) -> list[str]:
    """The periods that no row of a table has, in the words of the store."""
    there = {one.period for one in now}
    return [word for period, word in _words(table).items() if period not in there]


def of_absent_periods(table: Table, words: Sequence[str]) -> BadInputError:
    """The error for periods that no row has: without them nobody is regular, and nobody would be scored."""
    return BadInputError(
        f"no row that can be used is of the period {' or '.join(f'«{word}»' for word in words)}",
        file=f"{table.file}.csv",
        column=table["period"].header,
        remedy="export the file with all its periods, deliver it and run the month again; where the file has such rows, the "
        "table rejected_rows says why they cannot be used",
    )


def _words(table: Table) -> dict[str, str]:
    """By period: its word in the export; empty where a table has no periods."""
    return {str(period): word for word, period in table["period"].values.items()} if "period" in table.names else {}


def widest_leap(now: Sequence[Typical], before: Sequence[Typical]) -> Leap | None:
    """The two medians of a month that are furthest apart: of two of its periods, or of a period and the month before.

    None where there are no two to compare. Those of too few rows are left out.
    """
    pairs = [*combinations(now, 2), *((one, other) for one in now for other in before if one.period == other.period)]
    leaps = [Leap(one, other) for one, other in pairs if min(one.rows, other.rows) >= _LEAST_ROWS]
    return max(leaps, key=lambda leap: leap.times, default=None)


def of_leap(table: Table, leap: Leap) -> BadInputError:
    """The error for two medians of a table that are too far apart."""
    words = _words(table)

    def named(one: Typical) -> str:
        return f"{figure(one.median)} in {one.month}" + (f", {words[one.period]}" if one.period else "")

    return BadInputError(
        f"the median is {named(leap.now)}, and {named(leap.other)}: {LIMIT} times apart or more, so one of them is in "
        "another unit, or its numbers were read in another format",
        file=f"{table.file}.csv",
        column=table[AMOUNTS[table.name]].header,
        remedy="correct the file that is wrong, deliver it and run its month again; if the figures are right, write "
        f'cleaning: {{accept_scale: ["{leap.now.month}"]}} into settings.yaml, which lets this month pass, and run it again',
    )
