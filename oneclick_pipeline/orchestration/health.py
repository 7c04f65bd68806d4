"""The state of a home's Dagster instance, without judgement: see `oneclick_pipeline.cli.doctor`."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.databases import copies, postgres
from oneclick_pipeline.engine.content_digest import digest
from oneclick_pipeline.engine.verification import damage
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home.paths import DAGSTER_CONFIG, dagster_config, dagster_folder, table_file
from oneclick_pipeline.orchestration.instance import check_storage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OF_EVERY_RUN, _LATER_SECONDS = ("customer_scores", "customer_segments"), 60.0
"""Tables that a run makes one after the other; Dagster keeps its record of a table within seconds of the table itself."""

AT_WORK = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


_READER = f"""\
telemetry: {{enabled: false}}
storage: {{custom: {{module: oneclick_pipeline.orchestration.runs.storage, class: PostgresReader,
  config: {{postgres_url: {{env: {postgres.VARIABLE}}}}}}}}}
"""
_EVENTS = "history/runs/index.db"
_COPIED = ("history/runs.db", "schedules/schedules.db")


@dataclass(frozen=True)
class Working:
    """A run that is in progress as far as the instance knows; `heard` is the time of its last event."""

    run_id: str
    job: str
    month: str
    heard: datetime


@dataclass(frozen=True)
class Health:
    """State of an instance.

    Attributes:
        schemas: By part of the storage, the version of its schema and the version that the installed Dagster has.
        working: Runs in progress.
        queued: How many runs wait.
        heartbeat: When a daemon last gave a sign of life; None if never.
        digests: By table of the newest month, the digest it had when it was last materialized.
        ahead: Months with tables whose making the instance does not know of.
    """

    schemas: dict[str, tuple[str | None, str]]
    working: tuple[Working, ...]
    queued: int
    heartbeat: datetime | None
    digests: dict[str, str]
    ahead: tuple[str, ...]


def look(home: Path, months: Sequence[str]) -> Health:
    """Ask the instance of a home, and change nothing: SQLite databases are copied, PostgreSQL's transactions are read-only.

    Args:
        home: The home.
        months: Snapshot months that have tables, oldest first.

    Raises:
        BadInputError: If a database cannot be used, or the instance's configuration is invalid, or for another storage.
    """
    events = dagster_folder(home) / _EVENTS
    if postgres.given() is None and (state := copies.at_rest(events)) is not None:
        try:
            health = _look(home, months, in_place=True)
        except BadInputError:
            if copies.at_rest(events) == state:
                raise
        else:
            if copies.at_rest(events) == state:
                return health
    return _look(home, months, in_place=False)


def _look(home: Path, months: Sequence[str], *, in_place: bool) -> Health:
    with _reader(home, in_place=in_place) as (instance, folder):
        parts = {"runs": instance.run_storage, "events": instance.event_log_storage, "ticks": instance.schedule_storage}
        versions = {name: part.alembic_version() for name, part in parts.items() if part is not None}
        beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
        return Health(
            schemas={name: (version[0], str(version[1])) for name, version in versions.items() if version is not None},
            working=tuple(
                _working(instance, run, dagster_folder(home), folder)
                for run in instance.get_runs(filters=RunsFilter(statuses=AT_WORK))
            ),
            queued=instance.get_runs_count(RunsFilter(statuses=[DagsterRunStatus.QUEUED])),
            heartbeat=datetime.fromtimestamp(max(beats), UTC) if beats else None,
            digests=_digests(instance, months[-1]) if months else {},
            ahead=tuple(_ahead(instance, home, months)),
        )


@contextmanager
def _reader(home: Path, *, in_place: bool) -> Iterator[tuple[dg.DagsterInstance, Path]]:
    """An instance that knows what the home's one knows, and its folder, which goes with the block.

    Args:
        home: The home.
        in_place: Whether SQLite's database of all events is read where it is: it is large, see `events`.

    Raises:
        BadInputError: See `look`.
    """
    check_storage(dagster_config(home))
    with TemporaryDirectory(prefix="oneclick-") as name, postgres.plain_words():
        folder = Path(name)
        try:
            url = postgres.given()
            if url is not None:
                with postgres.connected(postgres.read_only(url)) as connection:
                    if postgres.has_table(connection, "runs"):  # if not, nothing was kept there yet
                        (folder / DAGSTER_CONFIG).write_text(_READER, encoding="utf-8")
            else:
                for database in (*_COPIED, *([] if in_place else [_EVENTS])):
                    copies.copy(dagster_folder(home) / database, folder / database)
                if in_place:
                    (folder / DAGSTER_CONFIG).write_text(_in_place(home, folder), encoding="utf-8")
            with dg.DagsterInstance.from_config(name) as instance:
                yield instance, folder
        except Exception as error:
            reported = of_the_machine(error, home, dagster_folder(home))
            if reported is None:
                raise
            raise reported from error


def _in_place(home: Path, folder: Path) -> str:
    """Configuration of an instance that reads the events of all runs where they are, and all else in its own folder."""
    base, sqlite = str(folder / "history"), "dagster._core.storage"
    return json.dumps(
        {
            "telemetry": {"enabled": False},
            "run_storage": {
                "module": f"{sqlite}.runs",
                "class": "SqliteRunStorage",
                "config": {"base_dir": base},
            },
            "event_log_storage": {
                "module": "oneclick_pipeline.orchestration.runs.events",
                "class": "EventsReader",
                "config": {"base_dir": f"{base}/runs", "home": str((dagster_folder(home) / _EVENTS).parent.absolute())},
            },
            "schedule_storage": {
                "module": f"{sqlite}.schedules",
                "class": "SqliteScheduleStorage",
                "config": {"base_dir": str(folder / "schedules")},
            },
        }
    )  # JSON is YAML


def _working(instance: dg.DagsterInstance, run: dg.DagsterRun, live: Path, folder: Path) -> Working:
    if postgres.given() is None:  # events of a run are in a database of their own
        own = f"history/runs/{run.run_id}.db"
        copies.copy(live / own, folder / own)
    last = instance.event_log_storage.get_logs_for_run(run.run_id, limit=1, ascending=False)
    heard = datetime.fromtimestamp(last[0].timestamp if last else 0, UTC)
    return Working(run.run_id, run.job_name, run.tags.get("dagster/partition", ""), heard)


def _digests(instance: dg.DagsterInstance, month: str) -> dict[str, str]:
    digests = {}
    for name in TABLES:
        wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=[month])
        for record in instance.fetch_materializations(wanted, limit=1).records:
            event = record.asset_materialization
            if event is not None and "digest" in event.metadata:
                digests[name] = str(event.metadata["digest"].value)
    return digests


def _ahead(instance: dg.DagsterInstance, home: Path, months: Sequence[str]) -> Iterator[str]:
    """Months of which a table was made, or made again, after everything that the instance knows: it came from an older backup."""
    known = {name: instance.get_materialized_partitions(dg.AssetKey(name)) for name in TABLES}
    for month in months:
        there = [name for name in TABLES if table_file(home, name, month).exists()]
        if any(month not in known[name] for name in there) or _was_run_again(instance, home, month):
            yield month


def _was_run_again(instance: dg.DagsterInstance, home: Path, month: str) -> bool:
    """Whether a run that the instance does not know made a month again; a single table that was changed is not a run."""
    digests = {}
    for name in _OF_EVERY_RUN:
        path, wanted = table_file(home, name, month), dg.AssetRecordsFilter(dg.AssetKey(name), asset_partitions=[month])
        records = instance.fetch_materializations(wanted, limit=1).records
        event = records[0].asset_materialization if records else None
        if event is None or not path.exists() or path.stat().st_mtime <= records[0].timestamp + _LATER_SECONDS:
            return False
        digests[path] = event.metadata["digest"].value if "digest" in event.metadata else None
    return any(damage(path) is None and digest(path) != before for path, before in digests.items())
