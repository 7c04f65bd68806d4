"""Rows of the tables `rejected_rows` and `corrections`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.rules import MISSING
from oneclick_pipeline.engine.files import dtype

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oneclick_pipeline.contracts.schema import Table


def listing(table: Table, file: str, parts: Iterable[nw.LazyFrame], like: nw.LazyFrame) -> nw.LazyFrame:
    """Parts of `rejected_rows` or `corrections` under one another; an empty one where there are none."""
    columns = [nw.col(c.name).cast(dtype(c)) for c in table.columns if c.name != "file"]
    listed = [part.select(nw.lit(file).alias("file"), *columns) for part in parts]
    if not listed:
        nothing = [nw.lit(None, dtype(c)).alias(c.name) for c in table.columns if c.name != "line"]
        return like.head(0).select("line", *nothing).select(table.names)
    return nw.concat(listed).select(table.names)


def whole_lines(texts: nw.LazyFrame, lines: list[int], table: Table, *, value: str, rule: str) -> nw.LazyFrame:
    """Whole lines for `rejected_rows` or `corrections`: they are identified by their key, in the column `value`."""
    key = table[table.key[0]]
    nothing = nw.lit(None, nw.String())
    header = nw.lit(key.header) if value == "value" else nothing
    return texts.filter(nw.col("line").is_in(lines)).select(
        "line", header.alias("column"), nw.col(key.name).alias(value), nothing.alias("new"), nw.lit(rule).alias("rule")
    )


def marker_counts(rejected: list[nw.LazyFrame], markers: list[nw.LazyFrame]) -> dict[str, int]:
    """How often each column has each marker of a missing value: `header: marker` -> count.

    Args:
        rejected: Parts of `rejected_rows`.
        markers: Parts of `corrections`: the markers in the rows that are kept.
    """
    cells = [part.filter(nw.col("rule") == MISSING).select("column", "value") for part in rejected]
    cells += [part.select("column", nw.col("old").alias("value")) for part in markers]
    if not cells:
        return {}
    written = nw.concat(cells).filter(~nw.col("value").is_null()).group_by("column", "value").agg(nw.len().alias("cells"))
    return {f"{column}: {marker}": int(n) for column, marker, n in sorted(written.collect().iter_rows())}
