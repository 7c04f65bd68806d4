from __future__ import annotations

import unicodedata

import pytest

from oneclick_pipeline.contracts.exports import CUSTOMERS
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import read
from oneclick_pipeline_tests.conftest import HEADERS, export_text


@pytest.fixture
def write(tmp_path):
    def run(file, text):
        path = tmp_path / f"{file}.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return run


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
