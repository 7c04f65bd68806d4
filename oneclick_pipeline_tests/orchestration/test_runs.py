"""Runs at work: one at a time on a month, and a killed one is told."""

import dagster as dg
import pytest

from oneclick_pipeline.orchestration import locks, runs
from oneclick_pipeline.orchestration.home import Home
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept
from oneclick_pipeline_tests.orchestration.test_locks import elsewhere

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
        assert runs.settle(tmp_path, instance) == [killed.run_id]
        assert runs.settle(tmp_path, instance) == []
    status = {run.run_id: instance.get_run_by_id(run.run_id).status for run in (killed, finished, unknown, waiting)}
    assert list(status.values()) == [FAILURE, SUCCESS, STARTED, STARTED]
    assert list((tmp_path / "locks").iterdir()) == []


def test_settle_forgets_a_run_that_the_instance_does_not_know(tmp_path, instance):
    left_behind(tmp_path, dg.DagsterRun("retrain", run_id="a"))
    assert runs.settle(tmp_path, instance) == []
    assert list((tmp_path / "locks").iterdir()) == []


def test_at_work_says_in_the_run_that_it_waits(tmp_path, instance, monkeypatch):
    run = a_run(instance, 1)
    with elsewhere(f"locks.month(Path({str(tmp_path)!r}), {MONTH!r}, print)") as process:
        month = locks.month

        def end_the_wait(home, name, waiting):
            return month(home, name, lambda: (waiting(), process.stdin.close()))

        monkeypatch.setattr(locks, "month", end_the_wait)
        with runs.at_work(tmp_path, run, instance):
            assert (tmp_path / "locks" / f"run-{run.run_id}.lock").exists()
    messages = [record.dagster_event.message for record in instance.all_logs(run.run_id)]
    assert messages == [f"Another run works on {MONTH}: this one waits until it has ended."]
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
