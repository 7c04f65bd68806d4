"""What a home no longer keeps: runs of old months with their events and logs, model versions that nothing refers to.

A successful run of the command deletes it at its end, and the sensor `pruning` where a daemon starts the runs; settings `keep`.
Tables, reports, exports and ledgers are never touched. Which months are old follows from the months that were run, not from a
clock. A run's row is deleted last, so one that was half deleted is found again; versions see `tracking.pruning`.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from filelock import Timeout

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.months import add_months, is_month
from oneclick_pipeline.home.paths import ledger_folder, locks_folder, table_folder
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.tracking import CHAMPION, PREVIOUS, Tracking, pruning, references

_MOST_SECONDS = 20.0
"""How long one call deletes; Dagster gives a sensor a minute. The next call continues."""
_AT_ONCE = 25
"""Runs whose events are deleted in one transaction: others wait for it."""
_SUCCESS, _FINISHED = "SUCCESS", frozenset({"SUCCESS", "FAILURE", "CANCELED"})


class Run(NamedTuple):
    """A run of Dagster: its id, its snapshot month, its status, and whether the month is one that it worked on.

    One of no month, or of many, counts as of the month by the clock in which it was made.
    """

    run_id: str
    month: str
    status: str
    worked_on: bool = True


class Pruned(NamedTuple):
    """What was deleted: runs of Dagster, model versions by number, runs of MLflow; and the first month of which all runs stay."""

    runs: int = 0
    versions: tuple[int, ...] = ()
    mlflow_runs: int = 0
    first: str = ""

    def __str__(self) -> str:
        """One line for people; empty where nothing was deleted.

        >>> str(Pruned(3, (1, 2), 16, "2026-01"))
        'pruned: 3 runs of months before 2026-01, 2 model versions (1, 2) and 16 runs in MLflow; see the settings keep'
        >>> str(Pruned(first="2026-01"))
        ''
        """
        parts = [f"{_counted(self.runs, 'run')} of months before {self.first}"] if self.runs else []
        numbers = ", ".join(map(str, self.versions))
        models = f"{_counted(len(self.versions), 'model version')} ({numbers}) and " if self.versions else ""
        parts += [f"{models}{_counted(self.mlflow_runs, 'run')} in MLflow"] if self.versions or self.mlflow_runs else []
        return f"pruned: {', '.join(parts)}; see the settings keep" if parts else ""


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def newest_month(runs: Iterable[Run]) -> str:
    """The newest month that was run with success, whatever the clock says; empty without any.

    >>> newest_month([Run("a", "2026-03", "SUCCESS"), Run("b", "2026-04", "FAILURE"), Run("c", "2099-01", "SUCCESS", False)])
    '2026-03'
    """
    return max((run.month for run in runs if run.status == _SUCCESS and run.worked_on), default="")


def superfluous(runs: Sequence[Run], kept: pruning.Months, resting: Collection[str]) -> list[str]:
    """Runs that may go: they have ended, their month does not stay, it has a later run, and no current table was made by them.

    Args:
        runs: All runs, oldest first.
        kept: Months of which all runs stay.
        resting: Runs that made a current table.
    """
    last = {run.month: run.run_id for run in runs}
    return [
        run.run_id
        for run in runs
        if run.status in _FINISHED and not kept.stays(run.month) and run.run_id not in resting and last[run.month] != run.run_id
    ]


def prune(home: Path, instance: dg.DagsterInstance) -> Pruned:
    """Delete what the settings `keep` do not keep; nothing if another process is doing so, or copies the home.

    Args:
        home: The home.
        instance: Its Dagster instance.

    Raises:
        BadInputError: If settings, tables, ledgers or databases cannot be read, or something cannot be deleted.
    """
    try:
        with locks.whole(home, seconds=0), postgres.plain_words():
            return _prune(home, instance)
    except Timeout:
        return Pruned()
    except (OSError, sa.exc.SQLAlchemyError) as error:
        reported = of_the_machine(error, home)
        if reported is None:
            raise
        raise reported from error


def _prune(home: Path, instance: dg.DagsterInstance) -> Pruned:
    settings, end = Settings.load(home), time.monotonic() + _MOST_SECONDS
    runs = _runs(instance)
    newest = newest_month(runs)
    if not newest:
        return Pruned()
    first = add_months(newest, 1 - settings.keep.runs_months)
    store = Tracking(home)
    kept = pruning.Months(first, _months_that_stay(home, settings, store, newest))
    old = [run for run in runs if not kept.stays(run.month)]
    going = superfluous(runs, kept, _resting(instance)) if old else []
    deleted = _delete(instance, going, end)
    if _at_work(home):
        return Pruned(deleted, first=first)
    models = store.prune(settings.keep.model_versions, kept, lambda: named(home))
    return Pruned(deleted, models.versions, models.runs, first)


def _runs(instance: dg.DagsterInstance) -> list[Run]:
    """Every run, oldest first."""
    query = sa.select(RunsTable.c.run_id, RunsTable.c.partition, RunsTable.c.status, RunsTable.c.create_timestamp)
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined] # of all SQL storages; records would be read whole
        rows = connection.execute(query.order_by(RunsTable.c.id)).all()
    return [
        Run(id_, month, status) if month and is_month(month) else Run(id_, f"{made:%Y-%m}", status, worked_on=False)
        for id_, month, status, made in rows
    ]


def _resting(instance: dg.DagsterInstance) -> set[str]:
    """Runs that made a current table of a month: without their events Dagster's pages would no longer know it."""
    events = SqlEventLogStorageTable.c
    newest = (
        sa.select(sa.func.max(events.id))
        .where(events.dagster_event_type == dg.DagsterEventType.ASSET_MATERIALIZATION.value)
        .group_by(events.asset_key, events.partition)
    )
    with instance.event_log_storage.index_connection() as connection:  # type: ignore[attr-defined]
        return set(connection.execute(sa.select(events.run_id).where(events.id.in_(newest))).scalars())


def _months_that_stay(home: Path, settings: Settings, store: Tracking, newest: str) -> set[str]:
    """Months of the champion and the previous champion, and those whose ledger is still learned from."""
    aliases = store.aliases() if store.exists() else {}
    champions = [store.version(aliases[alias]).tags["month"] for alias in (CHAMPION, PREVIOUS) if alias in aliases]
    value, campaigns = settings.value, settings.campaigns
    back = max(value.horizon_months, value.worth_months) + campaigns.history_months
    return {*champions, *(month for month in ledger.published_months(home) if month >= add_months(newest, -back))}


def named(home: Path) -> set[int]:
    """Versions of the model that a table of any month, or a ledger, names.

    Raises:
        BadInputError: If one of them cannot be read.
    """
    folders = [table_folder(home, name) for name, table in TABLES.items() if references.COLUMN in table.names]
    folders.append(ledger_folder(home))
    paths = [path for folder in folders for path in sorted(folder.glob("[!.]*.parquet"))]
    return {version for path in paths for version in references.versions_in(path)}


def _at_work(home: Path) -> bool:
    """Whether a run works on the home: it may depend on a model version that no table refers to yet."""
    return any(locks.is_held(mark) for mark in locks_folder(home).glob("run-*.lock"))


def _delete(instance: dg.DagsterInstance, going: Sequence[str], end: float) -> int:
    """Delete runs, oldest first, until the time is up; returns how many."""
    deleted = 0
    while deleted < len(going) and time.monotonic() < end:
        runs = going[deleted : deleted + _AT_ONCE]
        _delete_events(instance, runs)
        for run in runs:
            instance.run_storage.delete_run(run)
        deleted += len(runs)
    return deleted


def _delete_events(instance: dg.DagsterInstance, runs: Sequence[str]) -> None:
    """Delete the output of runs: their logs, their events, the results of their checks, which Dagster leaves behind."""
    storage = instance.event_log_storage
    for run in runs:
        instance.compute_log_manager.delete_logs(prefix=[run])
    with storage.index_connection() as connection:  # type: ignore[attr-defined]
        for run in runs:
            storage.delete_events_for_run(connection, run)  # type: ignore[attr-defined]
        checks = AssetCheckExecutionsTable
        connection.execute(sa.delete(checks).where(checks.c.run_id.in_(runs)))
    if isinstance(storage, SqliteEventLogStorage):  # events of a run are in a database of their own as well
        for run in runs:
            _remove_database(Path(storage.path_for_shard(run)))


def _remove_database(path: Path) -> None:
    """Remove a database of SQLite with what its writers left beside it."""
    for end in ("-wal", "-shm", ""):
        path.with_name(path.name + end).unlink(missing_ok=True)


@dg.sensor(
    name="pruning",
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Deletes runs of old months with their events and logs, and old model versions that nothing refers to: see the "
    "settings `keep`.",
)
def pruning_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SkipReason:
    """Delete what the home no longer keeps; a part of it at a time."""
    try:
        return dg.SkipReason(str(prune(home.root, context.instance)) or "there is nothing to prune")
    except BadInputError as error:
        return dg.SkipReason(f"pruning stopped: {error}")
