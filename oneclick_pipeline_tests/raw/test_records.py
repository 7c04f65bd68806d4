"""Records over several lines; a quote that is not closed does not take in the rows after it."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.raw import lines as scanning
from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.raw.lines import MAX_LINE_BYTES, Shape
from oneclick_pipeline.raw.records import ENCLOSED, LINE_BREAK, NOT_CLOSED, TOO_LONG, blocks, records

SHAPE = Shape(";", 3, 0)


def split(content, shape=SHAPE):
    found = records(blocks(io.BytesIO(content.encode()), 2), shape.delimiter, shape)
    return [(line, problem or fields) for line, _, _, fields, problem in found]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('1;"a;b";3\n2;"say ""no""";4\n', [(2, ["1", "a;b", "3"]), (3, ["2", 'say "no"', "4"])]),
        ('1;"a\nb\r\nc";3\n2;x;4\n', [(2, ["1", f"a{LINE_BREAK}b{LINE_BREAK}c", "3"]), (5, ["2", "x", "4"])]),
        ('1;"a;3\n2;x;4\n3;y;5\n', [(2, NOT_CLOSED), (3, ["2", "x", "4"]), (4, ["3", "y", "5"])]),
        ('"1";"a;"3"\n"2";"x";"4"\n', [(2, NOT_CLOSED), (3, ["2", "x", "4"])]),
        ('1;"a;3\n2;"x";4\n', [(2, NOT_CLOSED), (3, ["2", "x", "4"])]),
        ('1;"a\n2;5;6\nb";3\n7;8;9\n', [(2, NOT_CLOSED), (3, ENCLOSED), (4, ENCLOSED), (5, ["7", "8", "9"])]),
        ('1;"a\n2;5;6\nb"\n7;8;9\n', [(2, NOT_CLOSED), (3, ["2", "5", "6"]), (4, ['b"']), (5, ["7", "8", "9"])]),
        ('1;"Tv;5\n9;32";7\n', [(2, NOT_CLOSED), (3, ENCLOSED)]),
        ('1;32";3\n2;x;4\n', [(2, ["1", '32"', "3"]), (3, ["2", "x", "4"])]),
        ('\n1;2;3\n;;\n""\n', [(2, []), (3, ["1", "2", "3"]), (4, ["", "", ""]), (5, [""])]),
        ("1;2;3\r\r\n4;5;6\r\r\n", [(2, ["1", "2", "3"]), (3, ["4", "5", "6"])]),
        ('1;2;"3', [(2, NOT_CLOSED)]),
    ],
)
def test_records(content, expected):
    assert split(content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('"a\nb";1,5;700\n', [(2, [f"a{LINE_BREAK}b", "1,5", "700"])]),
        ('"a\n1;2;3\nb";1,5;700\n', [(2, NOT_CLOSED), (3, ENCLOSED), (4, ENCLOSED)]),
        ('5;"Tv;1\n9;32";2\n', [(2, NOT_CLOSED), (3, ENCLOSED)]),  # the profit of customer 1 or of customer 2?
    ],
)
def test_record_whose_id_comes_last(content, expected):
    assert split(content, Shape(";", 3, 2)) == expected


def test_quote_that_is_never_closed_costs_one_line_however_long_the_file():
    rows = [f"{i};x;{i}" for i in range(20_000)]
    found = split('0;"open;1\n' + "\n".join(rows) + "\n")
    assert found[0] == (2, NOT_CLOSED)
    assert [fields for _, fields in found[1:]] == [row.split(";") for row in rows]


def test_line_that_is_too_long_ends_a_record_and_is_none():
    long = "9" * (MAX_LINE_BYTES + 1)
    assert split(f'1;"a\n{long}\n2;x;4\n') == [(2, NOT_CLOSED), (3, TOO_LONG), (4, ["2", "x", "4"])]
    assert split(f"{long * 10}\n2;x;4\n{long}") == [(2, TOO_LONG), (3, ["2", "x", "4"]), (4, TOO_LONG)]


cells = st.text(st.sampled_from('a1;"\n ,я'), max_size=6)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 99), cells, cells), min_size=1, max_size=20),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([16, 1 << 18]),
)
def test_what_a_writer_of_csv_writes_is_read_back_or_rejected(rows, quoting, end, chunk):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=";", quoting=quoting, lineterminator=end).writerows(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "_CHUNK", chunk)
        found = split(out.getvalue())
    if not any(problem in (NOT_CLOSED, ENCLOSED) for _, problem in found if isinstance(problem, str)):
        assert [fields for _, fields in found] == [[str(i), *(c.replace("\n", LINE_BREAK) for c in cells)] for i, *cells in rows]
    read = [fields for _, fields in found if isinstance(fields, list) and len(fields) == 3]
    written = [[str(i), *(c.replace("\n", LINE_BREAK) for c in cells)] for i, *cells in rows]
    assert all(fields in written for fields in read)


@pytest.mark.parametrize("ids", [("1", "2"), ("1000.0", "2000.0"), ("700\u00a0001", "700\u00a0002"), (" 1 ", " 2 ")])
def test_row_that_two_stray_quotes_enclose_is_not_swallowed(tmp_path, ids):
    path = tmp_path / "money.csv"
    path.write_text(f'id;Город;Прибыль\n{ids[0]};"a;5\n{ids[1]};b";6\n', encoding="utf-8")
    assert open_export(path, "money", tmp_path).lines().collect()["problem"].null_count() == 0


def test_row_with_two_fields_of_two_lines_is_one_row():
    content = '"first\nsecond";1;x;"first\nsecond"\n'
    assert split(content, Shape(";", 4, 1)) == [(2, [f"first{LINE_BREAK}second", "1", "x", f"first{LINE_BREAK}second"])]
