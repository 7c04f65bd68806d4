"""What the machine still gives: room, inodes, memory.

Errors do not say: one number stands for no room and for no inodes, and SQLite calls it an I/O error if it gets no memory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PAGES, _FILES = 64 << 10, 16
"""Bytes that a few pages of a database take, and files that a step makes: with less nothing works."""
_MEMORY = 32 << 20
"""Bytes of address space that a process needs to continue: a database is mapped, a thread has a stack of 8 MiB."""


@dataclass(frozen=True)
class Left:
    """What is left on a file system.

    Attributes:
        read_only: Whether nothing can be written.
        free: Bytes that we may write.
        files: Files that we may make; None where the file system does not count its inodes.
        room: Share of all bytes that is free.
        inodes: Share of all inodes that is free; 1 where they are not counted.
    """

    read_only: bool
    free: int
    files: int | None
    room: float
    inodes: float

    @property
    def is_full(self) -> bool:
        """Whether not even a few pages of a database, or a few files, fit."""
        return self.free < _PAGES or (self.files is not None and self.files < _FILES)

    @property
    def lacks_inodes(self) -> bool:
        """Whether it is inodes that are short, if one of the two is: a step that failed has given some of both back by now."""
        return self.inodes < self.room


def left(place: Path | str) -> Left | None:
    """What is left where a file is or would be.

    Args:
        place: The file or folder; if it does not exist, its first parent that does.

    Returns:
        It; None where the system cannot say.
    """
    if not hasattr(os, "statvfs"):
        return None
    path = Path(place).absolute()
    for folder in (path, *path.parents):
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        return Left(
            read_only=bool(status.f_flag & os.ST_RDONLY),
            free=status.f_bavail * status.f_frsize,
            files=status.f_favail if status.f_files else None,
            room=status.f_bavail / status.f_blocks if status.f_blocks else 1.0,
            inodes=status.f_favail / status.f_files if status.f_files else 1.0,
        )
    return None


def is_short_of_memory() -> bool:
    """Whether the process has nearly all the address space that it may have (`ulimit -v`); False if that cannot be determined."""
    try:
        import resource  # systems that have no such limits have no such module

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        return False
    return limit != resource.RLIM_INFINITY and limit - pages * resource.getpagesize() < _MEMORY
