"""The dialect of a CSV file: delimiter, quotes, decimal mark."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from oneclick_pipeline.raw.encoding import Encoding, decode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DELIMITERS = (",", ";", "\t", "|")

_SAMPLE_BYTES = 20_000


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


def decimal_mark(path: Path, encoding: Encoding, delimiter: str, width: int, numbers: Sequence[int]) -> str:
    """The decimal mark in the first lines of a file, for the record: `,`, `.`, or `none`.

    Args:
        path: The file.
        encoding: Its encoding.
        delimiter: Its delimiter.
        width: Fields of a line.
        numbers: Places of the fields that may hold a fraction.
    """
    with path.open("rb") as file:
        sample = decode(file.read(_SAMPLE_BYTES), encoding).splitlines()[1:-1]
    rows = (split_quoted(line, delimiter) for line in sample)
    text = "".join(row[i] for row in rows if row is not None and len(row) == width for i in numbers)
    return "," if text.count(",") > text.count(".") else "." if "." in text else "none"
