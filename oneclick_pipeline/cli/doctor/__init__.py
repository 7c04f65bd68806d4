"""`oneclick doctor`: is a home well, and what is to be done if not.

Nothing is changed and nothing is run: databases are read as copies, or in read-only transactions. Every check is a function of
the home that yields findings; bad input that it meets is a problem, told as it is told everywhere.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Annotated
from weakref import finalize

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.doctor import access, disk, history, packages
from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.cli.options import HomeOption  # noqa: TC001 - typer reads it when it runs
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home.paths import (
    LASTING,
    MONTHLY,
    STAGING,
    dagster_folder,
    mlflow_database,
    settings_file,
    staging_folder,
    table_file,
    table_folder,
)
from oneclick_pipeline.machine import left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from oneclick_pipeline.orchestration.health import Health
    from oneclick_pipeline.tracking import Tracking, Version

_SILENT_RUN = timedelta(hours=3)
_SILENT_DAEMON = timedelta(minutes=5)


@dataclass(frozen=True)
class Patient:
    """A home, and what several checks ask of it once."""

    home: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def months(self) -> list[str]:
        """Snapshot months that are over and have a table, oldest first."""
        from oneclick_pipeline.contracts.tables import TABLES
        from oneclick_pipeline.home.months import is_month, is_over

        folders = {table_folder(self.home, name) for name in TABLES}
        names = {path.stem for folder in folders for path in folder.glob("*.parquet")}
        return sorted(name for name in names if is_month(name) and is_over(name, self.now))

    def table(self, name: str, month: str) -> Path | None:
        """A table of a month; None where there is none.

        Raises:
            BadInputError: If something else is there: whoever reads a pipe waits.
        """
        path = table_file(self.home, name, month)
        if path.exists() and not (path.is_file() or path.is_dir()):
            remedy = f"remove it, and run the month again: oneclick run --job refresh --month {month}"
            raise BadInputError("this is no table: it is neither file nor folder", file=str(path), remedy=remedy)
        return path if path.exists() else None

    @cached_property
    def store(self) -> Tracking:
        """MLflow of the home, read in a copy, which goes with the patient."""
        from oneclick_pipeline.tracking import Tracking

        copies = mkdtemp(prefix="oneclick-")
        finalize(self, shutil.rmtree, copies, ignore_errors=True)
        return Tracking(self.home, copies=Path(copies))

    @cached_property
    def has_models(self) -> bool:
        """Whether there is a database of models that the installed MLflow can read; what is wrong with it `_mlflow` says."""
        if not self.store.exists():
            return False
        current, head = self.store.schema()
        return current == head

    @cached_property
    def registered(self) -> dict[int, Version | BadInputError]:
        """Every version of the models, or why it cannot be used."""
        return self.store.registered()

    @cached_property
    def health(self) -> Health:
        """State of the Dagster instance."""
        from oneclick_pipeline.orchestration import health

        return health.look(self.home, self.months)


def examine(home: Path) -> list[Finding]:
    """All findings about a home, in the order of the checks.

    Args:
        home: The home, absolute.
    """
    patient = Patient(home)
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            findings += check(patient)
        except Exception as error:
            told = of_the_machine(error, home) or error
            if not isinstance(told, BadInputError):
                raise
            message, _, remedy = str(told).partition(". What to do: ")
            findings.append(Finding(name, PROBLEM, message, remedy))
        if name == "home" and findings[-1].state == PROBLEM:
            break  # nothing to be asked of a home that is not there
    return findings


def _python(_: Patient) -> Iterator[Finding]:
    from importlib.metadata import metadata

    from packaging.specifiers import SpecifierSet

    wanted, here = str(metadata("oneclick_pipeline")["Requires-Python"]), platform.python_version()
    if here not in SpecifierSet(wanted):
        yield Finding("python", PROBLEM, f"Python {here}, and {wanted} is needed", "make the environment anew")
    else:
        yield Finding("python", OK, f"Python {here}")


def _home(patient: Patient) -> Iterator[Finding]:
    home = patient.home
    if not home.is_dir():
        yield Finding(
            "home", PROBLEM, f"{home} is no folder", "choose another --home, or make it, with exports in HOME/raw/YYYY-MM"
        )
        return
    places = [home, *(home / part for part in (*MONTHLY, *LASTING, STAGING) if (home / part).exists())]
    shut = [str(place) for place in places if not os.access(place, os.R_OK | os.W_OK | os.X_OK)]
    there = left(home)
    if shut and there is not None and there.read_only:
        yield Finding(
            "home", PROBLEM, f"{home} is on a file system that is read-only", "find out why (dmesg), and make it writable"
        )
        return
    if shut:
        yield Finding("home", PROBLEM, f"not writable: {', '.join(shut)}", "mend the rights, or run as the user who owns it")
        return
    outside = [str(path.relative_to(home)) for path in _links(home) if not path.resolve().is_relative_to(home.resolve())]
    if outside:
        remedy = "put the files themselves there: a backup of the home does not hold what lies elsewhere"
        yield Finding("home", WARNING, f"links that lead out of the home: {', '.join(outside[:5])}", remedy)
    else:
        yield Finding("home", OK, f"{home} can be written")


def _links(home: Path) -> Iterator[Path]:
    for top, folders, names in os.walk(home):
        yield from (path for path in (Path(top, name) for name in (*folders, *names)) if path.is_symlink())


def _settings(patient: Patient) -> Iterator[Finding]:
    from oneclick_pipeline.settings import Settings

    Settings.load(patient.home)
    yield Finding("settings", OK, "settings.yaml is valid" if settings_file(patient.home).exists() else "defaults")


def _catalogue(patient: Patient) -> Iterator[Finding]:
    from oneclick_pipeline.catalogue.reader import Catalogue

    found = Catalogue.load(patient.home)
    yield Finding("catalogue", OK, f"{len(found.offers)} offers in {found.file}")


def _webhook(_: Patient) -> Iterator[Finding]:
    from oneclick_pipeline.orchestration.automation import webhook

    there = webhook.given()
    if there is None:
        yield Finding("webhook", OK, f"{webhook.VARIABLE} is not set: alerts go to stderr alone")
    elif there.warning:
        yield Finding("webhook", WARNING, there.warning, "use an address that begins with https")
    else:
        yield Finding("webhook", OK, f"alerts are posted to {there.scheme}://{there.host}")


def _dagster(patient: Patient) -> Iterator[Finding]:
    old = [name for name, (current, head) in patient.health.schemas.items() if current != head]
    if old:
        remedy = f"make a backup, then: DAGSTER_HOME={dagster_folder(patient.home)} dagster instance migrate"
        yield Finding("dagster", PROBLEM, f"the tables of {', '.join(old)} are of another version of Dagster", remedy)
    else:
        yield Finding("dagster", OK, f"runs and events in {'PostgreSQL' if _team() else 'SQLite'}, schema current")


def _mlflow(patient: Patient) -> Iterator[Finding]:
    from oneclick_pipeline.tracking import ignored

    if said := ignored(os.environ):
        yield Finding("mlflow", WARNING, said, "unset it, so that nobody looks for them elsewhere")
    store = patient.store
    if not store.exists():
        yield Finding("mlflow", WARNING, "no model was trained yet", "train one: oneclick run --job retrain --month YYYY-MM")
        return
    current, head = store.schema()
    if current != head:
        remedy = "make a backup, then upgrade MLflow's tables as deploy/README.md tells"
        yield Finding("mlflow", PROBLEM, f"the tables of MLflow are of version {current}, and {head} is needed", remedy)
    else:
        yield Finding("mlflow", OK, f"models in {'PostgreSQL' if _team() else 'SQLite'}, schema current")
    if _team() and mlflow_database(patient.home).exists():
        remedy = "delete it, or move it away, once nobody needs its models"
        yield Finding("mlflow", WARNING, f"{mlflow_database(patient.home)} holds models that are not used: PostgreSQL is", remedy)


def _disk(patient: Patient) -> Iterator[Finding]:
    months = patient.months
    return disk.look(patient.home, _bytes_of(patient.home, months[-1]) if months else 0)


def _bytes_of(home: Path, month: str) -> int:
    """Bytes of all files of a month: in folders of its name, or of that name themselves."""
    named = re.compile(rf"(^|/){re.escape(month)}([./]|$)")
    files = (path for part in MONTHLY for path in (home / part).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if named.search(path.relative_to(home).as_posix()))


def _champion(patient: Patient) -> Iterator[Finding]:
    import numpy as np

    from oneclick_pipeline import model
    from oneclick_pipeline.model.gates import edge_rows

    store = patient.store
    if not patient.has_models or not patient.registered:
        return  # told by the check of mlflow
    champion = store.require_champion()
    pipeline = store.load(champion)
    tables = [path for month in patient.months if (path := patient.table("customer_features", month))]
    if not tables:
        yield Finding("champion", OK, f"version {champion.version} loads; there are no customers to try it on")
        return
    import pandas as pd

    told = model.predict(pipeline, edge_rows(model.inputs(pd.read_parquet(tables[-1]))))
    if not np.all((told >= 0) & (told <= 1)):
        remedy = "go back to the one before: oneclick model rollback"
        yield Finding("champion", PROBLEM, f"version {champion.version} gives {told.tolist()} for odd customers", remedy)
    else:
        yield Finding("champion", OK, f"version {champion.version} of {champion.tags['month']} loads and predicts")


def _models(patient: Patient) -> Iterator[Finding]:
    """Every registered version against its record; one that neither scores nor may come back is a warning only."""
    from oneclick_pipeline.tracking import CHAMPION, PREVIOUS

    store = patient.store
    if not patient.has_models:
        return  # told by the check of mlflow
    aliases, refused = store.aliases(), {n: e for n, e in patient.registered.items() if isinstance(e, BadInputError)}
    versions = [version for version in patient.registered.values() if not isinstance(version, BadInputError)]
    for version in versions:
        try:
            store.check(version)
        except BadInputError as error:
            refused[version.version] = error
    for number in sorted(refused, reverse=True):
        known_as = next((alias for alias in (CHAMPION, PREVIOUS) if aliases.get(alias) == number), "")
        message, _, remedy = str(refused[number]).partition(". What to do: ")
        yield Finding("models", PROBLEM if known_as else WARNING, f"{known_as}: {message}" if known_as else message, remedy)
    if whole := [v for v in versions if v.version not in refused]:
        yield Finding("models", OK, f"{len(whole)} of {len(patient.registered)} as they were registered")


def _last_month(patient: Patient) -> Iterator[Finding]:
    import polars as pl
    import pyarrow as pa

    from oneclick_pipeline.contracts.exports import RAW
    from oneclick_pipeline.contracts.tables import TABLES
    from oneclick_pipeline.engine import files
    from oneclick_pipeline.home.paths import raw_file

    if not patient.months:
        yield Finding("last month", WARNING, "no month was run yet", "run one: oneclick run --month YYYY-MM")
        return
    month = patient.months[-1]
    again = f"oneclick run --job refresh --month {month}"
    there = {name: path for name in TABLES if (path := patient.table(name, month))}
    missing = [name for name in TABLES if name not in there and TABLES[name].stage != "model"]
    if missing:
        yield Finding("last month", PROBLEM, f"{month} is not whole, there is no {', '.join(missing)}", f"run it: {again}")
    try:
        digests = {name: files.verify(path, TABLES[name]) for name, path in there.items()}
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:  # a file that is no Parquet
        raise BadInputError(
            f"a table of {month} cannot be read: {str(error).splitlines()[0]}", remedy=f"run it: {again}"
        ) from error
    known = {} if month in patient.health.ahead else patient.health.digests  # an older database knows older tables
    changed = [name for name, digest in digests.items() if known.get(name, digest) != digest]
    if changed:
        yield Finding("last month", PROBLEM, f"{month}: not what its run wrote: {', '.join(changed)}", f"run it: {again}")
    exports = [raw_file(patient.home, month, name) for name in RAW]
    last = min((there[name].stat().st_mtime_ns for name in RAW if name in there), default=0)
    newer = [path.name for path in exports if path.exists() and path.stat().st_mtime_ns > last]
    if newer:
        yield Finding("last month", WARNING, f"{month}: exports that came after its run: {', '.join(newer)}", f"run it: {again}")
    if not (missing or changed or newer):
        yield Finding("last month", OK, f"{month} is whole: {len(there)} tables, contracts and digests hold")


def _runs(patient: Patient) -> Iterator[Finding]:
    silent = [run for run in patient.health.working if patient.now - run.heard > _SILENT_RUN]
    for run in silent:
        hours = (patient.now - run.heard) / timedelta(hours=1)
        remedy = "if its process is gone, the next run and the daemon mark it failed; then run the month again"
        yield Finding("runs", WARNING, f"{run.job} of {run.month} ({run.run_id}) has been silent for {hours:.0f} hours", remedy)
    if not silent:
        yield Finding("runs", OK, f"{len(patient.health.working)} at work, {patient.health.queued} waiting")


def _staging(patient: Patient) -> Iterator[Finding]:
    from oneclick_pipeline.home import locks

    folders = [folder for folder in sorted(staging_folder(patient.home).glob("step-*")) if folder.is_dir()]
    left = [folder for folder in folders if not locks.is_held(folder.with_suffix(".lock"))]
    if left:
        size = sum(path.stat().st_size for folder in left for path in folder.rglob("*") if path.is_file())
        remedy = "nothing: the next run removes it; to have the room now, delete the folders"
        yield Finding("staging", WARNING, f"{len(left)} killed steps left {disk.size(size)}", remedy)
    else:
        yield Finding("staging", OK, "nothing left behind")


def _daemon(patient: Patient) -> Iterator[Finding]:
    heard = patient.health.heartbeat
    remedy = "start it (oneclick ui, or the daemon of deploy/compose.yaml): without it nothing starts by itself"
    if heard is None:
        yield Finding("daemon", WARNING, "no daemon was ever here", remedy)
    elif heard - patient.now > _SILENT_DAEMON:
        told = f"last heard of at {heard:%Y-%m-%d %H:%M} UTC, which is yet to come: the clock was set back since"
        yield Finding("daemon", PROBLEM if _team() else WARNING, told, f"set the clock right; {remedy}")
    elif patient.now - heard > _SILENT_DAEMON:
        # A team relies on it; on one machine the pages are often closed.
        yield Finding("daemon", PROBLEM if _team() else WARNING, f"last heard of at {heard:%Y-%m-%d %H:%M} UTC", remedy)
    else:
        yield Finding("daemon", OK, f"heard of {max(0, int((patient.now - heard).total_seconds()))} s ago")


CHECKS: dict[str, Callable[[Patient], Iterator[Finding]]] = {
    "python": _python,
    "packages": lambda _: packages.look(),
    "home": _home,
    "permissions": lambda patient: access.look(patient.home),
    "settings": _settings,
    "catalogue": _catalogue,
    "webhook": _webhook,
    "dagster": _dagster,
    "mlflow": _mlflow,
    "disk": _disk,
    "champion": _champion,
    "models": _models,
    "last month": _last_month,
    "history": history.look,
    "runs": _runs,
    "staging": _staging,
    "daemon": _daemon,
}
"""Every check by the name of its findings."""


def _team() -> bool:
    """Whether runs and models are in PostgreSQL."""
    from oneclick_pipeline.databases import postgres

    return postgres.given() is not None


def doctor(
    home: HomeOption = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Write the findings as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check a home and say what to do: versions, paths, databases, disk, champion, the last month, runs, the daemon.

    Nothing is changed. Exit code: 0 no problem (there may be warnings); 1 a problem.
    """
    findings = examine(home.absolute())
    if as_json:
        terminal.echo_json([asdict(finding) for finding in findings])
    else:
        out, colours = terminal.console(soft_wrap=True), {OK: "green", WARNING: "yellow", PROBLEM: "red"}
        for found in findings:
            remedy = f". What to do: {found.remedy}" if found.remedy else ""
            out.print(f"[{colours[found.state]}]{found.state:<8}[/]{found.check:<12}{terminal.markup(found.told + remedy)}")
    if any(found.state == PROBLEM for found in findings):
        raise typer.Exit(1)
