"""Lines of an export as rows of texts: plain ones scanned in place, odd ones split one by one.

A file in another encoding, or one with many odd lines, is rewritten in constant memory and split whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.raw.dialect import split_quoted
from oneclick_pipeline.raw.encoding import BYTE_ORDER_MARK, decode
from oneclick_pipeline.raw.lines import MAX_LINE_BYTES, physical_lines

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.raw.facts import FileFacts

NOT_CLOSED = "a quote is not closed on the line"
TOO_LONG = f"the line is longer than {MAX_LINE_BYTES} bytes"
WRONG_WIDTH = "the line has a different number of fields from the header"

_FIELD = "\x1f"  # separates the fields of a rewritten file: legal in no value
_PROBLEM = "\x1e"  # begins a rewritten line that could not be split
_EXCERPT = 200


def _rewritten(line: bytes, facts: FileFacts, *, too_long: bool) -> str:
    """A line whose fields are separated by U+001F.

    One that cannot be split begins with U+001E, followed by the problem, U+001F and the line's beginning.
    """
    text = decode(line[:MAX_LINE_BYTES], facts.encoding).replace(_FIELD, "\ufffd").replace(_PROBLEM, "\ufffd")
    text = text.replace("\n", "\ufffd").replace("\r", "\ufffd")
    if too_long:
        return f"{_PROBLEM}{TOO_LONG}{_FIELD}{text[:_EXCERPT]}"
    if not text.strip():
        return ""  # blank, whatever the delimiter
    if '"' not in text:
        return text.replace(facts.delimiter, _FIELD)
    if (fields := split_quoted(text, facts.delimiter)) is None:
        return f"{_PROBLEM}{NOT_CLOSED}{_FIELD}{text[:_EXCERPT]}"
    return _FIELD.join(fields) or text  # quotes around nothing do not make a blank line


def _rewrite(path: Path, facts: FileFacts, target: Path) -> None:
    """Write the export as plain UTF-8, every line as `_rewritten` gives it, in constant memory."""
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
        for i, (line, too_long) in enumerate(physical_lines(source, facts.line_end)):
            raw = line.removeprefix(BYTE_ORDER_MARK) if i == 0 else line
            out.write(_rewritten(raw, facts, too_long=too_long) + "\n")


def _split(lines: pl.LazyFrame, table: Table, facts: FileFacts) -> pl.LazyFrame:
    """Rewritten lines (columns line, text) as the raw table; blank lines do not count as rows."""
    import polars as pl

    width = len(facts.header)
    text = pl.col("text")
    broken = text.str.starts_with(_PROBLEM)
    wrong = ~broken & (text.str.count_matches(_FIELD, literal=True) != width - 1)
    parts = text.str.split_exact(_FIELD, width - 1).struct
    fields = [
        pl.when(~broken & ~wrong).then(parts.field(f"field_{facts.header.index(c.header)}")).alias(c.name) for c in table.columns
    ]
    as_it_came = text.str.head(_EXCERPT).str.replace_all(_FIELD, facts.delimiter, literal=True)
    beginning = text.str.strip_prefix(_PROBLEM).str.split_exact(_FIELD, 1).struct
    return lines.filter((pl.col("line") > 1) & (text != "")).select(
        pl.col("line").cast(pl.Int64),
        *fields,
        pl.when(broken).then(beginning.field("field_0")).when(wrong).then(pl.lit(WRONG_WIDTH)).alias("problem"),
        pl.when(broken).then(beginning.field("field_1")).when(wrong).then(as_it_came).alias("excerpt"),
    )


def split_lines(path: Path, table: Table, facts: FileFacts, odd: dict[int, bytes], scratch: Path) -> pl.LazyFrame:
    """The rows that are not plain; all rows where the file is to be rewritten.

    Args:
        path: The export.
        table: Table that the export is cleaned into.
        facts: What `facts.inspect` detected.
        odd: Odd lines by number, as `facts.inspect` gives them.
        scratch: Existing folder for a rewritten copy, which must live as long as the frame.

    Returns:
        Lazy Polars frame: line, the texts of the table's columns, problem, excerpt.
    """
    import polars as pl

    if facts.rewritten:
        target = scratch / f"{facts.file}.txt"
        _rewrite(path, facts, target)
        lines = pl.scan_lines(target, name="text", row_index_name="line", row_index_offset=1, glob=False)
    else:
        texts = [_rewritten(line, facts, too_long=len(line) > MAX_LINE_BYTES) for line in odd.values()]
        lines = pl.LazyFrame({"line": list(odd), "text": texts}, schema={"line": pl.Int64, "text": pl.String})
    return _split(lines, table, facts)


def plain_rows(path: Path, table: Table, facts: FileFacts) -> pl.LazyFrame:
    """The plain rows, scanned in place."""
    import polars as pl

    lines = pl.scan_csv(
        path,
        separator=facts.delimiter,
        new_columns=[str(i) for i in range(len(facts.header))],
        infer_schema=False,
        quote_char=None,
        encoding="utf8-lossy" if facts.not_plain else "utf8",  # odd lines may hold any bytes; plain ones are UTF-8
        empty_string_is_null=False,
        truncate_ragged_lines=True,  # lines of another width are odd, and left out below
        row_index_name="line",
        row_index_offset=2,
        glob=False,
    )
    if facts.not_plain:
        lines = lines.filter(~pl.col("line").is_in(facts.not_plain))
    return lines.select(
        pl.col("line").cast(pl.Int64),
        *(pl.col(str(facts.header.index(c.header))).alias(c.name) for c in table.columns),
        pl.lit(None, pl.String).alias("problem"),
        pl.lit(None, pl.String).alias("excerpt"),
    )
