"""Columns of a file of outcomes: which are used, and how the texts in them are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.raw.numbers import number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import polars as pl

BEFORE = "_before"
KEYS = ("customer_id", "offer_id")

_YES_NO = (("true", "false"), ("yes", "no"), ("да", "нет"), ("истина", "ложь"), ("y", "n"), ("t", "f"))
"""Words for 1 and 0. A single letter may be a code of anything: it counts where the column has its counterpart, too."""


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    Attributes:
        name: Name of the column in the frame of texts.
        words: Words, in small letters, that are 1 and 0; empty where the column holds numbers.
    """

    name: str
    words: dict[str, float] = field(default_factory=dict)

    def value(self, text: nw.Expr) -> nw.Expr:
        """The value of a text, null where it has none."""
        if not self.words:
            return number(text)
        as_word = text.str.to_lowercase().replace_strict(self.words, default=None, return_dtype=nw.Float64())
        as_number = nw.when(number(text).is_in([0.0, 1.0])).then(number(text))
        return nw.coalesce(as_word, as_number)


def is_covariate(header: str, columns: Collection[str]) -> bool:
    """Whether the column is what another was before."""
    return header.endswith(BEFORE) and header.removesuffix(BEFORE) in columns


def usable(texts: pl.DataFrame, columns: Iterable[tuple[str, str]]) -> tuple[dict[str, Reading], dict[str, str]]:
    """Header -> how the column is read, header -> reason why it is not used.

    A column in which fewer than half of the values can be read is text; its rows are not at fault.

    Args:
        texts: The texts; empty ones are null.
        columns: Names and headers of all columns.
    """
    used: dict[str, Reading] = {}
    ignored = {}
    for name, header in columns:
        if header in KEYS:
            used[header] = Reading(name)
        elif not header:
            ignored["(no header)"] = "the column has no header"
        elif not (values := texts[name].drop_nulls()).len():
            ignored[header] = "the column is empty"
        elif reading := _reading(name, values):
            used[header] = reading
        else:
            ignored[header] = "the column holds text, not numbers"
    for header in [h for h in used if h.endswith(BEFORE) and h.removesuffix(BEFORE) not in used]:
        ignored[header] = "its outcome is not used"
        del used[header]
    return used, ignored


def _reading(name: str, values: pl.Series) -> Reading | None:
    """How a column is read: as numbers, or as yes and no where more of its values are words than numbers above 1."""
    lower = values.str.to_lowercase()
    numbers = nw.from_native(values.to_frame("text")).select(number(nw.col("text"))).to_native()["text"]
    words = _words({*lower.unique()})
    as_words, others = lower.is_in(list(words)).sum(), (~numbers.is_in([0.0, 1.0])).sum()
    if as_words <= others:
        return Reading(name) if 2 * numbers.count() >= len(values) else None
    return Reading(name, words) if 2 * (numbers.count() + as_words) >= len(values) else None


def _words(texts: set[str]) -> dict[str, float]:
    """Words that stand for 1 and 0 where a column has these texts.

    >>> _words({"yes", "n", "1"})
    {'yes': 1.0}
    >>> _words({"y", "n"})
    {'y': 1.0, 'n': 0.0}
    """
    pairs = [(yes, no) for yes, no in _YES_NO if len(yes) > 1 or texts >= {yes, no}]
    values = {yes: 1.0 for yes, _ in pairs} | {no: 0.0 for _, no in pairs}
    return {word: value for word, value in values.items() if word in texts}
