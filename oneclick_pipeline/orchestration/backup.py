"""A home in a folder that can be carried away, and back: files and databases that belong together.

    FOLDER/home/            the home; SQLite databases as SQLite's own backup wrote them
    FOLDER/postgres.dump    what stood in PostgreSQL, where the home has one, as pg_dump wrote it
    FOLDER/manifest.json    when, of which home, and the SHA-256 of every file

No run may be at work meanwhile. Databases are taken before files: what a database names is there then, for model files and
logs are added and never changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess  # PostgreSQL's own programs, no shell
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import RunsFilter

from oneclick_pipeline import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import runs
from oneclick_pipeline.orchestration.execute import prepare_instance
from oneclick_pipeline.orchestration.health import AT_WORK
from oneclick_pipeline.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

    import sqlalchemy as sa

MANIFEST, DUMP = "manifest.json", "postgres.dump"
_SQLITE = b"SQLite format 3\0"
_PASSING = (".lock", "-wal", "-shm", "-journal")
"""Ends of names of files that mean something to a process that lives, and to nobody else."""
_KEPT = Path("dagster", "dagster.yaml")
"""The one file that may stand in a home that is restored into: containers mount theirs."""


def backup(home: Path, folder: Path) -> dict[str, Any]:
    """Copy a home and its database into a new folder; it is there as a whole or not at all.

    Args:
        home: The home.
        folder: The folder; it must not exist.

    Returns:
        The manifest.

    Raises:
        BadInputError: If a run is at work or was meanwhile, the folder is there or cannot be written, or PostgreSQL or its
            pg_dump cannot be used.
    """
    if folder.exists():
        raise BadInputError("it is there already", file=str(folder), remedy="give the backup another name, for example its date")
    if folder.resolve().is_relative_to(home.resolve()):
        raise BadInputError("it lies in the home itself", file=str(folder), remedy="choose a folder on another disk")
    last = _last_run(home)
    part = folder.with_name(folder.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a backup that was killed
        part.mkdir(parents=True)
        url = postgres.given()
        if url is not None:
            _call("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={part / DUMP}")
        files = {str(Path("home", path)): _copy(home / path, part / "home" / path) for path in _paths(home)}
        if url is not None:
            files[DUMP] = _sha256(part / DUMP)
        if _last_run(home) != last:
            raise BadInputError("a run was at work during the backup", remedy="wait for its end, and make the backup again")
        manifest = {"made": datetime.now(UTC).isoformat(timespec="seconds"), "home": str(home), "postgres": url is not None}
        manifest |= {"files": files}
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        part.rename(folder)
    except OSError as error:
        raise BadInputError(f"it cannot be written: {error}", file=str(folder), remedy="choose a place with room") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def restore(folder: Path, home: Path) -> dict[str, Any]:
    """Bring a backup back into an empty home, and, where it has one, into an empty database.

    The home may have another path than it had: MLflow's addresses are changed to it.

    Returns:
        The manifest.

    Raises:
        BadInputError: If the backup is not whole, or home or database are not empty, or PostgreSQL or its pg_restore cannot
            be used.
    """
    manifest = _read(folder)
    there = [path for path in _paths(home) if path != _KEPT]
    if there:
        remedy = "restore into an empty home: move what is there aside, or choose another --home"
        raise BadInputError("the home is not empty", file=str(home / there[0]), remedy=remedy)
    url = _target(manifest)
    try:
        for name in manifest["files"]:
            path = Path(name).relative_to("home") if name != DUMP else None
            if path is not None and not (home / path).exists():
                (home / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(folder / name, home / path)
    except OSError as error:
        raise BadInputError(f"it cannot be written: {error}", file=str(home), remedy="empty it and restore again") from error
    if url is not None:
        _call("pg_restore", url, "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", str(folder / DUMP))
    Tracking(home).moved(Path(manifest["home"]))
    return manifest


def _last_run(home: Path) -> str:
    """Id of the newest run.

    Raises:
        BadInputError: If a run is at work.
    """
    with _instance(home) as instance:
        runs.settle(home, instance)
        at_work = instance.get_runs(filters=RunsFilter(statuses=AT_WORK))
        if at_work:
            raise BadInputError(
                f"a run is at work: {at_work[0].run_id}",
                remedy="wait for its end; if its process died, mark it failed in Dagster's pages (Runs, Terminate)",
            )
        return next((run.run_id for run in instance.get_runs(limit=1)), "")


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home."""
    with postgres.plain_words(), dg.DagsterInstance.from_config(str(prepare_instance(home))) as instance:
        yield instance


def _paths(home: Path) -> list[Path]:
    """Files of a home, relative to it: databases first, nothing that passes."""
    found = []
    for top, folders, names in os.walk(home):
        if Path(top) == home and "staging" in folders:
            folders.remove("staging")
        found += [Path(top, name).relative_to(home) for name in names if not name.endswith(_PASSING)]
    return sorted(found, key=lambda path: (not _is_sqlite(home / path), path))


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy(source: Path, target: Path) -> str:
    """Copy a file, a database by SQLite's own backup, which waits for who writes; returns the SHA-256 of the copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if _is_sqlite(source):
        with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as live, closing(sqlite3.connect(target)) as copy:
            live.backup(copy)
    else:
        shutil.copy2(source, target)
    return _sha256(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, Any]:
    """The manifest of a backup, whose files are those that it names.

    Raises:
        BadInputError: If they are not.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError("it is no backup", file=str(folder), remedy="give a folder that `oneclick backup` made") from error
    for name, sha256 in manifest["files"].items():
        if not (folder / name).is_file() or _sha256(folder / name) != sha256:
            remedy = "the backup was damaged: take another one"
            raise BadInputError("the file is not the one that was backed up", file=str(folder / name), remedy=remedy)
    return manifest


def _target(manifest: dict[str, Any]) -> sa.URL | None:
    """The empty database that a backup is restored into; None for one without PostgreSQL.

    Raises:
        BadInputError: If there is none, there should be none, or it is not empty.
    """
    import sqlalchemy as sa

    url = postgres.given()
    if (url is not None) != manifest["postgres"]:
        said = "is of a home with PostgreSQL" if manifest["postgres"] else "is of a home without PostgreSQL"
        remedy = f"{'set' if manifest['postgres'] else 'unset'} {postgres.VARIABLE} and restore again"
        raise BadInputError(f"the backup {said}", remedy=remedy)
    if url is not None:
        with postgres.connected(url) as connection:
            tables = sa.inspect(connection).get_table_names()
            if tables or postgres.has_schema(connection, postgres.MLFLOW_SCHEMA):
                raise BadInputError(
                    f"the database {postgres.shown(url)} is not empty",
                    remedy="stop everything that uses it, make a new one (createdb), and restore into that",
                )
    return url


def _call(program: str, url: sa.URL, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on a database; the password goes by the environment.

    Raises:
        BadInputError: If it is not there, or fails.
    """
    import sqlalchemy as sa

    found = shutil.which(program)
    if found is None:
        raise BadInputError(f"{program} is not on the PATH", remedy="install PostgreSQL's client programs (postgresql-client)")
    named = sa.URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=url.query
    )
    address = named.difference_update_query(["password"]).render_as_string()
    environment = os.environ | {"PGPASSWORD": str(url.password or ""), "LC_ALL": "C"}
    done = subprocess.run(  # noqa: S603 - a program of PostgreSQL, our own arguments
        [found, f"--dbname={address}", *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise postgres.unreachable(url, RuntimeError(f"{program}: {done.stderr}"))
