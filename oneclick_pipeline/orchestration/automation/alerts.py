"""What needs attention: a run that failed, a challenger that was refused, a snapshot that has not arrived, a broken file.

An alert leaves the company. It names the rule that was broken, and file, line and column; never a value: see `sentences`.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

import dagster as dg

from oneclick_pipeline import settings
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import is_month, is_over
from oneclick_pipeline.home.paths import raw_folder
from oneclick_pipeline.orchestration import partitions, public_messages
from oneclick_pipeline.orchestration.automation import configuration, delivery, webhook
from oneclick_pipeline.orchestration.automation.delivery import Alert, Backlog
from oneclick_pipeline.orchestration.automation.snapshots import absent, delivered
from oneclick_pipeline.orchestration.checks import failure
from oneclick_pipeline.orchestration.public_messages import Cause
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.runs import active

_MISSING = "missing"
_DAYS, _RUNS, _MONTHS = 7, 200, 3
"""How far the sensor looks back: a run that ended longer ago, or before so many others, is not news. If more months are missing,
one alert covers them: the daemon was off for long, or the clock is wrong."""


def of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, url: str) -> list[Alert]:
    """The alerts of a run that has ended: that it failed, that its challenger was refused; none if all is well.

    Args:
        instance: The Dagster instance that keeps the run.
        run: A run that has ended.
        url: Address of Dagster's pages.
    """
    month, link = run.tags.get("dagster/partition", ""), f"{url}/runs/{run.run_id}"
    month = month if is_month(month) and is_over(month, datetime.now(UTC)) else "no month"  # a launch may have any tag
    checks = [
        entry.get_dagster_event().asset_check_evaluation_data
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    failed = [evaluation for evaluation in checks if not evaluation.passed]
    alerts = []
    if run.status is dg.DagsterRunStatus.FAILURE:
        steps = _failed_steps(instance, run.run_id)
        blocking = {e.asset_key.to_user_string(): f"{e.check_name}: {failure(e)}" for e in failed if e.blocking}
        reasons = [str(cause) for step, cause in steps.items() if step not in blocking]
        reasons += [f"{asset}: {sentence}" for asset, sentence in blocking.items()]
        assets = ", ".join(blocking or steps)
        alerts.append(Alert(f"run-{run.run_id}", month, assets, f"the run failed: {'; '.join(reasons)}", link))
    if refused := [f"{e.check_name}: {failure(e)}" for e in failed if e.asset_key == dg.AssetKey("activity_model")]:
        why = f"the challenger was refused: {'; '.join(refused)}"
        alerts.append(Alert(f"refused-{run.run_id}", month, "activity_model", why, link))
    return alerts


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, Cause]:
    """Why each step failed; why the run did if no step has."""
    steps = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)]
    if steps:
        return {str(event.step_key): active.cause(event) for event in steps}
    ends = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)]
    return {"run": active.cause(ends[-1]) if ends else Cause("run", "no reason was given")}


def missing(home: Path, day: int, now: datetime, url: str) -> list[Alert]:
    """Months after the newest snapshot that should be whole by now: one alert each, or one for all if there are more than a few.

    Args:
        home: The home; one that has no snapshot yet waits for none.
        day: Day of the month by which the snapshot of the month before should be there.
        now: The time, in UTC.
        url: Address of Dagster's pages.
    """
    months = partitions.months_from(partitions.first_month(home))
    runnable = set(months.get_partition_keys(now))
    newest = max((m for m in delivered(home, now) if m in runnable and not absent(home, m)), default=None)
    due = [] if newest is None else [m for m in months.get_partition_keys(now - timedelta(days=day)) if m > newest]
    if len(due) > _MONTHS:
        first, last = due[0], due[-1]
        reason = (
            f"the exports of {len(due)} months, {first} to {last}, have not arrived; is the clock right? It says {now:%Y-%m-%d}"
        )
        return [Alert(f"{_MISSING}-{first}-{last}", last, "snapshot", reason, f"{url}/assets/market_file?partition={first}")]
    return [
        Alert(
            f"{_MISSING}-{month}",
            month,
            "snapshot",
            f"the exports have not arrived by day {day} of the following month: {', '.join(absent(home, month))} missing or "
            "empty in "
            f"{raw_folder(home, month)}",
            f"{url}/assets/market_file?partition={month}",
        )
        for month in due
    ]


def broken(home: Path, url: str) -> list[Alert]:
    """The settings or the catalogue, if no run can read them; once for every change of the file.

    Args:
        home: The home.
        url: Address of Dagster's pages.
    """
    return [
        Alert(f"broken-{configuration.version(home, name, error)}", "no month", name, f"no run can use {cause}", url)
        for name, error in configuration.faults(home).items()
        for cause in [public_messages.cause(name, error)]
    ]


def limits(home: Path) -> settings.Alerts:
    """The home's settings of alerts; the defaults where its settings cannot be read, see `broken`."""
    try:
        return settings.Settings.load(home).alerts
    except BadInputError:
        return settings.Alerts()


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Of failed runs, refused challengers, missing snapshots, and settings or a catalogue that no run can read: on "
    "stderr, and to the webhook in ONECLICK_WEBHOOK.",
)
def alerts(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Deliver what has happened since the last tick; what could not be delivered is tried again."""
    root, instance, now = home.root, context.instance, datetime.now(UTC)
    known, memory = limits(root), _Memory.of(context.cursor)
    delivery.forget_future(root, f"{_MISSING}-", now.timestamp())
    active.settle(root, instance)
    active.settle_lost(root, instance, now)
    ended = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], updated_after=now - timedelta(days=_DAYS)
        ),
        limit=_RUNS,
    )
    by_run = {r.dagster_run.run_id: r.dagster_run for r in reversed(ended)}
    new = {id_: of_run(instance, run, known.dagster_url) for id_, run in by_run.items() if id_ not in memory.done}
    others = [*missing(root, known.snapshot_day, now, known.dagster_url), *broken(root, known.dagster_url)]
    due = [*(alert for alerts_of_run in new.values() for alert in alerts_of_run), *others]
    undelivered, backlog, problems = _deliver(root, due, memory.backlog, now)
    done = [id_ for id_ in by_run if id_ in memory.done or not undelivered.intersection(alert.event for alert in new[id_])]
    problems += [str(error) for error in configuration.faults(root).values()]
    memory = _Memory(frozenset(done), backlog)
    return dg.SensorResult(cursor=memory.text(), skip_reason="; ".join(problems) or "there is nothing new to report")


class _Memory(NamedTuple):
    """What the sensor remembers: runs whose alerts have all arrived, and what the webhook did not accept."""

    done: frozenset[str]
    backlog: Backlog

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        state = json.loads(cursor or "{}")
        state = {"done": state} if isinstance(state, list) else state  # as earlier versions wrote it
        failed = tuple(state.get("failed", ()))
        return cls(frozenset(state.get("done", ())), Backlog(failed, state.get("rounds", 0), state.get("until", 0.0)))

    def text(self) -> str:
        return json.dumps({"done": sorted(self.done), **asdict(self.backlog)})


def _deliver(home: Path, due: list[Alert], backlog: Backlog, now: datetime) -> tuple[set[str], Backlog, list[str]]:
    """Deliver alerts: the events that have not arrived, what to remember of the webhook, and why they have not."""
    undelivered, problems = set(), []
    for alert in due:
        try:
            delivery.to_stderr(home, alert)
        except webhook.NotDeliveredError as error:
            undelivered.add(alert.event)
            problems.append(f"{alert.event}: {error}")
    try:
        there = webhook.given()
    except BadInputError as error:
        return {alert.event for alert in due}, backlog, [*problems, str(error)]
    if there is None:
        return undelivered, Backlog(), problems
    backlog, unsent = delivery.post_waiting(home, due, there, backlog, now.timestamp())
    undelivered |= {alert.event for alert in due if not delivery.has_arrived(home, alert)}
    return undelivered, backlog, [*problems, *unsent, *([there.warning] if there.warning and due else [])]
