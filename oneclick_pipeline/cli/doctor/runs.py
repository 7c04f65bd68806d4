"""Runs that are silent, and the daemon without which nothing starts by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.cli.doctor.home import Home

_SILENT_RUN, _SILENT_DAEMON = timedelta(hours=3), timedelta(minutes=5)
"""Silence after which a run, or the daemon, is presumed dead."""


def silent_runs(home: Home) -> Iterator[Finding]:
    """Runs that have been silent for hours."""
    silent = [run for run in home.health.working if home.now - run.heard > _SILENT_RUN]
    for run in silent:
        hours = (home.now - run.heard) / timedelta(hours=1)
        remedy = "if its process is gone, the next run and the daemon mark it failed; then run the month again"
        yield Finding("runs", WARNING, f"{run.job} of {run.month} ({run.run_id}) has been silent for {hours:.0f} hours", remedy)
    if not silent:
        yield Finding("runs", OK, f"{len(home.health.working)} at work, {home.health.queued} waiting")


def daemon(home: Home) -> Iterator[Finding]:
    """The daemon's last sign of life."""
    heard = home.health.heartbeat
    remedy = "start it (oneclick ui, or the daemon of deploy/compose.yaml): without it nothing starts by itself"
    if heard is None:
        yield Finding("daemon", WARNING, "no daemon has ever run here", remedy)
    elif heard - home.now > _SILENT_DAEMON:
        message = f"last sign of life at {heard:%Y-%m-%d %H:%M} UTC, which is in the future: the clock has been set back since"
        yield Finding("daemon", PROBLEM if home.is_team else WARNING, message, f"set the clock right; {remedy}")
    elif home.now - heard > _SILENT_DAEMON:
        # A team relies on it; on one machine the pages are often closed.
        yield Finding("daemon", PROBLEM if home.is_team else WARNING, f"last sign of life at {heard:%Y-%m-%d %H:%M} UTC", remedy)
    else:
        yield Finding("daemon", OK, f"last sign of life {max(0, int((home.now - heard).total_seconds()))} s ago")
