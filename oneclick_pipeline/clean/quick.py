"""Rows as values, read the cheap way, where the engine can (Polars).

Numbers are read by the engine's own parser, words by looking them up among those of the first rows. Whatever is not
unambiguous that way is left to `reading`, as all rows are on other engines: the outcome is the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.reading import Reading
from oneclick_pipeline.clean.texts import is_kept, stripped
from oneclick_pipeline.clean.words import is_word, right_spellings
from oneclick_pipeline.raw.number_columns import FIRST_ROWS
from oneclick_pipeline.raw.numbers import INTEGERS_END, integer, number, quick_integer, quick_number

if TYPE_CHECKING:
    import polars as pl

    from oneclick_pipeline.clean.reading import Compute
    from oneclick_pipeline.clean.rules import Formats
    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline.raw.number_formats import NumberFormat


def _doubts(column: Column) -> list[nw.Expr]:
    """What is true of a number or word that was read the cheap way and may be wrong."""
    value = nw.col(column.name)
    if is_word(column):
        return [nw.col(f"word_{column.name}").is_null()]
    if column.kind == "int":
        doubts = [value >= INTEGERS_END, *([value <= -INTEGERS_END] if column.minimum is None else [])]
    else:
        doubts = [~value.is_finite()]
    if column.minimum is not None:
        doubts.append(value < column.minimum)
    if column.maximum is not None:
        doubts.append(value > column.maximum)
    return doubts


def read_quickly(raw: nw.LazyFrame, table: Table, formats: Formats, compute: Compute) -> tuple[Reading, list[int]] | None:
    """Read rows the cheap way: the good ones that are unambiguous, and the lines of all others.

    None where the engine has no parser that skips what it cannot read.
    """
    import polars as pl

    native = raw.to_native()
    if not isinstance(native, pl.LazyFrame) or any(c.kind in ("str", "bool") and not is_word(c) for c in table.columns):
        return None
    vocabularies = replace(table, columns=tuple(c for c in table.columns if is_word(c)))
    texts = stripped(nw.from_native(native.select(vocabularies.names).head(FIRST_ROWS).collect().lazy()), vocabularies)
    columns: list[pl.Expr] = []
    words: dict[str, dict[int, tuple[str, str | None]]] = {}
    for c in table.columns:
        if is_word(c):
            right = {**{word: word for word in (*c.values, *c.known)}, **right_spellings(texts, c)}
            words[c.name] = dict(enumerate(right.items()))
            columns.append(_place(c.name, list(right), nullable=c.nullable).alias(f"word_{c.name}"))
        else:
            columns += [_number(c, formats[c.name]), *([pl.col(c.name).alias(f"text_{c.name}")] if is_kept(c) else [])]
    doubtful = reduce(or_, (doubt.fill_null(value=True) for c in table.columns for doubt in _doubts(c)))
    grouped = [(c, formats[c.name]) for c in table.columns if c.name in formats and formats[c.name].grouping]
    values = [_meaning(table[name], [word for _, word in known.values()]) for name, known in words.items()]
    read = compute(
        nw.from_native(native.select("line", "problem", *columns).with_columns(values))
        .with_columns((integer if c.kind == "int" else number)(nw.col(c.name), one).alias(c.name) for c, one in grouped)
        .with_columns((doubtful | ~nw.col("problem").is_null()).alias("bad"))
        .drop("problem")
    )
    doubts = read.filter(nw.col("bad")).select("line").collect()["line"].to_list()
    return Reading(read.filter(~nw.col("bad")) if doubts else read, words, [], []), doubts


def _number(column: Column, format: NumberFormat) -> pl.Expr:  # noqa: A002 - the word for it
    """A column as numbers; still as texts where thousands are grouped, which Polars' parser does not know."""
    import polars as pl

    if format.grouping:
        return pl.col(column.name)
    return quick_integer(column.name) if column.kind == "int" else quick_number(column.name, format.decimal)


def _place(name: str, texts: list[str], *, nullable: bool) -> pl.Expr:
    """Position of a text among `texts`, after them if it is an allowed blank; null for any other."""
    import polars as pl

    places = pl.Enum([*texts, ""] if nullable else texts)
    return pl.col(name).cast(places, strict=False).to_physical()


def _meaning(column: Column, words: list[str | None]) -> pl.Expr:
    """The value of the word at a place; texts as categories, which are cheaper to carry and to write."""
    import polars as pl

    values = [word if word is None else column.values.get(word, word) for word in words]
    meant = pl.Series(values, dtype=pl.Boolean if column.kind == "bool" else pl.Categorical)
    places = pl.col(f"word_{column.name}")
    position = pl.when(places < len(values)).then(places)  # an allowed blank comes after them
    return position.map_batches(meant.gather, return_dtype=meant.dtype, is_elementwise=True).alias(column.name)
