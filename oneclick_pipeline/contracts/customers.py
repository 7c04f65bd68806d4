"""The wide table, one row per customer, and which of its columns a model may see."""

from __future__ import annotations

from dataclasses import replace

from oneclick_pipeline.contracts.exports import CUSTOMER_ID, CUSTOMERS, PROFIT
from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

_REVENUES = tuple(
    Column(f"revenue_{m}", "float", f"Revenue in {text}", unit="roubles", group="purchasing", nullable=True, minimum=0)
    for m, text in (("m0", "the snapshot month"), ("m1", "the month before"), ("m2", "the month before that"))
)

_MINUTES = tuple(
    Column(f"minutes_{m}", "float", f"Minutes on the site in {text}", unit="minutes", group="site", nullable=True, minimum=0)
    for m, text in (("m0", "the snapshot month"), ("m1", "the month before"))
)


def _nullable(column: Column) -> Column:
    """The same column where a customer may be missing from the file that holds it."""
    return replace(column, nullable=True, header="", repairable=False)


REGULAR_REASONS = ("regular", "no_purchase_in_a_month", "revenue_incomplete", "not_in_market_file")

CUSTOMER_FEATURES = Table(
    "customer_features",
    "features",
    "One row per customer seen in any file: everything known about them, and whether they are regular",
    (
        CUSTOMER_ID,
        *(_nullable(c) for c in CUSTOMERS.columns[1:]),
        *_REVENUES,
        *_MINUTES,
        _nullable(PROFIT["profit"]),
        Column("regular", "bool", "Bought something in each of the snapshot's three months"),
        Column("regular_reason", "str", "Why the customer is regular or not", values=vocabulary(*REGULAR_REASONS)),
        Column("missing_from", "str", "Files that have no valid row for the customer, comma-separated; empty if none"),
    ),
    key=("customer_id",),
)

FEATURES: tuple[Column, ...] = tuple(
    c for c in CUSTOMER_FEATURES.columns if c.group in ("product", "communication", "customer", "site", "purchasing")
)
"""The columns a model may see: never the id, the target or the profit."""

FEATURE_NAMES = tuple(c.name for c in FEATURES)
