"""Every encoding gives the same text; sound UTF-8 is never repaired."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import Encoding
from oneclick_pipeline.raw.encoding import DOUBLE, decode, is_double
from oneclick_pipeline.raw.export import open_export, read
from oneclick_pipeline_tests.conftest import export_text

MARKS = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-32-le": b"\xff\xfe\0\0", "utf-32-be": b"\0\0\xfe\xff"}
TEXT = export_text()


def double(text, *, edited=False):
    """Text as a program writes it that takes UTF-8 for cp1251; an editor may have made spaces of U+00A0."""
    taken = "".join(chr(b) if b == 0x98 else bytes([b]).decode("cp1251") for b in text.encode())
    return (taken.replace("\xa0", " ") if edited else taken).encode()


def encoded(text, encoding, *, edited=False):
    return double(text, edited=edited) if encoding == DOUBLE else MARKS.get(encoding, b"") + text.encode(encoding)


def as_read(tmp_path, content, file, **known):
    path = tmp_path / f"{file}.csv"
    path.write_bytes(content)
    export = open_export(path, file, tmp_path, **known)
    return export.lines().sort("line").collect(), export.facts


@pytest.mark.parametrize("file", list(TEXT))
@pytest.mark.parametrize("encoding", get_args(Encoding))
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_every_encoding_and_line_end_gives_the_same(tmp_path, file, encoding, end):
    plain, _ = as_read(tmp_path, TEXT[file].encode(), file)
    frame, facts = as_read(tmp_path, encoded(TEXT[file].replace("\n", end), encoding, edited=True), file)
    assert frame.equals(plain)
    assert facts.encoding == encoding
    assert facts.line_end == {"\n": "LF", "\r\n": "CRLF", "\r": "CR"}[end]
    assert facts.byte_order_mark == (encoding in MARKS)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read_by_the_known_header(tmp_path, encoding):
    frame, facts = as_read(tmp_path, TEXT["money"].encode(encoding), "money")
    assert len(frame) == 4
    assert facts.encoding == encoding


@given(text=st.text(st.characters(max_codepoint=0x4FF, exclude_characters="\r\n\x98") | st.just("Р"), min_size=1))
def test_double_encoding_is_undone_also_where_an_editor_made_spaces(text):
    assert decode(double(text), DOUBLE) == text
    if "\xa0" not in text:
        kept = double(text, edited=True)
        assert decode(kept, DOUBLE) == text or "\xa0" in double(text).decode()


def test_double_encoding_is_undone_for_every_letter_before_every_letter():
    letters = "АРЯИабярё №"
    for text in (a + b + c for a in letters for b in letters for c in letters):
        if not text.endswith(" "):
            assert decode(double(f"x{text};1", edited=True), DOUBLE) == f"x{text};1"


@pytest.mark.parametrize("text", ["Р 1", "Р", "В Р", "Период", "№ 5; Р°", "да", "С«А»", "Игорь Р", "Р 1\nР 2"])
def test_sound_text_is_not_taken_for_double_encoding(text):
    assert not is_double(text)


def test_line_that_is_sound_inside_a_double_encoded_file_stays(tmp_path):
    frame, _ = as_read(tmp_path, double("id;Прибыль\n1;2\n") + "2;Р да\n".encode(), "money")
    assert frame["profit"].to_list() == ["2", "Р да"]


@pytest.mark.parametrize("encoding", get_args(Encoding))
def test_line_end_in_a_cell_of_an_old_mac_does_not_spoil_its_row(tmp_path, encoding):
    text = 'id;Прибыль;Город\r1;2;"Омск\nРязань"\r3;да;x\r'
    frame, _ = as_read(tmp_path, encoded(text, encoding), "money")
    assert frame.select("line", "profit").rows() == [(2, "2"), (3, "да")]


def test_encoding_that_is_given_is_used_unless_the_mark_says_otherwise(tmp_path):
    text = "id;Прибыль\n1;2\n"
    _, facts = as_read(tmp_path, text.encode("cp866"), "money", encoding="cp866", delimiter=";")
    assert facts.encoding == "cp866"
    with pytest.raises(BadInputError, match="the column is missing"):
        as_read(tmp_path, text.encode("cp866"), "money", encoding="cp1251")
    with pytest.raises(BadInputError, match="byte order mark of the file says utf-16-le, the settings say cp1251"):
        as_read(tmp_path, encoded(text, "utf-16-le"), "money", encoding="cp1251")


def test_bytes_that_do_not_belong_spoil_their_own_cell_only(tmp_path):
    path = tmp_path / "money.csv"
    path.write_bytes(
        "id;Прибыль\n1;2\n".encode("utf-16") + "2;".encode("utf-16-le") + b"\x00\xd8" + "3\n4;5\n".encode("utf-16-le")
    )
    frame, _ = read(path, "money", tmp_path)
    assert [row[0] for row in frame.sort("line").collect().select("customer_id").rows()] == ["1", "2", "4"]


@pytest.mark.parametrize("foreign", ["🏠", "\u2028", "\ufffd", "−"])
def test_character_that_cp1251_lacks_spoils_no_other_cell_of_its_line(foreign):
    assert (
        decode(f"{'да'.encode().decode('cp1251')};{foreign};{'нет'.encode().decode('cp1251')}".encode(), DOUBLE)
        == f"да;{foreign};нет"
    )
