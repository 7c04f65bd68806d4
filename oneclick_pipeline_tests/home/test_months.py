import datetime as dt
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month, is_month, is_over
from oneclick_pipeline.home.paths import raw_file, table_file

HOME = Path("/home")


@pytest.mark.parametrize("month", ["2026-10", "0001-01", "1999-12"])
def test_check_month_returns_a_month(month):
    assert check_month(month) == month


@pytest.mark.parametrize(
    "month",
    [
        "", "2026", "2026-1", "2026-13", "2026-00", "26-10", "2026-10-01", "2026/10", "../2026-10", "2026-10/..", "2026-10/../..",
        "２０２６-10", "٢٠٢٦-١٠", "2026-1０", "2026-1²", "2_26-10",
        "/etc/passwd", "2026-10\n", " 2026-10", "2026-10\0", "２０２６-10x", "-026-10", "2026-10.parquet", "*",
    ],
)  # fmt: skip
@pytest.mark.parametrize("use", [check_month, lambda m: raw_file(HOME, m, "money"), lambda m: table_file(HOME, "profit", m)])
def test_what_is_no_month_builds_no_path(month, use):
    with pytest.raises(BadInputError, match="is not a month") as error:
        use(month)
    assert repr(month) in str(error.value)
    assert "YYYY-MM" in error.value.remedy


@example("0000-10")
@example("٢٠٢٦-10")
@example("2026-１０")
@example("2026-10\n")
@given(st.from_regex(r"[\d²_]{4}-[\d²_]{2}\s?", fullmatch=True) | st.text(max_size=8))
def test_month_is_a_date_in_ascii_digits_or_none(text):
    if is_month(text):
        year, month = int(text[:4]), int(text[5:])
        assert text == f"{year:04}-{month:02}"
        assert dt.date(year, month, 1)
        assert text.isascii()
    else:
        assert not re.fullmatch("[0-9]{4}-(0[1-9]|1[0-2])", text) or text.startswith("0000")


@given(st.integers(1, 9999), st.integers(1, 12), st.integers(-300, 300))
def test_month_that_is_added_can_be_taken_away_again(year, number, months):
    month = f"{year:04}-{number:02}"
    if 12 <= year * 12 + number - 1 + months < 120_000:
        assert add_months(add_months(month, months), -months) == month
    else:
        with pytest.raises(BadInputError, match="is not a month"):
            add_months(month, months)


def test_month_is_over_when_the_next_one_has_begun():
    end = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    assert is_over("2026-10", end)
    assert not is_over("2026-10", end - dt.timedelta(microseconds=1))
    assert not is_over("2099-01", end)
