"""Two years of months that are run one after another, every third run killed: in the end as if none had been."""

import random
import time
from pathlib import Path

import dagster as dg
import pytest

from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.simulator.twin.panel import write_months
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.faults.homes import FAST, visible
from oneclick_pipeline_tests.faults.killing import SEED, month, run
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import files, instance_of

FIRST, CUSTOMERS, KILL_EVERY = "2024-01", 300, 3
SETTINGS = FAST + "exploration: {max_rows: 1000}\n"
TWO_YEARS = ["prepare"] * 20 + ["retrain"] + ["refresh"] * 3
"""What an operator runs: months without a model, which are history for the first training, then scores and offers."""


def new_store(home, months):
    """A home with the exports of a small store."""
    last = add_months(FIRST, months - 1)
    write_months(
        Profile.load(None), home, first=FIRST, last=last, customers=CUSTOMERS, seed=1, overwrite=False, progress=lambda *_: None
    )
    (home / "settings.yaml").write_text(SETTINGS)
    return home


def undisturbed_months(home, first, *jobs):
    """Run the months in one process; says how long each took."""
    for number, job in enumerate(jobs):
        begin = time.monotonic()
        outcome = homes.run(Path(home), job, month=add_months(first, number))
        assert outcome.success, outcome.errors
        print("seconds", time.monotonic() - begin, flush=True)


def backfill(home, jobs, moments):
    """Run the months, a process each; one that was killed is run again. Returns how many were killed."""
    killed = 0
    for number, job in enumerate(jobs):
        name = add_months(FIRST, number)
        end = run(month, home, job, name, kill_after=moments[number])
        if end.killed:
            killed += 1
            visible(home, name)
            end = run(month, home, job, name)
        assert end.code == 0, end.output[-3000:]
    return killed


@pytest.mark.parametrize(
    "jobs", [pytest.param(["prepare"] * 3, id="quarter"), pytest.param(TWO_YEARS, id="two-years", marks=pytest.mark.soak)]
)
def test_backfill_with_a_kill_in_every_third_run_ends_as_one_without(tmp_path, jobs):
    chance = random.Random(SEED)  # noqa: S311 - a seed, no secret
    undisturbed, home = (new_store(tmp_path / name, len(jobs)) for name in ("undisturbed", "home"))
    end = run(undisturbed_months, undisturbed, FIRST, *jobs)
    assert end.code == 0, end.output[-3000:]
    lasts = [float(line.split()[1]) for line in end.output.splitlines() if line.startswith("seconds ")]
    # On a machine that was busier meanwhile a run ends before its moment: the first half of it is long enough to be hit.
    moments = [None if number % KILL_EVERY else chance.uniform(0, whole / 2) for number, whole in enumerate(lasts, 1)]
    killed = backfill(home, jobs, moments)
    months = [add_months(FIRST, number) for number in range(len(jobs))]
    for name in months:
        expected, found = visible(undisturbed, name), visible(home, name)
        assert set(found) == set(expected)
        assert [table for table, frame in found.items() if not frame.equals(expected[table])] == [], name
    assert files(home / "staging") == []
    for folder in ("exports", "reports", "ledger"):
        assert files(home / folder) == files(undisturbed / folder)
    with instance_of(home) as instance:
        done = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
        assert sorted(r.tags["dagster/partition"] for r in done) == months
        failed = instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert killed >= max(1, len(jobs) // KILL_EVERY - 2)
        assert failed <= killed  # one that was killed before it was made left nothing
        assert instance.get_runs_count() == len(months) + failed
    if "retrain" in jobs:
        assert Tracking(home).require_champion().tags["month"] == months[jobs.index("retrain")]
