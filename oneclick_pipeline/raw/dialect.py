"""The dialect of a CSV file: delimiter, quotes."""

from __future__ import annotations

import csv

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
