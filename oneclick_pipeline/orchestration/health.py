"""What a home's Dagster instance tells of its health, without opinions: see `oneclick_pipeline.doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from oneclick_pipeline import postgres
from oneclick_pipeline.orchestration.execute import prepare_instance
from oneclick_pipeline.tables import TABLES

if TYPE_CHECKING:
    from pathlib import Path

AT_WORK = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class Working:
    """A run that is at work as far as the instance knows; `heard` is the time of its last event."""

    run_id: str
    job: str
    month: str
    heard: datetime


@dataclass(frozen=True)
class Health:
    """State of an instance.

    Attributes:
        schemas: By part of the storage, the version of its schema and the version that the installed Dagster has.
        working: Runs at work.
        queued: How many runs wait.
        heartbeat: When a daemon was last heard of; None if never.
        digests: By table of the month, the digest it had when it was last materialized.
    """

    schemas: dict[str, tuple[str | None, str]]
    working: tuple[Working, ...]
    queued: int
    heartbeat: datetime | None
    digests: dict[str, str]


def look(home: Path, month: str | None) -> Health:
    """Ask the instance of a home.

    Args:
        home: The home.
        month: Snapshot month whose digests are asked for; None asks for none.

    Raises:
        BadInputError: If PostgreSQL was asked for and cannot be used, or `prepare_instance` refuses.
    """
    with postgres.plain_words(), dg.DagsterInstance.from_config(str(prepare_instance(home))) as instance:
        parts = {"runs": instance.run_storage, "events": instance.event_log_storage, "ticks": instance.schedule_storage}
        versions = {name: part.alembic_version() for name, part in parts.items() if part is not None}
        beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
        return Health(
            schemas={name: (version[0], str(version[1])) for name, version in versions.items() if version is not None},
            working=tuple(_working(instance, run) for run in instance.get_runs(filters=RunsFilter(statuses=AT_WORK))),
            queued=instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.QUEUED])),
            heartbeat=datetime.fromtimestamp(max(beats), UTC) if beats else None,
            digests={} if month is None else _digests(instance, month),
        )


def _working(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Working:
    last = instance.event_log_storage.get_logs_for_run(run.run_id, limit=1, ascending=False)
    heard = datetime.fromtimestamp(last[0].timestamp if last else 0, UTC)
    return Working(run.run_id, run.job_name, run.tags.get("dagster/partition", ""), heard)


def _digests(instance: dg.DagsterInstance, month: str) -> dict[str, str]:
    found = {}
    for name in TABLES:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=[month])
        for record in instance.fetch_materializations(wanted, limit=1).records:
            event = record.asset_materialization
            if event is not None and "digest" in event.metadata:
                found[name] = str(event.metadata["digest"].value)
    return found
