"""The header of an export: which encoding and delimiter make most of the known columns appear, and which are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.dialect import DELIMITERS, split_quoted
from oneclick_pipeline.raw.encoding import ENCODINGS, Encoding, decode
from oneclick_pipeline.raw.letters import match_headers, missing_header
from oneclick_pipeline.raw.lines import first_line

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table


def split_header(line: bytes, encoding: Encoding, delimiter: str) -> tuple[str, ...] | None:
    """Columns of a first line, without surrounding blanks; None where a quote is not closed."""
    fields = split_quoted(decode(line, encoding), delimiter)
    return None if fields is None else tuple(field.strip() for field in fields)


def read(path: Path, table: Table) -> tuple[Encoding, str, tuple[str, ...]]:
    """Encoding, delimiter and columns as delivered: the combination under which most of the known headers appear.

    Raises:
        BadInputError: If a column is missing or appears twice.
    """
    line, expected = first_line(path), [c.header for c in table.columns]
    most, encoding, delimiter = -1, ENCODINGS[0], DELIMITERS[0]
    header: tuple[str, ...] = ()
    for one in ENCODINGS:
        for mark in DELIMITERS:
            columns = split_header(line, one, mark)
            matches = 0 if columns is None else len(set(match_headers(columns, expected).values()))
            if columns is not None and matches > most:
                most, encoding, delimiter, header = matches, one, mark, columns
    _check(header, table, path, line)
    return encoding, delimiter, header


def _check(header: tuple[str, ...], table: Table, path: Path, line: bytes) -> None:
    """Refuse a header that lacks a column or has one twice, naming the nearest match."""
    expected = [c.header for c in table.columns]
    matched = match_headers(header, expected)
    if not matched:
        raise BadInputError(
            "this is not an export of the store: the first line has none of its columns"
            + (" (the file looks binary)" if b"\0" in line else ""),
            file=str(path),
            line=1,
            value=line[:80].decode("utf-8", errors="replace"),
            remedy=f"export it again as CSV with the columns {', '.join(expected)}",
        )
    for column in expected:
        if [matched.get(h) for h in header].count(column) > 1:
            raise BadInputError("the column appears twice", file=str(path), line=1, column=column, remedy="remove one of them")
        if column not in matched.values():
            raise BadInputError(
                missing_header(column, [h for h in header if h not in matched]),
                file=str(path),
                line=1,
                column=column,
                value=",".join(header),
                remedy=f"name it «{column}» in the export",
            )
