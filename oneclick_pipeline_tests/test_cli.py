"""The `oneclick` command: its help, its exit codes, its messages."""

import json
import shutil
import sys

import polars as pl
import pytest
from typer.testing import CliRunner

from oneclick_pipeline import cli
from oneclick_pipeline.tables import SOURCES
from oneclick_pipeline.twin.profile import Profile
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    return homes.finished(tmp_path_factory, worker_id)


@pytest.fixture
def oneclick(capsys, monkeypatch):
    """Run the command as the shell does: exit code, standard output, standard error."""
    monkeypatch.delenv("ONECLICK_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "300")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["oneclick", *map(str, arguments)])
        code = 0
        with environment_kept():
            try:
                cli.main()
            except SystemExit as end:
                code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ([], ["retention engine", "raw/YYYY-MM/", "Begin with", "run", "ui", "twin"]),
        (
            ["run"],
            ["--month", "--home", "--engine", "polars", "pandas", "--job", "retrain", "refresh", "Exit code", "quarantined"],
        ),
        (["ui"], ["--home", "--dagster-port", "--mlflow-port", "Ctrl-C"]),
        (["twin"], ["month", "fit"]),
        (["twin", "month"], ["--customers", "--seed", "--month", "--home", "--overwrite", "--profile", "The same seed"]),
        (["twin", "fit"], ["--from", "--out", "aggregated"]),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else None,
)
def test_help_reads_like_documentation(command, parts):
    result = CliRunner().invoke(cli.app, [*command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    assert result.exit_code == 0
    for part in parts:
        assert part in result.output


def test_unknown_option_is_a_usage_error(oneclick):
    code, _, err = oneclick("run", "--month", MONTH, "--motor", "spark")
    assert code == 2
    assert "--motor" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--engine", "spark"], "spark"), (["--job", "retire"], "retire"), ([], "--month")],
)
def test_illegal_choice_is_a_usage_error(oneclick, arguments, told):
    code, _, err = oneclick("run", *(["--month", MONTH] if arguments else []), *arguments)
    assert code == 2
    assert told in err


@pytest.mark.parametrize(
    ("month", "told"),
    [
        ("2026-13", "'2026-13' is not a month"),
        ("../2026-10", "'../2026-10' is not a month"),
        ("2999-01", "the month 2999-01 is outside the graph"),
    ],
)
def test_bad_month_ends_with_its_message_and_code_1(oneclick, tmp_path, month, told):
    code, _, err = oneclick("run", "--month", month, "--home", tmp_path / "home")
    assert code == 1
    assert err.startswith("error: ")
    assert told in err
    assert "What to do:" in err
    assert list(tmp_path.iterdir()) == []


def test_home_that_cannot_be_written_ends_with_code_1(oneclick, tmp_path):
    (tmp_path / "home").write_text("in the way")
    code, _, err = oneclick("run", "--month", MONTH, "--home", tmp_path / "home")
    assert code == 1
    assert "the home cannot be written" in err


def test_failed_run_ends_with_code_1_and_says_where_to_look(oneclick, tmp_path):
    texts = export_text()
    del texts["market_time"]
    home = homes.new_home(tmp_path / "home", settings="", texts=texts)
    code, out, err = oneclick("run", "--month", MONTH, "--home", home)
    assert code == 1
    lines = err.splitlines()
    assert lines[0] == (
        f"error: {home}/raw/{MONTH}/market_time.csv: the file is missing. "
        f"What to do: deliver market_time.csv for the month into {home}/raw/{MONTH}"
    )
    assert lines[1].startswith("not run: clean, customer_features, ")
    assert f"oneclick ui --home {home}" in lines[2]
    assert "✗ market_time" in out
    assert "Segments" not in out


def test_quarantined_row_is_named_and_the_code_is_3(oneclick, finished, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(finished.home, home)
    path = home / "raw" / MONTH / "money.csv"
    lines = path.read_bytes().split(b"\r\n")
    customer = lines[6].split(b";")[0].decode()
    lines[6] = f"{customer};много".encode()
    path.write_bytes(b"\r\n".join(lines))
    code, out, err = oneclick("run", "--month", MONTH, "--home", home, "--job", "refresh")
    assert code == 3
    assert "quarantined: money.csv, line 7, column «Прибыль», value 'много': is no number. What to do: correct the value" in err
    assert f"warning: customer_features: not so: Every customer is in every file (incomplete 1, customers {customer}" in err
    assert "12/12" in out or "11/11" in out
    for part in (
        "market_file 1,300, market_money 3,900, market_time 2,600, money 1,300",
        "money 1",
        "outlier 1, spelling 1,511",
        "1,300, of whom regular 1,297",
        "activity_decline version 1, alias champion",
        "ROC-AUC",
        "Log loss",
        "Удержать в первую очередь",
        "customer_segments",
        f"oneclick ui --home {home}",
    ):
        assert part in out.replace("\n", "")
    scores = homes.table(home, "customer_scores")
    assert scores.filter(pl.col("profit").is_null())["customer_id"].to_list() == [int(customer)]
    assert scores["p_decline"].null_count() == 0


def test_twin_month_makes_a_month_and_does_not_overwrite_it(oneclick, tmp_path):
    arguments = ["twin", "month", "--month", "2026-09", "--customers", 60, "--home", tmp_path]
    code, out, _ = oneclick(*arguments, "--seed", 5)
    assert code == 0
    assert "60 customers in" in out.replace("\n", " ")
    folder = tmp_path / "raw" / "2026-09"
    assert sorted(p.name for p in folder.iterdir()) == sorted(f"{s.file}.csv" for s in SOURCES)
    assert pl.read_parquet(tmp_path / "twin" / "2026-09.parquet").height == 60
    first = (folder / "market_file.csv").read_bytes()

    code, _, err = oneclick(*arguments, "--seed", 6)
    assert code == 1
    assert "this month exists already" in err
    assert (folder / "market_file.csv").read_bytes() == first

    assert oneclick(*arguments, "--seed", 5, "--overwrite")[0] == 0
    assert (folder / "market_file.csv").read_bytes() == first
    assert oneclick(*arguments, "--seed", 6, "--overwrite")[0] == 0
    assert (folder / "market_file.csv").read_bytes() != first


@pytest.mark.parametrize("month", ["2026-13", "../../x"])
def test_twin_month_refuses_what_is_no_month(oneclick, tmp_path, month):
    code, _, err = oneclick("twin", "month", "--month", month, "--home", tmp_path)
    assert code == 1
    assert "is not a month" in err
    assert list(tmp_path.iterdir()) == []


def test_twin_fit_writes_a_profile_that_draws_months(oneclick, tmp_path):
    assert oneclick("twin", "month", "--month", MONTH, "--customers", 1500, "--home", tmp_path)[0] == 0
    out = tmp_path / "profile.json"
    code, text, _ = oneclick("twin", "fit", "--from", tmp_path / "raw" / MONTH, "--out", out)
    assert code == 0
    assert "profile written to" in text
    assert Profile.load(out).customers == 1497
    known = set(pl.read_csv(tmp_path / "raw" / MONTH / "market_file.csv")["id"].cast(str))
    assert not known & {word.strip('",[]{} ') for word in json.dumps(json.loads(out.read_text())).split()}
    code, _, _ = oneclick("twin", "month", "--month", "2026-09", "--customers", 20, "--home", tmp_path, "--profile", out)
    assert code == 0
    assert pl.read_csv(tmp_path / "raw" / "2026-09" / "market_file.csv").height == 20


def test_twin_fit_names_the_file_that_is_missing(oneclick, tmp_path):
    code, _, err = oneclick("twin", "fit", "--from", tmp_path, "--out", tmp_path / "profile.json")
    assert code == 1
    assert "market_file.csv: the file is missing" in err
    assert not (tmp_path / "profile.json").exists()
