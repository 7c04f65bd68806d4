"""Active runs: one at a time on a month; those that were killed are marked as failed.

Dagster learns that a run has ended from the run itself. One that is killed would be "started" for ever: its default
launcher has no way to ask. A run of ours holds a lock while it works, so the next one, and the daemon, can tell. The command
holds it from before the run exists. A run that the daemon starts holds it from its first step on; if it is killed before, no
lock shows it, and `settle_lost` marks it as failed.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from filelock import FileLock, Timeout

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import locks_folder
from oneclick_pipeline.orchestration.public_messages import UNKNOWN, Cause, place, rule
from oneclick_pipeline.orchestration.runs.launches import check_run_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARTITION = "dagster/partition"
_SILENCE = timedelta(minutes=5)
"""How long a run without a known process may be silent; it starts within seconds."""
_SECONDS_TO_ANSWER = 5

_FROM_OUTSIDE = {
    "This run has been marked as failed from outside the execution context.": "its process was killed, or could not be started"
}
"""Dagster's message for a run that could not report why it ended, and what that means."""

_STARTING = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]
_STARTED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@contextmanager
def announced(root: Path, run_id: str) -> Iterator[None]:
    """Hold what marks a run as alive from before it is made until after its end is kept.

    Args:
        root: The home.
        run_id: Id that the run will have.
    """
    mark = _mark(root, run_id)
    try:
        with locks.held(mark):
            yield
    except BaseException:
        mark.write_text("ended by an error\n", encoding="utf-8")  # whether the run has ended is for `settle` to see
        raise


@contextmanager
def at_work(root: Path, run: dg.DagsterRun, instance: dg.DagsterInstance) -> Iterator[None]:
    """Hold what marks a run as alive, and its month, while the run works; wait for another run of the month.

    Args:
        root: The home.
        run: The run.
        instance: The Dagster instance that keeps it.

    Raises:
        BadInputError: If the run was abandoned meanwhile, see `settle_lost`; if its id or its month is none: both name a file.
    """
    check_run_id(run.run_id)
    month = run.tags.get(_PARTITION)
    with locks.held(_mark(root, run.run_id)):
        kept = instance.get_run_by_id(run.run_id)
        # One that has succeeded is opened again by `dagster job execute`, which looks at its outputs.
        if kept is not None and kept.is_finished and not kept.is_success:
            raise BadInputError("the run was abandoned because it had not started", remedy="run the month again")
        settle(root, instance)
        if month is None:  # a run of many months or of none: its steps will deal with that
            yield
            return
        with locks.month(root, check_month(month), lambda: _say_waiting(instance, run, month)):
            yield


def settle(root: Path, instance: dg.DagsterInstance) -> list[str]:
    """Mark every run of the home that was killed as failed.

    Returns:
        Their ids.
    """
    settled = []
    for mark in locks.abandoned(locks_folder(root), "run-*.lock"):
        run = instance.get_run_by_id(mark.stem.removeprefix("run-"))
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process of the run was killed, or its machine stopped. Run the month again.")
            settled.append(run.run_id)
    return settled


def settle_lost(root: Path, instance: dg.DagsterInstance, now: datetime) -> list[str]:
    """Mark as failed every run that was launched and never got as far as holding its lock.

    A run is left alone while it is queued, while its code server knows its process, however slow that is, and until it has
    been silent for some minutes. Its lock is taken meanwhile: a process that comes too late finds that the run was
    abandoned, and ends.

    Args:
        root: The home.
        instance: The Dagster instance that keeps the runs.
        now: The time, in UTC.

    Returns:
        Their ids.
    """
    settled = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=[*_STARTING, *_STARTED])):
        run, mark = record.dagster_run, _mark(root, record.dagster_run.run_id)
        by_server = GRPC_INFO_TAG in run.tags
        if mark.exists() or (run.status in _STARTED and not by_server):  # one in its own process, which we cannot check
            continue
        # an event later than now: by a clock that was ahead, so not a recent one
        if abs(now - _heard(instance, record)) < _SILENCE or (by_server and _is_known(run)):
            continue
        mark.parent.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(mark, timeout=0):
                kept = instance.get_run_by_id(run.run_id)
                if kept is not None and not kept.is_finished:
                    instance.report_run_failed(
                        kept, "The run did not start: its process was killed, or its machine stopped. Run the month again."
                    )
                    settled.append(run.run_id)
                mark.unlink(missing_ok=True)
        except Timeout:
            continue  # it has begun just now
    return settled


def _heard(instance: dg.DagsterInstance, record: dg.RunRecord) -> datetime:
    """Time of the last event of a run."""
    last = instance.event_log_storage.get_logs_for_run(record.dagster_run.run_id, limit=1, ascending=False)
    heard = [record.create_timestamp, record.update_timestamp, *(datetime.fromtimestamp(entry.timestamp, UTC) for entry in last)]
    return max(time if time.tzinfo else time.replace(tzinfo=UTC) for time in heard)


def _is_known(run: dg.DagsterRun) -> bool:
    """Whether the code server that was told to start a run has a process for it; one that is gone has none."""
    there = json.loads(run.tags[GRPC_INFO_TAG])
    client = DagsterGrpcClient(
        port=there.get("port"), socket=there.get("socket"), host=there.get("host"), use_ssl=bool(there.get("use_ssl"))
    )
    try:
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=_SECONDS_TO_ANSWER)
    except DagsterUserCodeUnreachableError:
        return False
    return deserialize_value(answer, CanCancelExecutionResult).can_cancel


def reason(event: dg.DagsterEvent) -> str:
    """Why a step or a run failed, in its own words, or what it raised; empty for an event without a reason."""
    data = event.event_specific_data
    failure, error = getattr(data, "user_failure_data", None), getattr(data, "error", None)
    if failure is not None and failure.description:
        return str(failure.description)
    if error is None:
        return ""
    while error.cause is not None and error.cls_name != dg.Failure.__name__:
        error = error.cause
    if error.cls_name == dg.Failure.__name__:  # plain words of ours, said before the first step
        return str(error.message).partition(f"{dg.Failure.__name__}: ")[2].strip()
    url = postgres.given()
    if url is not None and "psycopg2" in error.message:  # Dagster's own record of the step could not be written or read
        return str(postgres.unreachable(url, RuntimeError(error.message)))
    return f"{event.step_key or 'run'}: {error.message.strip()}"


def cause(event: dg.DagsterEvent) -> Cause:
    """Why a step or a run failed, in words that may leave the company: no value of the data is among them."""
    data, step = event.event_specific_data, event.step_key or "run"
    failure, error = getattr(data, "user_failure_data", None), getattr(data, "error", None)
    if failure is not None:
        facts = {name: value.value for name, value in failure.metadata.items()}
        sentence = rule(str(facts.get("problem", failure.description or "")))
        return Cause(step, sentence or UNKNOWN, place(facts))
    while error is not None and error.cause is not None:
        error = error.cause
    sentence = _FROM_OUTSIDE.get(event.message or "") or rule(event.message or "")
    return Cause(step, sentence or (f"an error of the kind {error.cls_name}" if error is not None else "no reason was given"))


def _mark(root: Path, run_id: str) -> Path:
    return locks_folder(root) / f"run-{run_id}.lock"


def _say_waiting(instance: dg.DagsterInstance, run: dg.DagsterRun, month: str) -> None:
    instance.report_engine_event(f"Another run works on {month}: this one waits for it to end.", run)
