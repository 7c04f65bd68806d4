"""`oneclick run`: its exit codes and its messages."""

import re
import shutil

import polars as pl
import pytest
import typer

from oneclick_pipeline.cli import run
from oneclick_pipeline.cli.options import FAILED
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--engine", "dask"], "dask"), (["--job", "retire"], "retire"), ([], "--month")],
)
def test_illegal_choice_is_a_usage_error(oneclick, arguments, told):
    code, _, err = oneclick("run", *(["--month", MONTH] if arguments else []), *arguments)
    assert code == 2
    assert told in err


def test_history_is_read_first_month_by_month_and_what_was_read_stays(oneclick, monkeypatch, tmp_path):
    for month in ("2026-06", "2026-07", "2026-09", MONTH):
        (tmp_path / "raw" / month).mkdir(parents=True)
    read = table_file(tmp_path, "customer_features", "2026-09")
    read.parent.mkdir(parents=True)
    read.touch()
    runs = []

    monkeypatch.setattr(run, "_execute", lambda job, month, *_, **__: runs.append((job.name, month)) or _stop(month))
    code, _, err = oneclick("run", "--from", "2026-07", "--month", MONTH, "--home", tmp_path)
    assert runs == [("prepare", "2026-07"), ("retrain", MONTH)]
    assert "no exports of 2026-08: the history has a gap" in err
    assert "begins" not in err
    assert code == FAILED


def test_history_that_begins_later_than_asked_is_one_short_warning(oneclick, monkeypatch, tmp_path):
    """Every month since 1900 was listed as a gap."""
    for month in ("2026-08", "2026-09", MONTH):
        (tmp_path / "raw" / month).mkdir(parents=True)
    monkeypatch.setattr(run, "_execute", lambda *called, **_: _stop(called[1]))
    _, _, err = oneclick("run", "--from", "1900-01", "--month", MONTH, "--home", tmp_path)
    assert "no exports before 2026-08: the history begins there" in err
    assert "gap" not in err


def _stop(month):
    """Leave where the month itself would be run."""
    if month == MONTH:
        raise typer.Exit(FAILED)


@pytest.mark.parametrize(("first", "told"), [(MONTH, "is not before --month"), ("2026-7", "is not a month")])
def test_history_must_be_months_before(oneclick, tmp_path, first, told):
    code, _, err = oneclick("run", "--from", first, "--month", MONTH, "--home", tmp_path / "home")
    assert code == 1
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


def test_rows_that_stop_a_run_are_listed_line_by_line(oneclick, tmp_path):
    texts = export_text(100)
    texts["money"] = texts["money"].replace(",25", ",x\x1b")
    code, _, err = oneclick("run", "--month", MONTH, "--home", homes.new_home(tmp_path / "home", settings="", texts=texts))
    assert code == 1
    lines = err.splitlines()
    assert lines[0].startswith("error: too many rows were rejected (limit 5.0%): money.csv: 100 of 100 rows (100.0%).")
    assert lines[1].startswith("       100 x money.csv, column «Прибыль»: ")
    assert re.fullmatch(r"           line 2: '1,x\\+x1b'", lines[2])
    assert "\x1b" not in err


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
    assert (
        "quarantined: money.csv, line 7, column «Прибыль», value 'много': is not a number. What to do: correct the value" in err
    )
    assert f"warning: customer_features: Some customers are missing from a file (incomplete 1, customers {customer}" in err
    assert "19/19" in out
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
