"""A file of outcomes from elsewhere: whatever its format, the same campaign is read, or it is said why none can be."""

import pytest

from oneclick_pipeline.campaigns import outcomes_csv
from oneclick_pipeline.errors import BadInputError

from .conftest import GOOD


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "mixed"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_of_the_formats_reads_the_same(write, delimiter, encoding, ends):
    text = f"customer_id,offer_id,Выручка,Выручка_before{ends}1,control,1.5,{ends}2,Control,-2,3{ends}3,скидка,1e2,4{ends}"
    text = text.replace(",", delimiter)
    text = text.replace(".", ",") if delimiter != "," else text
    mixed = encoding == "mixed"  # UTF-8 that was decoded as cp1251 and encoded again
    found = outcomes_csv.read(write(text.encode().decode("cp1251").encode() if mixed else text.encode(encoding)))
    assert found.table["customer_id"].tolist() == [1, 2, 3]
    assert found.table["offer_id"].tolist() == ["control", "control", "скидка"]
    assert found.table["Выручка"].tolist() == [1.5, -2.0, 100.0]
    assert found.table["Выручка_before"].fillna(0).tolist() == [0.0, 3.0, 4.0]
    assert (found.outcomes, found.rejected, found.ignored) == (("Выручка",), (), {})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ("customer_id,offer_id,revenue\n", ["header but no rows"]),
        (GOOD.replace("offer_id", "offer"), ["line 1", "«offer_id»", "missing"]),
        (GOOD.replace("customer_id", "id"), ["line 1", "«customer_id»", "missing"]),
        ("customer_id,offer_id,x,x\n1,control,1,1\n", ["«x»", "twice"]),
        ("customer_id,offer_id,x_before\n1,control,1\n", ["«x_before»", "no outcome «x»"]),
        ("customer_id,offer_id\n1,control\n2,a\n", ["no outcome", "numeric column"]),
        ("customer_id,offer_id,x\n1,control,a\n2,b,c\n", ["no outcome", "numeric column"]),
        ("customer_id,offer_id,x\n1,control,a\n2,b,c\n", ["«x» holds 'a'"]),
        (
            "customer_id,offer_id,x\n1,control,0,5\n2,b,1,5\n",
            ["line 2, value '1,control,0,5'", "none of the 2", "different number"],
        ),
        (GOOD.replace("control", "none"), ["no control", "`control`", "2 rows name no offer, the first (line 2) has 'none'"]),
        (GOOD.replace("voucher", "NULL"), ["only controls", "2 rows name no offer, the first (line 4) has 'NULL'"]),
        (GOOD.replace("voucher", "control"), ["only controls"]),
        ("customer_id,offer_id,x\n1,control,1\n1,a,2\n", ["none of the 2 rows", "several lines"]),
    ],
)
def test_files_that_cannot_be_used_say_why(write, content, words):
    path = write(content)
    with pytest.raises(BadInputError) as error:
        outcomes_csv.read(path)
    assert all(word in str(error.value) for word in [*words, str(path)])
    assert error.value.remedy


def test_missing_file_says_so(tmp_path):
    with pytest.raises(BadInputError, match="missing"):
        outcomes_csv.read(tmp_path / "no.csv")


def test_columns_that_are_not_used_are_named(write):
    text = "customer_id,offer_id,city,x,empty,empty_before,\n1,control,Томск,1,,2,\n2,a,Омск,2,,3,7\n"
    found = outcomes_csv.read(write(text))
    assert found.outcomes == ("x",)
    assert set(found.ignored) == {"city", "empty", "empty_before", "(no header)"}


def test_fields_behind_the_last_column_that_are_always_empty_are_no_column(write):
    found = outcomes_csv.read(write("customer_id;offer_id;x\n1;control;1;\n2;a;2;\n"))
    assert (found.table["x"].tolist(), found.ignored, found.rejected) == ([1, 2], {}, ())


def test_what_is_read_in_another_spelling_and_what_is_no_row_is_kept(write):
    text = "Customer_ID,оffer_id,Spend,spend_bеfore\n1,control,1,2\n2,соntrol,3,5\n3,mail,4,6\n4,mail,4,5\n"
    text += "5,Mail,4,7\nTotal,,16,25\n"
    found = outcomes_csv.read(write(text))
    assert found.table["offer_id"].tolist() == ["control", "control", "mail", "mail", "mail"]
    assert found.outcomes == ("Spend",)
    assert found.table["Spend_before"].tolist() == [2, 5, 6, 5, 7]
    assert found.corrected == {
        "Customer_ID": "customer_id",
        "оffer_id": "offer_id",
        "spend_bеfore": "Spend_before",
        "соntrol": "control",
        "Mail": "mail",
    }
    assert found.set_aside == {"totals rows": 1}


def test_numbers_that_only_the_slow_parser_knows_are_read_beside_plain_ones(write):
    rows = [f"{i},{'mail' if i % 2 else 'control'},{i}.5,{i}" for i in range(10)]
    text = "\n".join(
        ["customer_id,offer_id,x,y", *rows, "+10,mail,(3.5),−7", "11.0,mail,$4,5 ₽", "12,control,inf,1", "13,mail,1,nan"]
    )
    found = outcomes_csv.read(write(text + "\n"))
    assert found.table["customer_id"].tolist() == [*range(10), 10, 11]
    assert found.table["x"].tolist() == [*(i + 0.5 for i in range(10)), -3.5, 4]
    assert found.table["y"].tolist() == [*range(10), -7, 5]
    assert [(row.column, row.value) for row in found.rejected] == [("x", "inf"), ("y", "nan")]
