"""Where the header is, what it says, and how many fields its rows have."""

import unicodedata

import pytest

from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import open_export, read
from oneclick_pipeline.raw.splitting import WRONG_WIDTH
from oneclick_pipeline_tests.conftest import HEADERS, export_text


def as_read(tmp_path, text, **known):
    path = tmp_path / "money.csv"
    path.write_bytes(text.encode())
    export = open_export(path, "money", tmp_path, **known)
    return export.lines().sort("line").collect(), export.facts


@pytest.fixture
def write(tmp_path):
    def run(file, text):
        path = tmp_path / f"{file}.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return run


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "sep=;;", "Sep=,", "sep=", "\ufeffsep=;", "sep=;\r", "\n"])
@pytest.mark.parametrize("mark", [";", ",", "\t", "|"])
def test_line_that_names_the_delimiter_is_no_header(tmp_path, first, mark):
    frame, facts = as_read(tmp_path, f"{first}\nid{mark}Прибыль\n1{mark}2\n")
    assert frame.select("customer_id", "profit").rows() == [("1", "2")]
    assert frame["line"].to_list() == [first.count("\n") + 3]
    assert facts.delimiter == mark


@pytest.mark.parametrize("mark", [":", "^"])
def test_delimiter_that_the_file_names_is_used(tmp_path, mark):
    frame, facts = as_read(tmp_path, f"sep={mark}\nid{mark}Прибыль\n1{mark}2\n")
    assert frame["profit"].to_list() == ["2"]
    assert facts.delimiter == mark


def test_delimiter_that_is_given_is_used(tmp_path):
    assert as_read(tmp_path, "id;Прибыль\n1;2\n", delimiter=";")[1].delimiter == ";"
    with pytest.raises(BadInputError, match="none of its columns"):
        as_read(tmp_path, "id;Прибыль\n1;2\n", delimiter=",")


@pytest.mark.parametrize(
    ("header", "rows", "profit"),
    [
        ("id;Прибыль", ["1;2;", "3;4;"], ["2", "4"]),
        ("id;Прибыль", ["1;2;;;", "3;4;;;"], ["2", "4"]),
        ("id;Прибыль;", ["1;2", "3;4"], ["2", "4"]),
        ("id;Прибыль;;", ["1;2;", "3;4;"], ["2", "4"]),
        ("id;Прибыль;", ["1;2;x", "3;4;"], ["2", "4"]),  # an unnamed column is one
        ('"id";"Прибыль"', ['"1";"2";', '"3";"4";'], ["2", "4"]),
        ("id;Прибыль", ["1;2;", "3;4"], ["2", "4"]),
        ("id;Прибыль;", ["1;2;x;", "3;4;;"], ["2", "4"]),  # and an empty one after it
        ("id;Прибыль", ["1;2;", "3;4;5"], [None, None]),
        ("id;Прибыль", ["1;2;", "3;4;", "5;6;;"], ["2", "4", None]),
        ("id;Прибыль", ["1;2", "3;4", "5;6;"], ["2", "4", None]),
        ("id,Прибыль", ["1,2,", "3,4,"], ["2", "4"]),
        ("id,Прибыль,Город", ["1,2,5,", "3,4,5,"], [None, None]),  # it may be 2,5 and no town
        ("id;Прибыль", ["1;2;3", "3;4;3"], [None, None]),
        ("id,Прибыль", ["1,2,5", "3,4,5"], [None, None]),
    ],
)
def test_last_field_that_is_always_empty_is_ignored(tmp_path, header, rows, profit):
    frame, facts = as_read(tmp_path, "\n".join([header, *rows, ""]))
    assert frame["profit"].to_list() == profit
    assert frame["problem"].to_list() == [None if value else WRONG_WIDTH for value in profit]
    assert frame["line"].to_list() == list(range(2, len(rows) + 2))
    assert set(facts.extra_columns) <= {"", "Город"}


@pytest.mark.parametrize(
    ("columns", "row"), [("id,Прибыль", "1,12,5"), ("Прибыль,id", "12,5,1"), ("Город,id,Прибыль", "Омск,1,12,5")]
)
@pytest.mark.parametrize(("tail", "end"), [(",", ""), (",", ","), (",,", "")])
def test_fraction_behind_a_comma_is_no_column_without_a_name(tmp_path, columns, row, tail, end):
    with pytest.raises(BadInputError, match=r"line 2, .*they may be another column, or the fraction of a number"):
        as_read(tmp_path, f"{columns}{tail}\n{row}{end}\n{row}{end}\n")
    late = "".join(f"{i},{i},\n" for i in range(1000)) + "5000,12,5\n"
    frame, _ = as_read(tmp_path, f"id,Прибыль,\n{late}")
    assert frame.filter(frame["problem"].is_not_null()).select("line", "excerpt").rows() == [(1002, "5000,12,5")]


@pytest.mark.parametrize("rows", ['1,"12,5",7', "1,12,x", "1,12,"])
def test_column_without_a_name_that_holds_no_fractions_is_ignored(tmp_path, rows):
    frame, _ = as_read(tmp_path, f"id,Прибыль,\n{rows}\n")
    assert frame["profit"].to_list() == [rows.split(",", 1)[1].rsplit(",", 1)[0].strip('"')]


def test_empty_last_fields_of_a_long_file_are_looked_at_one_by_one(tmp_path):
    lines = [f"{i};{i};" for i in range(30_000)]
    lines[20_000] = "20000;2;5"
    frame, facts = as_read(tmp_path, "\n".join(["id;Прибыль", *lines, ""]))
    assert frame.filter(frame["problem"].is_not_null()).select("line", "excerpt").rows() == [(20_002, "20000;2;5")]
    assert facts.header == ("id", "Прибыль", "")


@pytest.mark.parametrize("header", ['"id";"При\u00adбыль"', "ID;прибыль", "id\u00a0;Прибыль"])
def test_header_that_looks_the_same_is_accepted_or_refused_by_name(tmp_path, header):
    try:
        frame, facts = as_read(tmp_path, f"{header}\n1;2\n")
    except BadInputError as error:
        assert "Прибыль" in str(error)  # noqa: PT017 - either is right
        return
    assert frame["profit"].to_list() == ["2"]
    assert facts.header == (PROFIT["customer_id"].header, "Прибыль")


def test_header_over_two_lines_keeps_the_numbers_of_lines(tmp_path):
    frame, facts = as_read(tmp_path, 'id;"Го\nрод";Прибыль\n1;x;2\n3;"a\nb";4\n5;y;6\n')
    assert frame.select("line", "profit").rows() == [(3, "2"), (4, "4"), (6, "6")]
    assert facts.header_lines == 2


def test_message_names_the_line_of_the_header(tmp_path):
    with pytest.raises(BadInputError, match=r"line 3, column «Прибыль»"):
        as_read(tmp_path, "sep=;\n\nid;Прибиль\n1;2\n")


@pytest.mark.parametrize(
    ("header", "misspelt"),
    [
        ("id,Прибыль", {}),
        ("id,Пpибыль", {"Пpибыль": "Прибыль"}),  # Latin p
        ("ID,Прибыль", {"ID": "id"}),
        ("іd,ПРИБЫЛЬ", {"іd": "id", "ПРИБЫЛЬ": "Прибыль"}),  # Cyrillic і
        ("\u200bid,При\u00adбыль\u00a0", {"\u200bid": "id", "При\u00adбыль": "Прибыль"}),
    ],
)
def test_header_that_looks_right_is_right_and_recorded(write, tmp_path, header, misspelt):
    _, facts = read(write("money", f"{header}\n1,2.5\n"), "money", tmp_path)
    assert (facts.header, facts.misspelt_headers, facts.extra_columns) == (("id", "Прибыль"), misspelt, ())


@pytest.mark.parametrize(
    "change",
    [lambda h: h.replace(" ", "\u00a0"), lambda h: unicodedata.normalize("NFD", h), str.upper, lambda h: h.replace("о", "o")],
    ids=["U+00A0", "decomposed", "case", "Latin o"],
)
def test_header_of_many_words_is_recognised(write, tmp_path, change):
    rows = export_text()["market_file"].partition("\n")[2]
    frame, facts = read(write("market_file", f"{change(HEADERS['market_file'])}\n{rows}"), "market_file", tmp_path)
    assert facts.header == tuple(c.header for c in CUSTOMERS.columns)
    assert frame.select("customer_id", "activity").collect().rows()[0] == ("1", "Снизилась")


def test_header_that_still_differs_is_named_with_the_letter_and_its_place(write, tmp_path):
    path = write("money", "id,Пpибылъ\n1,2\n")
    with pytest.raises(BadInputError, match=r"In it, letter 7 is Cyrillic ъ \(U\+044A\), Cyrillic ь \(U\+044C\) was expected"):
        read(path, "money", tmp_path)


def test_two_headers_that_look_like_the_same_column_are_refused(write, tmp_path):
    with pytest.raises(BadInputError, match="appears twice"):
        read(write("money", "ID,Id,Прибыль\n1,2,3\n"), "money", tmp_path)


def test_column_beside_the_one_it_looks_like_is_an_extra_column(write, tmp_path):
    _, facts = read(write("money", "id,Прибыль,ПРИБЫЛЬ\n1,2,3\n"), "money", tmp_path)
    assert (facts.header, facts.extra_columns) == (("id", "Прибыль", "ПРИБЫЛЬ"), ("ПРИБЫЛЬ",))


def test_number_with_a_mark_is_no_fraction_of_the_one_before_it(tmp_path):
    frame, _ = as_read(tmp_path, 'id,Прибыль,\n1,2,"1,5"\n3,4,7.5\n')
    assert frame["profit"].to_list() == ["2", "4"]
