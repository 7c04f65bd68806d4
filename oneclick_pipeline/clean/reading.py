"""Rows as values: read by the rules of the contract, text by text.

On engines other than Polars, `read_plainly` does what `quick` does there: it reads what is unambiguous, and leaves the rest to
`read_carefully`, whose grammar of numbers costs three times as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.quarantine import broken
from oneclick_pipeline.clean.rules import broken_rules, otherwise_written, value_of
from oneclick_pipeline.clean.texts import is_kept, stripped
from oneclick_pipeline.clean.words import is_word, right_spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from oneclick_pipeline.clean.rules import Formats
    from oneclick_pipeline.clean.words import Words
    from oneclick_pipeline.contracts.schema import Table

    Spellings = dict[str, dict[str, str | None]]
    """By column: a text of its vocabulary and the right spelling, None for a missing value."""
    Compute = Callable[[nw.LazyFrame], nw.LazyFrame]


@dataclass(frozen=True)
class Reading:
    """Rows that were read.

    Attributes:
        frame: Columns line, bad, the values under their names, the texts of columns that keep them under `text_<name>`,
            and the words under `word_<name>`: themselves, or numbers that denote them.
        words: What `word_<name>` holds.
        bad: Lines of bad rows.
        rejected: What is bad about them, for `rejected_rows`.
        otherwise: Columns in which one of them is a number, but not of the column's format.
    """

    frame: nw.LazyFrame
    words: Words
    bad: list[int]
    rejected: list[nw.LazyFrame]
    otherwise: tuple[str, ...] = ()


def read_plainly(raw: nw.LazyFrame, table: Table, formats: Formats, compute: Compute) -> tuple[Reading, list[int]]:
    """Read rows whose numbers are plain: the good ones, and the lines of all others."""
    valued, spellings = _valued(raw, table, formats, plain=True)
    judged = compute(_judged(valued, table, formats, spellings))
    doubts = _bad(judged)
    return Reading(judged.filter(~nw.col("bad")) if doubts else judged, _words(spellings), [], []), doubts


def read_carefully(raw: nw.LazyFrame, table: Table, formats: Formats, compute: Compute) -> Reading:
    """Read rows by the rules of the contract, text by text."""
    valued, spellings = _valued(raw, table, formats, plain=False)
    judged = compute(_judged(valued, table, formats, spellings))
    bad = _bad(judged)
    if not bad:
        return Reading(judged, _words(spellings), [], [])
    wrong = compute(valued.filter(nw.col("line").is_in(bad)))
    return Reading(judged, _words(spellings), bad, broken(wrong, table, formats), _otherwise(wrong, table, formats))


def _valued(raw: nw.LazyFrame, table: Table, formats: Formats, *, plain: bool) -> tuple[nw.LazyFrame, Spellings]:
    """The texts and under `value_<name>` their values, and the spellings of words by column."""
    texts = stripped(raw, table)
    spellings = {c.name: right_spellings(texts, c) for c in table.columns if is_word(c)}
    values = [value_of(c, spellings.get(c.name, {}), formats, plain=plain).alias(f"value_{c.name}") for c in table.columns]
    return texts.with_columns(values), spellings


def _judged(valued: nw.LazyFrame, table: Table, formats: Formats, words: Collection[str]) -> nw.LazyFrame:
    """The rows as `Reading.frame` holds them."""
    breaks = reduce(or_, (rule for c in table.columns for _, rule in broken_rules(c, formats)))
    return valued.select(
        "line",
        (~nw.col("problem").is_null() | breaks).alias("bad"),
        *(nw.col(f"value_{c.name}").alias(c.name) for c in table.columns),
        *(nw.col(c.name).alias(f"text_{c.name}") for c in table.columns if is_kept(c)),
        *(nw.col(name).alias(f"word_{name}") for name in words),
    )


def _bad(judged: nw.LazyFrame) -> list[int]:
    """Lines of the bad rows."""
    lines: list[int] = judged.filter(nw.col("bad")).select("line").collect()["line"].to_list()
    return lines


def _words(spellings: Mapping[str, Mapping[str, str | None]]) -> Words:
    return {name: {text: (text, word) for text, word in right.items()} for name, right in spellings.items()}


def _otherwise(wrong: nw.LazyFrame, table: Table, formats: Formats) -> tuple[str, ...]:
    """Columns whose format is not final and which hold numbers of another one."""
    names = [c.name for c in table.columns if c.type.is_number and not formats[c.name].final]
    if not names:
        return ()
    counts = wrong.select(otherwise_written(table[name]).cast(nw.Int64).sum().alias(name) for name in names).collect()
    return tuple(name for name in names if counts[name].item())
