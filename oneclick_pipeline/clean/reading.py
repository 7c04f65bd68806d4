"""Rows as values: read by the rules of the contract, text by text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.quarantine import broken
from oneclick_pipeline.clean.rules import broken_rules, value_of
from oneclick_pipeline.clean.texts import is_kept, stripped
from oneclick_pipeline.clean.words import is_word, right_spellings

if TYPE_CHECKING:
    from collections.abc import Callable

    from oneclick_pipeline.clean.words import Words
    from oneclick_pipeline.contracts.schema import Table

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
    """

    frame: nw.LazyFrame
    words: Words
    bad: list[int]
    rejected: list[nw.LazyFrame]


def read_carefully(raw: nw.LazyFrame, table: Table, compute: Compute) -> Reading:
    """Read rows by the rules of the contract, text by text."""
    texts = stripped(raw, table)
    spellings = {c.name: right_spellings(texts, c) for c in table.columns if is_word(c)}
    valued = texts.with_columns(value_of(c, spellings.get(c.name, {})).alias(f"value_{c.name}") for c in table.columns)
    breaks = reduce(or_, (rule for c in table.columns for _, rule in broken_rules(c)))
    judged = compute(
        valued.select(
            "line",
            (~nw.col("problem").is_null() | breaks).alias("bad"),
            *(nw.col(f"value_{c.name}").alias(c.name) for c in table.columns),
            *(nw.col(c.name).alias(f"text_{c.name}") for c in table.columns if is_kept(c)),
            *(nw.col(name).alias(f"word_{name}") for name in spellings),
        )
    )
    bad = judged.filter(nw.col("bad")).select("line").collect()["line"].to_list()
    rejected = broken(compute(valued.filter(nw.col("line").is_in(bad))), table) if bad else []
    words = {name: {text: (text, word) for text, word in right.items()} for name, right in spellings.items()}
    return Reading(judged, words, bad, rejected)
