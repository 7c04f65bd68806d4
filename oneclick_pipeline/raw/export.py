"""An export that was read: its rows, and whether the file is still the one that was read."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.contracts.exports import RAW, SOURCES
from oneclick_pipeline.engine import files
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import number_columns
from oneclick_pipeline.raw.facts import inspect, read_facts, sha256
from oneclick_pipeline.raw.missing import markers_of
from oneclick_pipeline.raw.splitting import plain_rows, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import polars as pl

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.formats import Encoding
    from oneclick_pipeline.raw.facts import FileFacts, Inspection
    from oneclick_pipeline.raw.number_formats import NumberFormat


@dataclass(frozen=True)
class Export:
    """An export that was read: its plain rows are in the file, the others in memory.

    Attributes:
        path: The CSV file.
        facts: What was detected about it.
        odd_rows: Rows that are not plain (lazy Polars frame; columns of `contracts.exports.RAW[file]`).
    """

    path: Path
    facts: FileFacts
    odd_rows: pl.LazyFrame

    def lines(self) -> pl.LazyFrame:
        """All rows, as texts, in any order (lazy Polars frame; columns of `contracts.exports.RAW[file]`)."""
        import polars as pl

        if not self.facts.plain_rows:
            return self.odd_rows
        plain = plain_rows(self.path, _source(self.facts.file), self.facts, self.facts.not_plain)
        return pl.concat([plain, self.odd_rows]) if self.facts.not_plain else plain

    def first_lines(self, most: int) -> pl.DataFrame:
        """The first of `lines`, at most so many."""
        if not self.facts.plain_rows:
            return self.odd_rows.head(most).collect()
        lines = self.facts.header_lines + self.facts.plain_rows + len(self.facts.not_plain)
        size = self.facts.size * 2 * (most + len(self.facts.not_plain)) // lines
        with self.path.open("rb") as file:  # Polars needs four times as long to find where they end in a large file
            head = file.read(size)
        if len(head) == self.facts.size:
            return self.lines().head(most).collect()
        plain = plain_rows(BytesIO(head[: head.rfind(b"\n") + 1]), _source(self.facts.file), self.facts, self.facts.not_plain)
        first = plain.head(most).collect()
        return first if len(first) == most else self.lines().head(most).collect()

    def broken(self) -> int:
        """How many lines could not be split."""
        import polars as pl

        return int(self.odd_rows.select(pl.col("problem").count()).collect().item())

    def verify(self) -> None:
        """Make sure that the file is still the one that was read.

        Raises:
            BadInputError: If other bytes have taken its place, or it is gone and rows are still to be read from it.
        """
        now = self.path.stat() if self.path.is_file() else None
        if now is None and not self.facts.plain_rows:
            return  # nothing is read from it any more
        before = self.facts.size, self.facts.modified_ns, self.facts.changed_ns
        if now and (now.st_size, now.st_mtime_ns, now.st_ctime_ns) == before:
            return
        same = now and now.st_size == self.facts.size and sha256(self.path) == self.facts.sha256
        if not same:  # a copy of the file is as good as the file
            raise BadInputError(
                "the file is not the one that was read" if now else "the file is missing",
                file=str(self.path),
                remedy=f"materialize {self.facts.file} again for this month, or run the month again, once the files no "
                "longer change",
            )


def _source(file: str) -> Table:
    """The table that an export is cleaned into."""
    return next(t for t in SOURCES if t.file == file)


def open_export(
    path: Path,
    file: str,
    scratch: Path,
    *,
    encoding: Encoding | None = None,
    delimiter: str | None = None,
    formats: Mapping[str, NumberFormat] | None = None,
) -> Export:
    """Read one export.

    Args:
        path: The delivered file.
        file: Which export it is: `market_file`, `market_money`, `market_time` or `money`.
        scratch: Existing folder where a copy may be put; it must live as long as the export's frames.
        encoding: Its encoding, if that is known; else it is detected.
        delimiter: Its delimiter, if that is known; else it is detected.
        formats: How its numbers are written, by the column's name, where that is known.

    Raises:
        BadInputError: See `facts.inspect` and `number_columns.of_rows`; also when no row follows the header.
    """
    table = _source(file)
    seen = inspect(path, table, scratch, encoding=encoding, delimiter=delimiter)
    rows, facts = all_rows(seen, table, scratch, but_in_place=True)
    odd_rows = rows.select(RAW[file].names)
    if not facts.plain_rows and odd_rows.head(1).collect().is_empty():
        raise BadInputError("the file has a header but no rows", file=str(path), remedy="export it again")
    export = Export(path, facts, odd_rows)
    first = export.first_lines(number_columns.FIRST_ROWS)
    decided = number_columns.of_rows(nw.from_native(export.lines()), table, formats, str(path), first)
    return replace(export, facts=replace(facts, formats=decided, first_markers=markers_of(first, table)))


def all_rows(seen: Inspection, table: Table, scratch: Path, *, but_in_place: bool = False) -> tuple[pl.LazyFrame, FileFacts]:
    """The rows of an export that was inspected, as texts of the columns of a table.

    Args:
        seen: The export.
        table: Table whose columns are wanted, by their headers in the file.
        scratch: Existing folder where a copy may be put; it must live as long as the frame.
        but_in_place: Leave out the rows that can be scanned in the delivered file at any time.

    Returns:
        Lazy Polars frame: line, the texts of the table's columns, problem, excerpt; and the facts, with what was set aside.
    """
    import polars as pl

    rows, aside = split(seen, table, scratch)
    if seen.plain and not (seen.text.in_place and but_in_place):
        rows = pl.concat([plain_rows(seen.text.path, table, seen.facts, tuple(seen.odd or ())), rows])
    return rows, replace(seen.facts, set_aside=aside)


def read(path: Path, file: str, scratch: Path) -> tuple[nw.LazyFrame, FileFacts]:
    """All rows of an export, and what was detected about the file; see `open_export` and `Export.lines`."""
    export = open_export(path, file, scratch)
    return nw.from_native(export.lines()), export.facts


def reopen(path: Path, table: Path) -> Export:
    """The export at `path` as it was read when `table`, its raw table's Parquet file, was written."""
    import polars as pl

    return Export(path, read_facts(table), pl.scan_parquet(table, glob=False))


def rows(table: Path) -> int:
    """Rows of an export, by its raw table's Parquet file alone."""
    return read_facts(table).plain_rows + files.rows(table)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Make sure that a file stays the same while the block reads it.

    Raises:
        BadInputError: If it was replaced or written to meanwhile.
    """
    before = path.stat() if path.is_file() else None
    yield
    after = path.stat() if path.is_file() else None
    identity = [(s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) if s else None for s in (before, after)]
    if identity[0] != identity[1]:
        raise BadInputError(
            "the file changed while it was read", file=str(path), remedy="run the month again once the file is complete"
        )


@contextmanager
def side_by_side(exports: Iterable[Export]) -> Iterator[None]:
    """Make sure that all exports are as they were read, and stay so while the block reads them.

    Each of them may be the file that was read, and the month still be one that was never delivered: where a store rewrites its
    files all the time, the first is of one delivery and the last of the next.

    Raises:
        BadInputError: If one is another than was read, or was written to meanwhile, even with the same bytes.
    """
    with ExitStack() as stack:
        for export in exports:
            stack.enter_context(unchanged(export.path))
        for export in exports:
            export.verify()
        yield
