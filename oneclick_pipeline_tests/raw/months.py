"""A small month whose every value is known: what a delivery must be read as."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.exports import PROFIT, REVENUE, SOURCES

if TYPE_CHECKING:
    import random

    from oneclick_pipeline.contracts.schema import Column, Table

Value = Decimal | str | None

NEW_CATEGORIES = ("Спорттовары", "Книги и игры", "Автохимия, масла; шины")
SIZES = (("0", "1", "2"), ("0", "3"), ("1", "2", "3", "4"), ("4", "5"), ("0", "3", "4", "7"))
"""Digits before the fraction that the values of a column may have."""
PLACES = ((0,), (0,), (0, 1, 2, 3), (2,), (1, 2), (3,), (0, 3))
"""Digits of the fraction that the values of a column may have."""
ID_DIGITS = (3, 6, 7, 9, 18)
_LEAST_SPREAD = 0.2  # of the logarithms of revenue: with less, a rule of its own takes the largest for an error


@dataclass(frozen=True)
class Month:
    """The rows of every export; a row holds numbers, words as the store spells them, and None where nothing is known."""

    rows: dict[str, list[dict[str, Value]]]


def _number(rng: random.Random, size: tuple[str, ...], places: tuple[int, ...]) -> Decimal:
    digits, fraction = int(rng.choice(size)), rng.choice(places)
    whole = rng.randrange(10 ** (digits - 1), 10**digits) if digits else 0
    if digits > 3 and rng.random() < 0.3:
        whole -= whole % 1000  # 4,000 as well as 4,810
    return whole + Decimal(rng.randrange(10**fraction)).scaleb(-fraction)


def _numbers(rng: random.Random, column: Column, rows: int) -> list[Decimal]:
    """Values of a column, of one kind: amounts below a thousand, mixed ones, all with three decimals."""
    if column.maximum is not None:
        places = rng.choice(((1, 2), (2,), (3,), (2, 3, 4)))
        return [min(_number(rng, ("0",), places), Decimal(1)) for _ in range(rows)]
    whole = column.kind == "int"
    size, places = rng.choice(SIZES), (0,) if whole else rng.choice(PLACES)
    values = [_number(rng, size, places) for _ in range(rows)]
    if column.minimum is None:
        values = [-v if rng.random() < 0.3 else v for v in values]
    if rng.random() < 0.5:
        values[rng.randrange(rows)] = Decimal(0)
    return values


def _spread(values: list[Decimal]) -> float:
    logarithms = [math.log(v) for v in values if v > 0]
    if not logarithms:
        return 1.0
    middle = statistics.median(logarithms)
    return statistics.median(abs(x - middle) for x in logarithms)


def _column(rng: random.Random, column: Column, rows: int) -> list[Value]:
    if column.values:
        words = [*column.values, None] if column.nullable else list(column.values)
        return [rng.choice(words) for _ in range(rows)]
    if column.known:
        return [rng.choice((*column.known, *column.known, *NEW_CATEGORIES)) for _ in range(rows)]
    return list(_numbers(rng, column, rows))


def _table(rng: random.Random, table: Table, ids: list[int]) -> list[dict[str, Value]]:
    periods = list(table["period"].values) if "period" in table.key else [None]
    keys = [(Decimal(i), period) for i in ids for period in periods]
    columns = {c.name: _column(rng, c, len(keys)) for c in table.columns if c.name not in table.key}
    rows: list[dict[str, Value]] = []
    for place, (customer, period) in enumerate(keys):
        key: dict[str, Value] = {"customer_id": customer} | ({"period": period} if period else {})
        rows.append(key | {name: values[place] for name, values in columns.items()})
    if table is REVENUE and any(
        _spread([r["revenue"] for r in rows if r["period"] == p]) < _LEAST_SPREAD  # type: ignore[misc]
        for p in periods
    ):
        return _table(rng, table, ids)
    return rows


def draw(rng: random.Random) -> Month:
    """A random month of 5 to 40 customers."""
    digits = rng.choice(ID_DIGITS)
    ids = rng.sample(range(10 ** (digits - 1), 10**digits), rng.randint(5, 40))
    month = Month({table.file: _table(rng, table, ids) for table in SOURCES})
    assert all(set(row) == set(PROFIT.names) for row in month.rows["money"])
    return month
