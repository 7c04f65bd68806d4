"""Values that are corrected, and what `corrections` says of them: misspelt words, markers of missing values, outliers."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.words import chosen
from oneclick_pipeline.raw.missing import is_marker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.clean.reading import Compute
    from oneclick_pipeline.clean.words import Words
    from oneclick_pipeline.contracts.schema import Column, Table

_MAD_TO_SD = 1.4826  # a normal distribution's standard deviation in median absolute deviations
_LARGEST_LOG = math.log(sys.float_info.max)


def misspelt(kept: nw.LazyFrame, table: Table, words: Words) -> list[nw.LazyFrame]:
    """The misspelt words of the rows that are kept, one frame per column; they are under `word_<name>`."""
    parts = []
    for column in (c for c in table.columns if c.name in words):
        wrong = {key: pair for key, pair in words[column.name].items() if pair[1] not in (pair[0], None)}
        if wrong:
            key = nw.col(f"word_{column.name}")
            old, new = (chosen(key, {k: pair[i] for k, pair in wrong.items()}, nw.String()) for i in (0, 1))
            parts.append(_changes(kept.filter(key.is_in(list(wrong))), column, old, new, "spelling"))
    return parts


def missing_markers(kept: nw.LazyFrame, table: Table, words: Words) -> list[nw.LazyFrame]:
    """The markers of missing values in the rows that are kept, one frame per column that has any or may have."""
    parts, nothing = [], nw.lit(None, nw.String())
    for column in (c for c in table.columns if c.nullable):
        text, marked = nw.col(f"text_{column.name}"), is_marker(nw.col(f"text_{column.name}"))
        if column.name in words:
            key = nw.col(f"word_{column.name}")
            markers = {k: old for k, (old, word) in words[column.name].items() if word is None}
            if not markers:
                continue
            text, marked = chosen(key, markers, nw.String()), key.is_in(list(markers))
        parts.append(_changes(kept.filter(marked), column, text, nothing, "missing_marker"))
    return parts


def misspelt_headers(like: nw.LazyFrame, headers: Mapping[str, str], line: int) -> list[nw.LazyFrame]:
    """The headers that were delivered in another spelling, one frame each."""
    row = like.head(1).select(nw.col("line") * 0 + line)
    return [
        row.with_columns(
            nw.lit(new).alias("column"), nw.lit(old).alias("old"), nw.lit(new).alias("new"), nw.lit("spelling").alias("rule")
        )
        for old, new in headers.items()
    ]


def _changes(rows: nw.LazyFrame, column: Column, old: nw.Expr, new: nw.Expr, rule: str) -> nw.LazyFrame:
    """What was changed in a column, for `corrections`."""
    header = nw.lit(column.header).alias("column")
    return rows.select("line", header, old.alias("old"), new.alias("new"), nw.lit(rule).alias("rule"))


def _median(frame: nw.LazyFrame, value: nw.Expr) -> float | None:
    """Median of a value; None where there are no rows."""
    median: list[float] = frame.select(value.median().alias("median")).collect()["median"].drop_nulls().to_list()
    return median[0] if median else None  # pandas has its own word for no value


def _outlier_limit(values: nw.LazyFrame, column: Column, limit: float) -> tuple[float, float] | None:
    """The value above which one of a period is an error, and the median of the others, which replaces it.

    On the log scale of the positive values, where revenue is near normal: median + `limit` robust standard
    deviations (1.4826 x median absolute deviation; Iglewicz and Hoaglin, 1993). None where there is no scale to judge
    by: no values, or most of them equal.
    """
    value = nw.col(column.name)
    positive = values.filter(value > 0)
    middle = _median(positive, value.log())
    spread = None if middle is None else _median(positive, (value.log() - middle).abs())
    if middle is None or not spread:
        return None
    exponent = middle + limit * _MAD_TO_SD * spread
    if exponent > _LARGEST_LOG:  # no value lies above
        return None
    highest = math.exp(exponent)
    median = _median(values.filter(value <= highest), value)
    return None if median is None else (highest, median)


def replace_outliers(
    good: nw.LazyFrame, table: Table, column: Column, limit: float, compute: Compute
) -> tuple[nw.LazyFrame, list[nw.LazyFrame]]:
    """Replace errors of a column by their period's median: (the corrected frame, the corrections)."""
    value, parts, read = nw.col(column.name), [], good
    for period in dict.fromkeys(table["period"].values.values()):
        limit_and_median = _outlier_limit(compute(read.filter(nw.col("period") == period).select(value)), column, limit)
        if limit_and_median is None:
            continue
        highest, median = limit_and_median
        wrong = (nw.col("period") == period) & (value > highest)
        text = nw.col(f"text_{column.name}")
        parts.append(_changes(read.filter(wrong), column, text, nw.lit(str(median)), "outlier"))
        good = good.with_columns(nw.when(wrong).then(nw.lit(median)).otherwise(value).alias(column.name))
    return good, parts
