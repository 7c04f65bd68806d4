"""The header of an export: which encoding and delimiter make most of the known columns appear, and which are missing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.dialect import DELIMITERS
from oneclick_pipeline.raw.encoding import CYRILLIC, DOUBLE, decode
from oneclick_pipeline.raw.letters import match_headers, missing_header
from oneclick_pipeline.raw.records import Block, Record, records
from oneclick_pipeline.raw.set_aside import SEPARATOR, SetAside, count, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.formats import Encoding

_SEPARATOR = re.compile(r'"?sep=([^\w\s"]|\t)?"?[,;\t|]*', re.IGNORECASE)
_HEADER_LINES, _SAMPLE_LINES = 100, 400


@dataclass
class HeaderError(BadInputError):
    """A header that lacks a column.

    Attributes:
        columns: The columns that are there.
    """

    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Header:
    """What the first lines of an export say.

    Attributes:
        delimiter: Character between fields.
        delivered: Columns as delivered, without surrounding blanks.
        names: The same, those of the contract as the contract spells them; and the unnamed ones that rows have beyond them.
        misspelt: Headers that were delivered in another spelling -> the contract's.
        empty_tail: How many those are: fields that must be empty.
        lines: Lines up to the first row.
        set_aside: Lines above the header, by kind.
    """

    delimiter: str
    delivered: tuple[str, ...]
    names: tuple[str, ...]
    misspelt: dict[str, str]
    empty_tail: int
    lines: int
    set_aside: SetAside


def encoding_of(head: bytes, table: Table, delimiter: str | None) -> Encoding | None:
    """The encoding under which known headers appear that are not ASCII; None if there are no such headers.

    Args:
        head: The beginning of the file, without a byte order mark.
        table: The export.
        delimiter: Its delimiter, if that is known.
    """
    expected = [c.header for c in table.columns if not c.header.isascii()]
    wide: tuple[Encoding, ...] = ("utf-16-le", "utf-16-be") if b"\0" in head else ()
    most, best = 0, None
    for one in ("utf-8", DOUBLE, *CYRILLIC, *wide):
        if (
            matches := _matches(_first_record(decode(head, one).removeprefix("\ufeff"), delimiter, expected)[1], expected)
        ) > most:
            most, best = matches, one
        if most == len(expected):
            break
    return best


def read(head: str, table: Table, path: Path, delimiter: str | None) -> Header:
    """Read the header.

    Args:
        head: The beginning of the text.
        table: The export.
        path: Its file, for messages.
        delimiter: Its delimiter, if that is known; else that under which most of the known columns appear.

    Raises:
        BadInputError: If a column is missing or appears twice.
    """
    expected = [c.header for c in table.columns]
    mark, record, above = _first_record(head, delimiter, expected)
    delivered = tuple(field.strip() for field in record.fields or ()) if record else ()
    matched = match_headers(delivered, expected)
    names = tuple(matched.get(header, header) for header in delivered)
    _check(names, delivered, table, path, record)
    assert record is not None  # noqa: S101 - `_check` has refused a file without one
    lines = record.line + record.lines - 1
    rows = [r for r in _records(head, mark, lines, _SAMPLE_LINES) if r.fields and any(r.fields)]
    if mark == "," and names[_named(names) - 1] in [c.header for c in table.columns if c.type.is_number]:
        _check_fractions(names, rows, path)
    required = [c.header for c in table.columns if not c.nullable]
    names, tail = _with_tail(names, [r.fields or [] for r in rows], mark, required)
    misspelt = {old: new for old, new in matched.items() if old != new}
    return Header(mark, delivered, names, misspelt, tail, lines, above)


def _records(head: str, delimiter: str, after: int, most: int) -> list[Record]:
    """The records of some lines at the beginning of a file."""
    lines = [line.rstrip("\r") for line in head.split("\n", after + most)[after : after + most]]
    return [Record(*found) for found in records([Block(range(after + 1, after + len(lines) + 1), lines)], delimiter)]


def _first_record(head: str, delimiter: str | None, expected: Collection[str]) -> tuple[str, Record | None, SetAside]:
    """The delimiter, the first record that is not set aside, and what is set aside above it."""
    first = head.split("\n", 1)[0].rstrip("\r")
    named = _SEPARATOR.fullmatch(first)
    marks = [delimiter] if delimiter else list(dict.fromkeys([*([named[1]] if named and named[1] else []), *DELIMITERS]))
    found = [(mark, *_below(head, mark, named=bool(named))) for mark in marks]
    return max(found, key=lambda one: (_matches(one[1], expected), len(one[1].fields or ()) if one[1] else 0))


def _below(head: str, delimiter: str, *, named: bool) -> tuple[Record | None, SetAside]:
    above: SetAside = {}
    if named:
        count(above, SEPARATOR, 1)
    for record in _records(head, delimiter, int(named), _HEADER_LINES):
        kind = None if record.fields is None else kind_of(record.fields, ("",), 0)
        if kind is None or any(field.strip() for field in record.fields or ()):
            return record, above
        count(above, kind, record.line)
    return None, above


def _matches(record: Record | None, expected: Collection[str]) -> int:
    """How many of the expected headers a record has."""
    fields = [field.strip() for field in record.fields or ()] if record else []
    return len(set(match_headers(fields, expected).values()))


def _named(names: Sequence[str]) -> int:
    """How many columns there are up to the last one that has a name."""
    return max((i for i, name in enumerate(names, start=1) if name), default=0)


def _check_fractions(names: Sequence[str], rows: list[Record], path: Path) -> None:
    """Refuse digits without a header behind a number: where commas separate the columns, they may be its fraction."""
    named = _named(names)
    for row in rows:
        *_, number, behind = ["", "", *(row.fields or [])[: named + 1]]
        digits = behind.strip()[:1].isdigit() and not {",", "."}.intersection(behind)
        if len(row.fields or []) > named < len(names) and digits and "," not in number:
            raise BadInputError(
                f"the digits behind «{names[named - 1]}» have no header: they may be another column, or the fraction of a "
                f"number with a decimal comma, {number.strip()},{behind.strip()}",
                file=str(path),
                line=row.line,
                column=names[named - 1],
                value=row.text[:80],
                remedy="export it with semicolons between the columns, or with numbers in quotes; if it is a column, name it",
            )


def _with_tail(
    names: tuple[str, ...], rows: list[list[str]], delimiter: str, required: Collection[str]
) -> tuple[tuple[str, ...], int]:
    """The columns that rows have: with unnamed ones, always empty, that the header lacks, or without those that rows lack.

    Where a comma is the delimiter, an empty last field may also be the last column, and one before it a number with a decimal
    comma that is not in quotes; unless the last column is never empty.
    """
    named = _named(names)
    widths = Counter(len(row) for row in rows)
    width = max(widths, key=lambda w: widths[w], default=len(names))
    certain = delimiter != "," or names[named - 1] in required
    for end in (named, len(names)):  # the unnamed ones may be columns themselves, which are not always empty
        always_empty = not any(cell.strip() for row in rows if len(row) == width for cell in row[end:])
        if end <= width != len(names) and always_empty and (certain or width == named):
            return names[:end] + ("",) * (width - end), width - end
    if delimiter == "," and not any(cell.strip() for row in rows for cell in row[named:]):
        return names, len(names) - named  # what comes there later may be a fraction
    return names, 0


def _check(names: tuple[str, ...], delivered: tuple[str, ...], table: Table, path: Path, record: Record | None) -> None:
    """Refuse a header that lacks a column or has one twice, naming the nearest match."""
    expected = [c.header for c in table.columns]
    line, text = (record.line, record.text) if record else (1, "")
    if not set(expected) & set(names):
        raise HeaderError(
            "this is not an export of the store: the first line has none of its columns"
            + (" (the file looks binary)" if "\0" in text else ""),
            file=str(path),
            line=line,
            value=text[:80],
            remedy=f"export it again as CSV with the columns {', '.join(expected)}",
            columns=delivered,
        )
    for column in expected:
        if names.count(column) > 1:
            raise BadInputError("the column appears twice", file=str(path), line=line, column=column, remedy="remove one of them")
        if column not in names:
            raise HeaderError(
                missing_header(column, [h for h in names if h and h not in expected]),
                file=str(path),
                line=line,
                column=column,
                value=",".join(delivered),
                remedy=f"name it «{column}» in the export",
                columns=delivered,
            )
