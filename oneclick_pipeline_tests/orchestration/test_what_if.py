"""Other budgets of a month beside what is really planned with them."""

import shutil

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.what_if import what_if
from oneclick_pipeline_tests.orchestration.assets.test_offers import LOOP, PLAN, remade
from oneclick_pipeline_tests.orchestration.homes import MONTH, files, table

FIGURES = ("budget", "offers", "cost", "expected_gain", "expected_gain_low", "expected_gain_high", "price_of_budget")


def test_what_if_is_a_real_replan_digit_for_digit_and_changes_nothing(finished, tmp_path):
    home = shutil.copytree(finished.home, tmp_path / "home")
    before = {name: (home / name).read_bytes() for name in files(home)}
    points = what_if(home, MONTH, [0.0, 12.5, 80.0])
    assert {name: (home / name).read_bytes() for name in files(home)} == before
    for point in points:
        replan = shutil.copytree(home, tmp_path / f"replan-{point.budget}")
        with (replan / "settings.yaml").open("a", encoding="utf-8") as settings:
            settings.write(f"offers: {{budget: {point.budget}}}\n")
        remade(replan, [*LOOP, *PLAN])
        row = table(replan, "plan_summary").row(0, named=True)
        assert {name: row[name] for name in FIGURES} == {name: getattr(point, name) for name in FIGURES}
    assert points[0].offers == 0 < points[1].offers < points[2].offers


def test_what_if_with_the_plans_own_budget_is_the_plan(finished):
    row = table(finished.home, "plan_summary").row(0, named=True)
    (point,) = what_if(finished.home, MONTH, [row["budget"]])
    assert {name: getattr(point, name) for name in FIGURES} == {name: row[name] for name in FIGURES}


def test_month_that_was_not_run_is_told(tmp_path):
    with pytest.raises(BadInputError, match=f"there is no customer_features of {MONTH}"):
        what_if(tmp_path, MONTH, [1.0])


def test_damaged_table_is_named(finished, tmp_path):
    home = shutil.copytree(finished.home, tmp_path / "home")
    path = table_file(home, "customer_scores", MONTH)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BadInputError) as error:
        what_if(home, MONTH, [1.0])
    assert error.value.file == str(path)
