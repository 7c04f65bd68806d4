"""A home copied into a portable folder, and restored: files and databases that belong together.

    FOLDER/home/            the home; SQLite databases as SQLite's own backup wrote them
    FOLDER/postgres.dump    the content of PostgreSQL, if the home uses it, as pg_dump wrote it
    FOLDER/manifest.json    when, of which home, and the SHA-256 of every file

No run may be in progress meanwhile. Databases are taken before files: whatever a database refers to then exists, because
model files and logs are added and never changed, and nothing is pruned meanwhile. A backup and what is restored are there as
a whole or not at all, and on disk.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import sqlalchemy as sa
from dagster import RunsFilter

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.paths import mlflow_database
from oneclick_pipeline.orchestration.backup import copies, dumps, manifest, placing
from oneclick_pipeline.orchestration.backup.manifest import DUMP, HOME, MANIFEST, Manifest
from oneclick_pipeline.orchestration.health import AT_WORK
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.orchestration.runs import active
from oneclick_pipeline.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNFINISHED = ".backup"


def backup(home: Path, folder: Path) -> Manifest:
    """Copy a home and its database into a new folder; it is there as a whole or not at all.

    Links in the home are followed: the backup holds what they lead to. Sockets, pipes and devices are left out, and named in
    the manifest, as are files that no backup can hold by their names.

    Args:
        home: The home.
        folder: The folder; it must not exist. Only its owner can read it.

    Returns:
        The manifest.

    Raises:
        BadInputError: If a run is in progress or was meanwhile, the folder is there or cannot be written, something in the home
            cannot be read or restored, or PostgreSQL or its pg_dump cannot be used.
    """
    if folder.exists() or folder.is_symlink():
        raise BadInputError("it already exists", file=str(folder), remedy="give the backup another name, for example its date")
    if folder.resolve().is_relative_to(home.resolve()):
        raise BadInputError("it is inside the home itself", file=str(folder), remedy="choose a folder on another disk")
    last = _last_run(home)
    part = folder.with_name(f".{folder.name}{_UNFINISHED}")
    try:
        for left in locks.abandoned(folder.parent, f".*{_UNFINISHED}.lock"):  # of backups that were killed, whatever their name
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
        with locks.held(part.with_name(part.name + ".lock")), locks.whole(home), _scratch(part):
            made = _copied(home, part)
            if _last_run(home) != last:
                raise BadInputError(
                    "a run was in progress during the backup", remedy="wait for it to end, and make the backup again"
                )
            (part / MANIFEST).write_text(json.dumps(made, indent=1), encoding="utf-8")
            copies.settle_file(part / MANIFEST)
            copies.settle(part)
            part.rename(folder)
            copies.settle_folder(folder.parent)
    except OSError as error:
        raise BadInputError(
            f"it cannot be written: {error}", file=str(folder), remedy="choose a place with enough space"
        ) from error
    return made


def restore(folder: Path, home: Path) -> Manifest:
    """Restore a backup into an empty home, and, if it has a dump, into an empty database.

    The home may have another path than it had: MLflow's addresses are changed to it. Files are copied beside the home,
    checked as they are copied, and moved into place once everything is there and the database has taken its part.

    Returns:
        The manifest.

    Raises:
        BadInputError: If the backup is not ours or not whole, or home or database are not empty, or PostgreSQL or its
            pg_restore cannot be used. Home and database are then as they were.
    """
    made, text = manifest.read(folder)
    place = placing.Place.of(home)
    try:
        with place.held():
            if place.unfinished(text):
                place.finish()
                return made
            url = dumps.empty(made["postgres"])
            _stage(folder, made, place.stage)
            (place.stage / MANIFEST).write_bytes(text)
            if url is None:  # before it is seen: a home has no addresses of another one, not even for a moment
                _move(place.stage / HOME, made, home, folder)
            copies.settle(place.stage)
            if url is not None:
                dumps.restore(url, place.stage / DUMP)
                _move(place.stage / HOME, made, home, folder)
            place.settle()
    except OSError as error:
        remedy = "free some space or choose another --home; then restore again"
        raise BadInputError(f"it cannot be written: {error}", file=str(home), remedy=remedy) from error
    return made


def _copied(home: Path, part: Path) -> Manifest:
    """Copy everything; the manifest of it."""
    url = postgres.given()
    files = {DUMP: dumps.dump(url, part / DUMP)} if url is not None else {}
    paths, others = copies.listed(home, part)
    for path in (*paths, *others):
        if problem := manifest.problem_of_path(f"{HOME}/{path}") if path in others else manifest.problem_of(f"{HOME}/{path}"):
            value = ascii(str(path))
            raise BadInputError(f"{problem}, so it could not be restored", file=str(home), value=value, remedy="rename it")
    for path in paths:
        files[f"{HOME}/{path}"] = copies.copy(home / path, part / HOME / path)
    made = datetime.now(UTC).isoformat(timespec="seconds")
    return Manifest(
        made=made,
        home=str(home.absolute()),
        postgres=url is not None,
        files=files,
        left_out=[f"{HOME}/{path}" for path in others],
    )


def _move(staged: Path, made: Manifest, home: Path, folder: Path) -> None:
    """Change MLflow's addresses to the home's path.

    Raises:
        BadInputError: If this cannot be done with the backup's database.
    """
    try:
        Tracking(staged).moved(Path(made["home"]), home.absolute())
    except sa.exc.DatabaseError as error:
        reported = of_the_machine(error, home)
        if reported is None:
            raise
        database = str(mlflow_database(folder / HOME))
        raise replace(reported, file=reported.file or database, remedy="use another backup; nothing was written") from error


def _stage(folder: Path, made: Manifest, stage: Path) -> None:
    """Copy the files of a backup; what is compared with the manifest is what was copied.

    Raises:
        BadInputError: If one is not as it was backed up.
    """
    copies.private_folder(stage / HOME)
    for name, sha256 in made["files"].items():
        target = stage / name
        copies.private_folder(target.parent)
        try:
            with manifest.opened(folder, name) as source:
                same = copies.write(source, target, folder / name) == sha256
        except FileNotFoundError:
            same = False
        if not same:
            remedy = "the backup is damaged: use another one"
            raise BadInputError("the file differs from the one that was backed up", file=str(folder / name), remedy=remedy)


@contextmanager
def _scratch(part: Path) -> Iterator[None]:
    """A folder that only its owner can read; it is removed afterwards or, if we are killed, by the next one."""
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(mode=copies.PRIVATE_FOLDER)
    try:
        yield
    finally:
        if part.exists():
            shutil.rmtree(part)


def _last_run(home: Path) -> str:
    """Id of the newest run.

    Raises:
        BadInputError: If a run is in progress.
    """
    with _instance(home) as instance:
        active.settle(home, instance)
        at_work = instance.get_runs(filters=RunsFilter(statuses=AT_WORK))
        if at_work:
            raise BadInputError(
                f"a run is in progress: {at_work[0].run_id}",
                remedy="wait for it to end; if its process died, mark it failed in Dagster's pages (Runs, Terminate)",
            )
        return next((run.run_id for run in instance.get_runs(limit=1)), "")


@contextmanager
def _instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home."""
    with postgres.plain_words(), dg.DagsterInstance.from_config(str(prepare_instance(home))) as instance:
        yield instance
