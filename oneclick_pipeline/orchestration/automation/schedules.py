"""The monthly schedule."""

from pathlib import Path

import dagster as dg

from oneclick_pipeline.orchestration.automation import configuration, snapshots
from oneclick_pipeline.orchestration.automation.jobs import refresh
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.tracking import CHAMPION, Tracking


@dg.schedule(
    job=refresh,
    cron_schedule="0 6 5 * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the fifth of the month, when the exports of the previous month have arrived: new scores from the champion.",
)
def monthly_refresh(context: dg.ScheduleEvaluationContext, home: Home) -> dg.RunRequest | dg.SkipReason:
    """Request `refresh` for the newest month that has ended; the alerts report a snapshot that has not arrived."""
    month = home.months(context.scheduled_execution_time)[-1]
    if absent := snapshots.absent(home.root, month):
        return dg.SkipReason(f"the snapshot of {month} is incomplete: {', '.join(absent)} missing or empty")
    if waits := configuration.waits(home.root):
        return dg.SkipReason(f"{month} is not refreshed: {waits}")
    if not has_champion(home.root):
        return dg.SkipReason("no model scores yet: new_snapshot starts the first training")
    return dg.RunRequest(run_key=month, partition_key=month)


def has_champion(home: Path) -> bool:
    """Whether a champion can score; if it turns out to be unusable, its run fails and an alert is sent."""
    store = Tracking(home)
    return store.exists() and CHAMPION in store.aliases()
