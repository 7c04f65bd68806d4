"""Clean one export: its table, what was rejected, what was corrected.

So, for every file: rows read = clean rows + rejected rows + exact copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.corrections import missing_markers, misspelt, misspelt_headers, replace_outliers
from oneclick_pipeline.clean.duplicates import same_keys
from oneclick_pipeline.clean.lists import listing, marker_counts, whole_lines
from oneclick_pipeline.clean.new_words import with_one_spelling
from oneclick_pipeline.clean.quarantine import CONFLICT
from oneclick_pipeline.clean.quick import read_quickly
from oneclick_pipeline.clean.reading import read_carefully, read_plainly
from oneclick_pipeline.clean.texts import stripped
from oneclick_pipeline.contracts.clean import CORRECTIONS, REJECTED_ROWS
from oneclick_pipeline.raw import number_columns

if TYPE_CHECKING:
    from oneclick_pipeline.clean.reading import Compute, Reading
    from oneclick_pipeline.clean.rules import Formats
    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.raw.facts import FileFacts
    from oneclick_pipeline.settings import Cleaning


@dataclass(frozen=True)
class Cleaned:
    """One export, cleaned.

    Attributes:
        table: Clean table, columns of its contract; words may be categories.
        rejected: Rows for `rejected_rows`.
        corrections: Rows for `corrections`.
        rows: Rows of the export.
        rejected_rows: How many of them were rejected (a row may break several rules).
        duplicates: How many were exact copies.
        missing_markers: `header: marker` -> how many values of the column, in rows that were kept or rejected for it, were
            written as this marker of a missing value.
    """

    table: nw.LazyFrame
    rejected: nw.LazyFrame
    corrections: nw.LazyFrame
    rows: int
    rejected_rows: int
    duplicates: int
    missing_markers: dict[str, int]

    @property
    def rejected_share(self) -> float:
        """Share of the export's rows that were rejected."""
        return self.rejected_rows / self.rows


def _without(frame: nw.LazyFrame, lines: list[int]) -> nw.LazyFrame:
    """The rows of other lines."""
    return frame.filter(~nw.col("line").is_in(lines)) if lines else frame


def _readings(raw: nw.LazyFrame, table: Table, formats: Formats, compute: Compute) -> list[Reading]:
    """The rows as values; read again where a late value shows that the first ones misled about how a column is written."""
    parts = _read(raw, table, formats, compute)
    if otherwise := [name for part in parts for name in part.otherwise]:
        decided = {**formats, **{name: number_columns.of_all_rows(raw, table, table[name]) for name in otherwise}}
        if any(decided[name].marks != formats[name].marks for name in otherwise):
            parts = _read(raw, table, decided, compute)
    return with_one_spelling(parts, table)


def _read(raw: nw.LazyFrame, table: Table, formats: Formats, compute: Compute) -> list[Reading]:
    """Read all rows: the cheap way, and those with care that may be read wrongly that way."""
    quick = read_quickly(raw, table, formats, compute)
    first, doubts = read_plainly(raw, table, formats, compute) if quick is None else quick
    if not doubts:
        return [first]
    return [first, read_carefully(compute(raw.filter(nw.col("line").is_in(doubts))), table, formats, compute)]


def clean_export(
    raw: nw.LazyFrame,
    table: Table,
    settings: Cleaning,
    compute: Compute = lambda frame: frame.collect().lazy(),
    facts: FileFacts | None = None,
) -> Cleaned:
    """Clean one export.

    Args:
        raw: The raw table of the export.
        table: Contract of the clean table.
        settings: Limits.
        compute: Computes a frame once and returns it ready to be read several times: in memory by default;
            runs pass the engine's own.
        facts: What was detected about the file, where there is one: misspelt headers, how its numbers are written.

    Returns:
        The clean table, what was rejected and corrected, and the counts.

    Raises:
        BadInputError: If the numbers of a column can be read in two ways.
    """
    parts = _readings(raw, table, number_columns.of_rows(raw, table, facts.formats if facts else None), compute)
    repairable = [c for c in table.columns if c.repairable]
    names = ["line", "bad", *table.names, *(f"text_{c.name}" for c in repairable)]
    types = parts[0].frame.collect_schema()  # words may be categories
    judged = nw.concat([part.frame.select(nw.col(n).cast(types[n]) for n in names) for part in parts])
    rows = int(judged.select(nw.len()).collect().item())
    bad = [line for part in parts for line in part.bad]
    good = judged.filter(~nw.col("bad")) if bad else judged
    copies, conflicts = same_keys(good, table)
    good = _without(good, copies + conflicts)

    rejected = [frame for part in parts for frame in part.rejected]
    if conflicts:
        rejected.append(whole_lines(stripped(raw, table), conflicts, table, value="value", rule=CONFLICT))
    kept = [(_without(part.frame, part.bad + copies + conflicts), part.words) for part in parts]
    markers = [frame for rows_of_part, words in kept for frame in missing_markers(rows_of_part, table, words)]
    corrections = [*markers, *(frame for rows_of_part, words in kept for frame in misspelt(rows_of_part, table, words))]
    if facts:
        corrections += misspelt_headers(judged, facts.misspelt_headers, facts.header_lines)
    if copies:
        corrections.append(whole_lines(stripped(raw, table), copies, table, value="old", rule="exact_duplicate"))
    for column in repairable:
        good, replaced = replace_outliers(good, table, column, settings.outlier_limit, compute)
        corrections += replaced
    return Cleaned(
        table=good.select(table.names),
        rejected=listing(REJECTED_ROWS, table.file, rejected, judged),
        corrections=listing(CORRECTIONS, table.file, corrections, judged),
        rows=rows,
        rejected_rows=len(bad) + len(conflicts),
        duplicates=len(copies),
        missing_markers=marker_counts(rejected, markers),
    )
