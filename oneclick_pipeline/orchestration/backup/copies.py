"""Files copied so that a copy is complete: read once, hashed as they are written, on disk before anyone relies on them.

Copies are the owner's alone, whatever the umask says: a backup holds personal data.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home.paths import STAGING
from oneclick_pipeline.orchestration.backup.manifest import LOCK, PASSING

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
_DATABASES = (".db", ".sqlite", ".sqlite3")
_LOCK_BYTES = 64
"""Bytes that a file of a lock has at most: nothing, or whose it is."""
_SQLITE = b"SQLite format 3\0"
_BLOCK = 1 << 20
_TRIES = 3


def listed(home: Path, backup: Path) -> tuple[list[Path], list[Path]]:
    """What a home holds; links to files and folders are followed.

    Args:
        home: The home.
        backup: The folder that the backup is written to.

    Returns:
        Files, databases first, and what no backup holds and is lost with the home: what is neither a file nor a folder, and
        what is only named like a lock or a part of a database; relative to the home. Transient files are in neither.

    Raises:
        BadInputError: If something cannot be read, a link is broken, or points back to a folder above it, or to the backup.
    """
    files: list[Path] = []
    others: list[Path] = []
    waiting: list[tuple[Path, tuple[tuple[int, int], ...]]] = [(home, ())]
    target = _identity(backup.stat())
    while waiting:
        folder, above = waiting.pop()
        identity = _identity(folder.stat())
        if identity in above or identity == target:
            where = "to a folder above it" if identity in above else "to the backup itself"
            raise BadInputError(f"the link points back {where}", file=str(folder), remedy="remove the link")
        for path in _entries(folder):
            if path.parent == home and path.name == STAGING:
                continue
            status = _status(path)
            if status is None or _passes(path, status):
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append((path, (*above, identity)))
            else:
                whole = stat.S_ISREG(status.st_mode) and not path.name.endswith(PASSING)
                (files if whole else others).append(path)
    files.sort(key=lambda path: (not is_sqlite(path), path))
    return [path.relative_to(home) for path in files], sorted(path.relative_to(home) for path in others)


def copy(source: Path, target: Path) -> str:
    """Copy a file of a home, a database by SQLite's own backup, which waits for writers.

    Returns:
        SHA-256 of the copy.

    Raises:
        BadInputError: If the file cannot be read, or keeps changing while it is copied.
        OSError: If the copy cannot be written.
    """
    private_folder(target.parent)
    if is_sqlite(source):
        return _copy_database(source, target)
    for _ in range(_TRIES):
        with _reading(source) as file:
            before = os.fstat(file)
            sha256 = write(file, target, source)
            after = os.fstat(file)
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            return sha256
        target.unlink()
    raise BadInputError(
        "it kept changing while it was copied",
        file=str(source),
        remedy="wait until it has been written, and make the backup again",
    )


def write(source: int, target: Path, name: Path) -> str:
    """Write an open file into a new one, on disk when this returns; what is hashed is what was written.

    Args:
        source: Descriptor, read from its current position.
        target: The new file.
        name: Name of the source, for messages.

    Returns:
        SHA-256 of what was written.

    Raises:
        BadInputError: If the source cannot be read.
        OSError: If the target is there, or cannot be written.
    """
    sha256, status = hashlib.sha256(), os.fstat(source)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(target, flags, PRIVATE_FILE), "wb") as copied:
        while block := _block(source, name):
            copied.write(block)
            sha256.update(block)
        copied.flush()
        os.utime(copied.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
        os.fsync(copied.fileno())
    return sha256.hexdigest()


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner alone; `mkdir` does so with the last one only."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=PRIVATE_FOLDER)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of ours."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle(top: Path) -> None:
    """Flush the names of everything below a folder, and its own, to disk."""
    for folder, _, _ in os.walk(top, topdown=False):
        settle_folder(Path(folder))
    settle_folder(top.parent)


def settle_folder(folder: Path) -> None:
    """Flush the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle_file(path: Path) -> None:
    """Flush a file that another program wrote to disk; only its owner can read it from then on."""
    with path.open("rb") as file:
        os.fchmod(file.fileno(), PRIVATE_FILE)
        os.fsync(file.fileno())


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database, by its name as well: whatever an export begins with, it is copied as it is."""
    if path.suffix not in _DATABASES:
        return False
    with _reading(path) as file:
        return os.pread(file, len(_SQLITE), 0) == _SQLITE


def _copy_database(source: Path, target: Path) -> str:
    """Copy a database as SQLite itself does."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE_FILE))  # SQLite's would follow umask
    try:
        with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as live, closing(sqlite3.connect(target)) as made:
            live.backup(made)
    except sqlite3.Error as error:
        raise of_the_machine(error, target.parent, source) or error from error
    settle_file(target)
    return sha256_of(target)


def _entries(folder: Path) -> list[Path]:
    """What a folder holds."""
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from error


def _passes(path: Path, status: os.stat_result) -> bool:
    """Whether it is a lock, or the part of a database that SQLite works in: of no use without the process that made it."""
    if not stat.S_ISREG(status.st_mode):
        return False
    if path.name.endswith(LOCK):
        return status.st_size <= _LOCK_BYTES
    base = next((path.name.removesuffix(end) for end in PASSING if path.name.endswith(end)), "")
    database = path.with_name(base) if base else None
    return database is not None and database.is_file() and is_sqlite(database)


def _status(path: Path) -> os.stat_result | None:
    """What something is, links followed; None for a file that has just disappeared, or a broken link to a transient file.

    Raises:
        BadInputError: If that cannot be determined, or it is a broken link.
    """
    try:
        return path.stat()
    except OSError as error:
        if not path.is_symlink() and isinstance(error, FileNotFoundError):
            return None
        if path.name.endswith(PASSING):
            return None
        if path.is_symlink():
            remedy = f"remove the link, or restore its target: {path.readlink()}"
            raise BadInputError("the target of the link does not exist", file=str(path), remedy=remedy) from error
        raise _unreadable(path, error) from error


@contextmanager
def _reading(path: Path) -> Iterator[int]:
    """A file of a home, links followed, opened so that a pipe in its place does not make us wait."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise BadInputError("it is no longer a file", file=str(path), remedy="make the backup again")
        yield file
    finally:
        os.close(file)


def _block(source: int, name: Path) -> bytes:
    """The next bytes of a file."""
    try:
        return os.read(source, _BLOCK)
    except OSError as error:
        raise _unreadable(name, error) from error


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _unreadable(path: Path, error: OSError) -> BadInputError:
    return BadInputError(
        f"it cannot be read: {error.strerror}", file=str(path), remedy="fix its permissions or remove it; then try again"
    )
