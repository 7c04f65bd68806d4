"""Where the header is, what it says, and how many fields its rows have."""

import pytest

from oneclick_pipeline.contracts.exports import PROFIT
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.raw.splitting import WRONG_WIDTH


def as_read(tmp_path, text, **known):
    path = tmp_path / "money.csv"
    path.write_bytes(text.encode())
    export = open_export(path, "money", tmp_path, **known)
    return export.lines().sort("line").collect(), export.facts


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
