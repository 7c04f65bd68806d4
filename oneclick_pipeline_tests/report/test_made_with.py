"""A past month is described by what its tables show, not by the settings of today."""

import numpy as np
import pytest

from oneclick_pipeline.report import made_with, page
from oneclick_pipeline.report.facts import gather
from oneclick_pipeline.settings import Segments, Settings, Value
from oneclick_pipeline_tests.report.months import OFFERS, month

GROW, WATCH, SAVE, IRREGULAR = 5, 3, 0, 6


@pytest.mark.parametrize(
    ("p", "profit", "at_risk", "months"),
    [([0.5, 0.1], [4.0, 2.0], [12.0, 1.2], 6), ([0.3], [1 / 3], [0.3], 3), ([0.5], [-4.0], [0.0], None),
     ([np.nan], [4.0], [np.nan], None), ([], [], [], None)],
)  # fmt: skip
def test_months_of_the_horizon_are_those_of_the_value_at_risk(p, profit, at_risk, months):
    assert made_with.horizon_of(*map(np.array, (p, profit, at_risk))) == months


@pytest.mark.parametrize(
    ("p", "place", "today", "found"),
    [
        ([0.2, 0.6], [WATCH, SAVE], 0.5, 0.5),
        ([0.2, 0.6], [WATCH, SAVE], 0.6, 0.6),
        ([0.2, 0.6], [WATCH, SAVE], 0.7, 0.6),
        ([0.5, 0.6], [WATCH, SAVE], 0.5, 0.6),
        ([0.2, 0.4], [GROW, WATCH], 0.3, np.nextafter(0.4, 1)),
        ([0.99, 0.2], [IRREGULAR, GROW], 0.6, 0.6),
        ([], [], 0.6, 0.6),
    ],
)
def test_cut_is_that_of_today_only_where_the_segments_agree(p, place, today, found):
    assert made_with.cut(np.array(p), np.array(place, dtype=int), 2, today) == found


@pytest.mark.parametrize("meaning", ["recognition", "forecast"])
def test_page_of_a_past_month_does_not_follow_the_horizon_and_the_risks_of_today(meaning):
    """The profit of three months was said to be that of six, and the high risk to begin elsewhere."""
    source = month(meaning=meaning)
    today = Settings(value=Value(horizon_months=6), segments=Segments(middle_risk=0.05, high_risk=0.95))
    then, now = (gather(source, OFFERS, settings) for settings in (Settings(), today))
    assert (then.horizon, now.horizon) == (3, 3)
    assert now.reasons.customers == then.reasons.customers
    for code in ("ru", "en"):
        assert "6\u00a0месяцев" not in page.render(now, code)
        assert "6\u00a0months" not in page.render(now, code)
