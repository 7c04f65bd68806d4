"""Columns of a file of outcomes: yes and no are 1 and 0 where they can be nothing else."""

import pytest

from oneclick_pipeline.campaigns.outcomes_csv import read
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.formats import ColumnFormat, FileFormat


def campaign(write, *values):
    """A file with these outcomes, in turn of the two arms."""
    rows = [f"{i},{'mail' if i % 2 else 'control'},{value}" for i, value in enumerate(values)]
    return read(write("\n".join(["customer_id,offer_id,x", *rows]) + "\n"))


@pytest.mark.parametrize("yes", ["TRUE", "True", "true", "yes", "Yes", "YES", "да", "Да", "ДА", "ИСТИНА"])
@pytest.mark.parametrize("no", ["FALSE", "False", "no", "No", "нет", "Нет", "ЛОЖЬ"])
def test_yes_and_no_are_1_and_0(write, yes, no):
    found = campaign(write, yes, no, no, yes, "1", "0", "1.0")
    assert found.table["x"].tolist() == [1, 0, 0, 1, 1, 0, 1]
    assert (found.rejected, found.binary) == ((), ("x",))


@pytest.mark.parametrize("no", ["нeт", "HET", "н\u00adет"])  # Latin e; all Latin; a soft hyphen
def test_words_are_what_a_reader_sees(write, no):
    found = campaign(write, "да", no, "дa", "нет")
    assert found.table["x"].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("header", ["x", "declined"])
def test_values_that_are_neither_are_rejected_by_name(write, header):
    text = (
        f"customer_id,offer_id,{header}\n1,control,yes\n2,mail,no\n3,mail,2\n4,mail,maybe\n5,control,0\n6,mail,0,5\n7,mail,NO\n"
    )
    found = read(write(text.replace("0,5", '"0,5"')))
    assert found.table[header].tolist() == [1, 0, 0, 0]
    assert [(row.line, row.column, row.value) for row in found.rejected] == [
        (4, header, "2"),
        (5, header, "maybe"),
        (7, header, "0,5"),
    ]
    assert "neither 1 nor 0" in found.message(found.rejected[0])


def test_a_word_among_numbers_is_rejected_by_name(write):
    found = campaign(write, "100", "0", "1", "yes", "37", "no", "12")
    assert found.table["x"].tolist() == [100, 0, 1, 37, 12]
    assert [(row.value, row.problem) for row in found.rejected] == [("yes", "is not a number"), ("no", "is not a number")]
    assert not found.binary


@pytest.mark.parametrize(("values", "expected"), [(["Y", "n", "y"], [1, 0, 1]), (["t", "f", "f"], [1, 0, 0])])
def test_letters_count_where_both_are_there(write, values, expected):
    assert campaign(write, *values).table["x"].tolist() == expected


def test_one_letter_alone_may_be_a_code_of_anything(write):
    found = campaign(write, "1", "0", "n", "1")
    assert [(row.value, row.problem) for row in found.rejected] == [("n", "is not a number")]


def test_text_with_a_word_in_it_is_text(write):
    found = read(write("customer_id,offer_id,x,y\n1,control,1,Томск\n2,mail,2,да\n3,mail,3,Омск\n"))
    assert found.ignored == {"y": "the column holds text, not numbers"}


def test_what_was_before_may_be_yes_and_no(write):
    found = read(write("customer_id,offer_id,x,x_before\n1,control,1,да\n2,mail,2,нет\n3,mail,3,\n"))
    assert found.table["x_before"].fillna(-1).tolist() == [1, 0, -1]


def test_shares_are_what_can_only_be_0_or_1(write):
    found = read(write("customer_id,offer_id,a,b,c,declined\n1,control,0,0,0,0\n2,mail,1,0,2,0\n"))
    assert found.binary == ("a", "declined")


def read_as(write, header, *values, written=None):
    """A column of a file as it was read: the numbers, and the texts of the rejected rows."""
    ids = [str(i) for i in range(len(values))] if header == "x" else values
    outcomes = values if header == "x" else ["1"] * len(values)
    rows = [f"{one};{'mail' if i % 2 else 'control'};{x}" for i, (one, x) in enumerate(zip(ids, outcomes, strict=True))]
    found = read(write("\n".join(["customer_id;offer_id;x", *rows]) + "\n"), written=written)
    return found.table[header].tolist(), [row.value for row in found.rejected]


@pytest.mark.parametrize(
    ("values", "expected", "rejected"),
    [
        (["4,810.50", "2,500", "7"], [4810.5, 2500, 7], []),
        (["4 810,50", "2\u202f500 ₽", "1\u00a0234"], [4810.5, 2500, 1234], []),
        (["1'250.5", "−3", "(0.5)", "$4", "3-"], [1250.5, -3, -0.5, 4, -3], []),
        (["0,5", "2,25", "5,230"], [0.5, 2.25, 5.23], []),
        (["4810.50", "3000", "12", "5,230"], [4810.5, 3000, 12], ["5,230"]),
    ],
)
def test_numbers_are_read_as_those_of_the_exports(write, values, expected, rejected):
    assert read_as(write, "x", *values) == (expected, rejected)


@pytest.mark.parametrize(
    ("values", "expected", "rejected"),
    [
        (["1000.0", "1001.0", "1001.5", "1e5"], [1000, 1001], ["1001.5", "1e5"]),
        (["1,000", "1,064"], [1000, 1064], []),
        (["1000", "1064", "1,000", "7"], [1000, 1064, 7], ["1,000"]),
        (["1", "+2", "-3"], [1, 2], ["-3"]),
    ],
)
def test_customer_numbers_never_lose_digits(write, values, expected, rejected):
    assert read_as(write, "customer_id", *values) == (expected, rejected)


@pytest.mark.parametrize("header", ["customer_id", "x"])
def test_column_with_two_readings_stops_the_import_and_names_both(write, header):
    with pytest.raises(BadInputError) as error:
        read_as(write, header, "1", "2", "1,000", "3,000")
    message = str(error.value)
    assert "line 4" in message
    assert f"«{header}»" in message
    assert "1000 or 1" in message
    for marks in ('{decimal: ".", grouping: ","}', '{decimal: ",", grouping: ""}'):
        assert f'formats: {{campaign: {{columns: {{"{header}": {marks}}}}}}}' in message


@pytest.mark.parametrize(("marks", "expected"), [((".", ","), [1, 1000, 3000]), ((",", ""), [1, 1, 3])])
def test_settings_say_which_reading_is_meant(write, marks, expected):
    written = FileFormat(columns={"x": ColumnFormat(decimal=marks[0], grouping=marks[1])})
    assert read_as(write, "x", "1", "1,000", "3,000", written=written) == (expected, [])
