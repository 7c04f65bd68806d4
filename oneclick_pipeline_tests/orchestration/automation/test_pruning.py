"""Runs of old months go wholly, but for those that anything rests on; a killed pruning is finished by the next one."""

import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace
from uuid import uuid4

import dagster as dg
import pandas as pd
import pytest
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite import SqliteRunStorage

from oneclick_pipeline.cli.doctor.checks import examine
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.model import pictures, train
from oneclick_pipeline.orchestration.automation import pruning
from oneclick_pipeline.orchestration.automation.pruning import Pruned, Run
from oneclick_pipeline.orchestration.backup import home_backup
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.tracking import Tracking, database
from oneclick_pipeline.tracking.pruning import Months
from oneclick_pipeline.tracking.pruning import Pruned as PrunedModels
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.faults.homes import copied
from oneclick_pipeline_tests.home.test_locks import elsewhere
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import environment_kept, instance_of, new_home
from oneclick_pipeline_tests.tracking.test_pruning import dying, killed
from oneclick_pipeline_tests.tracking.trainings import log

OK, FAILED, AT_WORK = "SUCCESS", "FAILURE", "STARTED"


@pytest.fixture(autouse=True)
def _environment():
    with environment_kept():
        yield


@pytest.mark.parametrize(
    ("runs", "kept", "resting", "going"),
    [
        ([], Months("2026-01"), [], []),
        ([("a", "2025-12", OK), ("b", "2025-12", OK)], Months("2026-01"), [], ["a"]),  # the last one of a month stays
        ([("a", "2025-12", OK), ("b", "2025-12", FAILED)], Months("2026-01"), ["a"], []),  # tables stand as it made them
        ([("a", "2025-12", FAILED), ("b", "2025-12", OK)], Months("2026-01"), ["b"], ["a"]),
        ([("a", "2026-01", OK), ("b", "2026-01", OK)], Months("2026-01"), ["b"], []),  # the first month that is kept
        ([("a", "2025-06", OK), ("b", "2025-06", OK)], Months("2026-01", {"2025-06"}), [], []),  # the champion's month
        ([("a", "2025-12", AT_WORK), ("b", "2025-12", OK)], Months("2026-01"), [], []),
        ([("a", "2025-12", "QUEUED"), ("b", "2025-12", "CANCELING"), ("c", "2025-12", OK)], Months("2026-01"), [], []),
        ([("a", "2025-12", "CANCELED"), ("b", "2025-11", OK), ("c", "2025-12", OK)], Months("2026-01"), [], ["a"]),
    ],
)
def test_superfluous_runs(runs, kept, resting, going):
    assert pruning.superfluous([Run(*run) for run in runs], kept, resting) == going


EXPORTS = {"money": export_text(4)["money"]}


def run_money(home, month):
    """A run of one asset, as every run leaves it: row, events, check, logs."""
    folder = home / "raw" / month
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / "money.csv").write_text(EXPORTS["money"], encoding="utf-8")
    with instance_of(home) as instance:
        result = homes.materialize(home, month=month, selection=["money"], instance=instance)
        assert result.success
        logs = home / "dagster" / "storage" / result.run_id / "compute_logs"
        logs.mkdir(parents=True, exist_ok=True)
        (logs / "money.out").write_text("said\n")
        return result.run_id


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A home with runs of some months, and their ids by month; do not change it."""
    home = new_home(
        tmp_path_factory.mktemp("lived") / "home", month="2026-05", texts=EXPORTS, settings="keep: {runs_months: 2}\n"
    )
    with environment_kept():
        prepare_instance(home)
        found = {}
        for month in ("2026-05", "2026-05", "2026-06", "2026-07", "2026-07", "2026-06", "2026-05"):
            found.setdefault(month, []).append(run_money(home, month))
    return home, found


@pytest.fixture
def home(lived, tmp_path):
    return copied_home(lived[0], tmp_path / "home")


def copied_home(home, target):
    shutil.copytree(home, target)
    return target


def prune(home):
    with instance_of(home) as instance:
        return pruning.prune(home, instance)


def kept_runs(home):
    with instance_of(home) as instance:
        return {run.run_id for run in instance.get_runs()}


def traces(home, run):
    """Where a run is still to be found: in rows of its own and in names of files; later runs may say what they came after."""
    found = [path for path in (home / "dagster").rglob("*") if run in path.name]
    for name in ("runs.db", "runs/index.db"):
        with closing(sqlite3.connect(home / "dagster" / "history" / name)) as base:
            columns = (
                "SELECT t.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = 'run_id'"
            )
            tables = [table for (table,) in base.execute(columns)]
            assert len(tables) >= 2
            found += [t for t in tables if base.execute(f"SELECT 1 FROM {t} WHERE run_id = ?", (run,)).fetchone()]  # noqa: S608
    return found


def test_runs_of_old_months_go_with_every_row_and_file_but_the_one_that_made_the_table(lived, home):
    _, by_month = lived
    before, table = kept_runs(home), table_file(home, "money", "2026-05")
    content = table.read_bytes()
    pruned = prune(home)
    going = by_month["2026-05"][:2]
    assert pruned == Pruned(2, first="2026-06")
    assert str(pruned) == "pruned: 2 runs of months before 2026-06; see the settings keep"
    assert kept_runs(home) == before - set(going)
    assert [traces(home, run) for run in going] == [[], []]
    assert traces(home, by_month["2026-05"][2])
    assert table.read_bytes() == content
    with instance_of(home) as instance:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("money"), asset_partitions=["2026-05"])
        (record,) = instance.fetch_materializations(wanted, limit=9).records
        assert record.run_id == by_month["2026-05"][2]
    assert str(prune(home)) == ""


def test_nothing_goes_by_default(home):
    (home / "settings.yaml").unlink()
    assert str(prune(home)) == ""


def test_runs_at_work_stay_and_a_wrong_clock_takes_nothing_away(lived, home):
    with instance_of(home) as instance:
        for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
            instance.add_run(dg.DagsterRun("retrain", run_id=str(uuid4()), status=status, tags={"dagster/partition": "2026-05"}))
        instance.add_run(dg.DagsterRun("of no month", run_id=str(uuid4()), status=dg.DagsterRunStatus.SUCCESS))
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as base, base:
        base.execute("UPDATE runs SET create_timestamp = '2099-01-01 00:00:00'")
    before = kept_runs(home)
    assert prune(home).runs == 2
    assert kept_runs(home) == before - set(lived[1]["2026-05"][:2])


def test_months_of_ledgers_that_are_learnt_from_stay(home):
    path = ledger_file(home, "2026-05")
    path.parent.mkdir()
    path.write_bytes(b"")  # its name says enough
    assert prune(home).runs == 0


@pytest.mark.parametrize(("alias", "runs"), [("champion", 0), ("previous", 0), ("challenger", 2)])
def test_months_of_the_champion_and_of_the_previous_one_stay(home, monkeypatch, alias, runs):
    version = SimpleNamespace(version=1, tags={"month": "2026-05"})
    for name, answer in {"exists": True, "aliases": {alias: 1}, "version": version, "prune": PrunedModels()}.items():
        monkeypatch.setattr(Tracking, name, lambda *_, answer=answer: answer)
    assert prune(home).runs == runs


@pytest.mark.parametrize(
    ("of", "step", "at"),
    [
        (SqliteEventLogStorage, "delete_events_for_run", 1),
        (SqliteEventLogStorage, "delete_events_for_run", 2),
        (pruning, "_remove_database", 1),
        (pruning, "_remove_database", 2),
        (SqliteRunStorage, "delete_run", 1),
        (SqliteRunStorage, "delete_run", 2),
    ],
)
def test_killed_between_two_deletions_leaves_a_sound_home_and_the_next_one_finishes(lived, home, monkeypatch, of, step, at):
    with monkeypatch.context() as patch:
        patch.setattr(of, step, dying(getattr(of, step), at))
        assert killed(lambda: prune(home))
    states = {found.check: found.state for found in examine(home)}
    assert (states["dagster"], states["runs"]) == ("ok", "ok")
    assert prune(home).runs == (1 if (step, at) == ("delete_run", 2) else 2)
    assert [traces(home, run) for run in lived[1]["2026-05"][:2]] == [[], []]


def test_two_do_not_prune_at_once_and_a_backup_waits(home):
    with elsewhere(f"locks.whole(Path({str(home)!r}))") as other:
        assert prune(home) == Pruned()
        other.stdin.close()
    assert prune(home).runs == 2


def test_nothing_is_pruned_while_a_backup_copies(home, tmp_path, monkeypatch):
    copy, said = home_backup.copies.copy, []

    def looking(*arguments):
        if not said:
            said.append(locks.is_held(home / "locks" / "whole.lock"))
        return copy(*arguments)

    monkeypatch.setattr(home_backup.copies, "copy", looking)
    home_backup.backup(home, tmp_path / "backup")
    assert said == [True]


def test_versions_stay_while_a_run_is_at_work_on_the_home(home, monkeypatch):
    monkeypatch.setattr(Tracking, "prune", lambda *_: pytest.fail("a run may rest on a version that nothing names yet"))
    with elsewhere(f"locks.held(Path({str(home / 'locks' / 'run-1.lock')!r}))") as other:
        assert prune(home).runs == 2
        other.stdin.close()


def test_named_versions_are_those_of_tables_and_ledgers_of_any_month(tmp_path):
    for table, month, versions in (
        ("customer_scores", "2024-01", [3, 3]),
        ("drift", "2024-02", [None]),
        ("drift", "2024-03", [5]),
    ):
        path = table_file(tmp_path, table, month)
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"model_version": pd.array(versions, dtype="Int64")}).to_parquet(path)
    log = ledger_file(tmp_path, "2024-04")
    log.parent.mkdir()
    pd.DataFrame({"customer_id": [1]}).to_parquet(log)  # of a CRM
    pd.DataFrame({"model_version": [7]}).to_parquet(log.with_name("2024-04.replaced-1.parquet"))
    assert pruning.named(tmp_path) == {3, 5, 7}
    log.write_bytes(b"no table")
    with pytest.raises(BadInputError, match="the model to which it refers cannot be read"):
        pruning.named(tmp_path)


def test_finished_home_loses_what_the_settings_do_not_keep_and_is_sound(finished, tmp_path):
    home = copied(finished.home, tmp_path / "home")
    (home / "settings.yaml").write_text("keep: {runs_months: 1, model_versions: 2}\n")
    run_money(home, "2026-05")
    old = [run_money(home, "2026-05"), run_money(home, "2026-05")]
    outcome = homes.run(home, "prepare")
    assert outcome.success
    assert outcome.pruned == "pruned: 2 runs of months before 2026-10; see the settings keep"
    assert old[1] in kept_runs(home)
    states = {found.check: found.state for found in examine(home)}
    assert "problem" not in states.values()
    assert Tracking(home).require_champion().version == 1


def test_run_says_why_nothing_was_pruned(finished, tmp_path):
    home = copied(finished.home, tmp_path / "home")
    (home / "ledger" / "no month.parquet").write_bytes(b"")
    outcome = homes.run(home, "prepare")
    assert outcome.success
    assert any("older runs and models were not pruned" in warning for warning in outcome.warnings)


def ticked(home):
    """What the sensor says."""
    resources = {"home": Home(path=str(home))}
    with instance_of(home) as instance, dg.build_sensor_context(instance=instance, resources=resources) as context:
        return pruning.pruning_sensor(context).skip_message


def test_sensor_prunes_where_a_daemon_starts_the_runs(home):
    assert ticked(home).startswith("pruned: 2 runs")
    assert ticked(home) == "there is nothing to prune"
    (home / "settings.yaml").write_text("keep: {runs_months: 0}\n")
    assert "settings.yaml" in ticked(home)


def test_runs_and_versions_in_postgresql_go_as_well(monkeypatch, tmp_path):
    database._prepare_postgres.cache_clear()  # what was found out of a database holds for a process
    with servers.postgresql() as server:
        monkeypatch.setenv(postgres.VARIABLE, server.new("pruned"))
        home = new_home(tmp_path / "home", month="2026-05", texts=EXPORTS, settings="keep: {runs_months: 1}\n")
        prepare_instance(home)
        old = [run_money(home, month) for month in ("2026-05", "2026-05", "2026-06")]
        assert prune(home).runs == 1
        for table in ("runs", "run_tags", "event_logs", "asset_check_executions"):
            kept = {run for (run,) in server.query(f"SELECT DISTINCT run_id FROM {table}", "pruned")}  # noqa: S608
            assert kept == set(old[1:])
        assert not (home / "dagster" / "storage" / old[0]).exists()

        store, training = Tracking(home), make_training(customers=200)
        trained = train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))
        for name in ("curves", "comparison", "png"):  # nobody looks at them here
            monkeypatch.setattr(pictures, name, lambda *_: b"")
        going, *_ = (log(store, trained, training).run_id for _ in range(3))
        store.promote(2, force=True)
        assert store.prune(1, Months("2000-01"), set) == PrunedModels((1,), 2)
        for version in store.versions():
            store.check(version)
        for table, column in (
            ("runs", "run_uuid"),
            ("tags", "value"),
            ("logged_models", "source_run_id"),
            ("inputs", "destination_id"),
        ):
            assert (going,) not in server.query(f"SELECT {column} FROM mlflow.{table}", "pruned")  # noqa: S608
        assert server.query("SELECT DISTINCT version FROM mlflow.model_version_tags ORDER BY 1", "pruned") == [(2,), (3,)]
    database._prepare_postgres.cache_clear()
