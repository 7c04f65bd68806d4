"""All checks of a home, and the command."""

import json

from typer.testing import CliRunner

from oneclick_pipeline.cli import app
from oneclick_pipeline.cli.doctor.checks import CHECKS, examine
from oneclick_pipeline_tests.orchestration.homes import MONTH, new_home


def test_well_home_has_no_problem(home):
    result = CliRunner().invoke(app.app, ["doctor", "--home", str(home), "--json"])
    findings = {f["check"]: f for f in json.loads(result.output)}
    assert result.exit_code == 0
    assert list(findings) == list(CHECKS)
    assert {name: f["message"] for name, f in findings.items() if f["state"] != "ok"} == {"daemon": "no daemon has ever run here"}
    assert findings["last month"]["message"].startswith(f"{MONTH} is complete: ")
    assert findings["champion"]["message"] == f"version 1, trained for {MONTH}, loads and predicts"


def test_problem_ends_with_code_1_and_says_what_to_do(tmp_path):
    result = CliRunner().invoke(app.app, ["doctor", "--home", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "problem home        " in result.output
    assert "What to do: choose another --home" in result.output
    assert "champion" not in result.output


def test_home_before_its_first_run_has_warnings_only(tmp_path):
    states = {f.check: f.state for f in examine(new_home(tmp_path / "home"))}
    assert {name for name, state in states.items() if state == "warning"} == {"permissions", "mlflow", "last month", "daemon"}
    assert "problem" not in states.values()
