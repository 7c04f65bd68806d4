"""Stage features: everything known about a customer in one row, and whether they are regular.

A customer is every id that any clean table holds. One who is missing from a file keeps their row, with the
gaps left empty and the files named, so no customer is lost.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES
from oneclick_pipeline.contracts.exports import CUSTOMERS, PERIODS_OF_MINUTES, PERIODS_OF_REVENUE, PROFIT, REVENUE, SITE_MINUTES

if TYPE_CHECKING:
    from collections.abc import Iterable


def pivot(frame: nw.LazyFrame, value: str, periods: Iterable[object]) -> nw.LazyFrame:
    """One row per customer, one column `<value>_<period>` per period; null where there is no row.

    The conditions become columns first and a plain group-by follows, which every engine streams.
    """
    names = {f"{value}_{period}": period for period in periods}
    spread = frame.select("customer_id", *(nw.when(nw.col("period") == p).then(nw.col(value)).alias(n) for n, p in names.items()))
    return spread.group_by("customer_id").agg(*(nw.col(n).max() for n in names))


def _join_all(left: nw.LazyFrame, right: nw.LazyFrame) -> nw.LazyFrame:
    """Join by customer, keeping those who are in one of the two only."""
    joined = left.join(right, on="customer_id", how="full", suffix="_right")
    either = nw.coalesce("customer_id", "customer_id_right").alias("customer_id")
    return joined.with_columns(either).drop("customer_id_right")


def customer_features(
    customers: nw.LazyFrame, revenue: nw.LazyFrame, site_minutes: nw.LazyFrame, profit: nw.LazyFrame
) -> nw.LazyFrame:
    """Join the four clean tables.

    Returns:
        Columns of `contracts.customers.CUSTOMER_FEATURES`, one row per customer seen in any of them; words may be categories.
    """
    if customers.implementation.is_polars():  # which carries categories through joins at a fraction of the cost of texts
        words = [c.name for c in CUSTOMERS.columns if c.kind == "str"]
        customers = customers.with_columns(nw.col(words).cast(nw.Categorical()))
    wide = {
        CUSTOMERS.file: customers,
        REVENUE.file: pivot(revenue, "revenue", PERIODS_OF_REVENUE.values()),
        SITE_MINUTES.file: pivot(site_minutes, "minutes", PERIODS_OF_MINUTES.values()),
        PROFIT.file: profit,
    }
    marked = [frame.with_columns(nw.lit(value=True).alias(f"in_{file}")) for file, frame in wide.items()]
    joined = reduce(_join_all, marked)

    absent = {file: nw.col(f"in_{file}").is_null() for file in wide}
    missing = nw.concat_str(
        [nw.when(is_absent).then(nw.lit(f",{file}")).otherwise(nw.lit("")) for file, is_absent in absent.items()]
    ).str.strip_chars(",")
    revenues = [nw.col(f"revenue_{period}") for period in PERIODS_OF_REVENUE.values()]
    reason = (
        nw.when(absent[CUSTOMERS.file])
        .then(nw.lit("not_in_market_file"))
        .otherwise(
            nw.when(nw.any_horizontal(*(r.is_null() for r in revenues), ignore_nulls=False))
            .then(nw.lit("revenue_incomplete"))
            .otherwise(
                nw.when(nw.all_horizontal(*(r > 0 for r in revenues), ignore_nulls=True))
                .then(nw.lit("regular"))
                .otherwise(nw.lit("no_purchase_in_a_month"))
            )
        )
    )
    return (
        joined.with_columns(missing.alias("missing_from"), reason.alias("regular_reason"))
        .with_columns((nw.col("regular_reason") == "regular").alias("regular"))
        .select(CUSTOMER_FEATURES.names)
    )
