"""Every check of the doctor, on a home that is really broken so."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from filelock import FileLock
from typer.testing import CliRunner

from oneclick_pipeline.cli import app, doctor
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.machine import Left
from oneclick_pipeline.orchestration.backup import home_backup
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, instance_of, new_home


@pytest.fixture(autouse=True)
def _environment():
    with environment_kept():
        yield


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A home in which `retrain` of the sample has run once; read it, do not change it."""
    return homes.finished(tmp_path_factory, worker_id)


@pytest.fixture(scope="module")
def untouched(finished, tmp_path_factory):
    """A copy of the finished home whose addresses are its own."""
    place = tmp_path_factory.mktemp("doctor")
    with environment_kept():
        home_backup.backup(finished.home, place / "backup")
        home_backup.restore(place / "backup", place / "home")
    return place / "home"


@pytest.fixture
def home(untouched):
    """The same home to break; what a test breaks, it mends (`broken`)."""
    return untouched


@pytest.fixture
def broken(home):
    """Change files of the home; they are put back afterwards."""
    kept = {}

    def change(path, content):
        kept[path] = (path.read_bytes(), path.stat().st_mode) if path.exists() else None
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    yield change
    for path, before in kept.items():
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before[0])
            path.chmod(before[1])


def found(home, name, now=None):
    """What one check finds, as state and text."""
    patient = doctor.Patient(home) if now is None else doctor.Patient(home, now)
    try:
        return [(f.state, f"{f.told} {f.remedy}".strip()) for f in doctor.CHECKS[name](patient)]
    except doctor.BadInputError as error:
        return [("problem", str(error))]


def test_well_home_has_no_problem(home):
    result = CliRunner().invoke(app.app, ["doctor", "--home", str(home), "--json"])
    findings = {f["check"]: f for f in json.loads(result.output)}
    assert result.exit_code == 0
    assert list(findings) == list(doctor.CHECKS)
    assert {name: f["told"] for name, f in findings.items() if f["state"] != "ok"} == {"daemon": "no daemon was ever here"}
    assert findings["last month"]["told"].startswith(f"{MONTH} is whole: ")
    assert findings["champion"]["told"] == f"version 1 of {MONTH} loads and predicts"


def test_problem_ends_with_code_1_and_says_what_to_do(tmp_path):
    result = CliRunner().invoke(app.app, ["doctor", "--home", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "problem home        " in result.output
    assert "What to do: choose another --home" in result.output
    assert "champion" not in result.output


def test_home_before_its_first_run_has_warnings_only(tmp_path):
    states = {f.check: f.state for f in doctor.examine(new_home(tmp_path / "home"))}
    assert {name for name, state in states.items() if state == "warning"} == {"permissions", "mlflow", "last month", "daemon"}
    assert "problem" not in states.values()


@pytest.mark.parametrize(("installed", "state"), [("3.10.9", "problem"), ("3.12.1", "ok")])
def test_python(home, monkeypatch, installed, state):
    monkeypatch.setattr(doctor.platform, "python_version", lambda: installed)
    assert [s for s, _ in found(home, "python")] == [state]


def test_packages(home, monkeypatch):
    import importlib.metadata

    wanted = ["polars>=2.0,<3", "no-such-package>=1", "pytest; extra == 'dev'", "numpy>=1"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda _: wanted)

    def installed(name):
        if name == "no-such-package":
            raise importlib.metadata.PackageNotFoundError(name)
        return {"polars": "1.9", "numpy": "2.3"}[name]

    monkeypatch.setattr(importlib.metadata, "version", installed)
    ((state, told),) = found(home, "packages")
    assert state == "problem"
    assert told.startswith("polars is 1.9, and <3,>=2.0 is needed; no-such-package is not installed install what is locked")


def test_folder_that_cannot_be_written(home, monkeypatch):
    real = doctor.os.access  # root may write everywhere
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: path.name != "mlflow" and real(path, mode))
    ((state, told),) = found(home, "home")
    assert (state, told.split(" mend")[0]) == ("problem", f"not writable: {home / 'mlflow'}")


def test_link_that_leads_out(home, tmp_path):
    inside, outside = home / "raw" / "inside", home / "raw" / "2026-11"
    inside.symlink_to(home / "raw" / MONTH)
    outside.symlink_to(tmp_path)
    try:
        assert found(home, "home")[0][1].startswith("links that lead out of the home: raw/2026-11 put")
    finally:
        inside.unlink()
        outside.unlink()
    assert [state for state, _ in found(home, "home")] == ["ok"]


def test_settings_and_catalogue_that_are_not_valid(home, broken):
    broken(home / "settings.yaml", b"model: {folds: many}\n")
    broken(home / "catalogue.yaml", b"offers: [{id: 1}]\n")
    for check, file in (("settings", "settings.yaml"), ("catalogue", "catalogue.yaml")):
        ((state, told),) = found(home, check)
        assert state == "problem"
        assert file in told


@pytest.mark.parametrize(
    ("address", "state", "told"),
    [
        ("", "ok", "ONECLICK_WEBHOOK is not set"),
        ("https://hooks.example.org/SECRET", "ok", "alerts are posted to https://hooks.example.org"),
        ("http://hooks.example.org/SECRET", "warning", "the webhook at hooks.example.org is not encrypted"),
        ("http://user:SECRET@hooks.example.org/", "problem", "ONECLICK_WEBHOOK is no http or https address"),
    ],
)
def test_webhook(home, monkeypatch, address, state, told):
    monkeypatch.setenv("ONECLICK_WEBHOOK", address)
    ((seen, said),) = found(home, "webhook")
    assert seen == state
    assert said.startswith(told)
    assert "SECRET" not in said


def test_months_are_those_that_are_over(tmp_path):
    folder = table_file(tmp_path, "customers", MONTH).parent
    folder.mkdir(parents=True)
    for name in (MONTH, "2099-01", "2026-13", "２０２６-09", "2026-09 ", ".2026-09"):
        (folder / f"{name}.parquet").touch()
    assert doctor.Patient(tmp_path).months == [MONTH]


def execute_sql(database, statement):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)


def test_tables_of_another_version(home, broken):
    runs = home / "dagster" / "history" / "runs.db"
    models = home / "mlflow" / "mlflow.db"
    for database in (runs, models):
        broken(database, database.read_bytes())
        execute_sql(database, "UPDATE alembic_version SET version_num = 'aaaaaaaaaaaa'")
    ((state, told),) = found(home, "dagster")
    assert (state, told.split(" make")[0]) == ("problem", "the tables of runs are of another version of Dagster")
    ((state, told),) = found(home, "mlflow")
    assert state == "problem"
    assert told.startswith("the tables of MLflow are of version aaaaaaaaaaaa, and ")


@pytest.mark.parametrize(("free", "state"), [(1, "problem"), (250 * 2**20, "warning"), (10 * 2**30, "ok")])
def test_disk(home, monkeypatch, free, state):
    monkeypatch.setattr(doctor.disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, free))
    assert [s for s, _ in found(home, "disk")] == [state]


def test_disk_without_inodes_is_a_problem_although_it_has_room(home, monkeypatch):
    there = Left(read_only=False, free=2**40, files=7, room=0.9, inodes=0.0)
    monkeypatch.setattr(doctor.disk, "left", lambda _: there)
    assert [state for state, said in found(home, "disk") if said.startswith("7 more files can be made, a month needs 1000")] == [
        "problem"
    ]


def test_home_on_a_read_only_file_system_is_not_put_down_to_its_rights(home, monkeypatch):
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)
    monkeypatch.setattr(doctor, "left", lambda _: Left(read_only=True, free=2**40, files=None, room=0.9, inodes=1.0))
    ((state, said),) = found(home, "home")
    assert state == "problem"
    assert said.startswith(f"{home} is on a file system that is read-only find out why")


def test_variable_that_leads_mlflow_elsewhere_is_warned_of_without_its_value(home, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:SECRET@mlflow.example.org")
    state, said = found(home, "mlflow")[0]
    assert state == "warning"
    assert said.startswith("MLFLOW_TRACKING_URI is set, and not followed")
    assert "SECRET" not in said


def test_what_a_month_needs_is_what_the_last_one_took(home):
    own = sum(path.stat().st_size for path in (home / "raw" / MONTH).iterdir())
    own += sum(path.stat().st_size for path in (home / "tables").rglob("*.parquet"))
    own += (home / "reports" / f"{MONTH}.html").stat().st_size
    own += sum(path.stat().st_size for path in (home / "exports").rglob("*") if path.is_file())
    assert doctor._bytes_of(home, MONTH) == own
    assert doctor._bytes_of(home, "2026-09") == 0


def test_champion_that_was_changed_is_gone_or_is_nobody(home, broken):
    store = Tracking(home)
    path = store._model_file(store.require_champion())
    broken(path, path.read_bytes() + b" ")
    assert "is not the one that was registered" in found(home, "champion")[0][1]
    path.unlink()
    assert "what belongs to model version 1 is gone" in found(home, "champion")[0][1]
    database = home / "mlflow" / "mlflow.db"
    broken(database, database.read_bytes())
    execute_sql(database, "DELETE FROM registered_model_aliases")
    ((state, told),) = found(home, "champion")
    assert state == "problem"
    assert "no champion model yet" in told


def test_versions_are_checked_against_their_records(home, broken):
    store = Tracking(home)
    champion = store.require_champion()
    assert found(home, "models") == [("ok", "1 of 1 as they were registered")]
    folder = store.folder / champion.folder
    for name in champion.files:
        broken(folder / name, (folder / name).read_bytes() + b" ")
        ((state, told),) = found(home, "models")
        assert state == "problem"
        assert f"champion: {folder / name}: the file of model version 1 is not the one that was registered" in told
        assert "find out who changed it" in told
        (folder / name).write_bytes((folder / name).read_bytes()[:-1])
    broken(folder / "evil.py", b"")
    assert "evil.py: this was not registered with model version 1" in found(home, "models")[0][1]
    (folder / "evil.py").unlink()
    broken(store.folder / "registered" / "1" / "record.json", None)
    ((state, told),) = found(home, "models")
    assert state == "problem"
    assert "model version 1 has no record in this home" in told
    assert "oneclick model accept 1" in told


def test_champion_that_predicts_nonsense(home, monkeypatch):
    import numpy as np

    from oneclick_pipeline import model

    monkeypatch.setattr(model, "predict", lambda _, rows: np.full(len(rows), 1.5))
    ((state, told),) = found(home, "champion")
    assert state == "problem"
    assert "for odd customers go back to the one before: oneclick model rollback" in told


def test_month_that_is_not_whole(home, broken):
    broken(table_file(home, "offer_plan", MONTH), None)
    ((state, told),) = found(home, "last month")
    assert (state, told) == (
        "problem",
        f"{MONTH} is not whole, there is no offer_plan run it: oneclick run --job refresh --month {MONTH}",
    )


def test_table_that_is_corrupt_or_is_not_what_its_run_wrote(home, broken):
    import polars as pl

    path = table_file(home, "customer_scores", MONTH)
    frame = pl.read_parquet(path, glob=False)
    broken(path, path.read_bytes()[:-100])
    assert found(home, "last month")[0][1].startswith(f"a table of {MONTH} cannot be read: ")
    frame.with_columns(value_at_risk=pl.col("value_at_risk") + 1).write_parquet(path)
    assert f"{MONTH}: not what its run wrote: customer_scores" in found(home, "last month")[0][1]
    frame.with_columns(p_decline=pl.col("p_decline") + 1).write_parquet(path)
    assert "customer_scores breaks its contract" in found(home, "last month")[0][1]


def test_exports_that_came_after_the_run(home):
    export = home / "raw" / MONTH / "money.csv"
    times = export.stat()
    export.touch()
    try:
        ((state, told),) = found(home, "last month")
        assert (state, told.split(" run it")[0]) == ("warning", f"{MONTH}: exports that came after its run: money.csv")
    finally:
        doctor.os.utime(export, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_run_that_hangs(tmp_path):
    prepare_instance(tmp_path)
    with instance_of(tmp_path) as instance:
        run = dg.DagsterRun(job_name="retrain", status=dg.DagsterRunStatus.STARTING, tags={"dagster/partition": MONTH})
        instance.add_run(run)
        instance.report_engine_event("begun", run)
    assert found(tmp_path, "runs") == [("ok", "1 at work, 0 waiting")]
    ((state, told),) = found(tmp_path, "runs", datetime.now(UTC) + timedelta(hours=5))
    assert state == "warning"
    assert told.startswith(f"retrain of {MONTH} ({run.run_id}) has been silent for 5 hours")


def test_leftovers_of_killed_steps(tmp_path):
    for name in ("step-dead", "step-alive"):
        (tmp_path / "staging" / name).mkdir(parents=True)
        (tmp_path / "staging" / name / "part").write_bytes(bytes(3 * 2**20))
    with FileLock(tmp_path / "staging" / "step-alive.lock"):
        ((state, told),) = found(tmp_path, "staging")
    assert (state, told.split(" nothing")[0]) == ("warning", "1 killed steps left 3 MB")
    assert (tmp_path / "staging" / "step-dead").exists()


def test_daemon_that_fell_silent(tmp_path, monkeypatch):
    from dagster._daemon.types import DaemonHeartbeat

    prepare_instance(tmp_path)
    now = datetime.now(UTC)
    with instance_of(tmp_path) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp(), "SENSOR", None))
    assert found(tmp_path, "daemon", now + timedelta(seconds=9)) == [("ok", "heard of 9 s ago")]
    assert found(tmp_path, "daemon", now + timedelta(hours=1))[0][0] == "warning"
    patient = doctor.Patient(tmp_path, now + timedelta(hours=1))
    assert patient.health.heartbeat is not None
    monkeypatch.setenv("ONECLICK_POSTGRES", "postgresql://u:p@h/n")  # a team relies on it
    assert next(doctor.CHECKS["daemon"](patient)).state == "problem"


def test_models_that_are_not_used_since_postgresql_is(monkeypatch, tmp_path):
    store = Tracking(tmp_path)
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_text("")
    monkeypatch.setenv("ONECLICK_POSTGRES", "postgresql://u:p@h/n")
    monkeypatch.setattr(Tracking, "exists", lambda _: True)
    monkeypatch.setattr(Tracking, "schema", lambda _: ("a", "a"))
    assert found(tmp_path, "mlflow")[1][1].startswith(f"{store.folder / 'mlflow.db'} holds models that are not used")


def test_daemon_whose_time_is_yet_to_come(tmp_path):
    from dagster._daemon.types import DaemonHeartbeat

    prepare_instance(tmp_path)
    now = datetime.now(UTC)
    with instance_of(tmp_path) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp(), "SENSOR", None))
    ((state, told),) = found(tmp_path, "daemon", now - timedelta(days=400))
    assert state == "warning"
    assert "which is yet to come: the clock was set back since set the clock right; start it" in told
    assert found(tmp_path, "daemon", now - timedelta(seconds=9)) == [("ok", "heard of 0 s ago")]
