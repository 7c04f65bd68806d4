"""The rules of a row of outcomes: every row is used or named, whatever it holds."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oneclick_pipeline.campaigns.outcomes_csv import read
from oneclick_pipeline.errors import BadInputError

from .conftest import GOOD


@pytest.mark.parametrize(
    ("line", "column", "problem"),
    [
        ("x,voucher,1,1,0", "customer_id", "not a customer number"),
        ("-9,voucher,1,1,0", "customer_id", "not a customer number"),
        (",voucher,1,1,0", "customer_id", "not a customer number"),
        ("1000.5,voucher,1,1,0", "customer_id", "not a customer number"),
        ("1e5,voucher,1,1,0", "customer_id", "not a customer number"),
        ("9,,1,1,0", "offer_id", "offer is missing"),
        (f"9,{'v' * 201},1,1,0", "offer_id", "too long"),
        ("9,voucher,,1,0", "revenue", "outcome is missing"),
        ("9,voucher,abc,1,0", "revenue", "not a number"),
        ("9,voucher,inf,1,0", "revenue", "not a number"),
        ("9,voucher,nan,1,0", "revenue", "the outcome is missing"),
        ("9,voucher,1e999,1,0", "revenue", "not a possible value"),
        ("9,voucher,1,-1e16,0", "revenue_before", "not a possible value"),
        ("9,voucher,1,??,0", "revenue_before", "not a number"),
        ("9,voucher,1,1,2", "declined", "neither 0 nor 1"),
        ("1,voucher,1,1,0", "customer_id", "several lines"),
        ("9,voucher,1,1", None, "a different number of fields"),
        ('9,"voucher,1,1,0', None, "quote is not closed"),
    ],
)
def test_bad_row_is_named_and_the_others_are_used(write, line, column, problem):
    good = ["customer_id,offer_id,revenue,revenue_before,declined", "1,control,1,1,0", "2,control,-2,,1", "3,voucher,3,1,0"]
    found = read(write("\n".join([*good, line]) + "\n"))
    bad = found.rejected[-1]
    assert (bad.line, bad.column) == (5, column)
    assert problem in found.message(bad)
    assert f"{found.file}, line 5" in found.message(bad)
    duplicates = int(line.startswith("1,"))  # both lines of such a customer
    assert found.table["customer_id"].tolist() == [1, 2, 3][duplicates:]
    assert len(found.rejected) == 1 + duplicates
    assert found.rows_read == len(found.table) + len(found.rejected) == 4


def test_names_of_the_machinery_may_be_outcomes(write):
    found = read(write("customer_id,offer_id,line,problem,excerpt,times,broken\n1,control,1,2,3,4,5\n2,a,6,7,8,9,10\n"))
    assert found.outcomes == ("line", "problem", "excerpt", "times", "broken")
    assert found.table.iloc[1, 2:].tolist() == [6, 7, 8, 9, 10]


def test_customer_numbers_with_a_fraction_of_zeros_are_whole(write):
    """pandas writes a column of whole numbers that has a gap so."""
    found = read(write("customer_id,offer_id,x\n1000.0,a,1\n2000.00,a,2\n1000,a,3\n70000000000000001.0,control,4\n"))
    assert found.table["customer_id"].tolist() == [2000, 70000000000000001]
    assert {(row.line, row.value) for row in found.rejected} == {(2, "1000.0"), (4, "1000")}  # one customer, on two lines


@pytest.mark.parametrize("marker", ["-", "NULL", "#Н/Д", "none"])
@pytest.mark.parametrize("place", range(3))
def test_missing_value_is_shown_as_it_was_written(write, marker, place):
    line = ["9", "voucher", "5"]
    line[place] = marker
    found = read(write(GOOD + ",".join(line) + "\n"))
    assert [(row.line, row.value) for row in found.rejected] == [(6, marker)]


def test_unknown_customers_are_left_out(write):
    found = read(write(GOOD), known=[1, 3, 4])
    assert [(row.line, row.column, row.value) for row in found.rejected] == [(3, "customer_id", "2")]


cell = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8) | st.sampled_from(
    ["1", "2", "3", "-4.5", "7,5", "control", "a", "", "inf", "1e400", '"', "٣", "1e5"]
)


@hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cell, min_size=2, max_size=4), max_size=8), st.sampled_from(",;\t|"))
def test_every_row_is_used_or_named_whatever_it_holds(write, rows, delimiter):
    good = [["901", "control", "1.5"], ["902", "a", "2"], ["903", "a", "3"], ["904", "control", "3"]]
    filler = [[str(910 + i), "a", "1"] for i in range(8)]  # most of the outcomes are numbers, so that the column is one
    lines = [delimiter.join(row) for row in [["customer_id", "offer_id", "x"], *good, *filler, *rows]]
    path = write("\n".join(lines) + "\n")
    try:
        found = read(path)
    except BadInputError:  # the numbers can be read in two ways
        with pytest.raises(BadInputError, match=r"line \d+, .*(can be read as|values of both kinds).*formats"):
            read(path)
        return
    written = sum(line.replace(delimiter, "").strip() != "" for line in lines[1:])  # lines of delimiters are no rows
    quotes = [i for i, line in enumerate(lines) if '"' in line]  # they may make one row of all lines between, or a blank one
    joined = quotes[-1] - quotes[0] + 1 if quotes else 0
    assert written - joined <= found.rows_read <= written
    assert found.rows_read == len(found.table) + len(found.rejected)
    assert not found.table["customer_id"].duplicated().any()
    assert np.isfinite(found.table["x"]).all()
    assert len({row.line for row in found.rejected}) == len(found.rejected)
    assert all(2 <= row.line <= len(lines) and row.problem and row.remedy for row in found.rejected)
