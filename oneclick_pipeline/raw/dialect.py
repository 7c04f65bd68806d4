"""The dialect of a CSV file: delimiter, quotes, decimal mark."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DELIMITERS = (",", ";", "\t", "|")


def is_open(line: str, delimiter: str) -> bool:
    """Whether a quote is still open where the line ends.

    >>> is_open('1;"a', ";"), is_open('1;"a;b"', ";"), is_open('1;"a"b', ";")
    (True, False, False)
    """
    try:
        next(csv.reader([line], delimiter=delimiter, strict=True), None)
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False


def decimal_mark(rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> str:
    """The decimal mark in some rows, for the record: `,`, `.`, or `none`.

    Args:
        rows: Fields of the rows.
        numbers: Places of the fields that may hold a fraction.
    """
    text = "".join(row[i] for row in rows for i in numbers)
    return "," if text.count(",") > text.count(".") else "." if "." in text else "none"
