from __future__ import annotations

import narwhals as nw
import polars as pl
import pytest

from oneclick_pipeline import features
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES
from oneclick_pipeline.contracts.exports import CUSTOMERS
from oneclick_pipeline.engine import files

PERSON = {
    "activity": "stable", "service_level": "premium", "marketing_consent": True, "contacts_6m": 3.0, "contacts_month": 4,
    "tenure_days": 100, "promo_share": 0.2, "favourite_category": "Книги", "categories_per_visit": 2.0, "unpaid_items": 1,
    "service_errors": 3, "pages_per_visit": 6.0,
}  # fmt: skip


def lazy(frame, backend):
    native = pl.DataFrame(frame)
    return (
        nw.from_native(native.lazy())
        if backend == "polars"
        else nw.from_native(native.to_pandas(use_pyarrow_extension_array=True)).lazy()
    )


@pytest.fixture(params=["polars", "pandas"])
def build(request):
    def run(people, revenue, minutes, profit):
        tables = (
            [{"customer_id": i, **PERSON} for i in people],
            [{"customer_id": i, "period": p, "revenue": float(r)} for i, p, r in revenue],
            [{"customer_id": i, "period": p, "minutes": float(m)} for i, p, m in minutes],
            [{"customer_id": i, "profit": float(x)} for i, x in profit],
        )
        joined = features.customer_features(*(lazy(t, request.param) for t in tables))
        arrow = pl.LazyFrame(joined.sort("customer_id").collect().to_arrow())
        frame = files.conform(nw.from_native(arrow), CUSTOMER_FEATURES).collect().to_native()
        CUSTOMER_FEATURES.contract().validate(frame)
        return {row["customer_id"]: row for row in frame.iter_rows(named=True)}

    return run


def months(customer, m0, m1, m2):
    return [(customer, "m0", m0), (customer, "m1", m1), (customer, "m2", m2)]


def test_customer_features_joins_one_row(build):
    rows = build([1], months(1, 30, 20, 10), [(1, "m0", 5), (1, "m1", 6)], [(1, 4)])
    assert rows[1] == {
        "customer_id": 1, **PERSON, "revenue_m0": 30.0, "revenue_m1": 20.0, "revenue_m2": 10.0, "minutes_m0": 5.0,
        "minutes_m1": 6.0, "profit": 4.0, "regular": True, "regular_reason": "regular", "missing_from": "",
    }  # fmt: skip


def test_customer_features_says_who_is_regular_and_why_not(build):
    revenue = [*months(1, 1, 1, 1), *months(2, 5, 0, 0), (3, "m0", 5), *months(4, 1, 1, 1)]
    rows = build([1, 2, 3], revenue, [(1, "m0", 5)], [(1, 4), (2, 4), (3, 4), (5, 1)])
    assert {i: row["regular_reason"] for i, row in rows.items()} == {
        1: "regular",
        2: "no_purchase_in_a_month",
        3: "revenue_incomplete",
        4: "not_in_market_file",
        5: "not_in_market_file",
    }
    assert [i for i, row in rows.items() if row["regular"]] == [1]


def test_customer_features_names_the_files_a_customer_is_missing_from(build):
    rows = build([1, 2], months(1, 1, 1, 1), [(1, "m0", 5)], [(1, 4), (3, 2)])
    assert {i: row["missing_from"] for i, row in rows.items()} == {
        1: "",
        2: "market_money,market_time,money",
        3: "market_file,market_money,market_time",
    }
    assert rows[3]["service_level"] is None


def test_customer_features_loses_nobody_and_never_sees_the_profit_as_a_feature():
    assert "profit" not in {c.name for c in CUSTOMER_FEATURES.columns if c.group in ("product", "site", "purchasing")}
    assert set(CUSTOMERS.names) <= set(CUSTOMER_FEATURES.names)
