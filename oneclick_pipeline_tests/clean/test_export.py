from __future__ import annotations

from dataclasses import replace

import narwhals as nw
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from oneclick_pipeline.clean import export as stage
from oneclick_pipeline.clean import quick
from oneclick_pipeline.clean.quarantine import CONFLICT
from oneclick_pipeline.contracts.clean import CORRECTIONS, REJECTED_ROWS
from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, REVENUE, SITE_MINUTES, SOURCES
from oneclick_pipeline.engine import files
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import number_columns
from oneclick_pipeline.raw.export import read
from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.raw.records import NOT_CLOSED
from oneclick_pipeline.settings import Cleaning
from oneclick_pipeline_tests.conftest import HEADERS, export_text, market_row

TEXT = export_text()


def rows(frame):
    return frame.collect().rows()


def market(*lines):
    return "\n".join([HEADERS["market_file"], *lines]) + "\n"


def test_clean_customers_gets_types_and_english_values(cleaned):
    result = cleaned(CUSTOMERS, market(market_row(7, promo_share="0.5")))
    assert rows(result.table) == [(7, "declined", "standard", True, 3.4, 4, 107, 0.5, "Товары для детей", 3.0, 2, 1, 5.0)]
    assert (result.rows, result.rejected_rows, result.duplicates) == (1, 0, 0)
    CUSTOMERS.contract().validate(in_polars(result.table, CUSTOMERS))


def test_clean_empty_activity_is_kept(cleaned):
    result = cleaned(CUSTOMERS, market(market_row(7, activity="")))
    assert result.table.collect()["activity"].to_list() == [None]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("customer_id", "12x", "is not an integer"),
        ("customer_id", "", "is missing"),
        ("customer_id", "-4", "is not at least 0"),
        ("activity", "Выросла", "is not one of «Снизилась», «Прежний уровень»"),
        ("service_level", "базовый", "is not one of «стандарт», «премиум»"),
        ("marketing_consent", "на", "is not one of «да», «нет»"),
        ("contacts_month", "4.5", "is not an integer"),
        ("contacts_6m", "nan", "is missing"),
        ("contacts_month", "NULL", "is missing"),
        ("customer_id", "#Н/Д", "is missing"),
        ("service_level", "-", "is missing"),
        ("favourite_category", "—", "is missing"),
        ("contacts_6m", "1e400", "is not a number"),
        ("tenure_days", "99999999999999999999", "is not an integer"),
        ("tenure_days", "1000000000000000000", "is not an integer"),
        ("promo_share", "1.01", "is not between 0 and 1"),
        ("pages_per_visit", "-1", "is not at least 0"),
        ("favourite_category", "", "is missing"),
    ],
)
def test_clean_row_that_breaks_a_rule_is_rejected_with_its_place(cleaned, column, value, rule):
    result = cleaned(CUSTOMERS, market(market_row(1), market_row(2, **{column: value}), market_row(3)))
    assert result.table.collect()["customer_id"].to_list() == [1, 3]
    assert rows(result.rejected) == [("market_file", 3, CUSTOMERS[column].header, value or None, rule)]
    assert result.rejected_rows == 1


def test_clean_row_that_breaks_two_rules_is_one_row_and_two_reasons(cleaned):
    result = cleaned(PROFIT, "id;Прибыль\nx;y\n1;2\n")
    assert rows(result.rejected) == [
        ("money", 2, "id", "x", "is not an integer"),
        ("money", 2, "Прибыль", "y", "is not a number"),
    ]
    assert result.rejected_rows == 1


def test_clean_line_that_could_not_be_split_is_rejected(cleaned):
    result = cleaned(PROFIT, 'id;Прибыль\n1;2\n3;"4\n')
    assert rows(result.rejected) == [("money", 3, None, '3;"4', NOT_CLOSED)]


@pytest.mark.parametrize(
    ("column", "old", "new", "value"),
    [
        ("service_level", "стандартт", "стандарт", "standard"),
        ("favourite_category", "Косметика и аксесуары", "Косметика и аксессуары", "Косметика и аксессуары"),
        ("marketing_consent", "ДА", "да", True),
        ("activity", "снизилась", "Снизилась", "declined"),
        ("activity", "Прежнии\u0306\u00a0уровень", "Прежний уровень", "stable"),
        ("activity", "Прежний_уровень", "Прежний уровень", "stable"),
        ("marketing_consent", "дa", "да", True),
        ("marketing_consent", "HET", "нет", False),
        ("favourite_category", "Кyхоннaя посуда", "Кухонная посуда", "Кухонная посуда"),
        ("favourite_category", "Товары_для_детей", "Товары для детей", "Товары для детей"),
    ],
)
def test_clean_misspelt_word_is_repaired_and_listed(cleaned, column, old, new, value):
    result = cleaned(CUSTOMERS, market(market_row(1), market_row(2, **{column: old})))
    assert result.table.collect()[column].to_list()[1] == value
    assert rows(result.corrections) == [("market_file", 3, CUSTOMERS[column].header, old, new, "spelling")]
    assert result.rejected_rows == 0


@pytest.mark.parametrize("marker", ["-", "NULL", "#N/A", "—", " NaN ", "н/д"])
def test_clean_marker_of_a_missing_value_is_an_empty_cell_and_listed(cleaned, marker):
    result = cleaned(CUSTOMERS, market(market_row(1), market_row(2, activity=marker)))
    header, written = CUSTOMERS["activity"].header, marker.strip()
    assert result.table.collect()["activity"].to_list() == ["declined", None]
    assert rows(result.corrections) == [("market_file", 3, header, written, None, "missing_marker")]
    assert result.missing_markers == {f"{header}: {written}": 1}


def test_clean_counts_markers_in_rejected_rows_too_but_no_empty_cells(cleaned):
    result = cleaned(PROFIT, "id;Прибыль\n1;NULL\n2;NULL\n-;3\n4;\n5;6\n")
    assert rows(result.table) == [(5, 6.0)]
    assert result.missing_markers == {"id: -": 1, "Прибыль: NULL": 2}
    assert [r[3:] for r in rows(result.rejected.sort("line"))] == [
        ("NULL", "is missing"),
        ("NULL", "is missing"),
        ("-", "is missing"),
        (None, "is missing"),
    ]


@pytest.mark.parametrize("backend", [nw.LazyFrame.lazy, lambda f: to_pandas(f.lazy())], ids=["polars", "pandas"])
def test_clean_marker_in_a_number_that_may_be_missing_is_listed(backend):
    columns = (PROFIT["customer_id"], replace(PROFIT["profit"], nullable=True))
    texts = {"line": [2, 3, 4], "customer_id": ["1", "2", "3"], "profit": ["1.5", "N/A", None]}
    result = stage.clean_export(backend(raw_frame(texts)), replace(PROFIT, columns=columns), Cleaning())
    assert result.table.collect()["profit"].to_list()[0] == 1.5
    assert in_polars(result.table, PROFIT)["profit"].to_list() == [1.5, None, None]
    assert in_polars(result.corrections, CORRECTIONS).rows() == [("money", 3, "Прибыль", "N/A", None, "missing_marker")]
    assert result.missing_markers == {"Прибыль: N/A": 1}


@pytest.mark.parametrize(
    ("column", "text", "rule"),
    [
        ("service_level", "премиум+", "is not one of «стандарт», «премиум»"),
        ("service_level", "премиум2", "is not one of «стандарт», «премиум»"),
        ("service_level", "стандарт*", "is not one of «стандарт», «премиум»"),
        ("marketing_consent", "да!", "is not one of «да», «нет»"),
    ],
)
def test_clean_word_with_a_digit_or_sign_more_is_another_word(cleaned, column, text, rule):
    result = cleaned(CUSTOMERS, market(market_row(1), market_row(2, **{column: text})))
    assert rows(result.rejected) == [("market_file", 3, CUSTOMERS[column].header, text, rule)]
    assert rows(result.corrections) == []


@pytest.mark.parametrize(
    ("texts", "categories"),
    [
        (["Книги", "Книги", "книги", "Kниги"], ["Книги"] * 4),  # Latin K
        (["книги", "Книги", "Книги"], ["Книги"] * 3),
        (["книги", "Книги"], ["книги"] * 2),  # as many: the first
        (["Kниги"], ["Книги"]),
        (["Щетки", "Щётки", "Щётки"], ["Щётки"] * 3),
        (["Чаи\u0306\u00a0и кофе", "\u200bЧай  и кофе"], ["Чай и кофе"] * 2),
        (["SPA", "SPА"], ["SPA"] * 2),  # Cyrillic А
        (["Apple техника"], ["Apple техника"]),
        (["Кухонная посуда+", "Кухонная посуда 2"], ["Кухонная посуда+", "Кухонная посуда 2"]),
    ],
)
@pytest.mark.parametrize("first", [1, 100])
def test_clean_new_category_has_one_spelling(cleaned, monkeypatch, texts, categories, first):
    monkeypatch.setattr(quick, "FIRST_ROWS", first)
    lines = [market_row(i, favourite_category=text) for i, text in enumerate(texts)]
    result = cleaned(CUSTOMERS, market(*lines))
    assert result.table.sort("customer_id").collect()["favourite_category"].to_list() == categories
    changed = [(old, new) for old, new in zip(texts, categories, strict=True) if old != new]
    listed = rows(result.corrections.sort("line").select("column", "new", "rule"))
    assert listed == [("Популярная_категория", new, "spelling") for _, new in changed]


def test_clean_lists_misspelt_headers(tmp_path):
    (tmp_path / "money.csv").write_text("ID;Пpибыль\n1;2\n", encoding="utf-8")
    frame, facts = read(tmp_path / "money.csv", "money", tmp_path)
    for backend in (lambda f: f, to_pandas):
        result = stage.clean_export(backend(frame), PROFIT, Cleaning(), facts=facts)
        assert in_polars(result.corrections, CORRECTIONS).rows() == [
            ("money", 1, "id", "ID", "id", "spelling"),
            ("money", 1, "Прибыль", "Пpибыль", "Прибыль", "spelling"),
        ]


def test_clean_new_category_passes(cleaned):
    result = cleaned(CUSTOMERS, market(market_row(1, favourite_category="Книги")))
    assert result.table.collect()["favourite_category"].to_list() == ["Книги"]


def test_clean_unknown_period_is_rejected_and_a_misspelt_one_repaired(cleaned):
    result = cleaned(
        SITE_MINUTES, f"{HEADERS['market_time']}\n1,предыдцщий_месяц,5\n1,следующий_месяц,6\n1,препредыдущий_месяц,7\n"
    )
    assert rows(result.table) == [(1, "m1", 5.0)]
    assert [r[3] for r in rows(result.rejected)] == ["следующий_месяц", "препредыдущий_месяц"]


def test_clean_exact_copy_is_dropped_and_listed(cleaned):
    result = cleaned(PROFIT, "id;Прибыль\n1;2\n1;2,0\n3;4\n")
    assert rows(result.table) == [(1, 2.0), (3, 4.0)]
    assert rows(result.corrections) == [("money", 3, None, "1", None, "exact_duplicate")]
    assert (result.rows, result.rejected_rows, result.duplicates) == (3, 0, 1)


def test_clean_same_key_with_other_content_rejects_every_row_of_it(cleaned):
    result = cleaned(PROFIT, "id;Прибыль\n1;2\n3;4\n1;5\n")
    assert rows(result.table) == [(3, 4.0)]
    assert rows(result.rejected) == [("money", 2, "id", "1", CONFLICT), ("money", 4, "id", "1", CONFLICT)]
    assert result.rejected_rows == 2


def test_clean_key_of_revenue_is_customer_and_period(cleaned):
    result = cleaned(REVENUE, TEXT["market_money"])
    assert len(result.table.collect()) == 12
    assert result.duplicates == 0


def test_clean_wild_revenue_becomes_the_median_of_its_period(cleaned):
    lines = [
        f"{i},{p},{r}"
        for p in ("текущий_месяц", "предыдущий_месяц")
        for i, r in enumerate((4000, 4500, 5000, 5500, 6000, 4800, 5200), 1)
    ]
    lines[2] = "3,текущий_месяц,106862.2"
    result = cleaned(REVENUE, "\n".join([HEADERS["market_money"], *lines]))
    assert [r for r in rows(result.table) if r[0] == 3] == [(3, "m0", 5000.0), (3, "m1", 5000.0)]
    assert rows(result.corrections) == [("market_money", 4, "Выручка", "106862.2", "5000.0", "outlier")]


def test_clean_zero_revenue_and_a_big_spender_are_no_errors(cleaned):
    lines = [f"{i},текущий_месяц,{r}" for i, r in enumerate((0, 4000, 4500, 5000, 5500, 6000, 15000), 1)]
    result = cleaned(REVENUE, "\n".join([HEADERS["market_money"], *lines]))
    assert rows(result.corrections) == []


def test_clean_period_without_revenue_has_no_error_on_pandas():
    texts = {"line": [2, 3], "customer_id": ["1", "2"], "period": ["текущий_месяц"] * 2, "revenue": ["5", "0"]}
    result = stage.clean_export(to_pandas(raw_frame(texts)), REVENUE, Cleaning())
    assert in_polars(result.table, REVENUE).rows() == [(1, "m0", 5.0), (2, "m0", 0.0)]


def test_clean_answer_that_is_none_anywhere_is_rejected_on_pandas():
    good = dict(zip(CUSTOMERS.names, market_row(1, marketing_consent="наверное").split(","), strict=True))
    result = stage.clean_export(to_pandas(raw_frame({"line": [2]} | {k: [v] for k, v in good.items()})), CUSTOMERS, Cleaning())
    assert [(r[3], r[4]) for r in rows(result.rejected)] == [("наверное", "is not one of «да», «нет»")]


def raw_frame(texts):
    """A raw table of texts, all of which could be split."""
    nothing = [pl.lit(None, pl.String).alias(name) for name in ("problem", "excerpt")]
    return nw.from_native(pl.LazyFrame(texts).with_columns(nothing))


@pytest.mark.parametrize(
    "values",
    [
        ["5000"] * 9 + ["900000"],  # most are equal
        ["0"] * 10,
        ["0"] * 9 + ["900000"],
    ],
)
def test_clean_without_a_scale_no_revenue_is_an_error(cleaned, values):
    lines = [f"{i},текущий_месяц,{value}" for i, value in enumerate(values)]
    result = cleaned(REVENUE, "\n".join([HEADERS["market_money"], *lines]))
    assert [row[2] for row in rows(result.table)] == [float(value) for value in values]
    assert rows(result.corrections) == []


def test_clean_of_values_that_lie_further_apart_than_a_number_can_say_finds_no_error(cleaned):
    lines = [f"{i},текущий_месяц,{value}" for i, value in enumerate(("1e-300", "1e-300", "1e300", "1e300"))]
    result = cleaned(REVENUE, "\n".join([HEADERS["market_money"], *lines]))
    assert rows(result.corrections) == []


def test_clean_judges_every_period_by_itself(cleaned):
    usual = {"текущий_месяц": 1, "предыдущий_месяц": 1000}  # one rouble has no logarithm to speak of
    spread = (0.8, 0.9, 1, 1, 1.1, 1.2)
    lines = [f"{i},{period},{middle * x}" for period, middle in usual.items() for i, x in enumerate(spread)]
    lines += ["7,текущий_месяц,1000.5", "7,предыдущий_месяц,1000.5", "7,препредыдущий_месяц,1000.5"]
    result = cleaned(REVENUE, "\n".join([HEADERS["market_money"], *lines]))
    assert [row for row in rows(result.table) if row[0] == 7] == [(7, "m0", 1.0), (7, "m1", 1000.5), (7, "m2", 1000.5)]
    assert rows(result.corrections.select("line", "old", "new", "rule")) == [(14, "1000.5", "1.0", "outlier")]


def test_clean_good_file_has_empty_lists_of_the_right_form(cleaned):
    result = cleaned(PROFIT, TEXT["money"])
    REJECTED_ROWS.contract().validate(result.rejected.collect().to_native())
    CORRECTIONS.contract().validate(result.corrections.collect().to_native())


DAMAGE = st.sampled_from(
    ["", "x", "-5", "1e999", '"', ";", "\n", "Выросла", "стандартт", "0,5", "\x00", "９", "1 000", "=cmd()", "ы" * 300]
)


@given(
    source=st.sampled_from(SOURCES), edits=st.lists(st.tuples(st.integers(0, 400), DAMAGE), max_size=4), copies=st.integers(0, 2)
)
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=15,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
def test_clean_damaged_file_accounts_for_every_row(tmp_path, source, edits, copies):
    header, *lines = TEXT[source.file].splitlines()
    text = "\n".join([*lines, *lines[:copies]])
    for at, damage in edits:
        text = text[:at] + damage + text[at + 1 :]
    path = tmp_path / f"{source.file}.csv"
    path.write_bytes(f"{header}\n{text}\n".encode())
    results = []
    for backend in (lambda f: f, to_pandas):
        try:
            frame, _ = read(path, source.file, tmp_path)
        except BadInputError:
            return  # nothing but blank lines is left, or the numbers can be read in two ways
        results.append(stage.clean_export(backend(frame), source, Cleaning()))
    for result in results:
        assert result.rows == len(result.table.collect()) + result.rejected_rows + result.duplicates
        assert result.rejected.select("line").unique().collect().shape[0] == result.rejected_rows
        source.contract().validate(in_polars(result.table, source))
    first, second = results
    for mine, theirs, table in (
        (first.table, second.table, source),
        (first.rejected, second.rejected, REJECTED_ROWS),
        (first.corrections, second.corrections, CORRECTIONS),
    ):
        assert in_polars(mine, table).sort(pl.all()).equals(in_polars(theirs, table).sort(pl.all()))


def in_polars(frame, table):
    """The frame in Polars as a table is written, without what pandas adds."""
    return files.conform(nw.from_native(pl.LazyFrame(frame.collect().to_arrow())), table).collect().to_native()


def to_pandas(frame):
    """The same raw table held by pandas on Arrow types."""
    table = frame.collect().to_arrow()
    return nw.from_native(table.to_pandas(types_mapper=pd.ArrowDtype), eager_only=True).lazy()


NUMBERS = [
    "5", "+5", "-5", "007", "5.0", "5,0", "5.5", "5,5", " 5", "5 ", "", "  ", "\u2009", "1 000", "1\u2009000", "1_000",
    "1e3", "1E+3", "1e400", "1e-400", "0e999", "1e99999999999", "nan", "NaN", "inf", "-Infinity", "+", ".", ".5", "5.",
    "1,5,2", "1.234,5", "-0", "999999999999999999", "-999999999999999999", "9999999999999999999", "1000000000000000000",
    "0000000000000000000000000000005", "5.00000", "0x10", "٥", "５", "x", "-", "—", "NULL", "#Н/Д", " N/A ", "\u200b5", "\u200b",
]  # fmt: skip
WORDS = [
    "Снизилась", "снизилась", " Снизилась", "Выросла", "", " ", "да", "ДА", "на", "стандартт", "премиум", "Книги",
    "текущий_месяц", "предыдцщий_месяц", "следующий_месяц", "Косметика и аксесуары", "дa", "премиум+", "Kниги", "книги", "КНИГИ",
    "SPA", "SPА", "Apple техника", "-", "NULL", "#Н/Д", " — ", "Кyхоннaя\u00a0посуда", "Чаи\u0306", "Чай", "\u200b",
]  # fmt: skip


def texts_of(column):
    """Texts that may stand in a column of an export."""
    if column.values or column.known:
        return st.sampled_from(WORDS)
    return st.sampled_from(NUMBERS) | st.decimals(allow_nan=True, allow_infinity=True).map(str)


@st.composite
def raw_tables(draw):
    """A source, and rows of texts as its export might hold them: most of them good."""
    source = draw(st.sampled_from(SOURCES))
    good = [line.replace(";", ",").split(",")[: len(source.columns)] for line in TEXT[source.file].splitlines()[1:]]
    texts = st.tuples(*map(texts_of, source.columns))
    rows = draw(st.lists(st.sampled_from(good).map(tuple) | texts, min_size=1, max_size=12))
    for at in draw(st.lists(st.integers(0, len(rows) - 1), max_size=3)):  # one text of a good row is odd
        column = draw(st.integers(0, len(source.columns) - 1))
        rows[at] = (*rows[at][:column], draw(texts_of(source.columns[column])), *rows[at][column + 1 :])
    return source, rows


@given(month=raw_tables(), first=st.sampled_from([0, 1, 100]))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    deadline=None,
    max_examples=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
def test_clean_reads_the_cheap_way_what_it_reads_with_care(monkeypatch, month, first):
    source, texts = month
    monkeypatch.setattr(quick, "FIRST_ROWS", first)
    frame = pl.DataFrame(texts, schema=dict.fromkeys(source.names, pl.String), orient="row").with_row_index("line", offset=2)
    nothing = [pl.lit(None, pl.String).alias(name) for name in ("problem", "excerpt")]
    lazy = nw.from_native(frame.with_columns(pl.col("line").cast(pl.Int64), *nothing).lazy())
    try:
        cheap = stage.clean_export(lazy, source, Cleaning())
    except BadInputError:
        return  # the numbers can be read in two ways
    with monkeypatch.context() as patch:
        patch.setattr(stage, "read_quickly", lambda *_: None)
        careful = stage.clean_export(lazy, source, Cleaning())
    in_pandas = stage.clean_export(to_pandas(lazy), source, Cleaning())
    for other in (careful, in_pandas):
        assert same(cheap.table, other.table, source)
        assert same(cheap.rejected, other.rejected, REJECTED_ROWS)
        assert same(cheap.corrections, other.corrections, CORRECTIONS)
        assert counts(cheap) == counts(other)


def same(mine, theirs, table):
    """Whether two frames hold the same rows, in any order."""
    return in_polars(mine, table).sort(pl.all()).equals(in_polars(theirs, table).sort(pl.all()))


def counts(result):
    """What was counted while an export was cleaned."""
    return result.rows, result.rejected_rows, result.duplicates, result.missing_markers


def test_clean_of_good_rows_never_takes_the_careful_way(cleaned, monkeypatch):
    monkeypatch.setattr(stage, "read_carefully", None)
    assert [len(cleaned(s, TEXT[s.file]).table.collect()) for s in SOURCES] == [4, 12, 8, 4]


WAYS = {
    "quick": lambda frame, _: frame,
    "plain": lambda frame, patch: patch.setattr(stage, "read_quickly", lambda *_: None) or frame,
    "pandas": lambda frame, _: to_pandas(frame),
}


@pytest.fixture(params=list(WAYS))
def profits(request, tmp_path, monkeypatch):
    """Clean the texts of a column of profit, of which the first three are the first rows: values by line, rejected."""

    def run(*texts, table=PROFIT):
        monkeypatch.setattr(number_columns, "FIRST_ROWS", 3)
        path = tmp_path / f"{table.file}.csv"
        header = "\t".join(c.header for c in table.columns)
        path.write_text("\n".join([header, *(f"{i}\t{text}" for i, text in enumerate(texts, 2))]), encoding="utf-8")
        frame, facts = read(path, table.file, tmp_path)
        result = stage.clean_export(WAYS[request.param](frame, monkeypatch), table, Cleaning(), facts=facts)
        numbers = {row[0]: row[1] for row in in_polars(result.table, table).rows()}
        return numbers, {row[1]: (row[3], row[4]) for row in rows(result.rejected)}

    return run


@pytest.mark.parametrize(
    ("late", "value", "rule"),
    [
        (["4.810"], None, "can be read as 4810 and as 4.81"),
        (["4,810"], None, "can be read as 4810 and as 4.81"),
        (["4.810", "0.5"], 4.81, None),
        (["4.810", "1.234.567"], 4810, None),
        (["4,810", "1,250.5"], 4810, None),
        (["4 810", "0,5"], 4810, None),
        (["\u22124\u202f810,25 ₽", "0,5"], -4810.25, None),
        (["1e-9999"], None, "is not a number"),
        (["0." + "0" * 400 + "1", "0.5"], None, "is not a number"),
        (["1e400"], None, "is not a number"),
        (["1e3"], 1000, None),
        (["abc"], None, "is not a number"),
    ],
)
def test_clean_number_that_the_first_rows_say_nothing_about_is_read_as_all_rows_show(profits, late, value, rule):
    numbers, rejected = profits("3975", "4120", "940", *late)
    assert numbers.pop(5, None) == value
    assert rejected == ({} if rule is None else {5: (late[0][:200], rule)})
    assert (numbers[2], numbers[3], numbers[4]) == (3975, 4120, 940)


@pytest.mark.parametrize(
    ("first", "late", "value", "rule"),
    [
        ("0,5", "4.810", None, "can be read as 4810 and as 4.81"),
        ("0,5", "4.81", None, "is not a number with decimal comma"),
        ("0,5", "4,810", 4.81, None),
        ("0.5", "5,230", None, "can be read as 5230 and as 5.23"),
        ("0.5", "5,2", None, "is not a number with decimal point"),
        ("0.5", "4.810", 4.81, None),
        ("4 810,5", "4.81", None, "is not a number with decimal comma and blanks between thousands"),
        ("4 810,5", "5\u00a0230", 5230, None),
        ("4,810.5", "5,230", 5230, None),
    ],
)
def test_clean_late_number_is_not_read_by_another_mark_than_the_column_has(profits, first, late, value, rule):
    numbers, rejected = profits(first, first, first, *[first] * 20, late)
    assert numbers.get(25) == value
    assert rejected == ({} if rule is None else {25: (late, rule)})
    assert len(numbers) == 23 + (rule is None)


def test_clean_late_majority_decides_and_the_first_rows_are_rejected(profits):
    numbers, rejected = profits("0.5", "1.5", "2.5", *["3,5"] * 40)
    assert set(numbers.values()) == {3.5}
    assert set(rejected) == {2, 3, 4}


def test_clean_late_numbers_with_two_readings_stop_the_run(profits):
    with pytest.raises(BadInputError, match=r"line 5, column «Прибыль», value '4.810': it can be read as 4810 or 4.81"):
        profits("5", "6", "7", "4.810", "5.230")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("1,000", "1,064", "980"), [1000, 1064, 980]),
        (("1.000", "1.064", "980"), [1000, 1064, 980]),
        (("5", "6", "7", "1,000", "1,064"), [5, 6, 7, 1000, 1064]),
        (("5", "6", "7", "1000.0", "8.0"), [5, 6, 7, 1000, 8]),
        (("1000.0", "980.0", "1064.0"), [1000, 980, 1064]),
        (("1 000", "1\u00a0064", "980"), [1000, 1064, 980]),
        (("3975", "3976", "3977", "1,000"), [3975, 3976, 3977, None]),
    ],
)
def test_clean_whole_numbers_are_grouped_or_not_all_alike(cleaned, texts, expected):
    lines = [market_row(i, tenure_days="DAYS").replace(",", ";").replace("DAYS", text) for i, text in enumerate(texts)]
    result = cleaned(CUSTOMERS, market(*lines).replace(HEADERS["market_file"], HEADERS["market_file"].replace(",", ";")))
    found = dict(result.table.collect().select("customer_id", "tenure_days").iter_rows())
    assert [found.get(i) for i in range(len(texts))] == expected


def test_clean_keeps_to_the_format_of_the_settings(tmp_path):
    path = tmp_path / "money.csv"
    path.write_text("id;Прибыль\n1;4,810\n2;1234,5\n3;7,5\n", encoding="utf-8")
    frame, facts = read(path, "money", tmp_path)
    given = replace(facts, formats={"profit": NumberFormat(".", ",", final=True)})
    result = stage.clean_export(frame, PROFIT, Cleaning(), facts=given)
    assert rows(result.table) == [(1, 4810.0)]
    assert [row[4] for row in rows(result.rejected)] == ["is not a number with decimal point and commas between thousands"] * 2
