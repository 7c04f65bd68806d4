"""The daemon of a home: it begins anew when the clock was set back, and is the only one."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster._core.workspace.load_target import WorkspaceFileTarget

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import clock, daemon, daemon_lock, execute, servers
from oneclick_pipeline_tests.orchestration.homes import environment_kept
from oneclick_pipeline_tests.orchestration.test_locks import elsewhere

REFUSED = (
    "daemon.lock: another daemon works on this home, and two would start every run twice. What to do: use the pages that are open"
)
OURS = ("-P", "-m", "oneclick_pipeline.orchestration.daemon", "-w", "workspace.yaml")
DAGSTERS = ("-P", "-m", "dagster._daemon", "run", "-w", "workspace.yaml")


@pytest.fixture
def home(tmp_path):
    execute.prepare_instance(tmp_path)
    return tmp_path


def at_work(home):
    """Another process that is the daemon of a home."""
    return elsewhere(f"locks.held(Path({str(daemon_lock.lock_file(home / 'dagster'))!r}))")


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


class Controller:
    """Dagster's own, which does nothing here."""

    def check_daemon_threads(self):
        """All is well."""

    def check_workspace_freshness(self, refreshed):
        """It is fresh."""
        return refreshed


def test_daemons_begin_anew_when_the_clock_was_set_back_and_at_no_other_time(home, monkeypatch):
    begun = []

    @contextmanager
    def controller(*_, **__):
        begun.append(None)
        if len(begun) > 2:
            raise KeyboardInterrupt
        yield Controller()

    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setattr(daemon, "daemon_controller_from_instance", controller)
    monkeypatch.setattr(daemon, "THREAD_CHECK_INTERVAL", 0)
    steady, offsets, looks = iter(range(100)), [0, 0, 0, -500, -500, -1000, -1000], []

    def wall():
        return 1e9 + offsets[min(len(looks), len(offsets) - 1)]

    class Watch(clock.Watch):
        def was_set_back(self):
            looks.append(super().was_set_back())
            return looks[-1]

    with environment_kept(), pytest.raises(KeyboardInterrupt):
        daemon.work(WorkspaceFileTarget([str(Path("workspace.yaml"))]), Watch(wall, lambda: next(steady)))
    assert looks.count(True) == 2
    assert looks[:2] == [False, False]
