"""Misspelt words, for the table `corrections`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.words import chosen

if TYPE_CHECKING:
    from oneclick_pipeline.clean.words import Words
    from oneclick_pipeline.contracts.schema import Table


def misspelt(kept: nw.LazyFrame, table: Table, words: Words) -> list[nw.LazyFrame]:
    """The misspelt words of the rows that are kept, one frame a column; they stand under `word_<name>`."""
    parts = []
    for column in (c for c in table.columns if c.name in words):
        wrong = {key: (text, word) for key, (text, word) in words[column.name].items() if text != word}
        if wrong:
            key = nw.col(f"word_{column.name}")
            parts.append(
                kept.filter(key.is_in(list(wrong))).select(
                    "line",
                    nw.lit(column.header).alias("column"),
                    chosen(key, {k: text for k, (text, _) in wrong.items()}, nw.String()).alias("old"),
                    chosen(key, {k: word for k, (_, word) in wrong.items()}, nw.String()).alias("new"),
                    nw.lit("spelling").alias("rule"),
                )
            )
    return parts
