"""Runs at work: one at a time on a month, and those that were killed are said to have failed.

Dagster learns that a run has ended from the run itself. One that is killed would be "started" for ever: its default
launcher has no way to ask. A run of ours holds a lock while it works, so the next one, and the daemon, can tell.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from oneclick_pipeline.orchestration import locks
from oneclick_pipeline.orchestration.sentences import Cause, place, rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PARTITION = "dagster/partition"


@contextmanager
def at_work(root: Path, run: dg.DagsterRun, instance: dg.DagsterInstance) -> Iterator[None]:
    """Hold what marks a run as alive, and its month, while the run works; wait for another run of the month.

    Args:
        root: The home.
        run: The run.
        instance: The Dagster instance that keeps it.
    """
    month = run.tags.get(_PARTITION)
    with locks.held(_mark(root, run.run_id)):
        settle(root, instance)
        if month is None:  # a run of many months or of none: its steps will say what they make of that
            yield
            return
        with locks.month(root, month, lambda: _say_waiting(instance, run, month)):
            yield


def settle(root: Path, instance: dg.DagsterInstance) -> list[str]:
    """Mark every run of the home that was killed as failed.

    Returns:
        Their ids.
    """
    settled = []
    for mark in locks.abandoned(root / "locks", "run-*.lock"):
        run = instance.get_run_by_id(mark.stem.removeprefix("run-"))
        if run is not None and not run.is_finished:
            instance.report_run_failed(run, "The process of the run was killed, or its machine stopped. Run the month again.")
            settled.append(run.run_id)
    return settled


def reason(event: dg.DagsterEvent) -> str:
    """Why a step or a run failed, in its own words, or what it raised; empty for an event that does not say."""
    data = event.event_specific_data
    told, error = getattr(data, "user_failure_data", None), getattr(data, "error", None)
    if told is not None and told.description:
        return str(told.description)
    if error is None:
        return ""
    while error.cause is not None and error.cls_name != dg.Failure.__name__:
        error = error.cause
    if error.cls_name == dg.Failure.__name__:  # plain words of ours, said before the first step
        return str(error.message).partition(f"{dg.Failure.__name__}: ")[2].strip()
    return f"{event.step_key or 'run'}: {error.message.strip()}"


def cause(event: dg.DagsterEvent) -> Cause:
    """Why a step or a run failed, in words that may leave the house: no value of the data is among them."""
    data, step = event.event_specific_data, event.step_key or "run"
    told, error = getattr(data, "user_failure_data", None), getattr(data, "error", None)
    if told is not None:
        facts = {name: value.value for name, value in told.metadata.items()}
        said = rule(str(facts.get("problem", told.description or "")))
        return Cause(step, said or "it cannot go on, and the page says why", place(facts))
    while error is not None and error.cause is not None:
        error = error.cause
    said = rule(event.message or "")
    return Cause(step, said or (f"an error of the kind {error.cls_name}" if error is not None else "no reason was given"))


def _mark(root: Path, run_id: str) -> Path:
    return root / "locks" / f"run-{run_id}.lock"


def _say_waiting(instance: dg.DagsterInstance, run: dg.DagsterRun, month: str) -> None:
    instance.report_engine_event(f"Another run works on {month}: this one waits until it has ended.", run)
