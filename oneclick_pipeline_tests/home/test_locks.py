"""Locks tell who is at work, and who was killed."""

import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from oneclick_pipeline.home import locks

HOLD = """
import sys
from pathlib import Path
from oneclick_pipeline.orchestration.automation import daemon_lock; from oneclick_pipeline.home import locks

with {}:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def elsewhere(lock):
    """Another process that holds a lock until its input ends."""
    command = [sys.executable, "-c", HOLD.format(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process


def test_held_removes_its_file_and_may_be_entered_again_by_its_process(tmp_path):
    path = tmp_path / "locks" / "run-1.lock"
    with locks.held(path):
        with locks.held(path):
            assert path.exists()
        assert list(locks.abandoned(path.parent, "run-*.lock")) == []
    assert not path.exists()


def test_abandoned_finds_what_a_killed_process_left_and_no_other(tmp_path):
    alive, killed = tmp_path / "run-alive.lock", tmp_path / "run-killed.lock"
    with elsewhere(f"locks.held(Path({str(alive)!r}))") as living:
        with elsewhere(f"locks.held(Path({str(killed)!r}))") as process:
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert list(locks.abandoned(tmp_path, "run-*.lock")) == [killed]
        assert list(locks.abandoned(tmp_path, "run-*.lock")) == []
        living.stdin.close()
        assert living.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_abandoned_keeps_the_file_of_a_caller_who_has_not_dealt_with_it(tmp_path):
    (tmp_path / "run-1.lock").write_text("process 1\n")
    next(locks.abandoned(tmp_path, "run-*.lock"))
    assert list(locks.abandoned(tmp_path, "run-*.lock")) == [tmp_path / "run-1.lock"]


def test_abandoned_passes_over_a_file_that_nobody_has_written(tmp_path):
    (tmp_path / "run-1.lock").touch()
    assert list(locks.abandoned(tmp_path, "run-*.lock")) == []


def test_month_waits_for_the_other_process_and_not_for_its_own(tmp_path):
    said = []
    with elsewhere(f"locks.month(Path({str(tmp_path)!r}), '2026-10', print)") as process:
        with locks.month(tmp_path, "2026-09", lambda: said.append("other month")):
            assert said == []

        def free():
            said.append("waiting")
            process.stdin.close()

        with locks.month(tmp_path, "2026-10", free), locks.month(tmp_path, "2026-10", lambda: said.append("own")):
            assert process.wait() == 0
    assert said == ["waiting"]


def test_month_is_free_after_a_kill(tmp_path):
    with elsewhere(f"locks.month(Path({str(tmp_path)!r}), '2026-10', print)") as process:
        with pytest.raises(AssertionError, match="waits"), locks.month(tmp_path, "2026-10", _fail):
            pass
        process.kill()
        process.wait()
        with locks.month(tmp_path, "2026-10", _fail):
            pass


def _fail():
    raise AssertionError("waits")
