"""Sensors that start runs: a month once its exports have arrived, and a new training once monitoring asks for one."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import dagster as dg
from dagster._core.storage.tags import RUN_KEY_TAG

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, is_over
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration import partitions
from oneclick_pipeline.orchestration.automation import configuration, snapshots
from oneclick_pipeline.orchestration.automation.jobs import refresh, retrain
from oneclick_pipeline.orchestration.automation.schedules import has_champion
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.orchestration.runs import active as runs
from oneclick_pipeline.settings import Monitoring
from oneclick_pipeline.tracking import Tracking, Version

_MOST_DOUBLINGS = 10


_ENDED_BADLY = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


class _Look(NamedTuple):
    """What the sensor remembers of a month.

    Attributes:
        state: Sizes and times of its exports.
        content: Their hashes, once they have stayed the same for two ticks or more: see `rests`.
        asked: Whether a run was requested for them.
        looks: How many ticks in a row they were the same.
        runs: How many runs were requested for the month.
    """

    state: str
    content: list[str] | None = None
    asked: bool = False
    looks: int = 1
    runs: int = 0

    @property
    def rests(self) -> bool:
        """Whether the files have stayed the same for long enough.

        A correction is treated like the first delivery. Files that keep changing would start a run every few minutes, so
        from the third run on the wait doubles; they never start more than a few dozen.

        >>> [next(n for n in range(1, 10**6) if _Look("", looks=n, runs=runs).rests) for runs in (0, 1, 2, 3, 4, 99)]
        [2, 2, 3, 5, 9, 1025]
        """
        return self.looks > 1 << min(max(self.runs - 1, 0), _MOST_DOUBLINGS)


@dg.sensor(
    jobs=[refresh, retrain],
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Runs a month once its four exports are complete: present, and unchanged between two ticks. `refresh` with the champion, "
        "`retrain` if there is none yet. Months run one after another, oldest first."
    ),
)
def new_snapshot(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Request a run for the oldest snapshot whose files have stopped changing; the run key is their content."""
    root, now = home.root, datetime.now(UTC)
    runnable = set(home.months(now))
    before = {month: _Look(*look) for month, look in json.loads(context.cursor or "{}").items()}
    looks = {month: look for month, look in before.items() if not is_over(month, now)}  # by a clock that was set back
    for month in snapshots.delivered(root, now):
        if (state := snapshots.state(root, month)) is None or month not in runnable:
            continue
        looks[month] = _looked(root, month, before.get(month, _Look("")), state)
    waiting = [month for month, look in looks.items() if look.content is None and is_over(month, now)]
    due = [m for m, k in looks.items() if _is_due(root, m, k, now)]
    requests, reason = [], f"waiting for the files of {', '.join(waiting)} to stop changing" if waiting else "no new snapshot"
    if (oldest := partitions.first_month(root)) < home.first_month:
        reason += f"; {oldest} is older than the first month of these pages, {home.first_month}: restart them to run it"
    runs.settle(root, context.instance)
    runs.settle_lost(root, context.instance, now)
    if due and (busy := _at_work(context.instance)):
        reason = f"{due[0]} waits: a run of {busy} is in progress"
    elif due and (waits := configuration.waits(root)):
        reason = f"{due[0]} waits: {waits}"
    elif due:
        look = looks[due[0]]
        job = refresh if has_champion(root) else retrain
        requests = [dg.RunRequest(run_key=_run_key(context.instance, due[0], look), partition_key=due[0], job_name=job.name)]
        looks[due[0]] = look._replace(asked=True, runs=look.runs + 1)
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(looks), skip_reason=None if requests else reason)


def _is_due(root: Path, month: str, look: _Look, now: datetime) -> bool:
    if look.content is None or look.asked or not is_over(month, now):
        return False
    return not snapshots.already_run(root, month, look.content)


def _looked(root: Path, month: str, look: _Look, state: str) -> _Look:
    """What is remembered about a month after another look at its exports."""
    if look.state != state:
        return _Look(state, runs=look.runs)
    if look.content is not None:
        return look
    look = look._replace(looks=look.looks + 1)
    return look._replace(content=snapshots.content(root, month)) if look.rests else look


def _run_key(instance: dg.DagsterInstance, month: str, look: _Look) -> str:
    """The key of a run, of which Dagster starts one: by the content, so that nothing is run twice.

    Exports that were replaced while a run read them, and then put back as they were, are another delivery: their run has failed.
    """
    key = f"{month}-{_digest(''.join(look.content or []))}"
    known = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: key}))
    failed = known and all(run.status in _ENDED_BADLY for run in known)
    return f"{key}-{_digest(look.state)[:8]}" if failed else key


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


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


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Starts `retrain` for the newest month when its data have drifted beyond the hard limit since the champion was trained, "
        "the scores have proved wrong, or the champion is old; once for a month and champion."
    ),
)
def retrain_due(home: Home) -> dg.SensorResult:
    """Request one retrain of the newest month where monitoring asks for a new model; its limits are in the settings."""
    now = datetime.now(UTC)
    runnable = set(home.months(now)).intersection(snapshots.delivered(home.root, now))
    months = sorted(month for month in runnable if table_file(home.root, "drift", month).exists())
    store = Tracking(home.root)
    try:
        champion = store.champion() if months and store.exists() else None
    except BadInputError as error:  # every run of a month fails with the same message, and an alert reports it
        return dg.SensorResult(skip_reason=str(error))
    if champion is None:
        return dg.SensorResult(skip_reason="there is no champion to replace" if months else "no month has been monitored yet")
    if waits := configuration.waits(home.root):
        return dg.SensorResult(skip_reason=f"no retrain is started: {waits}")
    newest, settings = months[-1], home.settings()
    if trained := [v.version for v in store.versions() if v.tags["month"] >= newest]:
        return dg.SensorResult(skip_reason=f"version {trained[0]} was already trained on {newest} or later")
    why = _why_retrain(home.root, newest, champion, settings.monitoring)
    if not why:
        return dg.SensorResult(skip_reason=f"{newest} is within all limits for version {champion.version}")
    request = dg.RunRequest(
        run_key=f"drift-{newest}-champion-{champion.version}", partition_key=newest, tags={"oneclick/why": "; ".join(why)[:250]}
    )
    return dg.SensorResult(run_requests=[request])


def _why_retrain(home: Path, month: str, champion: Version, limits: Monitoring) -> list[str]:
    """The reasons for a new model, in words; tables about another version than the champion are ignored."""
    import pandas as pd

    moved = pd.read_parquet(table_file(home, "drift", month))
    moved = moved[moved["kind"].isin(["feature", "score"]) & (moved["status"] == "shifted")]
    moved = moved[moved["model_version"] == champion.version]
    why = [f"{r.name} has drifted (PSI {r.psi:.2f})" for r in moved.itertuples(index=False)]
    if (path := table_file(home, "model_health", month)).exists():
        health = pd.read_parquet(path)
        own = health[(health["feature_month"] == "all") & (health["model_version"] == champion.version)]
        why += [f"calibration error {r.ece:.3f}" for r in own[own["calibration"] == "shifted"].itertuples()]
        why += [
            f"ROC-AUC {r.roc_auc:.3f}, at training {r.roc_auc_at_training:.3f}"
            for r in own[own["ranking"] == "shifted"].itertuples()
        ]
    if add_months(champion.tags["month"], limits.retrain_months) <= month:
        why.append(f"the champion was trained for {champion.tags['month']}")
    return why
