"""Tables as the page takes them: columns as floats, rows as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oneclick_pipeline.contracts.segments import SEGMENTS
from oneclick_pipeline.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.report.estimates import Floats

    Places = NDArray[np.int64]


def numbers(column: pd.Series) -> Floats:
    """A column as floats, NaN where there is no value."""
    floats: Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def coded(column: pd.Series) -> tuple[Places, list[str]]:
    """A column of words as numbers: the place of each in the list of all words, −1 where there is none.

    Millions of words take eight bytes each so, and comparing them costs nothing.
    """
    words = column.astype("category").cat
    codes: Places = np.asarray(words.codes, dtype=np.int64)
    return codes, [str(word) for word in words.categories]


def segment_places(column: pd.Series) -> Places:
    """Place of each customer's segment in `SEGMENTS`."""
    codes, words = coded(column)
    ids = [s.id for s in SEGMENTS]
    places: Places = np.array([ids.index(word) for word in words], dtype=np.int64)[codes]
    return places


def rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a small table."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def number(row: Mapping[str, Any], name: str) -> float | None:
    """A number of a row; None where there is none."""
    value = row[name]
    return float(value) if isinstance(value, (int, float, np.number)) and np.isfinite(value) else None


def text(row: Mapping[str, Any], name: str) -> str | None:
    """A text of a row; None where there is none."""
    value = row[name]
    return value if isinstance(value, str) else None


def interval(row: Mapping[str, Any], name: str) -> Interval | None:
    """An estimate with the ends of its interval, `<name>`, `<name>_low`, `<name>_high`; None where one is missing."""
    middle, low, high = (number(row, f"{name}{end}") for end in ("", "_low", "_high"))
    return None if middle is None or low is None or high is None else Interval(middle, low, high)


def worth(p: Floats, at_risk: Floats) -> Floats:
    """What a decline of each customer would cost: value at risk without the probability in it."""
    return np.divide(at_risk, p, out=np.zeros_like(p), where=p > 0)
