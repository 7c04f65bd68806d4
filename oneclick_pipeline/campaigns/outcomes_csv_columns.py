"""Columns of a file of outcomes: which are used, and how the texts in them are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.rules import no_number
from oneclick_pipeline.contracts.schema import Column, Table
from oneclick_pipeline.raw.letters import folded
from oneclick_pipeline.raw.number_columns import of_all_rows, of_plain, of_settings
from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.raw.numbers import INTEGERS_END, LIKE_A_NUMBER, integer, number, quick_integer, quick_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    import polars as pl

    from oneclick_pipeline.formats import ColumnFormat

BEFORE = "_before"
KEYS = ("customer_id", "offer_id")

_YES_NO = (("true", "false"), ("yes", "no"), ("да", "нет"), ("истина", "ложь"), ("y", "n"), ("t", "f"))
"""Words for 1 and 0. A single letter may be a code of anything: it counts where the column has its counterpart, too."""
_LONGEST_WORD = 12
"""Longer texts are none of them, whatever invisible characters they hold."""


@dataclass(frozen=True)
class Reading:
    """How a column is read.

    Attributes:
        column: Its name in the frame of texts, its header, and its kind: a text, a whole number or a number.
        format: How its numbers are written.
        words: Words, in small letters, that are 1 and 0; empty where the column holds numbers.
    """

    column: Column
    format: NumberFormat = field(default_factory=NumberFormat)
    words: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """How it is written, in words."""
        return " and ".join(self.words) if self.words else str(self.format)

    def value(self, text: nw.Expr) -> nw.Expr:
        """The value of a text, null where it has none."""
        if self.column.kind == "int":
            return integer(text, self.format)
        value = number(text, self.format)
        if not self.words:
            return value
        as_word = text.str.to_lowercase().replace_strict(self.words, default=None, return_dtype=nw.Float64())
        return nw.coalesce(as_word, nw.when(value.is_in([0.0, 1.0])).then(value))

    def values(self, texts: pl.Series) -> pl.Series:
        """The values of texts: by Polars' own parser where that reads all of them, which takes a fraction of the time."""
        frame, whole = texts.to_frame("text"), self.column.kind == "int"
        if not self.words and not self.format.grouping:
            quick = frame.select(quick_integer("text") if whole else quick_number("text", self.format.decimal)).to_series()
            sound = quick.is_between(-INTEGERS_END, INTEGERS_END, closed="none") if whole else quick.is_finite()
            if sound.all() and quick.null_count() == texts.null_count():
                return quick.alias(texts.name)
        return nw.from_native(frame).select(self.value(nw.col("text"))).to_native().to_series().alias(texts.name)

    def why_none(self, text: nw.Expr) -> nw.Expr:
        """Why a text has no value."""
        if self.words:
            return nw.lit(f"is neither 1 nor 0 nor one of the column's words ({', '.join(self.words)})")
        return no_number(text, self.column.kind, self.format)


def is_covariate(header: str, columns: Collection[str]) -> bool:
    """Whether the column is what another was before."""
    return header.endswith(BEFORE) and header.removesuffix(BEFORE) in columns


def usable(
    texts: pl.DataFrame, columns: Iterable[tuple[str, str]], given: Mapping[str, ColumnFormat], file: str
) -> tuple[dict[str, Reading], dict[str, str]]:
    """Header -> how the column is read, header -> reason why it is not used.

    A column in which fewer than half of the values can be read is text; its rows are not at fault.

    Args:
        texts: line, and the texts; empty ones are null.
        columns: Names and headers of all columns.
        given: How numbers are written, by header, where that is known.
        file: The file, for messages.

    Raises:
        BadInputError: If the numbers of a column can be read in two ways.
    """
    used: dict[str, Reading] = {}
    ignored = {}
    for name, header in columns:
        if header == "offer_id":
            used[header] = Reading(Column(name, "str", "", header=header))
        elif header == "customer_id":
            column = Column(name, "int", "", header=header)
            used[header] = Reading(column, _format(texts, column, given, file))
        elif not header:
            if texts[name].count():  # else it is the end of lines that end in a delimiter
                ignored["(no header)"] = "the column has no header"
        elif not texts[name].count():
            ignored[header] = "the column is empty"
        elif reading := _reading(texts, Column(name, "float", "", header=header), given, file):
            used[header] = reading
        else:
            ignored[header] = "the column holds text, not numbers"
    for header in [h for h in used if h.endswith(BEFORE) and h.removesuffix(BEFORE) not in used]:
        ignored[header] = "its outcome is not used"
        del used[header]
    return used, ignored


def _format(texts: pl.DataFrame, column: Column, given: Mapping[str, ColumnFormat], file: str) -> NumberFormat:
    """How the numbers of a column are written: as was said, or as all of them show."""
    table = Table("outcomes", "campaigns", "", (column,), file="campaign")
    known = of_settings(given, table)
    if known:
        return known[column.name]
    plain = of_plain(texts[column.name].drop_nulls(), whole=column.kind == "int")
    return plain or of_all_rows(nw.from_native(texts.lazy()), table, column, file)


def _reading(texts: pl.DataFrame, column: Column, given: Mapping[str, ColumnFormat], file: str) -> Reading | None:
    """How a column is read: as numbers, or as yes and no where more of its values are words than numbers above 1."""
    values = texts[column.name].drop_nulls()
    lower = values.str.to_lowercase()
    is_number = values.str.contains(LIKE_A_NUMBER)
    words = _words(lower.filter(~is_number & (lower.str.len_chars() <= _LONGEST_WORD)).unique())
    as_words, like_numbers = int(lower.is_in(list(words)).sum()), int(is_number.sum())
    if 2 * (as_words + like_numbers) < len(values):
        return None
    reading = Reading(column, _format(texts, column, given, file))
    if words and as_words > _above_1(values, reading):
        return Reading(column, reading.format, words)
    return reading if 2 * like_numbers >= len(values) else None


def _above_1(values: pl.Series, reading: Reading) -> int:
    """How many values are numbers other than 0 and 1."""
    numbers = nw.from_native(values.to_frame("text")).select(reading.value(nw.col("text")))["text"]
    return int((~numbers.is_in([0.0, 1.0])).sum())


def _words(texts: Iterable[str]) -> dict[str, float]:
    """Words that stand for 1 and 0 where a column has these texts, also with letters of the other alphabet.

    >>> _words(["yes", "n", "да"])
    {'yes': 1.0, 'да': 1.0}
    >>> _words(["n", "y"])
    {'y': 1.0, 'n': 0.0}
    """
    folds = {text: folded(text) for text in texts}
    pairs = [(folded(yes), folded(no)) for yes, no in _YES_NO if len(yes) > 1 or {folded(yes), folded(no)} <= {*folds.values()}]
    values = {yes: 1.0 for yes, _ in pairs} | {no: 0.0 for _, no in pairs}
    found = {text: values[fold] for text, fold in folds.items() if fold in values}
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
