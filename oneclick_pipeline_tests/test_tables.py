import dataclasses
import datetime as dt
import re
from pathlib import Path

import pandera.errors
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, RAW, SOURCES
from oneclick_pipeline.contracts.schema import STAGES
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month, is_month, is_over
from oneclick_pipeline.home.paths import raw_file, report_file, table_file

DTYPES = {"int": pl.Int64, "float": pl.Float64, "bool": pl.Boolean, "str": pl.String}
HOME = Path("/home")


@pytest.mark.parametrize("month", ["2026-10", "0001-01", "1999-12"])
def test_check_month_returns_a_month(month):
    assert check_month(month) == month


@pytest.mark.parametrize(
    "month",
    [
        "", "2026", "2026-1", "2026-13", "2026-00", "26-10", "2026-10-01", "2026/10", "../2026-10", "2026-10/..", "2026-10/../..",
        "２０２６-10", "٢٠٢٦-١٠", "2026-1０", "2026-1²", "2_26-10",
        "/etc/passwd", "2026-10\n", " 2026-10", "2026-10\0", "２０２６-10x", "-026-10", "2026-10.parquet", "*",
    ],
)  # fmt: skip
@pytest.mark.parametrize("use", [check_month, lambda m: raw_file(HOME, m, "money"), lambda m: table_file(HOME, "profit", m)])
def test_what_is_no_month_builds_no_path(month, use):
    with pytest.raises(BadInputError, match="is not a month") as error:
        use(month)
    assert repr(month) in str(error.value)
    assert "YYYY-MM" in error.value.remedy


@example("0000-10")
@example("٢٠٢٦-10")
@example("2026-１０")
@example("2026-10\n")
@given(st.from_regex(r"[\d²_]{4}-[\d²_]{2}\s?", fullmatch=True) | st.text(max_size=8))
def test_month_is_a_date_in_ascii_digits_or_none(text):
    if is_month(text):
        year, month = int(text[:4]), int(text[5:])
        assert text == f"{year:04}-{month:02}"
        assert dt.date(year, month, 1)
        assert text.isascii()
    else:
        assert not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", text) or text.startswith("0000")


@given(st.integers(1, 9999), st.integers(1, 12), st.integers(-300, 300))
def test_month_that_is_added_can_be_taken_away_again(year, number, months):
    month = f"{year:04}-{number:02}"
    if 12 <= year * 12 + number - 1 + months < 120_000:
        assert add_months(add_months(month, months), -months) == month
    else:
        with pytest.raises(BadInputError, match="is not a month"):
            add_months(month, months)


def test_month_is_over_when_the_next_one_has_begun():
    end = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    assert is_over("2026-10", end)
    assert not is_over("2026-10", end - dt.timedelta(microseconds=1))
    assert not is_over("2099-01", end)


def test_paths_are_the_public_ones():
    assert raw_file(HOME, "2026-10", "market_file") == Path("/home/raw/2026-10/market_file.csv")
    assert table_file(HOME, "market_file", "2026-10") == Path("/home/tables/raw/market_file/2026-10.parquet")
    assert table_file(HOME, "customers", "2026-10") == Path("/home/tables/clean/customers/2026-10.parquet")
    assert table_file(HOME, "customer_scores", "2026-10") == Path("/home/tables/scores/customer_scores/2026-10.parquet")
    assert report_file(HOME, "2026-10") == Path("/home/reports/2026-10.html")
    assert report_file(HOME, "2026-10", "en") == Path("/home/reports/2026-10.en.html")


def test_tables_are_the_public_ones():
    assert {stage: [t.name for t in TABLES.values() if t.stage == stage] for stage in STAGES} == {
        "raw": ["market_file", "market_money", "market_time", "money"],
        "clean": ["customers", "revenue", "site_minutes", "profit", "rejected_rows", "corrections"],
        "features": ["customer_features"],
        "exploration": ["data_profile", "correlations"],
        "model": ["training_set", "model_explanation"],
        "scores": ["customer_scores", "profit_curve"],
        "segments": ["customer_segments", "segment_profiles"],
        "campaigns": ["campaign_outcomes", "offer_effects", "offer_beliefs"],
        "offers": ["offer_plan"],
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
        {c.name: pl.Series([value(c)], dtype=DTYPES[c.kind]) for c in table.columns}
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
    wrong = pl.String if column.kind != "str" else pl.Int64
    refused(table, frame(table, **{column.name: pl.Series([None], dtype=wrong)}))
    nothing = frame(table, **{column.name: pl.Series([None], dtype=DTYPES[column.kind])})
    if column.nullable:
        table.contract().validate(nothing, lazy=True)
    else:
        refused(table, nothing)
    if column.minimum is not None:
        refused(table, frame(table, **{column.name: pl.Series([column.minimum - 1], dtype=DTYPES[column.kind])}))
    if column.maximum is not None:
        refused(table, frame(table, **{column.name: pl.Series([column.maximum + 1], dtype=DTYPES[column.kind])}))
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
