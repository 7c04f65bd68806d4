"""Jobs, the monthly schedule, and the sensors that start runs."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from oneclick_pipeline.orchestration import runs, snapshots
from oneclick_pipeline.orchestration.describe import MONTHS
from oneclick_pipeline.orchestration.home import Home
from oneclick_pipeline.tracking import Tracking

_NOT_IN_REFRESH = "model"

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.all(),
    description="Everything: from the four exports to a new model, scores, segments, offers and the report.",
)
refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups(_NOT_IN_REFRESH),
    description="From the four exports to scores, segments, offers and the report with the champion model; nothing is trained.",
)
prepare = dg.define_asset_job(
    "prepare",
    selection=dg.AssetSelection.groups("raw", "clean", "features"),
    description="From the four exports to the wide table and no further: for months before the first model.",
)
JOBS = [retrain, refresh, prepare]


@dg.schedule(
    job=refresh,
    cron_schedule="0 6 5 * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the fifth of the month, when the exports of the month before have come: fresh scores from the champion.",
)
def monthly_refresh(context: dg.ScheduleEvaluationContext, home: Home) -> dg.RunRequest | dg.SkipReason:
    """Request `refresh` for the newest month that is over; the alerts tell of a snapshot that has not come."""
    month = MONTHS.get_partition_keys(context.scheduled_execution_time)[-1]
    if absent := snapshots.absent(home.root, month):
        return dg.SkipReason(f"the snapshot of {month} is not whole: {', '.join(absent)} missing or empty")
    if not _has_champion(home.root):
        return dg.SkipReason("no model scores yet: new_snapshot starts the first training")
    return dg.RunRequest(run_key=month, partition_key=month)


def _has_champion(home: Path) -> bool:
    store = Tracking(home)
    return store.exists() and store.champion() is not None


class _Look(NamedTuple):
    """What the sensor remembers of a month.

    Attributes:
        state: Sizes and times of its exports.
        content: Their hashes, once they have stayed the same for two looks.
        asked: Whether a run was requested for them.
    """

    state: str
    content: list[str] | None = None
    asked: bool = False


@dg.sensor(
    jobs=[refresh, retrain],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Runs a month once its four exports are whole: there, and the same on two looks in a row. `refresh` with the champion, "
        "`retrain` where there is none yet. Months run one after another, the oldest first."
    ),
)
def new_snapshot(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Request a run for the oldest snapshot whose files have stopped changing; the run key is their content."""
    root, runnable = home.root, set(MONTHS.get_partition_keys())
    before = {month: _Look(*look) for month, look in json.loads(context.cursor or "{}").items()}
    looks: dict[str, _Look] = {}
    for month in snapshots.delivered(root):
        if (state := snapshots.state(root, month)) is None or month not in runnable:
            continue
        look = before.get(month, _Look(""))
        if look.state != state:
            look = _Look(state)
        elif look.content is None:
            look = look._replace(content=snapshots.content(root, month))
        looks[month] = look
    waiting = [month for month, look in looks.items() if look.content is None]
    due = [m for m, k in looks.items() if k.content and not k.asked and not snapshots.already_run(root, m, k.content)]
    requests, reason = [], f"waiting for the files of {', '.join(waiting)} to stop changing" if waiting else "no new snapshot"
    runs.settle(root, context.instance)
    if due and (busy := _at_work(context.instance)):
        reason = f"{due[0]} waits: a run of {busy} is under way"
    elif due:
        look = looks[due[0]]
        key = hashlib.sha256("".join(look.content or []).encode()).hexdigest()
        job = refresh if _has_champion(root) else retrain
        requests = [dg.RunRequest(run_key=f"{due[0]}-{key}", partition_key=due[0], job_name=job.name)]
        looks[due[0]] = look._replace(asked=True)
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(looks), skip_reason=None if requests else reason)


def _at_work(instance: dg.DagsterInstance) -> str:
    """Month of a run that this sensor has started and that has not ended; empty if there is none."""
    under_way = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ],
        tags={"dagster/sensor_name": "new_snapshot"},
    )
    return next((run.tags.get("dagster/partition", "") for run in instance.get_runs(under_way, limit=1)), "")
