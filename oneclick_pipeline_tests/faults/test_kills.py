"""Killed at fifty random moments: whatever stands at a final path is whole, and the next run ends as an undisturbed one."""

import collections
import random

import dagster as dg
import pytest

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.home.paths import report_file
from oneclick_pipeline.tracking import CHAMPION, Tracking
from oneclick_pipeline_tests.faults.homes import FAST, visible
from oneclick_pipeline_tests.faults.killing import SEED, month, run, step
from oneclick_pipeline_tests.orchestration.homes import MONTH, files, instance_of, new_home

FULL_RUN_EVERY = 10
JOBS = ["prepare"] * 26 + ["refresh"] * 16 + ["retrain"] * 8
NEEDS_A_CHAMPION = "refresh"
SETTINGS = FAST + "exploration: {max_rows: 1000}\n"


def whole(home, job):
    """An undisturbed run, and how long it took."""
    end = run(month, home, job, MONTH)
    assert end.code == 0, end.output[-3000:]
    return end.seconds


def assert_no_part_is_visible(home, expected):
    found = visible(home)
    for name, frame in found.items():
        assert frame.equals(expected[name]), name
    if (home / "mlflow" / "mlflow.db").exists() and (champion := Tracking(home).champion()) is not None:
        assert champion.has_gates
        Tracking(home).load(champion)
    return found


@pytest.mark.soak
def test_runs_killed_at_fifty_random_moments_leave_nothing_broken_and_the_next_run_ends_as_an_undisturbed_one(tmp_path, capsys):
    chance, struck, late = random.Random(SEED), collections.Counter(), 0  # noqa: S311 - a seed, no secret
    undisturbed = new_home(tmp_path / "undisturbed", settings=SETTINGS)
    lasts = {job: whole(undisturbed, job) for job in ("retrain", "refresh", "prepare")}
    expected = visible(undisturbed)
    assert set(expected) == {*TABLES, "ledger", "export"}

    home = new_home(tmp_path / "home", settings=SETTINGS)
    jobs = chance.sample(JOBS, len(JOBS))
    first = [job for job in jobs if job != NEEDS_A_CHAMPION][:FULL_RUN_EVERY]  # no champion yet: refresh would end by itself
    for job in first:
        jobs.remove(job)
    jobs = first + jobs
    while jobs:
        end = run(month, home, jobs[0], MONTH, kill_after=chance.uniform(0, 0.95 * lasts[jobs[0]]))
        assert end.killed or end.code == 0, end.output[-3000:]
        if end.killed:
            struck[f"{jobs.pop(0)}: {step(end)}"] += 1
        else:
            late += 1
        with capsys.disabled():
            print(f"{struck.total():3} {end.code} {step(end)}", flush=True)
        assert_no_part_is_visible(home, expected)
        if struck.total() % FULL_RUN_EVERY == 0 and end.killed:
            whole(home, "retrain" if struck.total() == FULL_RUN_EVERY or not jobs else "refresh")
            assert set(assert_no_part_is_visible(home, expected)) == set(expected)
            assert list((home / "staging").iterdir()) == []
    store = Tracking(home)
    assert store.aliases()[CHAMPION] == store.require_champion().version
    assert files(home / "ledger") == [".lock", f"{MONTH}.parquet"]
    assert files(home / "exports") == [f"{MONTH}/offers.csv"]
    assert files(home / "reports") == [report_file(home, MONTH).name]
    assert not [name for name in files(home / "mlflow") if name.endswith(".new")]
    with instance_of(home) as instance, capsys.disabled():
        states = collections.Counter(run.status.value for run in instance.get_runs())
        print(f"\n{struck.total()} kills, {late} came after the end; undisturbed: {lasts}; Dagster's runs: {dict(states)}")
        print("\n".join(f"{n:3} {at}" for at, n in sorted(struck.items())))
        assert states[dg.DagsterRunStatus.SUCCESS.value] >= len(JOBS) / FULL_RUN_EVERY
