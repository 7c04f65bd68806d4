"""The rules that a row of a file of outcomes must keep, and the rows that break one: which, where, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import narwhals as nw
import polars as pl

from oneclick_pipeline.campaigns.outcomes_csv_columns import KEYS
from oneclick_pipeline.campaigns.outcomes_csv_offers import CONTROL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from oneclick_pipeline.campaigns.outcomes_csv_columns import Reading

DECLINED = "declined"
_LARGEST = 1e15  # beyond it a float no longer holds every whole number, and its square loses what is added
_LONGEST_OFFER = 200


@dataclass(frozen=True)
class RejectedRow:
    """A row that is left out.

    Attributes:
        line: Line of the file, the header being line 1.
        column: Header of the column, None where the whole line is wrong.
        value: Offending value, as delivered.
        problem: What is wrong.
        remedy: What to do.
    """

    line: int
    column: str | None
    value: str
    problem: str
    remedy: str


class _Rule(NamedTuple):
    """What makes a row unusable.

    Attributes:
        column: Header of the column at fault.
        broken: True of the rows that break the rule.
        problem: What is wrong with them; None: see `Reading.why_none`.
        remedy: What to do.
    """

    column: str
    broken: pl.Expr
    problem: str | None
    remedy: str


def split(
    texts: pl.DataFrame, used: dict[str, Reading], outcomes: Collection[str], known: Collection[int] | None
) -> tuple[pl.DataFrame, tuple[RejectedRow, ...]]:
    """Split rows into those that keep all rules, as numbers, and those that break one: the first rule each breaks.

    Args:
        texts: line, problem, excerpt, and the columns as texts.
        used: Header -> how the column is read: the keys, outcomes and covariates.
        outcomes: Headers of outcomes; an empty one breaks a rule, since a customer who did nothing has 0. The others are
            covariates, which may be empty.
        known: Customers that exist; None: not checked.
    """
    numbers = {h: reading for h, reading in used.items() if h != "offer_id"}
    values = {h: reading for h, reading in numbers.items() if h not in KEYS}
    # a header may be any text: behind a `=` stands its text, behind a `#` its value, behind a `?` why it has none
    rows = texts.select(
        "line", "problem", "excerpt", *(pl.col(reading.column.name).alias(f"={h}") for h, reading in used.items())
    )
    read = [reading.values(rows[f"={h}"]).alias(f"#{h}") for h, reading in numbers.items()]
    rows = rows.with_columns(read).with_columns(*_keys())
    rows = rows.with_columns(pl.len().over("customer_id").alias("times"))
    rules = [
        *_rules_of_keys(known),
        *(rule for h, reading in values.items() for rule in _rules_of_value(h, reading, h in outcomes)),
    ]
    first: Any = pl.when(pl.col("problem").is_not_null()).then(-1)  # a chain has another type than its first link
    for i, rule in enumerate(rules):
        first = first.when(rule.broken.fill_null(value=False)).then(i)
    rows = rows.with_columns(first.otherwise(None).cast(pl.Int32).alias("broken"))
    good = rows.filter(pl.col("broken").is_null())
    bad = rows.filter(pl.col("broken").is_not_null())
    why = [reading.why_none(nw.col(f"={h}")).alias(f"?{h}") for h, reading in values.items()]
    bad = nw.from_native(bad).with_columns(why).to_native()
    renamed = [pl.col(f"#{h}").alias(h) for h in (*outcomes, *(h for h in values if h not in outcomes))]
    return good.select("customer_id", "offer_id", *renamed), tuple(_rejected(row, rules) for row in bad.iter_rows(named=True))


def _keys() -> tuple[pl.Expr, pl.Expr]:
    """customer_id and offer_id: a number that is not negative, and a text."""
    customer = pl.col("#customer_id")
    return pl.when(customer >= 0).then(customer).alias("customer_id"), pl.col("=offer_id").alias("offer_id")


def _rules_of_keys(known: Collection[int] | None) -> Iterator[_Rule]:
    """The rules of customer_id and offer_id."""
    customer, offer = pl.col("customer_id"), pl.col("=offer_id")
    missing = f"write the offer, or `{CONTROL}` for customers who were deliberately left without one"
    twice = "the customer appears on several lines, and it is unclear which one counts"
    yield _Rule(
        "customer_id", customer.is_null(), "is not a customer number", "write the store's customer number, a whole number"
    )
    yield _Rule("offer_id", offer.is_null(), "the offer is missing", missing)
    too_long = offer.str.len_chars() > _LONGEST_OFFER
    yield _Rule("offer_id", too_long, "is too long for the name of an offer", "write the offer's identifier")
    yield _Rule("customer_id", pl.col("times") > 1, twice, "keep one line of the customer")
    if known is not None:
        exists = customer.is_in(pl.Series(list(known), dtype=pl.Int64).implode())
        yield _Rule("customer_id", ~exists, "the customer is unknown", "check the number, or leave the customer out")


def _rules_of_value(header: str, reading: Reading, outcome: bool) -> Iterator[_Rule]:  # noqa: FBT001 - an outcome or a covariate
    """The rules of an outcome or a covariate."""
    cell, value = pl.col(f"={header}"), pl.col(f"#{header}")
    if outcome:
        remedy = "write 0 for customers who did nothing; no customer may be left out"
        yield _Rule(header, cell.is_null(), "the outcome is missing", remedy)
    remedy = "write one of them" if reading.words else "write it as the other numbers of the column are written"
    yield _Rule(header, cell.is_not_null() & value.is_null(), None, remedy)
    remedy = f"write a number from -{_LARGEST:g} to {_LARGEST:g}"
    yield _Rule(header, value.abs() > _LARGEST, "is not a possible value", remedy)
    if header == DECLINED:
        yield _Rule(header, ~value.is_in([0.0, 1.0]), "is neither 0 nor 1", "write 1 for declined, 0 for stable")


def as_delivered(
    rejected: Sequence[RejectedRow], texts: pl.DataFrame, columns: Iterable[tuple[str, str]]
) -> tuple[RejectedRow, ...]:
    """Rejected rows, those for want of a value with what was written in its place.

    Args:
        rejected: The rows.
        texts: line, and the texts as delivered.
        columns: Names and headers of the columns.
    """
    names = {header: name for name, header in columns}
    bare = pl.Series([row.line for row in rejected if row.column and not row.value], dtype=texts.schema["line"])
    lines = {row["line"]: row for row in texts.filter(pl.col("line").is_in(bare.implode())).iter_rows(named=True)}
    return tuple(
        replace(row, value=lines[row.line][names[row.column]] or "") if row.column and not row.value else row for row in rejected
    )


def _rejected(row: dict[str, Any], rules: list[_Rule]) -> RejectedRow:
    """A row that is left out, by the first rule that it breaks; -1 where the line could not be split."""
    if row["broken"] < 0:
        return RejectedRow(row["line"], None, row["excerpt"], row["problem"], "fix the line")
    rule = rules[row["broken"]]
    problem = rule.problem or row[f"?{rule.column}"]
    return RejectedRow(row["line"], rule.column, row[f"={rule.column}"] or "", problem, rule.remedy)
