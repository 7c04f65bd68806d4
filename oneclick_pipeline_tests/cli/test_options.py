"""Numbers of options are written in ASCII digits."""

import re

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.cli.options import whole


@given(st.integers(0, 2**63 - 1))
def test_number_is_read_as_it_is_written(number):
    assert whole(0)(str(number)) == number


@given(st.from_regex(r"[\d_+ -]{1,18}", fullmatch=True) | st.text(max_size=6))
def test_whatever_is_no_number_in_ascii_digits_is_refused(text):
    if re.fullmatch("[0-9]{1,18}", text):
        assert whole(0)(text) == int(text)
    else:
        with pytest.raises(typer.BadParameter):
            whole(0)(text)
