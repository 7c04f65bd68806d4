"""Dagster and MLflow in a real PostgreSQL, by one environment variable."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
import yaml
from typer.testing import CliRunner

from oneclick_pipeline.cli import app
from oneclick_pipeline.cli.doctor.checks import examine
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model import train
from oneclick_pipeline.orchestration.backup import home_backup
from oneclick_pipeline.orchestration.instance import _STORAGE, _STORAGE_LINE, prepare_instance
from oneclick_pipeline.processes.group import Group
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, instance_of, materialize, new_home
from oneclick_pipeline_tests.tracking.trainings import log

CLOSED = f"postgresql://store:s3cr3t%2Fx@{servers.LOOPBACK}:1/oneclick"


@pytest.fixture(autouse=True)
def _own_process(monkeypatch):
    """What was found out of a database holds for a process; here it is another one in every test."""
    from oneclick_pipeline.tracking import database

    database._prepare_postgres.cache_clear()
    monkeypatch.setattr(Group, "ended", False)  # `oneclick ui` sets it: later commands would end the process of the tests
    with environment_kept():
        yield


@pytest.fixture(scope="module")
def server():
    with servers.postgresql() as started:
        yield started


@pytest.fixture
def unreachable(monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, CLOSED)


def test_home_with_the_variable_lives_in_postgresql_and_moves(server, monkeypatch, tmp_path):
    """One test of many parts: the tables of MLflow take seconds to make."""
    home = new_home(tmp_path / "home")
    monkeypatch.setenv(postgres.VARIABLE, server.new("team"))
    server.query("CREATE SCHEMA mlflow_new; CREATE TABLE mlflow_new.experiments (left_by text)", "team")  # a killed maker
    store = Tracking(home)
    assert not store.exists()
    prepare_instance(home)
    with instance_of(home) as instance:
        result, info = materialize(home, selection=["money"], instance=instance), instance.info_str()
    assert result.success
    assert store.champion() is None
    run = store._client().create_run("0", run_name="run")
    training = make_training(customers=200)
    log(store, train(training, QUICK.model_copy(update={"families": ("logistic_regression",)})), training)
    store.promote(1, force=True)
    assert store.exists()
    assert servers.PASSWORD not in info + "".join(p.read_text() for p in (home / "dagster").rglob("*.yaml"))
    schemas = dict(server.query("SELECT table_schema, count(*) FROM information_schema.tables GROUP BY 1", "team"))
    assert schemas["mlflow"] > 30
    assert "mlflow_new" not in schemas
    events = server.query("SELECT count(*) FROM public.event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'", "team")
    assert events == [(1,)]
    assert not list(home.rglob("*.db"))  # nothing of it is in SQLite

    with pytest.raises(BadInputError, match=r"holds the models of another home, .*home"):
        Tracking(tmp_path / "other").champion()
    monkeypatch.delenv(postgres.VARIABLE)
    with pytest.raises(BadInputError, match="the runs and models of this home are in PostgreSQL"):
        prepare_instance(home)

    monkeypatch.setenv(postgres.VARIABLE, server.url("team"))
    made = home_backup.backup(home, tmp_path / "backup")
    assert made["postgres"]
    assert home_backup.DUMP in made["files"]
    moved = tmp_path / "moved"
    with pytest.raises(BadInputError, match="is not empty"):
        home_backup.restore(tmp_path / "backup", moved)
    monkeypatch.delenv(postgres.VARIABLE)
    with pytest.raises(BadInputError, match="the backup is of a home with PostgreSQL"):
        home_backup.restore(tmp_path / "backup", moved)
    monkeypatch.setenv(postgres.VARIABLE, server.new("again"))
    home_backup.restore(tmp_path / "backup", moved)
    assert Tracking(moved)._client().get_run(run.info.run_id).info.artifact_uri.startswith((moved / "mlflow").as_uri())
    Tracking(moved).check(Tracking(moved).require_champion())  # by the record that was in the home, not in the database
    with instance_of(moved) as instance:
        assert [r.run_id for r in instance.get_runs()] == [result.run_id]
    assert table_file(moved, "money", MONTH).read_bytes() == table_file(home, "money", MONTH).read_bytes()
    states = {found.check: found.state for found in examine(moved)}
    assert [states[name] for name in ("dagster", "mlflow", "last month")] == ["ok", "ok", "problem"]


@pytest.mark.parametrize(
    "command", [["model", "list"], ["run", "--month", MONTH], ["ui"], ["backup", "b"], ["doctor"], ["serve"]], ids=lambda c: c[0]
)
def test_unreachable_server_is_told_in_plain_words(unreachable, tmp_path, command):
    result = CliRunner().invoke(app.app, [*command, "--home", str(new_home(tmp_path / "home"))])
    told = result.output + str(result.exception)
    assert result.exit_code == 1
    assert isinstance(result.exception, BadInputError | SystemExit)
    assert "PostgreSQL at 127.0.0.1:1/oneclick cannot be used" in told
    assert "start the server or fix ONECLICK_POSTGRES" in told
    assert "s3cr3t" not in told


def test_pages_take_no_connection_from_before_a_restart_of_the_server(server, monkeypatch, tmp_path):
    home = new_home(tmp_path / "home")
    monkeypatch.setenv(postgres.VARIABLE, server.new("restarted"))
    prepare_instance(home)
    with instance_of(home) as instance:
        instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3600, max_overflow=5)  # as the pages do

        def ask():
            """Once of every storage: each has a pool of its own."""
            return (
                instance.get_runs_count(),
                instance.all_instigator_state(),
                instance.event_log_storage.get_maximum_record_id(),
                instance.daemon_cursor_storage.get_cursor_values({"none"}),
            )

        before = ask()
        server.stop()
        server.start()
        assert ask() == before


def test_server_that_goes_away_is_told_in_plain_words(server, monkeypatch, tmp_path):
    monkeypatch.setenv(postgres.VARIABLE, server.url())
    engine = sa.create_engine(postgres.given(), poolclass=sa.NullPool)
    lost = pytest.raises(BadInputError, match=r"cannot be used: .*(terminating|closed the) connection")
    with engine.connect() as connection, lost, postgres.plain_words():
        connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with engine.connect() as connection, pytest.raises(sa.exc.ProgrammingError), postgres.plain_words():
        connection.execute(sa.text("SELECT nonsense"))


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("mysql://store:s3cr3t@host/db", "not that of a PostgreSQL"),
        ("postgresql://store:s3cr3t@host", "not that of a PostgreSQL"),
        ("postgresql://store:s3cr3t@host:port/db", "is not understood"),
        ("s3cr3t", "is not understood"),
        ("postgresql://store:s3cr3t@host/db\udc9b", "is not understood"),
        ("postgresql://store:s3cr3t@host/db\x1b", "is not understood"),
    ],
)
def test_address_that_is_none_is_refused_without_being_told(monkeypatch, address, problem):
    monkeypatch.setenv(postgres.VARIABLE, address)
    with pytest.raises(BadInputError, match=problem) as caught:
        postgres.given()
    assert "s3cr3t" not in str(caught.value)


def test_empty_variable_means_sqlite(monkeypatch, tmp_path):
    monkeypatch.setenv(postgres.VARIABLE, "")
    assert Tracking(tmp_path).uri == f"sqlite:///{tmp_path / 'mlflow' / 'mlflow.db'}"


def test_configuration_follows_the_variable_until_somebody_edits_it(monkeypatch, tmp_path):
    config = prepare_instance(tmp_path) / "dagster.yaml"
    plain = config.read_text()
    assert "storage" not in plain
    monkeypatch.setenv(postgres.VARIABLE, CLOSED)
    prepare_instance(tmp_path)
    assert f"env: {postgres.VARIABLE}" in config.read_text()
    edited = config.read_text() + "retention: {sensor: {purge_after_days: 7}}\n"
    config.write_text(edited)
    prepare_instance(tmp_path)
    assert config.read_text() == edited
    config.write_text(plain + "retention: {sensor: {purge_after_days: 7}}\n")
    with pytest.raises(BadInputError, match="which was edited, keeps the runs elsewhere") as caught:
        prepare_instance(tmp_path)
    assert _STORAGE_LINE in caught.value.remedy
    assert yaml.safe_load(_STORAGE_LINE) == yaml.safe_load(_STORAGE)
    assert "s3cr3t" not in str(caught.value)
    config.write_text("a: [")
    with pytest.raises(BadInputError, match="not a valid configuration of Dagster"):
        prepare_instance(tmp_path)
