import dataclasses

import pandera.errors
import polars as pl
import pytest

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, RAW, SOURCES
from oneclick_pipeline.contracts.schema import STAGES
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.contracts.tables import TABLES


def test_tables_are_the_public_ones():
    assert {stage: [t.name for t in TABLES.values() if t.stage == stage] for stage in STAGES} == {
        "raw": ["market_file", "market_money", "market_time", "money"],
        "clean": ["customers", "revenue", "site_minutes", "profit", "rejected_rows", "corrections"],
        "features": ["customer_features"],
        "exploration": ["data_profile", "correlations"],
        "model": ["training_set", "model_explanation"],
        "scores": ["customer_scores"],
        "segments": ["customer_segments", "segment_profiles"],
        "campaigns": ["campaign_outcomes", "offer_effects", "offer_beliefs"],
        "offers": ["offer_plan", "plan_summary", "profit_curve"],
        "monitoring": ["drift", "model_health"],
        "report": [],
    }


def value(column):
    """A legal value of a column."""
    if column.values:
        return next(iter(column.values.values()))
    low = column.minimum if column.minimum is not None else 0
    return {"int": int(low), "float": float(low), "bool": True, "str": "x"}[column.kind]


def frame(table, **changes):
    """One legal row, with some columns replaced."""
    return pl.DataFrame(
        {c.name: pl.Series([value(c)], dtype=getattr(pl, c.type.polars)) for c in table.columns}
        | {n: pl.Series(v) for n, v in changes.items()}
    )


def refused(table, data):
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)):
        table.contract().validate(data, lazy=True)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_contract_takes_a_legal_row_and_an_empty_table(table):
    table.contract().validate(frame(table), lazy=True)
    table.contract().validate(frame(table).head(0), lazy=True)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_contract_refuses_other_columns(table):
    good = frame(table)
    refused(table, good.drop(table.names[-1]))
    refused(table, good.with_columns(extra=1))
    refused(table, good.select(reversed(table.names)))


@pytest.mark.parametrize(("table", "column"), [(t, c) for t in TABLES.values() for c in t.columns], ids=lambda x: x.name)
def test_contract_refuses_what_a_column_forbids(table, column):
    dtype = getattr(pl, column.type.polars)
    wrong = pl.String if column.kind != "str" else pl.Int64
    refused(table, frame(table, **{column.name: pl.Series([None], dtype=wrong)}))
    nothing = frame(table, **{column.name: pl.Series([None], dtype=dtype)})
    if column.nullable:
        table.contract().validate(nothing, lazy=True)
    else:
        refused(table, nothing)
    if column.minimum is not None:
        refused(table, frame(table, **{column.name: pl.Series([column.minimum - 1], dtype=dtype)}))
    if column.maximum is not None:
        refused(table, frame(table, **{column.name: pl.Series([column.maximum + 1], dtype=dtype)}))
    if column.values and column.kind == "str":
        refused(table, frame(table, **{column.name: ["another word"]}))


def test_features_are_known_and_give_nothing_away():
    assert FEATURE_NAMES == (
        "service_level", "marketing_consent", "contacts_6m", "contacts_month", "tenure_days", "promo_share",
        "favourite_category", "categories_per_visit", "unpaid_items", "service_errors", "pages_per_visit",
        "revenue_m0", "revenue_m1", "revenue_m2", "minutes_m0", "minutes_m1",
    )  # fmt: skip
    assert not {"customer_id", "activity", "profit", "regular", "regular_reason", "missing_from"} & set(FEATURE_NAMES)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_every_table_and_column_is_described_once(table):
    assert table.stage in STAGES
    assert table.description
    assert len(set(table.names)) == len(table.names)
    assert set(table.key) <= set(table.names)
    assert all(c.description for c in table.columns)
    assert not any(table[k].nullable for k in table.key)


def test_every_cleaned_column_has_the_stores_header():
    headers = [c.header for c in CUSTOMERS.columns]
    assert headers[:2] == ["id", "Покупательская активность"]
    assert all(c.header for s in SOURCES for c in s.columns)
    for source in SOURCES:
        assert RAW[source.file].names == ["line", *source.names, "problem", "excerpt"]


@pytest.mark.parametrize(
    ("column", "rule", "promise"),
    [
        (CUSTOMERS["promo_share"], "between 0 and 1", "between 0 and 1"),
        (CUSTOMERS["tenure_days"], "at least 0", "at least 0"),
        (dataclasses.replace(CUSTOMERS["tenure_days"], minimum=None, maximum=9), "at most 9", "at most 9"),
        (CUSTOMERS["service_level"], "one of «стандарт», «премиум»", "one of standard, premium"),
        (CUSTOMERS["favourite_category"], "", ""),
    ],
)
def test_rule_speaks_of_the_export_and_promise_of_the_table(column, rule, promise):
    assert (column.rule, column.promise) == (rule, promise)


def test_profit_may_be_negative_and_a_probability_may_be_absent():
    PROFIT.contract().validate(pl.DataFrame({"customer_id": [1], "profit": [-2.5]}))
    assert CUSTOMER_SCORES["p_decline"].nullable
    assert CUSTOMER_FEATURES["profit"].nullable


def test_unknown_column_is_no_column():
    with pytest.raises(StopIteration):
        CUSTOMERS["profit"]
