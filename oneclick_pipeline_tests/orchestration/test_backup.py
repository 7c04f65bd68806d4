"""A backup of a home with SQLite, and what refuses to be one. PostgreSQL: `test_postgres.py`."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import dagster as dg
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import backup
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.orchestration.homes import digests, environment_kept, files, instance_of


@pytest.fixture(autouse=True)
def _environment():
    with environment_kept():
        yield


@pytest.fixture
def small(tmp_path):
    """A home with an instance, a database that is written to, a lock and a leftover."""
    home = tmp_path / "home"
    (home / "staging" / "step-1").mkdir(parents=True)
    (home / "staging" / "step-1" / "part.parquet").write_text("x")
    (home / "ledger").mkdir()
    (home / "ledger" / ".lock").write_text("")
    (home / "settings.yaml").write_text("{}")
    return home


def test_finished_home_comes_back_elsewhere_and_works(finished, tmp_path):
    made = backup.backup(finished.home, tmp_path / "b")
    home = tmp_path / "elsewhere" / "home"
    backup.restore(tmp_path / "b", home)
    assert not made["postgres"]
    assert digests(home) == digests(finished.home)
    store = Tracking(home)
    assert store.load(store.require_champion()) is not None
    assert str(store._model_file(store.require_champion())).startswith(str(home))
    with instance_of(home) as restored, instance_of(finished.home) as original:
        assert [r.run_id for r in restored.get_runs()] == [r.run_id for r in original.get_runs()]
        run = restored.get_runs()[0].run_id
        assert len(restored.all_logs(run)) == len(original.all_logs(run))


def test_database_that_is_written_to_is_copied_whole(small, tmp_path):
    with closing(sqlite3.connect(small / "own.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS a")  # stands in own.db-wal while the connection is open
        backup.backup(small, tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "b" / "home" / "own.db")) as copy:
        assert copy.execute("SELECT a FROM t").fetchall() == [(1,)]
    kept = files(tmp_path / "b" / "home")
    assert [name for name in kept if "staging" in name or name.endswith((".lock", "-wal", "-shm"))] == []
    assert "settings.yaml" in kept


def test_backup_is_refused_while_a_run_is_at_work(small, tmp_path):
    backup.prepare_instance(small)
    with instance_of(small) as instance:
        run = dg.DagsterRun(job_name="retrain", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
    with pytest.raises(BadInputError, match=f"a run is at work: {run.run_id}"):
        backup.backup(small, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_backup_during_which_a_run_was_made_is_thrown_away(small, tmp_path, monkeypatch):
    copy = backup._copy

    def run_meanwhile(*paths):
        with instance_of(small) as instance:
            instance.add_run(dg.DagsterRun(job_name="refresh", status=dg.DagsterRunStatus.SUCCESS))
        return copy(*paths)

    monkeypatch.setattr(backup, "_copy", run_meanwhile)
    with pytest.raises(BadInputError, match="a run was at work during the backup"):
        backup.backup(small, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_backup_goes_into_a_new_folder_outside(small, tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(BadInputError, match="it is there already"):
        backup.backup(small, tmp_path / "b")
    with pytest.raises(BadInputError, match="it lies in the home itself"):
        backup.backup(small, small / "b")


@pytest.fixture
def backed_up(small, tmp_path):
    backup.backup(small, tmp_path / "b")
    return tmp_path / "b"


def test_restore_refuses_a_home_that_is_not_empty_but_for_its_configuration(backed_up, tmp_path):
    home = tmp_path / "new"
    (home / "dagster").mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "raw").mkdir()
    (home / "raw" / "notes").write_text("mine")
    with pytest.raises(BadInputError, match=r"notes: the home is not empty"):
        backup.restore(backed_up, home)
    (home / "raw" / "notes").unlink()
    backup.restore(backed_up, home)
    assert (home / "dagster" / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    assert (home / "settings.yaml").exists()


def test_restore_refuses_what_is_not_whole(backed_up, tmp_path):
    (backed_up / "home" / "settings.yaml").write_text("{ }")
    with pytest.raises(BadInputError, match=r"settings.yaml: the file is not the one that was backed up"):
        backup.restore(backed_up, tmp_path / "new")
    shutil.rmtree(backed_up / "home")
    with pytest.raises(BadInputError, match="not the one that was backed up"):
        backup.restore(backed_up, tmp_path / "new")
    with pytest.raises(BadInputError, match="it is no backup"):
        backup.restore(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()
