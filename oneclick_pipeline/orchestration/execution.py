"""Running a month outside the pages: the same job, the same instance, with progress."""

from __future__ import annotations

import logging
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import dagster as dg

from oneclick_pipeline import tracking
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import dagster_folder
from oneclick_pipeline.orchestration import partitions
from oneclick_pipeline.orchestration.automation import alerts, delivery, pruning, webhook
from oneclick_pipeline.orchestration.checks import failure_with_figures
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.orchestration.runs import active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Progress = Callable[[str, str], None]

EVENTS = logging.getLogger("oneclick_pipeline.events")
"""Every event of a run passes through here, with the Dagster event in `record.dagster_meta`."""
EVENTS.propagate = False


@dg.logger(config_schema={}, description="Passes the events of a run to Python's logging, to show progress on a terminal.")
def events_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """The logger `EVENTS`."""
    EVENTS.setLevel(logging.DEBUG)
    return EVENTS


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        success: Whether every step succeeded.
        run_id: Dagster's id of the run.
        errors: What failed, in plain words; empty on success.
        warnings: Checks that did not pass and did not stop the run, with their numbers; alerts that could not be delivered.
        pruned: What was deleted of older months afterwards, in one line; empty if nothing was.
    """

    success: bool
    run_id: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    pruned: str = ""


_STATES = {"STEP_START": "start", "STEP_SUCCESS": "success", "STEP_FAILURE": "failure"}


class _Listener(logging.Handler):
    """Tells a callback which step starts, ends or fails."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Handle one event."""
        event = getattr(record, "dagster_meta", {}).get("dagster_event")
        state = _STATES.get(getattr(event, "event_type_value", ""))
        if event is not None and state:
            self._progress(event.step_key, state)


def check_runnable(home: Path, month: str) -> None:
    """Refuse a key that is not a month, or a month that the graph over a home does not have, or not yet.

    Raises:
        BadInputError: In both cases.
    """
    check_month(month)
    months = partitions.months_from(partitions.first_month(home)).get_partition_keys()
    if month not in months:
        raise BadInputError(
            f"the month {month} is outside the graph",
            remedy=f"choose a month from {months[0]} to {months[-1]}; a month can be run once it has ended",
        )


def steps(job: dg.JobDefinition) -> list[str]:
    """Names of the job's steps."""
    return [node.name for node in job.nodes_in_topological_order]


def _failures(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    steps = [event for event in result.all_events if event.is_step_failure]
    for event in steps or [result.get_run_failure_event()]:
        yield active.reason(event)


def _alert(instance: dg.DagsterInstance, run_id: str, home: Path) -> list[str]:
    """Post the alerts of the run, and return what could not be delivered; the terminal has shown them already."""
    run, undelivered = instance.get_run_by_id(run_id), []
    end = time.monotonic() + webhook.DEADLINE_SECONDS
    for alert in [] if run is None else alerts.of_run(instance, run, alerts.limits(home).dagster_url):
        try:
            delivery.deliver(home, alert, stderr=False, seconds=end - time.monotonic())
        except webhook.NotDeliveredError as error:
            undelivered.append(f"an alert was not delivered: {error}; the pages' daemon will try again")
    return undelivered


def _prune(home: Path) -> tuple[str, list[str]]:
    """Delete what the home no longer keeps, once a run holds no lock; returns what was deleted, and why not all."""
    try:
        with dg.DagsterInstance.get() as instance:
            return str(pruning.prune(home, instance)), []
    except BadInputError as error:
        return "", [f"older runs and models were not pruned: {error}"]


@contextmanager
def _dagster_in_plain_words(home: Path) -> Iterator[None]:
    """Explain why Dagster could not keep its record of a run: it writes to its databases between the steps.

    Raises:
        BadInputError: If the disk is full, or a database of the home's Dagster folder cannot be used.
    """
    try:
        yield
    except Exception as error:
        reported = of_the_machine(error, home, dagster_folder(home))
        if reported is None:
            raise
        raise reported from error


@postgres.plain_words()
def execute(job: dg.JobDefinition, month: str, home: Path, progress: Progress, *, replan: bool = False) -> Outcome:
    """Run a job for a month, in this process, against the home's Dagster instance.

    Args:
        job: Job of a graph over the home.
        month: Snapshot month.
        home: The home, which holds the instance.
        progress: Called with a step's name and `start`, `success` or `failure`; once with the month and `waiting` if another
            process works on that month: it is waited for.
        replan: Whether a plan that was published may be replaced.

    Raises:
        BadInputError: If the month cannot be run, the home cannot be written, Dagster's databases cannot be used, or
            `ONECLICK_WEBHOOK` is not an address.
    """
    check_runnable(home, month)
    there = webhook.given()
    os.environ["DAGSTER_HOME"] = str(prepare_instance(home))
    listener = _Listener(progress)
    EVENTS.addHandler(listener)
    try:
        with (
            _dagster_in_plain_words(home),
            locks.month(home.absolute(), month, lambda: progress(month, "waiting")),
            dg.DagsterInstance.get() as instance,
            active.announced(home.absolute(), run_id := str(uuid4())),
        ):
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=month,
                raise_on_error=False,
                run_config={
                    "loggers": {"events": {"config": {}}},
                    "ops": {"offers_export": {"config": {"replan": replan}}} if "offers_export" in steps(job) else {},
                },
            )
            undelivered = _alert(instance, result.run_id, home)
        pruned, unpruned = _prune(home.absolute()) if result.success else ("", [])
    finally:
        EVENTS.removeHandler(listener)
    failed = [e for e in result.get_asset_check_evaluations() if not e.passed] if result.success else []
    insecure = [there.warning] if there is not None and there.warning else []
    not_followed = [warning] if (warning := tracking.ignored_variables(os.environ)) else []
    checks = (f"{e.asset_key.to_user_string()}: {failure_with_figures(e)}" for e in failed)
    warnings = (*not_followed, *insecure, *checks, *undelivered, *unpruned)
    errors = () if result.success else tuple(dict.fromkeys(_failures(result)))
    return Outcome(result.success, result.run_id, errors, warnings, pruned)
