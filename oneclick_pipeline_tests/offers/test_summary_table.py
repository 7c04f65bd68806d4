"""The row of a plan: its figures, and what it was made with."""

import numpy as np
import polars as pl
import pytest

from oneclick_pipeline.campaigns.worth import Worth, assumed
from oneclick_pipeline.contracts.offers import PLAN_SUMMARY
from oneclick_pipeline.offers.summary_table import summary_table
from oneclick_pipeline.settings import Offers, Settings, Value
from oneclick_pipeline_tests.offers.test_planner import MONTH, people, plan

SETTINGS = Settings(offers=Offers(control_share=0.2), value=Value(profit_unit_roubles=50))
LEARNED = Worth("learned", 6, np.array([1.0, 2.0, -0.5]), np.eye(3), 900, 4.2, 0.3)


def row(worth, *, customers=200, learned=False, forecast=False):
    made = plan(people(customers), settings=SETTINGS.offers).summary
    table = summary_table(made, month=MONTH, catalogue="abc", learned=learned, worth=worth, forecast=forecast, settings=SETTINGS)
    PLAN_SUMMARY.contract().validate(pl.from_pandas(table))
    return table.iloc[0].to_dict(), made


def test_figures_are_those_of_the_plan_with_the_settings_of_its_month():
    found, made = row(assumed(SETTINGS))
    assert (found["customers"], found["budget"]) == (200, pytest.approx(6))
    assert (found["offers"], found["controls"]) == (made.arms["offer"], made.arms["control"])
    assert (found["expected_gain"], found["expected_gain_low"]) == (made.expected_gain, made.expected_gain_low)
    assert (found["control_share"], found["profit_unit_roubles"], found["catalogue"]) == (0.2, 50, "abc")


def test_assumed_worth_is_a_share_and_a_learned_one_has_a_mean():
    found, _ = row(assumed(SETTINGS))
    assert (found["effects"], found["worth"], found["worth_months"], found["score"]) == ("catalogue", "assumed", 3, "recognition")
    assert found["worth_share"] == pytest.approx(0.2)
    assert np.isnan(found["worth_mean"])
    found, _ = row(LEARNED, learned=True, forecast=True)
    assert (found["effects"], found["worth"], found["worth_months"], found["score"]) == ("learned", "learned", 6, "forecast")
    assert (found["worth_mean"], found["worth_standard_error"]) == (4.2, 0.3)
    assert np.isnan(found["worth_share"])


def test_month_without_customers_has_a_row():
    found, _ = row(assumed(SETTINGS), customers=0)
    assert (found["customers"], found["budget"], found["offers"], found["cost"]) == (0, 0, 0, 0)
