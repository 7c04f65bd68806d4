"""`oneclick offers what-if` as the shell starts it."""

import json

import pytest

from oneclick_pipeline_tests.orchestration.homes import MONTH, table


def test_command_shows_a_line_a_budget_and_the_same_as_json(oneclick, finished):
    arguments = ("offers", "what-if", "--month", MONTH, "--budget", "10,39", "--home", finished.home)
    code, out, _ = oneclick(*arguments)
    assert code == 0
    assert "Nothing was changed" in out
    code, out, _ = oneclick(*arguments, "--json")
    ten, plan = json.loads(out)
    assert (code, ten["budget"]) == (0, 10)
    assert plan["expected_gain"] == table(finished.home, "plan_summary")["expected_gain"].item()


@pytest.mark.parametrize("budget", ["", "ten", "-5", "1e3", "5,,6", "١٠"])
def test_budget_that_is_no_amount_is_refused(oneclick, finished, budget):
    code, _, err = oneclick("offers", "what-if", "--month", MONTH, f"--budget={budget}", "--home", finished.home)
    assert code == 2
    assert "is not an amount" in err
