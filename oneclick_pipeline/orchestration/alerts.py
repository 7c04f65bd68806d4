"""What somebody has to look at: a run that failed, a challenger that was refused, a snapshot that has not come.

An alert leaves the house. It has the rule that was broken, and file, line and column; never a value: see `sentences`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from oneclick_pipeline import settings
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import runs
from oneclick_pipeline.orchestration.checks import promised
from oneclick_pipeline.orchestration.delivery import Alert, NotDeliveredError, deliver
from oneclick_pipeline.orchestration.describe import MONTHS
from oneclick_pipeline.orchestration.home import Home
from oneclick_pipeline.orchestration.sentences import Cause
from oneclick_pipeline.orchestration.snapshots import absent, delivered

_DAYS, _RUNS = 7, 200
"""How far the sensor looks back: a run that ended longer ago, or before so many others, is no news."""


def of_run(instance: dg.DagsterInstance, run: dg.DagsterRun, url: str) -> list[Alert]:
    """The alerts of a run that has ended: that it failed, that its challenger was refused; none if all is well.

    Args:
        instance: The Dagster instance that keeps the run.
        run: A run that has ended.
        url: Address of Dagster's pages.
    """
    month, link = run.tags.get("dagster/partition", ""), f"{url}/runs/{run.run_id}"
    month = month if month in MONTHS.get_partition_keys() else "no month"  # a launch may have any tag
    checks = [
        entry.get_dagster_event().asset_check_evaluation_data
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    failed = [evaluation for evaluation in checks if not evaluation.passed]
    found = []
    if run.status is dg.DagsterRunStatus.FAILURE:
        steps = _failed_steps(instance, run.run_id)
        blocking = {e.asset_key.to_user_string(): promised(e) for e in failed if e.blocking}
        reasons = [str(cause) for step, cause in steps.items() if step not in blocking]
        reasons += [f"{asset}: {promise}" for asset, promise in blocking.items()]
        assets = ", ".join(blocking or steps)
        found.append(Alert(f"run-{run.run_id}", month, assets, f"the run failed: {'; '.join(reasons)}", link))
    if refused := [promised(e) for e in failed if e.asset_key == dg.AssetKey("activity_model")]:
        why = f"the challenger was refused: {'; '.join(refused)}"
        found.append(Alert(f"refused-{run.run_id}", month, "activity_model", why, link))
    return found


def _failed_steps(instance: dg.DagsterInstance, run_id: str) -> dict[str, Cause]:
    """Why each step failed; why the run did where none has."""
    steps = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)]
    if steps:
        return {str(event.step_key): runs.cause(event) for event in steps}
    ends = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)]
    return {"run": runs.cause(ends[-1]) if ends else Cause("run", "no reason was given")}


def missing(home: Path, day: int, now: datetime, url: str) -> list[Alert]:
    """Months after the newest snapshot that should be whole by now.

    Args:
        home: The home; one that no snapshot has come to yet waits for none.
        day: Day of the month by which the snapshot of the month before should be there.
        now: The time, in UTC.
        url: Address of Dagster's pages.
    """
    newest = max((month for month in delivered(home) if not absent(home, month)), default=None)
    due = [] if newest is None else [m for m in MONTHS.get_partition_keys(now - timedelta(days=day)) if m > newest]
    return [
        Alert(
            f"missing-{month}",
            month,
            "snapshot",
            f"the exports have not come by day {day} of the month after: {', '.join(absent(home, month))} missing or empty in "
            f"{home / 'raw' / month}",
            f"{url}/assets/market_file?partition={month}",
        )
        for month in due
    ]


def limits(home: Path) -> settings.Alerts:
    """The home's settings of alerts; the defaults where its settings cannot be read, which a run will fail of and tell."""
    try:
        return settings.Settings.load(home).alerts
    except BadInputError:
        return settings.Alerts()


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Of failed runs, refused challengers and missing snapshots: on stderr, and to the webhook in ONECLICK_WEBHOOK.",
)
def alerts(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Tell what has happened since the last look; what could not be delivered is tried at the next one."""
    known, now, instance = limits(home.root), datetime.now(UTC), context.instance
    runs.settle(home.root, instance)
    seen = set(json.loads(context.cursor or "[]"))
    ended = instance.get_run_records(
        dg.RunsFilter(
            statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE], updated_after=now - timedelta(days=_DAYS)
        ),
        limit=_RUNS,
    )
    done: list[str] = []
    undelivered: list[str] = []
    for record in ended:
        run = record.dagster_run
        if run.run_id in seen or _all_delivered(home.root, of_run(instance, run, known.dagster_url), undelivered):
            done.append(run.run_id)
    _all_delivered(home.root, missing(home.root, known.snapshot_day, now, known.dagster_url), undelivered)
    return dg.SensorResult(cursor=json.dumps(done), skip_reason="; ".join(undelivered) or "all there is to tell is told")


def _all_delivered(home: Path, found: Sequence[Alert], undelivered: list[str]) -> bool:
    """Deliver alerts; what the webhook does not take is added to `undelivered`."""
    before = len(undelivered)
    for alert in found:
        try:
            deliver(home, alert)
        except NotDeliveredError as error:
            undelivered.append(f"{alert.event}: {error}")
    return len(undelivered) == before
