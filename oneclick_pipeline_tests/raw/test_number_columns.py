from __future__ import annotations

import re
from decimal import Decimal

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, REVENUE
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import ColumnFormat
from oneclick_pipeline.raw import number_columns
from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.raw.numbers import integer, number


def rows(texts, name="profit"):
    """Rows of an export, with other good columns."""
    frame = pl.DataFrame({"line": range(2, len(texts) + 2), "customer_id": "7", name: texts}, schema_overrides={"line": pl.Int64})
    return nw.from_native(frame.lazy())


def profit(texts):
    return number_columns.of_rows(rows(texts), PROFIT)["profit"]


@pytest.mark.parametrize(
    ("texts", "marks"),
    [
        (["4810", "-5", "0"], ("", "")),
        (["0.5", "4.810"], (".", "")),
        (["1,25", "3"], (",", "")),
        ([" 0,5 ", "", "abc", "nan", "4,810"], (",", "")),
        (["4\u00a0810,00 ₽", "940,00 ₽"], (",", " ")),
        (["$1,234.50", "($4,810)"], (".", ",")),
        (["\u22120,4", "(0,7)", "2,5"], (",", "")),
        (["1’234.50", "5'000"], (".", "'")),
        (["45,5 %", "7 %"], (",", "")),
        ([None, ""], ("", "")),
    ],
)
def test_format_is_that_of_the_texts(texts, marks):
    assert profit(texts) == NumberFormat(*marks, final=True)


def test_first_rows_decide_for_now_and_all_rows_where_those_do_not_fit(monkeypatch):
    monkeypatch.setattr(number_columns, "FIRST_ROWS", 3)
    assert profit(["1", "2", "3", "4.810"]) == NumberFormat()
    assert profit(["1.5", "2", "3", "4,810"]) == NumberFormat(".")
    assert profit(["1.5", "2,5", "3", "4.5"]) == NumberFormat(".", final=True)
    assert profit(["4,810", "2", "3", "4,5"]) == NumberFormat(",", final=True)


def test_column_of_two_kinds_stops_with_both_and_the_lines_for_either():
    with pytest.raises(BadInputError) as stopped:
        number_columns.of_rows(rows(["1,25", "1.5"], "profit"), PROFIT, file="money.csv")
    error = stopped.value
    assert (error.line, error.value) == (2, "1,25")
    assert error.problem == (
        "it is 1.25 with decimal comma and no number with decimal point; the column has values of both kinds"
    )
    assert 'if the column has decimal comma, add to settings.yaml: formats: {money: {columns: {"Прибыль": ' in error.remedy


def test_column_with_two_readings_stops_with_place_readings_and_the_lines_for_either():
    texts = ["940", "4,810", "5,230"]
    with pytest.raises(BadInputError) as caught:
        number_columns.of_rows(rows(texts, "revenue"), REVENUE, file="raw/2026-10/market_money.csv")
    error = caught.value
    assert (error.file, error.line, error.column, error.value) == ("raw/2026-10/market_money.csv", 3, "Выручка", "4,810")
    assert "it can be read as 4810 or 4.81" in error.problem
    english = 'formats: {market_money: {columns: {"Выручка": {decimal: ".", grouping: ","}}}}'
    russian = 'formats: {market_money: {columns: {"Выручка": {decimal: ",", grouping: ""}}}}'
    assert error.remedy == f"if it is 4810, add to settings.yaml: {english}; if it is 4.81, add to settings.yaml: {russian}"
    for marks, value in ((".", ","), 4810.0), ((",", ""), 4.81):
        given = number_columns.of_settings({"Выручка": ColumnFormat(decimal=marks[0], grouping=marks[1])}, REVENUE)
        formats = number_columns.of_rows(rows(texts, "revenue"), REVENUE, given)
        assert formats["revenue"] == NumberFormat(*marks, final=True)
        assert rows(["4,810"]).select(number(nw.col("profit"), formats["revenue"])).collect()["profit"].to_list() == [value]


def test_id_is_never_cut_at_a_mark():
    with pytest.raises(BadInputError, match="it can be read as 700000 or 700"):
        number_columns.of_rows(nw.from_native(pl.LazyFrame({"line": [2], "customer_id": ["700,000"], "profit": ["1"]})), PROFIT)


BLANKS, APOSTROPHES = (" ", "\u00a0", "\u202f", "\u2009"), ("'", "’")
STYLES = st.fixed_dictionaries(
    {
        "decimal": st.sampled_from([".", ","]),
        "grouping": st.sampled_from(["", ".", ",", *BLANKS, *APOSTROPHES]),
        "sign": st.sampled_from(["-{}", "\u2212{}", "\u2013 {}", "({})", "{}-"]),
        "unit": st.sampled_from(["{}", "{}\u00a0₽", "{} руб.", "${}", "€ {}", "{} р."]),
        "percent": st.booleans(),
    }
).filter(lambda style: style["decimal"] != style["grouping"])
VALUES = (
    st.decimals(-10_000_000, 10_000_000, places=3) | st.decimals(-5000, 5000, places=1) | st.integers(-9999, 9999).map(Decimal)
)


def digits_of(value, style):
    """The digits and marks of a number, as a program writes them."""
    whole, _, fraction = f"{abs(value * 100 if style['percent'] else value).normalize():f}".partition(".")
    grouped = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", style["grouping"], whole)
    return grouped + (style["decimal"] + fraction if fraction else "")


def written(value, style):
    """A number as a program writes it."""
    text = f"{digits_of(value, style)} %" if style["percent"] else style["unit"].format(digits_of(value, style))
    return style["sign"].format(text) if value < 0 else text


def is_open(digits):
    return re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", digits) is not None


def read(texts, whole=False):
    """The numbers of a column; None where it cannot be decided how it is written."""
    try:
        decided = number_columns.of_rows(
            rows(texts, "tenure_days" if whole else "profit"), CUSTOMERS_OF_DAYS if whole else PROFIT
        )
    except BadInputError:
        return None
    if whole:
        expression = integer(nw.col("tenure_days"), decided["tenure_days"]).alias("value")
        return rows(texts, "tenure_days").select(expression).collect()["value"].to_list()
    return rows(texts).select(number(nw.col("profit"), decided["profit"]).alias("value")).collect()["value"].to_list()


CUSTOMERS_OF_DAYS = type(CUSTOMERS)(
    "customers", "clean", "", (CUSTOMERS["customer_id"], CUSTOMERS["tenure_days"]), file="market_file"
)


@given(values=st.lists(VALUES, min_size=1, max_size=20), style=STYLES)
def test_column_in_one_style_is_read_back_or_ambiguous(values, style):
    digits = [digits_of(value, style) for value in values]
    found = read([written(value, style) for value in values])
    if found is None:
        assert any(map(is_open, digits))
        return
    for text, value, number_found in zip(digits, values, found, strict=True):
        assert number_found == float(value) or (number_found is None and is_open(text))


@given(values=st.lists(st.integers(0, 10**9), min_size=1, max_size=20), style=STYLES)
def test_column_of_whole_numbers_in_one_style_is_read_back_or_ambiguous(values, style):
    style = style | {"percent": False}
    digits = [digits_of(Decimal(value), style) for value in values]
    found = read([written(Decimal(value), style) for value in values], whole=True)
    if found is None:
        assert any(map(is_open, digits))
        return
    for text, value, number_found in zip(digits, values, found, strict=True):
        assert number_found == value or (number_found is None and is_open(text))


@given(written_in=st.lists(st.tuples(VALUES, st.integers(0, 1)), min_size=1, max_size=20), styles=st.tuples(STYLES, STYLES))
def test_column_in_two_styles_never_gives_another_number_than_a_text_with_one_reading_has(written_in, styles):
    """A text with two readings has the one that the others show: no reader could know better."""
    found = read([written(value, styles[i]) for value, i in written_in])
    for (value, i), number_found in zip(written_in, found or [None] * len(written_in), strict=True):
        assert number_found in (None, float(value)) or is_open(digits_of(value, styles[i]))
