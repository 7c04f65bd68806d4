"""Rows whose key appears twice: exact copies, and rows in conflict."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.engine.files import stands_twice

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Column, Table


def _number(column: Column) -> nw.Expr:
    """The place of a word of a closed vocabulary: engines count and group by numbers much faster than by texts."""
    words = dict.fromkeys(column.values.values())
    return reduce(add, ((nw.col(column.name) == word).cast(nw.Int64) * i for i, word in enumerate(words)))


def _same_keys_possible(good: nw.LazyFrame, table: Table) -> bool:
    """Whether a key appears twice: much cheaper than to list those that do."""
    key = nw.col(table.key[0])  # a customer, and in some tables a word: then one number is made of both
    for name in table.key[1:]:
        key = key * len(table[name].values) + _number(table[name])
    if good.implementation.is_spark_like():
        counts = good.select(key.n_unique().alias("keys"), nw.len().alias("rows")).collect()
        return bool(counts["keys"].item() < counts["rows"].item())
    return stands_twice(good.select(key.alias("key")).collect()["key"].to_numpy())


def same_keys(good: nw.LazyFrame, table: Table) -> tuple[list[int], list[int]]:
    """Lines to drop among rows whose key appears twice: (exact copies, rows in conflict).

    Of exact copies the first line is kept; of rows in conflict none is, since it is unknown which is right.
    """
    if not _same_keys_possible(good, table):
        return [], []
    key = list(table.key)
    counts = good.group_by(key).agg(nw.len().alias("rows")).filter(nw.col("rows") > 1).select(key)
    suspects = good.join(counts, on=key, how="semi").sort("line").collect()
    first: dict[tuple[object, ...], int] = {}
    contents: dict[tuple[object, ...], set[tuple[object, ...]]] = {}
    lines: list[tuple[tuple[object, ...], tuple[object, ...], int]] = []
    for row in suspects.select(*table.names, "line").iter_rows(named=True):
        identity = tuple(row[k] for k in key)
        content = tuple(row[n] for n in table.names)
        first.setdefault(identity, row["line"])
        contents.setdefault(identity, set()).add(content)
        lines.append((identity, content, row["line"]))
    conflicts = [line for identity, _, line in lines if len(contents[identity]) > 1]
    copies = [line for identity, _, line in lines if len(contents[identity]) == 1 and line != first[identity]]
    return copies, conflicts
