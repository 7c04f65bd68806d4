"""The curve of other budgets beside plans that were really made with them."""

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.contracts.offers import PROFIT_CURVE
from oneclick_pipeline.offers.budget_curve import OWN, STEPS, Point, budget_curve
from oneclick_pipeline.offers.planner import Planner
from oneclick_pipeline.settings import Offers, Settings
from oneclick_pipeline_tests.offers.test_planner import MONTH, THREE, people

SETTINGS = Settings(offers=Offers(budget_per_customer=0.01))
FIGURES = ["offers", "cost", "expected_gain", "expected_gain_low", "expected_gain_high"]


def opened(customers, settings=SETTINGS):
    planner = Planner(THREE, None, settings, month=MONTH)
    planner.add(planner.look(customers))
    return planner.open()


def with_budget(budget):
    return Settings(offers=SETTINGS.offers.model_copy(update={"budget": budget}))


def figures(summary):
    return [getattr(summary, name) for name in FIGURES]


def test_every_point_is_close_to_the_plan_that_the_settings_would_give_with_that_budget():
    """An earlier curve was of an assumed offer and of everybody: 999 where the plan of the same month said 35."""
    customers = people(3000)
    plan = opened(customers)
    curve = budget_curve(plan, plan.decide().summary, None)
    PROFIT_CURVE.contract().validate(pl.from_pandas(curve))
    assert curve["budget"].tolist() == pytest.approx([step * 30 for step in STEPS])
    for row in curve.iloc[[0, 5, 15, 20]].itertuples():
        other = opened(customers, with_budget(row.budget)).decide().summary
        assert [getattr(row, name) for name in FIGURES] == pytest.approx(figures(other), rel=0.01)
    assert curve["sampled_share"].eq(1).all()
    assert curve["past_gain"].isna().all()


def test_at_its_own_budget_the_curve_is_the_plan_exactly_and_without_any_it_is_nothing():
    plan = opened(people(2000))
    summary = plan.decide().summary
    curve = budget_curve(plan, summary, None)
    assert curve[FIGURES].iloc[OWN].tolist() == figures(summary)
    assert curve[FIGURES].iloc[0].tolist() == [0] * 5
    assert (np.diff(curve["cost"]) >= -0.1).all()


def test_deciding_a_plan_changes_no_other_solution_of_it():
    customers = people(1000)
    before, after = opened(customers), opened(customers)
    after.decide()
    assert Point.of(before, before.solve(5.0)) == Point.of(after, after.solve(5.0))


def test_large_store_is_solved_on_a_sample_that_comes_to_the_plan():
    plan = opened(people(40_000))
    summary = plan.decide().summary
    exact, sampled = (budget_curve(plan, summary, None, exact=n) for n in (10**6, 5000))
    assert sampled["sampled_share"].eq(5000 / len(plan.candidates.rows)).all()
    assert sampled[FIGURES].iloc[OWN].tolist() == figures(summary)
    largest = exact["expected_gain"].max()
    for name in FIGURES[1:]:
        assert np.abs(sampled[name] - exact[name]).max() < 0.05 * largest, name
    assert np.abs(sampled["offers"] / exact["offers"] - 1)[1:].max() < 0.1


def test_month_without_candidates_has_a_curve_of_nothing():
    nobody = opened(people(10).assign(marketing_consent=False))
    curve = budget_curve(nobody, nobody.decide().summary, None)
    assert curve[FIGURES].eq(0).all(axis=None)
    PROFIT_CURVE.contract().validate(pl.from_pandas(curve))


@pytest.mark.parametrize("customers", [0, 500])
def test_plan_without_offers_has_a_curve_of_nothing(customers):
    planner = Planner([], None, SETTINGS, month=MONTH)
    planner.add(planner.look(people(customers)))
    plan = planner.open()
    assert budget_curve(plan, plan.decide().summary, None)[FIGURES].eq(0).all(axis=None)


def test_sample_keeps_the_order_and_the_share_of_capacities():
    plan = opened(people(1000))
    some = plan.sample(100)
    assert some.candidates.rows.tolist() == plan.candidates.rows[:100].tolist()
    share = 100 / len(plan.candidates.rows)
    pd.testing.assert_series_equal(pd.Series(some.offers.capacity), pd.Series(plan.offers.capacity * share))
    assert plan.sample(10**6) is plan
    assert dataclasses.replace(plan.offers, capacity=some.offers.capacity).ids == plan.offers.ids
