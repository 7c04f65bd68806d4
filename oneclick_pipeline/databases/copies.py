"""Reading SQLite databases while others may write them: a copy is opened, and nothing changes beside the original.

Opening a database, even for reading, may create files beside it or change it: a log that its last writer left is applied.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

_BESIDE = ("", "-wal", "-journal")
"""Ends of the names of files that make a database."""
_ATTEMPTS = 5


def copy(database: Path, target: Path) -> None:
    """Copy a database together with what its writers have not applied yet.

    Args:
        database: The database; nothing is copied where there is none.
        target: Where the copy goes.

    Raises:
        BadInputError: If it is written all the time, or is not a plain file.
        OSError: If it cannot be read, or the copy not be written.
    """
    for end in _BESIDE:
        part = database.with_name(database.name + end)
        if part.exists() and not part.is_file():  # reading a pipe would block, a folder cannot be copied
            raise BadInputError("this is not a database", file=str(part), remedy="move it away, and restore the last backup")
    for _ in range(_ATTEMPTS):
        before = _state(database)
        for end in before:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(f"{database}{end}", f"{target}{end}")
        if _state(database) == before:
            return
    raise BadInputError(
        "the database is being written all the time", file=str(database), remedy="try again when the database is less busy"
    )


def at_rest(database: Path) -> dict[str, tuple[int, int]] | None:
    """State of a database that can be read in its place, because its writers have applied all that they wrote; None for another.

    A reader in place (`mode=ro&immutable=1`: SQLite makes nothing beside it) compares the state afterwards: if it is
    another one, what was read is worth nothing.
    """
    beside = [database.with_name(database.name + end) for end in _BESIDE[1:]]
    if not database.is_file() or any(part.exists() and (not part.is_file() or part.stat().st_size) for part in beside):
        return None
    return _state(database)


def _state(database: Path) -> dict[str, tuple[int, int]]:
    """Size and time of each of its files."""
    files = {end: database.with_name(database.name + end) for end in _BESIDE}
    return {end: (file.stat().st_size, file.stat().st_mtime_ns) for end, file in files.items() if file.exists()}
