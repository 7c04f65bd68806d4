"""The PostgreSQL with MLflow's tables is slow, falls silent or hangs up during a training; its artifacts go meanwhile."""

import shutil
import time

import pytest

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import CHAMPION, MODEL, Tracking, runs
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.faults.homes import FAST, materialize
from oneclick_pipeline_tests.orchestration.homes import environment_kept, files, told
from oneclick_pipeline_tests.proxy import proxy
from oneclick_pipeline_tests.tracking.trainings import unusable

CANNOT = "PostgreSQL at 127.0.0.1:"


@pytest.fixture(scope="module")
def server():
    with servers.postgresql() as running:
        yield running


@pytest.fixture
def between(server, monkeypatch):
    """A proxy before an empty database, which the variable names."""
    monkeypatch.setattr(postgres, "_SILENT_SECONDS", 2.0)
    with environment_kept(), proxy(server.port) as passing:
        name = f"models_{time.monotonic_ns()}"
        address = server.new(name).replace(f":{server.port}/", f":{passing.port}/")
        monkeypatch.setenv(postgres.VARIABLE, address)
        yield passing


def ask():
    with postgres.plain_words(), postgres.connected(postgres.given()) as connection:
        return connection.exec_driver_sql("SELECT 1").scalar_one()


@pytest.mark.parametrize(
    ("fault", "said"), [("silent", "the server has not answered for 2 s"), ("cut", "server closed the connection")]
)
def test_server_that_does_not_answer_is_given_up_in_plain_words(between, fault, said):
    assert ask() == 1
    between.fault, between.word = fault, b"SELECT 1"
    begin = time.monotonic()
    with pytest.raises(BadInputError) as caught:
        ask()
    assert time.monotonic() - begin < 20
    assert str(caught.value).startswith(f"{CANNOT}{between.port}/")
    assert said in str(caught.value)
    assert servers.PASSWORD not in str(caught.value)
    between.word = b""
    between.begun.clear()
    assert ask() == 1


def test_server_that_is_silent_from_the_first_byte_is_given_up(between, monkeypatch):
    monkeypatch.setenv(postgres.VARIABLE, f"{postgres.text(postgres.given()).split('?')[0]}?connect_timeout=2")
    between.fault = "silent"
    between.begun.set()
    begin = time.monotonic()
    with pytest.raises(BadInputError, match="the server has not answered for 2 s"):
        ask()
    assert time.monotonic() - begin < 20


def test_statement_that_takes_longer_than_a_packet_is_waited_for(between):
    with postgres.connected(postgres.given()) as connection:
        assert connection.exec_driver_sql("SELECT 7 FROM pg_sleep(1)").scalar_one() == 7


def versions(home):
    return [version.version for version in Tracking(home)._client().search_model_versions(f"name = '{MODEL}'")]


@pytest.mark.soak
def test_training_whose_database_falls_silent_or_hangs_up_fails_and_the_next_one_succeeds(home, between):
    (home / "settings.yaml").write_text(FAST)
    shutil.rmtree(home / "mlflow")
    between.delay = 0.002  # slow, and all the same a model comes of it
    assert materialize(home, "activity_model").success
    between.delay = 0.0
    faults = [("silent", b"INSERT INTO model_versions"), ("cut", b"INSERT INTO logged_models"), ("cut", b"INSERT INTO params")]
    for fault, word in faults:
        between.fault, between.word = fault, word
        result = materialize(home, "activity_model")
        assert not result.success, word
        assert CANNOT in told(result), word
        assert between.begun.is_set(), word
        between.word = b""
        between.begun.clear()
        store = Tracking(home)
        assert store.aliases()[CHAMPION] == store.require_champion().version, word
        store.load(store.require_champion())
    assert materialize(home, "activity_model").success
    assert Tracking(home).require_champion().has_gates
    assert unusable(Tracking(home)) == []
    assert files(home / "staging") == []
    assert len(versions(home)) == 2


@pytest.mark.soak
@pytest.mark.parametrize("trouble", ["gone", "input/output error"])
def test_artifacts_that_go_in_the_middle_of_an_upload_fail_the_training_and_the_next_one_succeeds(home, monkeypatch, trouble):
    (home / "settings.yaml").write_text(FAST)
    artifacts, away, before = home / "mlflow" / "artifacts", home / "away", Tracking(home).aliases()[CHAMPION]
    upload = runs.log_model

    def broken(*arguments):
        if trouble == "input/output error":
            raise OSError(5, "Input/output error", str(artifacts))
        artifacts.rename(away)
        return upload(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(runs, "log_model", broken)
        result = materialize(home, "activity_model")
    if away.exists():
        shutil.rmtree(artifacts, ignore_errors=True)
        away.rename(artifacts)
    assert not result.success
    assert str(home / "mlflow") in told(result)
    assert Tracking(home).aliases()[CHAMPION] == before
    Tracking(home).load(Tracking(home).require_champion())
    assert materialize(home, "activity_model").success
    assert unusable(Tracking(home)) == []
