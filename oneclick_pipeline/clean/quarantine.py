"""Rows that break a rule, for the table `rejected_rows`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.rules import broken_rules

if TYPE_CHECKING:
    from oneclick_pipeline.clean.rules import Formats
    from oneclick_pipeline.contracts.schema import Table

_VALUE_CHARACTERS = 200
CONFLICT = "another row has the same key and different values"


def broken(frame: nw.LazyFrame, table: Table, formats: Formats) -> list[nw.LazyFrame]:
    """The rules that rejected rows break, one frame per rule."""
    parts = [
        frame.filter(~nw.col("problem").is_null()).select(
            "line", nw.lit(None, nw.String()).alias("column"), nw.col("excerpt").alias("value"), nw.col("problem").alias("rule")
        )
    ]
    for column in table.columns:
        for rule, breaks in broken_rules(column, formats):
            rejected = frame.filter(nw.col("problem").is_null() & breaks)
            value = nw.col(column.name).str.head(_VALUE_CHARACTERS).alias("value")
            parts.append(rejected.select("line", nw.lit(column.header).alias("column"), value, rule.alias("rule")))
    return parts
