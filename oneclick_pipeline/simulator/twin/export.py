"""Codes to the store's own tables: Russian headers and words, decimals and line ends as the real export has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np
import polars as pl

from oneclick_pipeline.contracts.exports import CUSTOMERS, PERIODS_OF_REVENUE, PROFIT, REVENUE, SITE_MINUTES
from oneclick_pipeline.simulator.twin import quirks as q

if TYPE_CHECKING:
    import numpy.typing as npt

    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline.simulator.twin.column import ColumnProfile
    from oneclick_pipeline.simulator.twin.profile import Profile


class Style(TypedDict):
    """How a CSV file is written; the arguments of `polars.DataFrame.write_csv`."""

    separator: str
    line_terminator: str


_COMMAS = Style(separator=",", line_terminator="\n")
_EXCEL = Style(separator=";", line_terminator="\r\n")  # money.csv comes out of finance's spreadsheet
_PERIODS = tuple(PERIODS_OF_REVENUE)  # spelling of m0, m1, m2


def decoded(profile: Profile, frame: pl.DataFrame) -> pl.DataFrame:
    """The same table with values in place of the codes of `profile.columns`; other columns stay."""
    return frame.with_columns(_decoded(column, frame[column.name]) for column in profile.columns)


def export_tables(frame: pl.DataFrame, quirks: q.Quirks) -> dict[str, tuple[pl.DataFrame, Style]]:
    """The tables of the four files, by name of the file, with their style.

    Args:
        frame: One row per customer: column id, the values of the profile's columns, and the marks of `quirks.draw_export`;
            `declined` is null where the store has not classed the customer yet.
        quirks: What is wrong with the export.
    """
    revenue = frame.select(pl.col(f"revenue_m{m}").cast(pl.Float64) for m in range(3)).to_numpy(writable=True)
    revenue[frame["wrong"].to_numpy() == 1, 0] = quirks.wrong_revenue
    minutes = frame.select(f"minutes_m{m}" for m in range(2)).to_numpy()
    spelling = q.MISSPELT_PERIOD if quirks.misspelt_period else {}
    return {
        CUSTOMERS.file: (_market_file(frame, quirks), _COMMAS),
        REVENUE.file: (_long(REVENUE, frame["id"], revenue, _orders(frame["revenue_order"], q.REVENUE_ORDERS), {}), _COMMAS),
        SITE_MINUTES.file: (
            _long(SITE_MINUTES, frame["id"], minutes, _orders(frame["minutes_order"], q.MINUTES_ORDERS), spelling),
            _COMMAS,
        ),
        PROFIT.file: (_money(frame), _EXCEL),
    }


def _decoded(column: ColumnProfile, codes: pl.Series) -> pl.Series:
    """Values of a column from its codes."""
    if column.values:
        dtype = pl.Boolean if isinstance(column.values[0], bool) else pl.String
        return codes.replace_strict(dict(enumerate(column.values)), return_dtype=dtype)
    # NumPy divides exactly; Polars multiplies by the reciprocal, and 4.1 becomes 4.1000000000000005.
    return pl.Series(column.name, column.decode(codes.to_numpy()))


def _market_file(frame: pl.DataFrame, quirks: q.Quirks) -> pl.DataFrame:
    table = frame.with_columns(
        activity=frame["declined"].replace_strict({1: "declined", 0: "stable"}, return_dtype=pl.String)
    ).rename({"id": "customer_id"})
    table = table.select(_spelt(column).alias(column.header) for column in CUSTOMERS.columns)
    service, category = CUSTOMERS["service_level"].header, CUSTOMERS["favourite_category"].header
    misspelt = (frame["misspelt"] == 1) & (table[service] == _spellings(CUSTOMERS["service_level"])["standard"])
    return table.with_columns(
        pl.when(misspelt).then(pl.lit(q.MISSPELT_STANDARD)).otherwise(pl.col(service)).alias(service),
        pl.col(category).replace(q.MISSPELT_CATEGORY if quirks.misspelt_category else {}),
    )


def _spellings(column: Column) -> dict[str | bool, str]:
    """Canonical value to the store's spelling."""
    return {canonical: spelling for spelling, canonical in column.values.items()}


def _spelt(column: Column) -> pl.Expr:
    values = pl.col(column.name)
    return values.replace_strict(_spellings(column), return_dtype=pl.String) if column.values else values


def _orders(choice: pl.Series, orders: tuple[tuple[int, ...], ...]) -> npt.NDArray[np.intp]:
    """The months in the order of their rows, shape (customers, months)."""
    months: npt.NDArray[np.intp] = np.asarray(orders, dtype=np.intp)[choice.to_numpy()]
    return months


def _long(
    table: Table,
    ids: pl.Series,
    values: npt.NDArray[np.float64],
    orders: npt.NDArray[np.intp],
    spelling: dict[str, str],
) -> pl.DataFrame:
    """One row per customer and month, a customer's months in their own order."""
    key, period, value = (column.header for column in table.columns)
    names = [spelling.get(name, name) for name in _PERIODS]
    return pl.DataFrame(
        {
            key: np.repeat(ids.to_numpy(), orders.shape[1]),
            period: pl.Series(orders.ravel()).replace_strict(dict(enumerate(names)), return_dtype=pl.String),
            value: np.take_along_axis(values, orders, axis=1).ravel(),
        }
    )


def _money(frame: pl.DataFrame) -> pl.DataFrame:
    """Profit as a spreadsheet writes it: decimal comma, and no decimals where there are none."""
    number = pl.col("profit").cast(pl.Float64).cast(pl.String).str.replace(r"\.0$", "").str.replace(".", ",", literal=True)
    return frame.select(pl.col("id").alias(PROFIT["customer_id"].header), number.alias(PROFIT["profit"].header))
