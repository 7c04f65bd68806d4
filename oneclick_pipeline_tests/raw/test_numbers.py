from __future__ import annotations

import math

import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.raw.numbers import integer, number, plain_integer, plain_number, quick_integer, quick_number

FORMATS = [NumberFormat(d, g) for d in ("", ".", ",") for g in ("", ".", ",", " ", "'") if d != g or not d]

ENGLISH, GERMAN, RUSSIAN, SWISS, PLAIN = (
    NumberFormat(*marks) for marks in ((".", ","), (",", "."), (",", " "), (".", "'"), ("", ""))
)
NUMBERS = [
    ("5", PLAIN, 5.0), ("-5", PLAIN, -5.0), ("+5", PLAIN, 5.0), ("1e3", PLAIN, 1000.0), ("4,810", PLAIN, None),
    ("4.810", PLAIN, None), ("0e999", PLAIN, 0.0), ("1e400", PLAIN, math.inf), ("-1e400", PLAIN, -math.inf),
    ("1e-9999", PLAIN, None), ("-0", PLAIN, 0.0), ("nan", PLAIN, None), ("inf", PLAIN, None), ("", PLAIN, None),
    ("-", PLAIN, None), ("'", PLAIN, None), ("--5", PLAIN, None), ("(-5)", PLAIN, None), ("5-5", PLAIN, None),
    ("4,810", ENGLISH, 4810.0), ("4.810", ENGLISH, 4.81), ("1,234,567.5", ENGLISH, 1234567.5), ("1234.5", ENGLISH, 1234.5),
    ("12,34", ENGLISH, None), ("1,2345", ENGLISH, None), ("0,123", ENGLISH, None), ("$1,234.50", ENGLISH, 1234.5),
    ("-$1,234", ENGLISH, -1234.0), ("$-5", ENGLISH, -5.0), ("($4,810.25)", ENGLISH, -4810.25), (".5", ENGLISH, 0.5),
    ("1.5e-3", ENGLISH, 0.0015), ("0.1e-400", ENGLISH, None), ("USD 5", ENGLISH, 5.0), ("1,5,2", ENGLISH, None),
    ("0." + "0" * 400 + "1", ENGLISH, None), ("0.000000", ENGLISH, 0.0),
    ("4.810,5", GERMAN, 4810.5), ("4.81", GERMAN, None), ("5,", GERMAN, 5.0), ("1.000 €", GERMAN, 1000.0),
    ("5,-", GERMAN, None), ("500,\u2013 €", GERMAN, None), ("5, \u20ac-", GERMAN, None), ("5,0-", GERMAN, -5.0),
    ("5.-", ENGLISH, None), ("1.e3", ENGLISH, 1000.0), ("1,000.e3", ENGLISH, None), ("(5.)", ENGLISH, -5.0),
    ("-5.", ENGLISH, -5.0),
    ("4 810,00", RUSSIAN, 4810.0), ("4\u00a0810,00", RUSSIAN, 4810.0), ("4\u202f810,00 ₽", RUSSIAN, 4810.0),
    ("1\u2009234 567,5 руб.", RUSSIAN, 1234567.5), ("5 р.", RUSSIAN, 5.0), ("100р", RUSSIAN, 100.0), ("1 00", RUSSIAN, None),
    ("\u22120,4", RUSSIAN, -0.4), ("\u20130,4", RUSSIAN, -0.4), ("(0,7)", RUSSIAN, -0.7), ("0,7-", RUSSIAN, -0.7),
    ("\u2212 4\u00a0810,5 ₽", RUSSIAN, -4810.5), ("45 %", RUSSIAN, 0.45), ("12,3%", RUSSIAN, 0.123), ("29 %", RUSSIAN, 0.29),
    ("1e3 %", RUSSIAN, None), ("5 %%", RUSSIAN, None), ("4'810.5", SWISS, 4810.5), ("4\u2019810", SWISS, 4810.0),
]  # fmt: skip
INTEGERS = [
    ("5", PLAIN, 5), ("007", PLAIN, 7), ("5.0", PLAIN, None), ("1e3", PLAIN, None), ("9" * 18, PLAIN, 10**18 - 1),
    ("9" * 19, PLAIN, None), ("1000.0", ENGLISH, 1000), ("1,064", ENGLISH, 1064), ("1.064", ENGLISH, None), ("5.", ENGLISH, None),
    ("1.000", ENGLISH, 1), ("700,000", ENGLISH, 700000), ("1.000", GERMAN, 1000), ("700 001", RUSSIAN, 700001),
    ("700\u00a0001,00", RUSSIAN, 700001), ("\u22125", PLAIN, -5), ("(5)", PLAIN, -5), ("45 %", PLAIN, None),
    ("123,456,789,012,345,678", ENGLISH, 123456789012345678), ("1,234,567,890,123,456,789", ENGLISH, None),
]  # fmt: skip


def polars(texts):
    return nw.from_native(pl.LazyFrame({"text": texts}, schema={"text": pl.String}))


def pandas(texts):
    """The same as the engine holds it: by pandas on Arrow types."""
    return nw.from_native(pd.DataFrame({"text": pd.Series(texts, dtype=pd.ArrowDtype(pa.string()))}), eager_only=True).lazy()


def values(texts, expression, take=polars):
    return take(texts).select(expression.alias("value")).collect()["value"].to_arrow().to_pylist()


@pytest.mark.parametrize("take", [polars, pandas])
@pytest.mark.parametrize(("read", "cases"), [(number, NUMBERS), (integer, INTEGERS)])
def test_text_is_read_in_the_format_of_its_column(take, read, cases):
    for one in {one for _, one, _ in cases}:
        texts = [text for text, of, _ in cases if of == one]
        found = values(texts, read(nw.col("text"), one), take)
        assert dict(zip(texts, found, strict=True)) == {text: value for text, of, value in cases if of == one}


@pytest.mark.parametrize("one", FORMATS, ids=str)
def test_cheaper_ways_to_read_miss_numbers_and_read_no_other_ones(one):
    texts = [text for text, _, _ in (*NUMBERS, *INTEGERS)]
    careful = values(texts, number(nw.col("text"), one)), values(texts, integer(nw.col("text"), one))
    quick = [] if one.grouping else [(quick_number("text", one.decimal), 0), (quick_integer("text"), 1)]
    cheap = [
        *((values(texts, plain_number(nw.col("text"), one.decimal), take), 0) for take in (polars, pandas)),
        *((values(texts, plain_integer(nw.col("text")), take), 1) for take in (polars, pandas)),
        *((pl.DataFrame({"text": texts}).select(value=expression)["value"].to_list(), which) for expression, which in quick),
    ]
    for found, which in cheap:
        for text, value, right in zip(texts, found, careful[which], strict=True):
            missed = value is None or not math.isfinite(value) or abs(value) >= 10**18
            assert missed or value == right, (text, value, right)
