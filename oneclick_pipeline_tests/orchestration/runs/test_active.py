"""Runs at work: one at a time on a month, and a killed one is told."""

import datetime as dt
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from uuid import uuid4

import dagster as dg
import psycopg2
import pytest
import sqlalchemy as sa
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks
from oneclick_pipeline.orchestration.automation import alerts
from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.runs import active
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.home.test_locks import elsewhere
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, new_home

STARTING = dg.DagsterRunStatus.STARTING
STARTED, SUCCESS, FAILURE = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE


@pytest.fixture
def instance():
    with environment_kept(), dg.DagsterInstance.ephemeral() as made:
        yield made


def a_run(instance, number, status=STARTED, month=MONTH):
    run = dg.DagsterRun(
        "retrain", run_id=f"00000000-0000-0000-0000-{number:012}", status=status, tags={"dagster/partition": month}
    )
    return instance.add_run(run)


def left_behind(home, run):
    mark = home / "locks" / f"run-{run.run_id}.lock"
    mark.parent.mkdir(exist_ok=True)
    mark.write_text("process 1\n")
    return mark


def test_settle_fails_the_run_that_was_killed_and_no_other(tmp_path, instance):
    killed, finished, unknown, waiting = (a_run(instance, k, s) for k, s in enumerate([STARTED, SUCCESS, STARTED, STARTED]))
    for run in (killed, finished):
        left_behind(tmp_path, run)
    with locks.held(left_behind(tmp_path, waiting)):
        assert active.settle(tmp_path, instance) == [killed.run_id]
        assert active.settle(tmp_path, instance) == []
    status = {run.run_id: instance.get_run_by_id(run.run_id).status for run in (killed, finished, unknown, waiting)}
    assert list(status.values()) == [FAILURE, SUCCESS, STARTED, STARTED]
    assert list((tmp_path / "locks").iterdir()) == []


def test_run_that_was_ended_from_outside_says_so(instance):
    run = a_run(instance, 1)
    event = instance.report_run_failed(run)  # as Dagster does when it finds the run's process gone
    assert str(active.cause(event)) == "run: its process was killed, or could not be started"


def test_settle_forgets_a_run_that_the_instance_does_not_know(tmp_path, instance):
    left_behind(tmp_path, dg.DagsterRun("retrain", run_id="a"))
    assert active.settle(tmp_path, instance) == []
    assert list((tmp_path / "locks").iterdir()) == []


def test_at_work_says_in_the_run_that_it_waits(tmp_path, instance, monkeypatch):
    run = a_run(instance, 1)
    with elsewhere(f"locks.month(Path({str(tmp_path)!r}), {MONTH!r}, print)") as process:
        month = locks.month

        def end_the_wait(home, name, waiting):
            return month(home, name, lambda: (waiting(), process.stdin.close()))

        monkeypatch.setattr(locks, "month", end_the_wait)
        with active.at_work(tmp_path, run, instance):
            assert (tmp_path / "locks" / f"run-{run.run_id}.lock").exists()
    messages = [record.dagster_event.message for record in instance.all_logs(run.run_id)]
    assert messages == [f"Another run works on {MONTH}: this one waits for it to end."]
    assert sorted(p.name for p in (tmp_path / "locks").iterdir()) == [f"{MONTH}.lock"]


def test_home_marks_the_run_while_its_steps_work(tmp_path):
    seen = []

    @dg.asset(partitions_def=dg.MonthlyPartitionsDefinition(start_date="2024-01", fmt="%Y-%m"))
    def looks(context: dg.AssetExecutionContext, home: Home) -> None:
        seen.extend(sorted(p.name for p in (home.root / "locks").iterdir()))
        assert seen[1:] == [f"run-{context.run.run_id}.lock"]

    with environment_kept():
        dg.materialize([looks], partition_key=MONTH, resources={"home": Home(path=str(tmp_path))})
    assert seen[0] == f"{MONTH}.lock"
    assert [p.name for p in (tmp_path / "locks").iterdir()] == [f"{MONTH}.lock"]


KILLED = """
import sys
from pathlib import Path
from oneclick_pipeline.definitions import build
from oneclick_pipeline.orchestration import execution as execute; from oneclick_pipeline.orchestration.runs import active as runs

def stop(root, run, instance):
    print("made", run.run_id, flush=True)
    sys.stdin.read()

runs.at_work = stop
home = Path(sys.argv[1])
execute.execute(build(str(home)).resolve_job_def("prepare"), "2026-10", home, lambda *_: None)
"""


def test_command_that_is_killed_once_its_run_is_made_and_before_it_works_has_failed(tmp_path):
    home = new_home(tmp_path / "home", settings="", texts=export_text())
    command = [sys.executable, "-c", KILLED, str(home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        made, _, run_id = next(line for line in process.stdout if line.startswith("made")).strip().partition(" ")
        with environment_kept(), dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
            assert made
            assert active.settle(home, instance) == []
            assert not instance.get_run_by_id(run_id).is_finished
            process.kill()
            process.wait()
            assert active.settle(home, instance) == [run_id]
            run = instance.get_run_by_id(run_id)
            assert run.status is FAILURE
            (alert,) = alerts.of_run(instance, run, "http://127.0.0.1:3000")
    assert (alert.month, "was killed" in alert.reason) == (MONTH, True)
    assert sorted(p.name for p in (home / "locks").iterdir()) == [f"{MONTH}.lock"]


def test_announced_leaves_its_mark_where_the_command_ends_by_an_error(tmp_path, instance):
    run = a_run(instance, 1)
    with pytest.raises(KeyboardInterrupt), active.announced(tmp_path, run.run_id):
        raise KeyboardInterrupt
    assert active.settle(tmp_path, instance) == [run.run_id]
    with active.announced(tmp_path, run.run_id):
        assert active.settle(tmp_path, instance) == []
    assert list((tmp_path / "locks").iterdir()) == []


SLOW = """
import os
from pathlib import Path
import dagster as dg
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.partitions import FIRST, months_from

class SlowHome(Home):
    def yield_for_execution(self, context):
        Path(self.path, "slow").touch()
        Path(self.path, "go").read_text()  # a FIFO
        return super().yield_for_execution(context)

@dg.asset(partitions_def=months_from(FIRST))
def looks(home: Home) -> None: ...

slow = dg.define_asset_job("slow", selection=[looks])
place = SlowHome(path=os.environ["SLOW_HOME"])
defs = dg.Definitions([looks], jobs=[slow], resources={"home": place}, executor=dg.in_process_executor)
"""


@contextmanager
def code_server(home, monkeypatch):
    """A code server with a job that gets as far as before its mark; yields its client and its process."""
    monkeypatch.setenv("SLOW_HOME", str(home))
    (home / "slow.py").write_text(SLOW)
    folder = tempfile.mkdtemp(prefix="oneclick-")  # the path of a socket must be short
    socket = f"{folder}/code"
    command = [sys.executable, "-m", "dagster", "api", "grpc", "-s", socket, "-f", str(home / "slow.py")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        try:
            wait_until(lambda: servers._is_ready(socket))
            yield DagsterGrpcClient(socket=socket, host="localhost"), process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            shutil.rmtree(folder)


def origin(socket):
    """Where a code server says that the job comes from."""
    server = GrpcServerCodeLocationOrigin(host="localhost", socket=socket, location_name="slow")
    return RemoteJobOrigin(repository_origin=RemoteRepositoryOrigin(server, "__repository__"), job_name="slow")


def wait_until(holds):
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_run_of_the_daemon_that_is_killed_before_it_works_has_failed_and_a_slow_one_has_not(tmp_path, monkeypatch):
    home, later = tmp_path, dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    os.mkfifo(home / "go")
    (home / "dagster").mkdir()
    (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with environment_kept(), dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        with code_server(home, monkeypatch) as (client, process):
            run = instance.create_run(
                job_name="slow", run_id=str(uuid4()), run_config=None, status=STARTING, tags={"dagster/partition": MONTH},
                step_keys_to_execute=None, root_run_id=None, parent_run_id=None, job_snapshot=None, execution_plan_snapshot=None,
                parent_job_snapshot=None, op_selection=None, resolved_op_selection=None, asset_selection=None,
                asset_check_selection=None, asset_graph=dg.Definitions().get_repository_def().asset_graph,
                remote_job_origin=origin(client.socket), job_code_origin=None,
            )  # fmt: skip
            DefaultRunLauncher.launch_run_from_grpc_client(instance, run, client)
            wait_until((home / "slow").exists)
            assert active.settle_lost(home, instance, later) == []  # slow, and its server knows its process
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert active.settle(home, instance) == []  # it has no mark
            assert active.settle_lost(home, instance, dt.datetime.now(dt.UTC)) == []  # its process may have outlived the server
            assert active.settle_lost(home, instance, later) == [run.run_id]
        assert instance.get_run_by_id(run.run_id).status is FAILURE
        (alert,) = alerts.of_run(instance, instance.get_run_by_id(run.run_id), "http://127.0.0.1:3000")
        assert (alert.month, "did not start" in alert.reason) == (MONTH, True)
        with pytest.raises(BadInputError, match="was abandoned"), active.at_work(home, run, instance):
            pass
    assert [p.name for p in (home / "locks").iterdir()] == []


def launched(instance, number, status):
    """A run that a code server was told to start which is gone."""
    tags = {"dagster/partition": MONTH, GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": "/nowhere"})}
    run = dg.DagsterRun(
        "retrain", run_id=f"00000000-0000-0000-0000-{number:012}", status=status, tags=tags, remote_job_origin=origin("/nowhere")
    )
    return instance.add_run(run)


def test_settle_lost_gives_up_what_was_launched_and_is_silent_and_nothing_else(tmp_path, instance):
    now, status = dt.datetime.now(dt.UTC), dg.DagsterRunStatus
    lost = [launched(instance, k, s) for k, s in enumerate([status.NOT_STARTED, STARTING, STARTED, status.CANCELING])]
    lost.append(a_run(instance, 10, STARTING))  # its launcher was killed before it told a code server
    others = [launched(instance, 20 + k, s) for k, s in enumerate([status.QUEUED, SUCCESS, FAILURE, status.CANCELED])]
    others.append(a_run(instance, 30))  # in a process of its own
    at_work = launched(instance, 40, STARTED)
    with active.announced(tmp_path, at_work.run_id):
        assert active.settle_lost(tmp_path, instance, now + dt.timedelta(minutes=4)) == []
        assert sorted(active.settle_lost(tmp_path, instance, now + dt.timedelta(minutes=6))) == [run.run_id for run in lost]
        assert active.settle_lost(tmp_path, instance, now + dt.timedelta(days=6)) == []
    assert {instance.get_run_by_id(run.run_id).status for run in lost} == {FAILURE}
    for run in [*others, at_work]:
        assert instance.get_run_by_id(run.run_id).status is run.status
    assert list((tmp_path / "locks").iterdir()) == []


def test_settle_lost_waits_while_something_is_heard(tmp_path, instance, monkeypatch):
    run, now = launched(instance, 1, STARTED), dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    monkeypatch.setattr(time, "time", now.timestamp)
    instance.report_engine_event("a step has ended", run)
    monkeypatch.undo()
    assert active.settle_lost(tmp_path, instance, now + dt.timedelta(minutes=4)) == []
    assert active.settle_lost(tmp_path, instance, now + dt.timedelta(minutes=6)) == [run.run_id]


@pytest.mark.parametrize("month", ["../../x", "2026-13", "２０２６-10", "2026-10\n"])
def test_at_work_refuses_a_month_that_is_none(tmp_path, instance, month):
    run = a_run(instance, 1, month=month)
    with pytest.raises(BadInputError, match="is not a month"), active.at_work(tmp_path / "home", run, instance):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["home"]


def test_connection_that_dagster_lost_is_told_in_plain_words_without_the_password(monkeypatch):
    lost = sa.exc.OperationalError("INSERT INTO event_logs", {}, None)
    lost.__cause__ = psycopg2.OperationalError("server closed the connection unexpectedly")

    @dg.op
    def writes():
        raise RuntimeError("too many retries for DB connection") from lost

    @dg.job(executor_def=dg.in_process_executor)
    def run_of_a_month():
        writes()

    with dg.DagsterInstance.ephemeral() as instance:
        result = run_of_a_month.execute_in_process(instance=instance, raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert active.reason(event).startswith("writes: psycopg2.OperationalError")
    monkeypatch.setenv("ONECLICK_POSTGRES", "postgresql://store:s3cr3t@127.0.0.1:1/team")
    told = active.reason(event)
    assert told.startswith("PostgreSQL at 127.0.0.1:1/team cannot be used: ")
    assert "server closed the connection unexpectedly. What to do: start the server" in told
    assert "s3cr3t" not in told


@pytest.mark.parametrize("ahead", [dt.timedelta(minutes=6), dt.timedelta(days=400)])
def test_run_that_was_heard_of_later_than_now_is_not_waited_for_until_then(tmp_path, instance, ahead):
    lost = a_run(instance, 1, STARTING)
    now = dt.datetime.now(dt.UTC) - ahead  # the clock was ahead when it was launched
    assert active.settle_lost(tmp_path, instance, now) == [lost.run_id]


def test_run_that_was_launched_by_a_clock_that_was_adjusted_is_left_alone(tmp_path, instance):
    a_run(instance, 1, STARTING)
    assert active.settle_lost(tmp_path, instance, dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)) == []
