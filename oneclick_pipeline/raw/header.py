"""The header of an export: which encoding and delimiter make most of the known columns appear, and which are missing."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.dialect import DELIMITERS, split_quoted
from oneclick_pipeline.raw.encoding import ENCODINGS, Encoding, decode
from oneclick_pipeline.raw.lines import first_line

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table


@dataclass
class HeaderError(BadInputError):
    """A header that lacks a column.

    Attributes:
        columns: The columns that are there.
    """

    columns: tuple[str, ...] = ()


def split_header(line: bytes, encoding: Encoding, delimiter: str) -> tuple[str, ...] | None:
    """Columns of a first line, without surrounding blanks; None where a quote is not closed."""
    fields = split_quoted(decode(line, encoding), delimiter)
    return None if fields is None else tuple(field.strip() for field in fields)


def read(
    path: Path, table: Table, encoding: Encoding | None = None, delimiter: str | None = None
) -> tuple[Encoding, str, tuple[str, ...]]:
    """Encoding, delimiter and columns: the combination under which most of the known headers appear.

    Raises:
        BadInputError: If a column is missing or appears twice.
    """
    line, expected = first_line(path), {c.header for c in table.columns}
    encodings, delimiters = (encoding,) if encoding else ENCODINGS, (delimiter,) if delimiter else DELIMITERS
    header: tuple[str, ...] = ()
    most, best = (-1, 0), (encodings[0], delimiters[0], header)
    for one in encodings:
        for mark in delimiters:
            columns = split_header(line, one, mark)
            if columns is not None and (matches := (len(expected.intersection(columns)), len(columns))) > most:
                most, best = matches, (one, mark, columns)
    _check(best[2], table, path, line)
    return best


def _check(header: tuple[str, ...], table: Table, path: Path, line: bytes) -> None:
    """Refuse a header that lacks a column or has one twice, naming the nearest match."""
    expected = [c.header for c in table.columns]
    if not set(expected) & set(header):
        raise HeaderError(
            "this is not an export of the store: the first line has none of its columns"
            + (" (the file looks binary)" if b"\0" in line else ""),
            file=str(path),
            line=1,
            value=line[:80].decode("utf-8", errors="replace"),
            remedy=f"export it again as CSV with the columns {', '.join(expected)}",
            columns=header,
        )
    for column in expected:
        if header.count(column) > 1:
            raise BadInputError("the column appears twice", file=str(path), line=1, column=column, remedy="remove one of them")
        if column not in header:
            near = difflib.get_close_matches(column, [h for h in header if h not in expected], n=1, cutoff=0.6)
            raise HeaderError(
                "the column is missing" + (f" (has «{near[0]}» taken its place?)" if near else ""),
                file=str(path),
                line=1,
                column=column,
                value=",".join(header),
                remedy=f"name it «{column}» in the export",
                columns=header,
            )
