"""Options of `oneclick campaigns import`. What it estimates: campaigns/test_outcomes_csv.py."""

import pytest
import typer

from oneclick_pipeline.cli import campaigns


@pytest.mark.parametrize("ratio", ["a=1_0", "a=１", "a=nan", "a=inf", "a= 1", "a=-1", "a=", "a=1e3"])
def test_ratio_is_written_in_ascii_digits(ratio):
    with pytest.raises(typer.BadParameter, match="is not OFFER=NUMBER"):
        campaigns._ratios([ratio])
