"""The daemon of a home: it starts over when the clock was set back, and is the only one."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from dagster._core.scheduler.instigation import InstigatorType
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.types import DaemonHeartbeat

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks
from oneclick_pipeline.orchestration.automation import daemon, daemon_lock
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline_tests.home.test_locks import elsewhere
from oneclick_pipeline_tests.orchestration.homes import environment_kept, instance_of
from oneclick_pipeline_tests.orchestration.pages.test_servers import wait_until

REFUSED = (
    "daemon.lock: another daemon works on this home, and two would start every run twice. What to do: use the pages that are open"
)
OURS = ("-P", "-m", "oneclick_pipeline.orchestration.automation.daemon", "-w", "workspace.yaml")
DAGSTERS = ("-P", "-m", "dagster._daemon", "run", "-w", "workspace.yaml")


@pytest.fixture
def home(tmp_path):
    prepare_instance(tmp_path)
    return tmp_path


def at_work(home):
    """Another process that is the daemon of a home."""
    return elsewhere(f"daemon_lock.alone(Path({str(home / 'dagster')!r}))")


@pytest.mark.parametrize("arguments", [OURS, DAGSTERS])
def test_second_daemon_is_refused_with_a_sentence_whoever_starts_it(home, arguments):
    variables = os.environ | {"DAGSTER_HOME": str(home / "dagster"), "COLUMNS": "1000"}
    with at_work(home):
        done = subprocess.run(
            [sys.executable, *arguments], env=variables, capture_output=True, text=True, timeout=120, check=False
        )
    assert done.returncode == 1
    assert REFUSED in done.stderr
    assert "Traceback" not in done.stderr


def test_second_pages_are_refused_before_they_start_anything(home):
    with at_work(home), pytest.raises(BadInputError, match="another daemon works on this home"), servers.serve(home, 0, 0):
        pass


def test_daemon_that_was_killed_is_in_nobodys_way(home):
    with at_work(home) as process:
        process.kill()
        process.wait()
        daemon_lock.refuse_second(home / "dagster")
        with daemon_lock.alone(home / "dagster"):
            assert daemon_lock.lock_file(home / "dagster").read_text() == f"process {os.getpid()}\n"
    assert not daemon_lock.lock_file(home / "dagster").exists()


def test_lock_file_that_somebody_removed_lets_no_second_daemon_in(home):
    folder = home / "dagster"
    with at_work(home):
        daemon_lock.lock_file(folder).unlink()
        with pytest.raises(BadInputError, match="another daemon works on this home"):
            daemon_lock.refuse_second(folder)
        with pytest.raises(BadInputError, match="another daemon works on this home"), daemon_lock.alone(folder):
            pass
    with daemon_lock.alone(folder), daemon_lock.alone(folder):  # Dagster's own daemon loads a scheduler more than once
        pass
    assert not locks.is_held(folder)


class Controller:
    """Dagster's own, which does nothing here."""

    def check_daemon_threads(self):
        """All is well."""

    def check_workspace_freshness(self, refreshed):
        """It is fresh."""
        return refreshed


def test_daemons_begin_anew_when_a_later_time_is_remembered_and_at_no_other_time(home, monkeypatch):
    begun, looks = [], []

    @contextmanager
    def controller(instance, *_, **__):
        begun.append(len(looks))
        if len(begun) > 2:
            raise KeyboardInterrupt
        yield Controller()

    def look(_):
        looks.append(None)
        if len(looks) in (3, 5):  # a daemon has seen a clock that was ahead
            with instance_of(home) as instance:
                instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() + 3600, "SENSOR", None))

    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setattr(daemon, "daemon_controller_from_instance", controller)
    monkeypatch.setattr(daemon.time, "sleep", look)
    with environment_kept(), pytest.raises(KeyboardInterrupt):
        daemon.work(WorkspaceFileTarget(["workspace.yaml"]))
    assert begun == [0, 3, 5]


SET = """
import datetime, sys, time
from pathlib import Path
steady, ahead = time.time, Path(sys.argv[1])
time.time = lambda: steady() + float(ahead.read_text() or 0)
import dagster._time as times
times._mockable_get_current_timestamp = time.time
times._mockable_get_current_datetime = lambda: datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
from oneclick_pipeline.orchestration.automation import daemon
daemon.main(sys.argv[2:])
"""
DAYS_400 = 400 * 86400


def ticks_after(home, seconds):
    """Sensors and schedules that were asked after a time."""
    with instance_of(home) as instance:
        states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        return {s.instigator_name for s in states if instance.get_ticks(s.instigator_origin_id, s.selector_id, after=seconds)}


@pytest.mark.soak
def test_daemon_at_work_goes_on_after_the_clock_was_set_forward_and_back(home, tmp_path):
    ahead, workspace = tmp_path / "ahead", tmp_path / "workspace.yaml"
    ahead.write_text("0")
    workspace.write_text("load_from: [{python_module: oneclick_pipeline.definitions}]\n")
    variables = os.environ | {"DAGSTER_HOME": str(home / "dagster"), "ONECLICK_HOME": str(home)}
    command, begun = [sys.executable, "-P", "-c", SET, str(ahead), "-w", str(workspace)], time.time()
    log = tmp_path / "daemon.log"
    with log.open("wb") as out, subprocess.Popen(command, env=variables, stdout=out, stderr=out) as process:
        try:
            wait_until(lambda: ticks_after(home, begun), process, log)
            ahead.write_text(str(DAYS_400))
            wait_until(lambda: {"alerts", "new_snapshot"} <= ticks_after(home, begun + DAYS_400), process, log)
            ahead.write_text("0")
            wait_until(lambda: "The clock was set back" in log.read_text(errors="replace"), process, log)
            right = time.time()
            wait_until(lambda: {"alerts", "new_snapshot"} <= ticks_after(home, right + 5), process, log)
            assert not ticks_after(home, time.time() + 60)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
