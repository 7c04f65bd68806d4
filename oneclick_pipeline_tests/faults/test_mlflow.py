"""MLflow's SQLite database held by another program, damaged, forbidden or taken away: plain words, and the next run completes."""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager

import dagster as dg
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.failures import in_plain_words
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.faults.homes import FAST, materialize, refused
from oneclick_pipeline_tests.orchestration.homes import digests, run

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


def database_of(home):
    return home / "mlflow" / "mlflow.db"


@contextmanager
def held(home):
    """Another process has the database for itself."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database_of(home))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield
        other.stdin.close()


def no_database(path):
    path.write_bytes(b"this is no database " * 1000)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [(no_database, "this is not a database"), pytest.param(cut, "the database is damaged", marks=pytest.mark.soak)],
)
def test_file_that_is_no_database_is_named_with_the_remedy(home, broken, problem):
    broken(database_of(home))
    message = refused(home, "customer_scores")
    assert f"{database_of(home)}, value " in message
    assert f"{problem}. What to do: restore it from the last backup" in message


def test_database_that_is_gone_is_not_made_anew_beside_its_models(home):
    database_of(home).unlink()
    message = refused(home, "customer_scores")
    assert f"{database_of(home)}: the database is gone, but its models are still there" in message
    assert "restore it from a backup" in message
    assert not database_of(home).exists()


@pytest.mark.soak
def test_database_that_another_program_holds_is_named_and_the_next_run_completes(home):
    with held(home):
        message = refused(home, "customer_scores")
    assert f"{database_of(home)}, value " in message
    assert "another program holds the database" in message
    assert materialize(home, "customer_scores").success


@contextmanager
def as_nobody():
    """The rights of a user who owns nothing: root may read everything."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can take another user's rights")
def test_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o700)
    with as_nobody(), pytest.raises(dg.Failure) as told, in_plain_words(tmp_path):
        Tracking(tmp_path).exists()
    assert told.value.description.startswith(f"{database_of(tmp_path)}: it may not be read or written: Permission denied")
    assert "What to do: fix its permissions; then run again" in told.value.description


@pytest.mark.soak
def test_database_held_in_the_middle_of_a_run_fails_it_and_the_next_one_completes(finished, home):
    other = []

    def hold(step, state):
        if (step, state) == ("customer_features", "success"):
            other.append(held(home))
            other[0].__enter__()

    outcome = run(home, "refresh", progress=hold)
    assert not outcome.success
    assert any("another program holds the database" in message for message in outcome.errors)
    other[0].__exit__(None, None, None)
    assert digests(home) == finished.digests["refresh"]
    assert run(home, "refresh").errors == ()
    assert digests(home) == finished.digests["refresh"]


@pytest.mark.soak
@pytest.mark.parametrize("job", ["refresh", "retrain"])
def test_database_taken_away_in_the_middle_of_a_run_is_missed_and_put_back(home, job):
    away = home / "backup.db"
    (home / "settings.yaml").write_text(FAST)
    last = {"refresh": "customer_features", "retrain": "training_set"}[job]

    def take(step, state):
        if (step, state) == (last, "success"):
            shutil.move(database_of(home), away)

    outcome = run(home, job, progress=take)
    assert not outcome.success
    assert any("the database is gone" in message for message in outcome.errors), outcome.errors
    assert not database_of(home).exists()
    shutil.move(away, database_of(home))
    assert run(home, job).errors == ()
    assert Tracking(home).require_champion().has_gates


def test_prepare_makes_a_database_where_there_was_nothing(tmp_path):
    (tmp_path / "mlflow" / "artifacts" / "models").mkdir(parents=True)
    Tracking(tmp_path)._refuse_orphans()
    (tmp_path / "mlflow" / "artifacts" / "models" / "model.skops").write_bytes(b"")
    with pytest.raises(BadInputError, match="the database is gone"):
        Tracking(tmp_path)._refuse_orphans()
