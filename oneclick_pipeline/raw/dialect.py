"""The dialect of a CSV file: delimiter, quotes."""

from __future__ import annotations

import csv

DELIMITERS = (",", ";", "\t", "|")


def split_quoted(line: str, delimiter: str) -> list[str] | None:
    """Split one line with quotes; None where a quote is not closed.

    >>> split_quoted('1,"a, b",2', ",")
    ['1', 'a, b', '2']
    >>> split_quoted('1,"a', ",") is None
    True
    """
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None
