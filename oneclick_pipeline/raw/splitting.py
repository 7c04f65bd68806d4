"""Lines of an export as rows of texts: plain ones scanned in place, odd ones split record by record.

Where there are too many odd lines, or records go over several lines, the whole text is rewritten in constant memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.raw.lines import MAX_LINE_BYTES
from oneclick_pipeline.raw.records import FIELD, PROBLEM, Block, blocks, records, text_of
from oneclick_pipeline.raw.set_aside import SetAside, count, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from io import BytesIO
    from pathlib import Path

    import polars as pl

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.raw.facts import FileFacts, Inspection
    from oneclick_pipeline.raw.records import RecordFields

WRONG_WIDTH = "the line has a different number of fields from the header"
_EXCERPT = 200


def _rewritten(found: Iterable[RecordFields], seen: Inspection, aside: SetAside) -> Iterator[str]:
    """Each record as a line whose fields are separated by U+001F; an empty one where it is no row.

    One that cannot be split begins with U+001E, followed by the problem, U+001F and the line's beginning. Further lines of a
    record become empty ones, so that line numbers hold.
    """
    header, shape = seen.text.header.delivered, seen.shape
    width, place, padding = shape.width, shape.id_place, [""] * shape.empty_tail
    for number, lines, text, fields, problem in found:
        line = ""
        if fields is not None and len(fields) == width and fields[place][:1].isdecimal() and not padding:
            line = FIELD.join(fields)
        elif fields is not None and (kind := kind_of(fields, header, place)):
            count(aside, kind, number)
        elif fields is not None and shape.fits(fields):
            line = FIELD.join([*fields, *padding][:width])
        else:
            line = f"{PROBLEM}{problem or WRONG_WIDTH}{FIELD}{text[:_EXCERPT]}"
        yield line if lines == 1 else line + "\n" * (lines - 1)


def split(seen: Inspection, table: Table, scratch: Path) -> tuple[pl.LazyFrame, SetAside]:
    """The rows that are not plain, and the lines that are set aside by kind; all rows where the text is rewritten.

    Args:
        seen: What `facts.inspect` found.
        table: Table that the export is cleaned into.
        scratch: Existing folder for a rewritten copy, which must live as long as the frame.

    Returns:
        Lazy Polars frame: line, the texts of the table's columns, problem, excerpt; and the lines set aside.
    """
    import polars as pl

    aside: SetAside = dict(seen.text.header.set_aside)
    first, facts = seen.text.header.lines + 1, seen.facts
    if seen.odd is None:
        target = scratch / f"{facts.file}.txt"
        with seen.text.path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
            source.seek(seen.text.header_bytes)
            found = records(blocks(source, first), facts.delimiter, seen.shape)
            out.writelines(line + "\n" for line in _rewritten(found, seen, aside))
        lines = pl.scan_lines(target, name="text", row_index_name="line", row_index_offset=first, glob=False)
    else:
        long = frozenset(i for i, line in enumerate(seen.odd.values()) if len(line) > MAX_LINE_BYTES)
        block = Block(list(seen.odd), [text_of(line) for line in seen.odd.values()], long)
        texts = list(_rewritten(records([block], facts.delimiter, seen.shape), seen, aside))
        lines = pl.LazyFrame({"line": list(seen.odd), "text": texts}, schema={"line": pl.Int64, "text": pl.String})
    return _split(lines, table, facts), aside


def _split(lines: pl.LazyFrame, table: Table, facts: FileFacts) -> pl.LazyFrame:
    """Rewritten lines (columns line, text) as the raw table; empty ones are no rows."""
    import polars as pl

    text = pl.col("text")
    broken = text.str.starts_with(PROBLEM)
    parts = text.str.split_exact(FIELD, len(facts.header) - 1).struct
    fields = [pl.when(~broken).then(parts.field(f"field_{facts.header.index(c.header)}")).alias(c.name) for c in table.columns]
    beginning = text.str.strip_prefix(PROBLEM).str.split_exact(FIELD, 1).struct
    return lines.filter(text != "").select(
        pl.col("line").cast(pl.Int64),
        *fields,
        pl.when(broken).then(beginning.field("field_0")).alias("problem"),
        pl.when(broken).then(beginning.field("field_1")).alias("excerpt"),
    )


def plain_rows(text: Path | BytesIO, table: Table, facts: FileFacts, not_plain: Collection[int]) -> pl.LazyFrame:
    """The plain rows of a text, scanned where they lie.

    Args:
        text: The text.
        table: Table that the export is cleaned into.
        facts: What was detected about the export.
        not_plain: Numbers of the lines that are not.
    """
    import polars as pl

    lines = pl.scan_csv(
        text,
        separator=facts.delimiter,
        skip_lines=facts.header_lines - 1,
        new_columns=[str(i) for i in range(len(facts.header))],
        infer_schema=False,
        quote_char=None,
        encoding="utf8-lossy" if not_plain else "utf8",  # odd lines may hold any bytes; plain ones are UTF-8
        empty_string_is_null=False,
        truncate_ragged_lines=True,  # lines of another width are odd, and left out below
        row_index_name="line",
        row_index_offset=facts.header_lines + 1,
        glob=False,
    )
    if not_plain:
        lines = lines.filter(~pl.col("line").is_in(not_plain))
    return lines.select(
        pl.col("line").cast(pl.Int64),
        *(pl.col(str(facts.header.index(c.header))).alias(c.name) for c in table.columns),
        pl.lit(None, pl.String).alias("problem"),
        pl.lit(None, pl.String).alias("excerpt"),
    )
