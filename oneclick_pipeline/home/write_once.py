"""Files that are written once: complete or not at all, on disk before they get their name, and replacing another only on request.

write(path, content)                 a file of bytes; refused if one exists
write(path, content, replace=True)   the same, replacing whatever exists
settle(part, path)                   the same for a file that a library has written beside its place
keep(path)                           a copy of a file beside it, as <name>.replaced-1, -2 and so on, before it is replaced
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def part_of(path: Path) -> Path:
    """Where a file is written before it has its name: beside its place, hidden; what a killed process left there is removed."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write(path: Path, content: bytes, *, replace: bool = False, mode: int = 0o666) -> None:
    """Write a file; its folder is created if missing. One process at a time may write a file.

    Args:
        path: Its place.
        content: All of it.
        replace: Whether it may replace another.
        mode: Permissions, reduced by the umask of the process.

    Raises:
        FileExistsError: If the file exists and `replace` is not set.
        OSError: If it cannot be written; what was there is unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(path)
    try:
        with os.fdopen(os.open(part, _NEW, mode), "wb") as file:
            file.write(content)
        settle(part, path, replace=replace)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def settle(part: Path, path: Path, *, replace: bool = False) -> None:
    """Give a file its name once its content is on disk, then make sure that the name is, too.

    Raises:
        FileExistsError: If another has the name and `replace` is not set.
        OSError: See `write`.
    """
    with part.open("rb") as file:
        os.fsync(file.fileno())
    if not replace and path.exists():
        raise FileExistsError(f"{path} already exists")
    part.replace(path)
    if os.name == "posix":  # elsewhere a folder cannot be opened
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def keep(path: Path) -> Path:
    """Copy a file to the first free name beside it; one that is kept already, by a process that was killed, is not kept twice.

    Returns:
        The copy, for example `2026-10.replaced-1.parquet`.
    """
    content, number = path.read_bytes(), 1
    while (kept := path.with_name(f"{path.stem}.replaced-{number}{path.suffix}")).exists():
        if kept.read_bytes() == content:
            return kept
        number += 1
    write(kept, content)
    return kept
