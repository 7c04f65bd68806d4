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
        (GOOD.replace("control", "none"), ["no control", "`control`"]),
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
    text = "customer_id,offer_id,city,x,empty,empty_before,\n1,control,Томск,1,,2,\n2,a,Омск,2,,3,\n"
    found = outcomes_csv.read(write(text))
    assert found.outcomes == ("x",)
    assert set(found.ignored) == {"city", "empty", "empty_before", "(no header)"}
