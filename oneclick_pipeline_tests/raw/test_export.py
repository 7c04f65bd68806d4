from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tracemalloc

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oneclick_pipeline.contracts.exports import PROFIT
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import export as stage
from oneclick_pipeline.raw import lines as scanning
from oneclick_pipeline.raw.facts import FileFacts, inspect
from oneclick_pipeline.raw.lines import MAX_LINE_BYTES
from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.raw.records import NOT_CLOSED, TOO_LONG
from oneclick_pipeline.raw.splitting import WRONG_WIDTH, split
from oneclick_pipeline_tests.conftest import export_text, market_row

TEXT = export_text()


def test_markers_of_missing_values_are_counted(tmp_path):
    path = tmp_path / "money.csv"
    path.write_text("id;Прибыль\n1;-\n2; NULL \n3;2,5\n4;-\n", encoding="utf-8")
    facts = stage.open_export(path, "money", tmp_path).facts
    assert facts.first_markers == {"Прибыль: -": 2, "Прибыль: NULL": 1}
    assert FileFacts.from_json(facts.to_json()) == facts


def read(tmp_path, content, file="market_money"):
    path = tmp_path / f"{file}.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    frame, facts = stage.read(path, file, tmp_path)
    return frame.sort("line").collect().to_native(), facts


def mixed(text):
    """Text as a program writes it that takes UTF-8 for cp1251."""
    return "".join(chr(b) if b == 0x98 else bytes([b]).decode("cp1251") for b in text.encode()).encode()


def test_read_plain_file_gives_lines_as_text(tmp_path):
    frame, facts = read(tmp_path, TEXT["money"], "money")
    assert frame.rows() == [
        (2, "1", "1,25", None, None),
        (3, "2", "2,25", None, None),
        (4, "3", "3,25", None, None),
        (5, "4", "4,25", None, None),
    ]
    assert (facts.encoding, facts.delimiter, facts.line_end, facts.rewritten) == ("utf-8", ";", "LF", False)
    assert facts.formats == {"customer_id": NumberFormat(final=True), "profit": NumberFormat(",", final=True)}
    assert facts.sha256 == hashlib.sha256(TEXT["money"].encode()).hexdigest()


@pytest.mark.parametrize("file", list(TEXT))
@pytest.mark.parametrize(
    ("encode", "encoding"),
    [
        (str.encode, "utf-8"),
        (lambda t: b"\xef\xbb\xbf" + t.encode(), "utf-8"),
        (lambda t: t.encode("cp1251"), "cp1251"),
        (mixed, "utf-8 read as cp1251"),
    ],
    ids=["utf-8", "bom", "cp1251", "mixed"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_read_is_the_same_in_every_encoding_and_line_end(tmp_path, file, encode, encoding, end):
    plain, _ = read(tmp_path, TEXT[file], file)
    frame, facts = read(tmp_path, encode(TEXT[file].replace("\n", end)), file)
    assert frame.equals(plain)
    assert facts.encoding == encoding
    assert facts.line_end == {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}[end]


def test_read_capital_i_survives_the_mixed_encoding(tmp_path):
    row = market_row(1, favourite_category="Игрушки")
    header = TEXT["market_file"].split("\n", 1)[0]
    frame, _ = read(tmp_path, mixed(f"{header}\n{row}\n"), "market_file")
    assert frame["favourite_category"].to_list() == ["Игрушки"]


def test_read_columns_in_any_order_and_extra_ones_named(tmp_path):
    frame, facts = read(tmp_path, "Город,Прибыль,id\nОмск,5.5,7\n", "money")
    assert frame.select("customer_id", "profit").rows() == [("7", "5.5")]
    assert facts.extra_columns == ("Город",)


def test_read_blank_lines_between_tabs_are_no_rows(tmp_path):
    frame, _ = read(tmp_path, "id\tПрибыль\n1\t2\n\t\n3\t4\n", "money")
    assert frame["line"].to_list() == [2, 4]


def test_read_quoted_decimal_comma(tmp_path):
    frame, _ = read(tmp_path, 'id,Прибыль\n1,"0,98"\n2,"1,5"\n', "money")
    assert frame["profit"].to_list() == ["0,98", "1,5"]


def test_read_blank_lines_are_no_rows_but_count_as_lines(tmp_path):
    frame, _ = read(tmp_path, "id;Прибыль\n1;2\n\n   \n3;4\n\n", "money")
    assert frame["line"].to_list() == [2, 5]


@pytest.mark.parametrize(
    ("line", "problem"),
    [('2;"3', NOT_CLOSED), ("2;3;4", WRONG_WIDTH), ("2", WRONG_WIDTH), ("2;" + "9" * MAX_LINE_BYTES, TOO_LONG)],
    ids=["quote", "wide", "narrow", "long"],
)
def test_read_line_that_cannot_be_split_is_kept_with_its_problem(tmp_path, line, problem):
    frame, _ = read(tmp_path, f"id;Прибыль\n1;2\n{line}\n3;4\n", "money")
    assert frame["line"].to_list() == [2, 3, 4]
    assert frame["problem"].to_list() == [None, problem, None]
    assert frame["excerpt"].to_list()[1] == line[:200]
    assert frame["profit"].to_list() == ["2", None, "4"]


@pytest.mark.parametrize("most", [0, 10])
def test_read_line_of_another_width_is_kept_as_it_came(tmp_path, monkeypatch, most):
    monkeypatch.setattr(scanning, "MAX_ODD_LINES", most)
    frame, facts = read(tmp_path, 'id;Прибыль\n"1";2\n4;4,25;9\n', "money")
    assert facts.rewritten == (most == 0)
    assert frame.select("customer_id", "problem", "excerpt").rows() == [("1", None, None), (None, WRONG_WIDTH, "4;4,25;9")]


def test_read_200_mb_line_is_one_problem_and_the_rest_survives(tmp_path):
    path = tmp_path / "money.csv"
    with path.open("wb") as file:
        file.write("id;Прибыль\n1;2\n".encode())
        for _ in range(200):
            file.write(b"7" * (1 << 20))
        file.write(b"\n3;4\n")
    tracemalloc.start()
    frame, _ = stage.read(path, "money", tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert frame.collect()["problem"].to_list() == [None, TOO_LONG, None]
    assert peak < 100 << 20  # some chunks, never the line


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        ("id;Прибыль\n".encode(), "a header but no rows"),
        ("id;Прибыль\n\n  \n".encode(), "a header but no rows"),
        ("id;Прибиль\n1;2\n".encode(), "has «Прибиль» taken its place"),
        ("id;Прибыль;Прибыль\n1;2;3\n".encode(), "the column appears twice"),
        (bytes(range(256)) * 10, "not an export of the store"),
        (b"\x00\x01\x02\x03", "looks binary"),
        (b'"id;\n1;2\n', "not an export of the store"),
    ],
)
def test_read_unusable_file_is_refused(tmp_path, content, told):
    with pytest.raises(BadInputError, match=told) as error:
        read(tmp_path, content, "money")
    assert "money.csv" in str(error.value)
    assert "What to do:" in str(error.value)


def test_read_missing_file_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="the file is missing"):
        stage.read(tmp_path / "money.csv", "money", tmp_path)


def test_unchanged_tells_a_file_that_was_replaced(tmp_path):
    path = tmp_path / "money.csv"
    path.write_text("a")
    with pytest.raises(BadInputError, match="changed while it was read"), stage.unchanged(path):
        path.write_text("bb")
    with stage.unchanged(path):
        path.read_text()


def rows_expected(content, line_end):
    """Lines after the header that hold more than blanks, by the definition of a line."""
    end = b"\r" if line_end == "CR" else b"\n"
    lines = content.removeprefix(b"\xef\xbb\xbf").split(end)[1:]
    return sum(bool(line.decode("utf-8", errors="replace").strip()) for line in lines)


@given(content=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_read_random_bytes_end_in_a_clear_error(tmp_path, content):
    with pytest.raises(BadInputError) as error:
        read(tmp_path, content, "money")
    assert "money.csv" in str(error.value)


@given(
    file=st.sampled_from(["market_file", "market_money", "money"]),
    position=st.floats(0, 1),
    inserted=st.binary(max_size=6),
    deleted=st.integers(0, 6),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=120)
def test_read_mutated_file_keeps_every_line_or_refuses(tmp_path, file, position, inserted, deleted):
    good = TEXT[file].encode()
    at = int(position * len(good))
    content = good[:at] + inserted + good[at + deleted :]
    try:
        frame, facts = read(tmp_path, content, file)
    except BadInputError as error:
        assert f"{file}.csv" in str(error)  # noqa: PT017 # either outcome is right; an error must say where
        return
    if facts.encoding == "utf-8":
        assert len(frame) == rows_expected(content, facts.line_end)
    assert frame["line"].is_unique().all()


ODD = ["2;3;4", "2", "", "   ", '"2";3', '2;"3', '"2;3"', "2;\x1f3", "2;a\rb", "2;\u20093", ";", "2;" + "9" * MAX_LINE_BYTES]


@given(
    lines=st.lists(st.sampled_from([*ODD, *["1;2,5"] * 12]).map(str.encode) | st.just(b"1;\xd0"), min_size=1, max_size=30),
    ends=st.lists(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n"]), min_size=30, max_size=30),
    last=st.booleans(),
    mark=st.booleans(),
    chunk=st.sampled_from([64, 1000, 1 << 18]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_read_plain_lines_where_they_lie_is_reading_all_by_hand(tmp_path, monkeypatch, lines, ends, last, mark, chunk):
    monkeypatch.setattr(scanning, "_CHUNK", chunk)
    ended = [line + end for line, end in zip(lines, ends, strict=False)]
    content = b"\xef\xbb\xbf" * mark + "id;Прибыль\n".encode() + b"".join(ended)
    content = content if last else content.rstrip(b"\r\n")
    path = tmp_path / "money.csv"
    path.write_bytes(content)
    try:
        export = stage.open_export(path, "money", tmp_path)
    except BadInputError as error:
        assert "a header but no rows" in str(error)  # noqa: PT017 # nothing but blank lines
        return
    seen = inspect(path, PROFIT, tmp_path)
    by_hand = split(dataclasses.replace(seen, odd=None), PROFIT, tmp_path)[0].with_columns(
        pl.col("profit").str.replace("\x1a", "\x1f")
    )
    whole = export.lines().with_columns(pl.col("profit").str.replace("\x1a", "\x1f")).sort("line").collect()
    assert whole.equals(by_hand.select(whole.columns).collect())
    assert export.facts.plain_rows + len(export.odd_rows.collect()) == len(whole)


def kept(tmp_path, content="id;Прибыль\n1;2\n3;4\n"):
    path = tmp_path / "money.csv"
    path.write_bytes(content.encode())
    return path, stage.open_export(path, "money", tmp_path)


def test_facts_survive_as_text(tmp_path):
    _, export = kept(tmp_path, "id;Прибыль;Город\n1;2;3\n4\n")
    assert FileFacts.from_json(export.facts.to_json()) == export.facts
    assert export.facts.not_plain == (3,)


def test_verify_takes_the_same_bytes_written_anew_and_nothing_else(tmp_path):
    path, export = kept(tmp_path)
    export.verify()
    os.utime(path, ns=(1, 1))
    export.verify()
    for content in ("id;Прибыль\n1;2\n3;5\n", "id;Прибыль\n1;2\n"):
        path.write_bytes(content.encode())
        os.utime(path, ns=(1, 1))
        with pytest.raises(BadInputError, match=r"not the one that was read.*materialize money again"):
            export.verify()
    path.unlink()
    with pytest.raises(BadInputError, match="the file is missing"):
        export.verify()


def test_verify_lets_go_of_a_file_that_was_rewritten(tmp_path):
    path = tmp_path / "money.csv"
    path.write_bytes("id;Прибыль\n1;2\n".encode("cp1251"))
    export = stage.open_export(path, "money", tmp_path)
    path.unlink()
    export.verify()
    assert len(export.lines().collect()) == 1


def test_facts_of_the_previous_version_are_still_read(tmp_path):
    _, facts = read(tmp_path, TEXT["money"], "money")
    assert FileFacts.from_json(facts.to_json()) == facts
    before = json.loads(facts.to_json()) | {"decimal_mark": ","}
    del before["formats"]
    assert FileFacts.from_json(json.dumps(before)) == dataclasses.replace(facts, formats={})


def test_what_is_known_of_a_file_is_not_detected(tmp_path):
    path = tmp_path / "money.csv"
    path.write_bytes("id;Прибыль\n1;4,810\n".encode())
    known = {"profit": NumberFormat(".", ",", final=True)}
    export = stage.open_export(path, "money", tmp_path, encoding="utf-8", delimiter=";", formats=known)
    assert export.facts.formats == known | {"customer_id": NumberFormat(final=True)}
    with pytest.raises(BadInputError, match=r"4810 or 4\.81"):
        stage.open_export(path, "money", tmp_path)
    with pytest.raises(BadInputError, match="none of its columns"):
        stage.open_export(path, "money", tmp_path, delimiter=",")


@pytest.mark.parametrize("most", [1, 3, 40, 200, 1000])
@pytest.mark.parametrize("town", ["Омск", "О" * 500])  # lines that say little of how long the others are
def test_first_lines_are_those_of_all(tmp_path, most, town):
    path = tmp_path / "money.csv"
    rows = [f"{i};{i / 7:.2f};{'' if i % 50 else town}" for i in range(1, 400)] + [f"{i};1.5;{town}" for i in range(400, 500)]
    rows[2], rows[30] = '3;"1,5";"a;b"', ""
    path.write_text("\n".join(["id;Прибыль;Город", *rows, ""]), encoding="utf-8")
    export = stage.open_export(path, "money", tmp_path)
    assert export.facts.plain_rows == 497
    assert export.first_lines(most).rows() == export.lines().head(most).collect().rows()
