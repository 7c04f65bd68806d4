"""The `oneclick` command: its help, and options that no command takes."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from oneclick_pipeline.cli import app
from oneclick_pipeline_tests.orchestration.homes import MONTH


def test_command_loads_what_its_help_needs_and_no_more():
    heavy = {"pydantic", "narwhals", "numpy", "pandas", "polars", "dagster", "mlflow", "oneclick_pipeline.tracking"}
    code = f"import sys, oneclick_pipeline.cli.app; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ([], ["retention engine", "raw/YYYY-MM/", "Begin with", "run", "ui", "twin"]),
        (
            ["run"],
            ["--month", "--home", "--engine", "polars", "pandas", "--job", "retrain", "refresh", "Exit code", "quarantined"],
        ),
        (["ui"], ["--home", "--dagster-port", "--mlflow-port", "Ctrl-C"]),
        (["report"], ["--month", "--home", "--language", "HOME/reports/MONTH.html"]),
        (["score"], ["--customer", "--json", "--month", "--language", "--home", "out-of-fold"]),
        (["twin"], ["month", "months", "fit"]),
        (["model"], ["list", "promote", "rollback"]),
        (["model", "list"], ["--home", "newest first", "gates"]),
        (["model", "promote"], ["VERSION", "--home", "--force", "loaded first", "previous", "--job refresh"]),
        (["model", "rollback"], ["--home", "a second rollback undoes the first"]),
        (["twin", "month"], ["--customers", "--seed", "--month", "--home", "--overwrite", "--profile", "The same seed"]),
        (
            ["twin", "months"],
            ["--from", "--to", "--customers", "--seed", "--home", "--overwrite", "--profile", "follow one another"],
        ),
        (["twin", "fit"], ["--from", "--out", "aggregated"]),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_help_reads_like_documentation(command, parts):
    result = CliRunner().invoke(app.app, [*command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 0
    for part in parts:
        assert part in result.output


def test_unknown_option_is_a_usage_error(oneclick):
    code, _, err = oneclick("run", "--month", MONTH, "--motor", "spark")
    assert code == 2
    assert "--motor" in err


NUMBERS = ["1_0", "１", "٣", " 1", "1 ", "1\n", "+1", "0x1", "1.0", "1e3", "²", "", "-", "9" * 5000, str(2**63)]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    "command",
    [
        ["score", "--customer"],
        ["simulate", "--customers"],
        ["ui", "--dagster-port"],
        ["ui", "--mlflow-port"],
        ["twin", "month", "--month", "2026-10", "--seed"],
        ["model", "promote"],
        ["serve", "--port"],
    ],
)
def test_number_is_written_in_ascii_digits(command, number, tmp_path):
    result = CliRunner().invoke(app.app, [*command, number, *(["--home", str(tmp_path / "home")])], env={"COLUMNS": "300"})
    assert result.exit_code == 2
    assert "integer" in result.output or "range" in result.output
    assert not (tmp_path / "home").exists()
