"""Child processes end with their parent, politely or not, within ten seconds; none is left, whatever ends the parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pandas as pd
import psutil
import pytest

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.backup import dumps
from oneclick_pipeline.processes import keeper
from oneclick_pipeline.processes.group import SIGNALS, Group
from oneclick_pipeline.tracking import isolated

CHILD = """
import os, signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: sys.stdout.write(".")) if {stubborn} else None
if len(sys.argv) < 2:
    subprocess.Popen([sys.executable, "-c", {itself!r}, "grandchild"])
print("up", flush=True)
while True:
    time.sleep(60)
"""
STUBBORN = CHILD.format(stubborn=True, itself=CHILD.format(stubborn=True, itself=""))
POLITE = CHILD.format(stubborn=False, itself=CHILD.format(stubborn=False, itself=""))
PARENT = """
import os, threading, time
from oneclick_pipeline.processes.group import Group, leave
try:
  with Group() as group:
    group.end_on_signals()
    group.start(["-c", {child!r}], os.environ)
    {body}
finally:
  leave()
"""
BODIES = {
    "waits": "time.sleep(60)",
    "swallows": "while True:\n        try:\n            time.sleep(60)\n        except KeyboardInterrupt:\n            pass",
    "thread": "threading.Thread(target=time.sleep, args=(60,)).start()\n    time.sleep(60)",
}
DEADLINE_SECONDS = 10
KILL_SECONDS = sum(seconds for _, seconds in keeper.STEPS[:2])


@contextmanager
def parent(child=POLITE, body="waits"):
    """A parent with a child and a grandchild that are up; yields it and all processes below it."""
    code = PARENT.format(child=child, body=BODIES[body])
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert [process.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        below = psutil.Process(process.pid).children(recursive=True)
        assert len(below) == 4  # the keeper, its anchor, the child and its child
        try:
            yield process, below
        finally:
            for other in (process, *below):
                try:
                    other.kill()
                except psutil.NoSuchProcess:
                    continue


def left(processes, seconds=1.0):
    """Which processes are still there; an orphan that has ended may take a moment to be reaped."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


def test_keeper_leaves_time_for_the_parent_within_ten_seconds():
    steps = sum(seconds for _, seconds in keeper.STEPS)
    assert [step for step, _ in keeper.STEPS] == [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
    assert keeper.PARENT_SECONDS + steps < keeper.DEADLINE_SECONDS < DEADLINE_SECONDS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_polite_children(number):
    with parent() as (process, below):
        process.send_signal(number)
        process.wait(DEADLINE_SECONDS)
        assert left(below) == []


@pytest.mark.parametrize("body", BODIES)
def test_stubborn_children_of_a_parent_that_does_not_end_are_ended_with_it(body):
    with parent(STUBBORN, body) as (process, below):
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE_SECONDS)
        assert left(below) == []


def test_further_signals_hurry():
    with parent(STUBBORN) as (process, below):
        begin = time.monotonic()
        for _ in keeper.STEPS:
            process.send_signal(signal.SIGINT)
            time.sleep(keeper._SAME_SECONDS + 0.2)  # a person presses once more
        process.wait(DEADLINE_SECONDS)
        assert time.monotonic() - begin < KILL_SECONDS
        assert left(below) == []


@pytest.mark.parametrize("child", [POLITE, STUBBORN])
def test_no_child_and_no_folder_survives_a_parent_that_is_killed(child, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with parent(child) as (process, below):
        assert len(list(tmp_path.iterdir())) == 1
        process.kill()
        assert left(below, DEADLINE_SECONDS) == []
        assert list(tmp_path.iterdir()) == []


def test_child_that_ends_by_itself_is_an_error():
    with Group() as group:
        group.start(["-m", "json.tool"], {"PATH": os.environ["PATH"]})  # an empty input is not JSON
        with pytest.raises(BadInputError, match=r"the server json\.tool ended with code 1"):
            group.wait()


def test_no_child_survives_a_keeper_that_is_killed():
    with parent(STUBBORN) as (_, below):
        (own,) = [p for p in below if "-I" in p.cmdline() and p.ppid() not in {q.pid for q in below}]
        own.kill()
        assert left(below) == []


def test_children_are_in_a_folder_of_our_own_and_import_nothing_from_it(tmp_path):
    with Group() as group:
        assert group.folder.stat().st_mode & 0o777 == 0o700
        (group.folder / "json.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
        code = "import json, subprocess, sys; subprocess.run([sys.executable, '-m', 'json.tool', '-h'], check=True)"
        done = group.start(["-c", code], {"PATH": os.environ["PATH"], "PYTHONIOENCODING": "ascii"}).wait(60)
        folder = group.folder
    assert done == 0
    assert not folder.exists()
    assert not (tmp_path / "imported").exists()


def test_a_child_cannot_be_started_when_its_group_has_been_ended():
    with Group() as group:
        os.killpg(group._number, signal.SIGKILL)
        os.write(group._orders.fileno(), b"\0")
        group._keeper.wait(DEADLINE_SECONDS)
        with pytest.raises(KeyboardInterrupt):
            group.start(["-c", ""], os.environ)


def test_programs_that_open_models_or_talk_to_postgresql_get_none_of_our_secrets(monkeypatch, tmp_path):
    environments = []

    def noted(*_, env, **__):
        environments.append(env)
        raise subprocess.TimeoutExpired("", 0)

    for name in ("ONECLICK_POSTGRES", "ONECLICK_DATABASE", "ONECLICK_WEBHOOK", "ONECLICK_A_LATER_SECRET"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setattr(isolated.subprocess, "run", noted)
    assert "did not answer" in isolated.reopen(tmp_path, 1, pd.DataFrame()).error
    monkeypatch.setattr(dumps.shutil, "which", lambda _: "/usr/bin/pg_dump")
    environments.append(dumps._command("pg_dump", postgres.parsed("postgresql://u:p@h/n"))[1])
    for environment in environments:
        assert "secret" not in environment.values()
        assert environment["PATH"] == os.environ["PATH"]


def test_group_leaves_signals_and_timers_of_its_process_as_they_were():
    numbers = (*SIGNALS, signal.SIGALRM, signal.SIGTTOU)
    before = [signal.getsignal(number) for number in numbers]
    with Group() as group:
        group.end_on_signals()
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
