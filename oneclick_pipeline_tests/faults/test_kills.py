"""Killed at fifty random moments: whatever stands at a final path is whole, and the next run ends as an undisturbed one."""

import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import dagster as dg
import polars as pl
import pytest

from oneclick_pipeline.campaigns.ledger import ledger_file
from oneclick_pipeline.engine.files import damage
from oneclick_pipeline.offers.export import offers_file
from oneclick_pipeline.tables import RAW, TABLES, report_file, table_file
from oneclick_pipeline.tracking import CHAMPION, Tracking
from oneclick_pipeline_tests.faults.homes import FAST
from oneclick_pipeline_tests.orchestration.homes import MONTH, files, instance_of, new_home, table

SEED, FULL_RUN_EVERY = 20261, 10
JOBS = ["prepare"] * 26 + ["refresh"] * 16 + ["retrain"] * 8
NEEDS_A_CHAMPION = "refresh"
SETTINGS = FAST + "exploration: {max_rows: 1000}\n"
WORKER = """
import sys
from pathlib import Path
import matplotlib, mlflow, pandas, polars, scipy.stats, skops.io, sklearn.ensemble, sklearn.linear_model
from oneclick_pipeline.definitions import build
from oneclick_pipeline.orchestration import execute
home, month = Path(sys.argv[1]), sys.argv[2]
graph = build(str(home))
job = sys.stdin.readline().strip()
if job:
    outcome = execute.execute(graph.resolve_job_def(job), month, home, lambda *told: print(*told, flush=True))
    print(*outcome.errors, flush=True)
    sys.exit(not outcome.success)
"""


class Worker:
    """A process that has imported everything and waits for the job that it is to run.

    Attributes:
        seconds: How long it worked, from its first step on.
    """

    def __init__(self, home):
        self.out = home.with_name(f"{home.name}-{time.monotonic_ns()}.out")
        with self.out.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WORKER, str(home), MONTH],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )

    def run(self, job, seconds=None):
        """Run a job; so many seconds after its first step began, kill it and its children. Returns its exit code and its step."""
        self.process.stdin.write(f"{job}\n")
        self.process.stdin.flush()
        while not self.out.stat().st_size and self.process.poll() is None:
            time.sleep(0.02)  # between two looks at what it says
        begin = time.monotonic()
        try:
            code = self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait(timeout=60)
        self.seconds = time.monotonic() - begin
        lines = self.out.read_text(encoding="utf-8").splitlines()
        started = [line.split()[0] for line in lines if line.endswith(" start")]
        at = next(
            (s for s in reversed(started) if f"{s} success" not in lines), "between steps" if started else "before the first"
        )
        return code, at if code < 0 else "\n".join(lines[-3:])

    def stop(self):
        """End it, whatever it does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Home:
    """The home under attack, always with the next worker getting ready."""

    def __init__(self, path, stack):
        self.path, self._stack = path, stack
        self._next = self._worker()

    def _worker(self):
        worker = Worker(self.path)
        self._stack.callback(worker.stop)
        return worker

    def run(self, job, seconds=None):
        worker, self._next = self._next, self._worker()
        return worker.run(job, seconds)

    def whole(self, job):
        """An undisturbed run, and how long it took."""
        worker = self._next
        code, said = self.run(job)
        assert code == 0, said
        return worker.seconds


def rows(home, name):
    """A table without the number of the model, which counts the retrains, in the order of its key."""
    found = table(home, name).drop("model_version", strict=False)
    return found.sort("line") if name in RAW else found.sort([c for c in TABLES[name].key if c in found] or found.columns)


def shown(home):
    """Everything that a reader of the home may see: equal for equal months."""
    there = [name for name in TABLES if table_file(home, name, MONTH).exists()]
    assert [why for name in there if (why := damage(table_file(home, name, MONTH)))] == []
    found = {name: rows(home, name) for name in there}
    if ledger_file(home, MONTH).exists():
        found["ledger"] = pl.read_parquet(ledger_file(home, MONTH)).drop("model_version", strict=False)
    if offers_file(home, MONTH).exists():
        found["export"] = pl.DataFrame({"bytes": [offers_file(home, MONTH).read_bytes()]})
    return found


def assert_no_part_is_visible(home, expected):
    found = shown(home)
    for name, frame in found.items():
        assert frame.equals(expected[name]), name
    if (home / "mlflow" / "mlflow.db").exists() and (champion := Tracking(home).champion()) is not None:
        assert champion.judged
        Tracking(home).load(champion)
    return found


@pytest.mark.soak
def test_runs_killed_at_fifty_random_moments_leave_nothing_broken_and_the_next_run_ends_as_an_undisturbed_one(tmp_path, capsys):
    chance, struck, late = random.Random(SEED), collections.Counter(), 0  # noqa: S311 - a seed, no secret
    with ExitStack() as stack:
        undisturbed = Home(new_home(tmp_path / "undisturbed", settings=SETTINGS), stack)
        lasts = {job: undisturbed.whole(job) for job in ("retrain", "refresh", "prepare")}
        expected = shown(undisturbed.path)
        assert set(expected) == {*TABLES, "ledger", "export"}

        home = Home(new_home(tmp_path / "home", settings=SETTINGS), stack)
        jobs = chance.sample(JOBS, len(JOBS))
        first = [job for job in jobs if job != NEEDS_A_CHAMPION][:FULL_RUN_EVERY]  # no champion yet: refresh would end by itself
        for job in first:
            jobs.remove(job)
        jobs = first + jobs
        while jobs:
            code, at = home.run(jobs[0], chance.uniform(0, 0.95 * lasts[jobs[0]]))
            if code == -signal.SIGKILL:
                struck[f"{jobs.pop(0)}: {at}"] += 1
            else:
                late += 1
                assert code == 0, at
            with capsys.disabled():
                print(f"{struck.total():3} {code} {at}", flush=True)
            assert_no_part_is_visible(home.path, expected)
            if struck.total() % FULL_RUN_EVERY == 0 and code < 0:
                home.whole("retrain" if struck.total() == FULL_RUN_EVERY or not jobs else "refresh")
                assert set(assert_no_part_is_visible(home.path, expected)) == set(expected)
                assert list((home.path / "staging").iterdir()) == []
    store = Tracking(home.path)
    assert store.aliases()[CHAMPION] == store.require_champion().version
    assert files(home.path / "ledger") == [".lock", f"{MONTH}.parquet"]
    assert files(home.path / "exports") == [f"{MONTH}/offers.csv"]
    assert files(home.path / "reports") == [report_file(home.path, MONTH).name]
    assert not [name for name in files(home.path / "mlflow") if name.endswith(".new")]
    with instance_of(home.path) as instance, capsys.disabled():
        states = collections.Counter(run.status.value for run in instance.get_runs())
        print(f"\n{struck.total()} kills, {late} came after the end; undisturbed: {lasts}; Dagster's runs: {dict(states)}")
        print("\n".join(f"{n:3} {at}" for at, n in sorted(struck.items())))
        assert states[dg.DagsterRunStatus.SUCCESS.value] >= len(JOBS) / FULL_RUN_EVERY
    shutil.rmtree(tmp_path)
