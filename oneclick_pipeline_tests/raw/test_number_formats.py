from __future__ import annotations

import pytest

from oneclick_pipeline.raw.number_formats import Ambiguity, NumberFormat, Shape, decide


def shapes(texts):
    """The shapes of texts, `texts` being them or how often each is there; the header is line 1."""
    counts = texts if isinstance(texts, dict) else dict.fromkeys(texts.split("|"), 1)
    found, line = [], 2
    for text, values in counts.items():
        long = text if len(text) < 9 else text.replace("1234567", "9999")
        shape = "".join("9" if c.isdigit() else c for c in long)
        found.append(Shape(shape, text.startswith("0"), text.endswith("000"), values, line))
        line += values
    return found


@pytest.mark.parametrize(
    ("texts", "marks"),
    [
        ("5|940|4810", ("", "")),
        ("0.5|4810", (".", "")),
        ("0,5|4.5|4,25", (",", "")),
        ("4,810.5|940", (".", ",")),
        ("4.810,5|4.810", (",", ".")),
        ("1,234,567|4,810", ("", ",")),
        ("4 810|940", ("", " ")),
        ("4 810,00|5 230,00", (",", " ")),
        ("4'810.5", (".", "'")),
        ("4,810|1234,567", (",", "")),  # more than three digits before it
        ("4,810|0,810", (",", "")),
        ("4,810|5,2301", (",", "")),
        ("4.810e|5", (".", "")),
        (".5|5.", (".", "")),
        ("1 00|1,5,2|12,34.5|1.5", (".", "")),  # the first three are no numbers
        ({"3.5": 100, "3,5": 3}, (".", "")),  # a slip of the pen is rejected
        ({"3.5": 100, "5,230": 1}, (".", "")),
        ({"4,810": 500, "5,2": 20, "940": 100}, (",", "")),
        ({"4,810": 500, "5,2": 1}, (",", "")),  # no whole number: as many digits throughout
        ({"3.5": 1000, "4.810": 11, "1.234,5": 1}, (".", "")),
        ({"3.5": 1000, "4.810": 1, "3,5": 1}, (".", "")),
        ({"3975": 5, "4,810": 1}, ("", "")),
        ({"3 975": 5, "4,810": 1}, ("", " ")),
    ],
)
def test_column_shows_how_it_is_written(texts, marks):
    assert decide(shapes(texts), whole=False) == NumberFormat(*marks, final=True)


@pytest.mark.parametrize(
    ("texts", "line", "formats"),
    [
        ("940|4,810|5,230", 3, [(".", ","), (",", "")]),
        ("4.810", 2, [(",", "."), (".", "")]),
        ("3.5|3,5", 2, [(",", ""), (".", "")]),
        ({"3975": 1, "4,810": 2}, 3, [(".", ","), (",", "")]),  # no exception any more
        ({"940.5": 1, "4,810": 2}, 3, [(".", ","), (",", "")]),
        ({"3.5": 9, "3,5": 2, "4,810": 1}, 2, [(".", ""), (",", "")]),  # comparable, and read otherwise
        ({"4,810": 500, "5,2": 3, "940": 100}, 2, [(".", ","), (",", "")]),
        ({"3.5": 1000, "4.810": 10, "1.234,5": 1}, 2, [(".", ""), (",", ".")]),  # the rows of another branch
        ({"4,810": 5000, "5,2": 1}, 2, [(".", ","), (",", "")]),  # which may be a slip of the pen
    ],
)
def test_column_with_two_readings_is_ambiguous(texts, line, formats):
    assert decide(shapes(texts), whole=False) == Ambiguity(line, tuple(NumberFormat(*marks, final=True) for marks in formats))


@pytest.mark.parametrize(
    ("texts", "marks"),
    [
        ("1,000|1,064|980", ("", ",")),  # 1.064 is no whole number
        ("1.000|1.064", ("", ".")),
        ("1000.0|980.0", (".", "")),
        ("1.000|1064.000", (".", "")),
        ({"1064": 3, "1,000": 1}, ("", "")),
        ("700 000|700 001", ("", " ")),
    ],
)
def test_column_of_whole_numbers_shows_how_it_is_written(texts, marks):
    assert decide(shapes(texts), whole=True) == NumberFormat(*marks, final=True)


@pytest.mark.parametrize("texts", ["1,000|980", "700.000", "1.064|1.0"])
def test_column_of_whole_numbers_with_two_readings_is_ambiguous(texts):
    assert isinstance(decide(shapes(texts), whole=True), Ambiguity)
