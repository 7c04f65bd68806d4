"""Jobs, the monthly schedule, and the sensor that notices a new snapshot."""

import hashlib
import json
from pathlib import Path

import dagster as dg

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.describe import MONTHS
from oneclick_pipeline.orchestration.home import Home
from oneclick_pipeline.tables import SOURCES, check_month, raw_file, table_file

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

monthly_refresh = dg.build_schedule_from_partitioned_job(
    refresh,
    name="monthly_refresh",
    description="On the fifth of the month, when the exports of the month before have come.",
    day_of_month=5,
    hour_of_day=6,
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


def state(folder: Path) -> str | None:
    """Sizes and times of a month's four exports; None until all are there and none is empty."""
    stats = [(folder / f"{s.file}.csv") for s in SOURCES]
    if not all(path.is_file() and path.stat().st_size for path in stats):
        return None
    return json.dumps([(path.stat().st_size, path.stat().st_mtime_ns) for path in stats])


def content(folder: Path) -> str:
    """Hash of the four exports."""
    digest = hashlib.sha256()
    for source in SOURCES:
        with (folder / f"{source.file}.csv").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _months(home: Path) -> list[str]:
    months = []
    for folder in sorted((home / "raw").glob("*")):
        try:
            months.append(check_month(folder.name))
        except BadInputError:
            continue  # not a month: somebody's notes
    return months


def _already_run(home: Path, month: str) -> bool:
    """Whether the month's segments are younger than its exports, whoever made them."""
    table = table_file(home, "customer_segments", month)
    exports = [raw_file(home, month, s.file) for s in SOURCES]
    return table.exists() and all(table.stat().st_mtime_ns > export.stat().st_mtime_ns for export in exports)


@dg.sensor(
    job=retrain,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts `retrain` for a month once its four exports are whole: there, and the same on two looks in a row.",
)
def new_snapshot(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Request one run for every snapshot whose files have stopped changing; the run key is their content."""
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    now = {month: found for month in _months(home.root) if (found := state(home.root / "raw" / month))}
    runnable = set(MONTHS.get_partition_keys())
    requests, waiting = [], []
    for month, found in now.items():
        if _already_run(home.root, month):
            continue
        if seen.get(month) != found:
            waiting.append(month)
        elif month in runnable:
            key = f"{month}-{content(home.root / 'raw' / month)}"
            requests.append(dg.RunRequest(run_key=key, partition_key=month))
    reason = f"waiting for the files of {', '.join(waiting)} to stop changing" if waiting else "no new snapshot"
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(now), skip_reason=None if requests else reason)
