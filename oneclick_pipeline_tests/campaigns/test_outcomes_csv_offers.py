"""Spellings of one offer."""

import polars as pl
import pytest

from oneclick_pipeline.campaigns.outcomes_csv_offers import spellings


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        (["mail", "push", None], {}),
        (["10%  off", "10% off", "10% off"], {"10%  off": "10% off"}),
        (["соntrol", "CONTROL", "control"], {"соntrol": "control", "CONTROL": "control"}),  # Cyrillic с
        (["b", "B", "В"], {"b": "B", "В": "B"}),  # as many of each: the first by code, which is the Latin capital
        (["mail", "mail+", "mail 2"], {}),
        (["Control group", "control-2"], {}),
    ],
)
def test_spelling_of_most_rows_is_the_offer(offers, expected):
    assert spellings(pl.Series(offers, dtype=pl.String)) == expected
