"""Errors caused by the input or the machine, in words that let the reader fix them."""

from __future__ import annotations

import errno
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline.machine import is_short_of_memory, left
from oneclick_pipeline.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class BadInputError(Exception):
    """Input that the pipeline cannot use: what, where, and how to fix it.

    Attributes:
        problem: What is wrong, one sentence without a full stop.
        file: File in which it is wrong.
        line: Line of the file, the header being line 1.
        column: Header of the column; its number in a file without headers.
        value: Offending value, as delivered.
        remedy: What the reader should do.

    >>> print(BadInputError("profit is not a number", file="money.csv", line=7, column="Прибыль", value="abc", remedy="fix it"))
    money.csv, line 7, column «Прибыль», value 'abc': profit is not a number. What to do: fix it
    """

    problem: str
    file: str | None = None
    line: int | None = None
    column: str | int | None = None
    value: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        """One message on one line: place, problem, remedy; nothing in it can control a terminal."""
        place = ", ".join(
            part
            for part in (
                self.file,
                f"line {self.line}" if self.line is not None else None,
                self._column(),
                f"value {self.value[:200]!r}" if self.value is not None else None,
            )
            if part
        )
        return plain((f"{place}: " if place else "") + self.problem + (f". What to do: {self.remedy}" if self.remedy else ""))

    def _column(self) -> str | None:
        return f"column {self.column}" if isinstance(self.column, int) else self.column and f"column «{self.column}»"

    def __reduce__(self) -> tuple[type[BadInputError], tuple[object, ...]]:
        """Dataclass exceptions need this to be copied between processes with their fields."""
        return type(self), (self.problem, self.file, self.line, self.column, self.value, self.remedy)


class AlreadyPublishedError(BadInputError):
    """Another plan of the month was published before; nothing was changed."""


_ROOM = "free some space on it and run again; what was there before is unchanged"
_INODES = "delete files that are no longer needed (df -i counts them) and run again; what was there before is unchanged"
_QUOTA = "delete files that are no longer needed, or have the quota raised, and run again; what was there before is unchanged"
_WRITABLE = "find out why (disk errors cause this: dmesg), make it writable and run again; what was there before is unchanged"
_NO_MEMORY = "the memory available to the process is not enough"
_MEMORY = (
    "give it more memory (ulimit -v, the limit of the container or the service), or stop other processes that use it; then "
    "run again: "
    "what was there before is unchanged"
)
_DEVICE = "check that the disk, or the server it is on, works; then run again: what was there before is unchanged"
_GONE = "check that its folder exists and is not moved during a run; then run again"
_IN_THE_WAY = "move away what is in its place; then run again"
_NO_THREAD = "can't start new thread"
_TEXTS = (  # what libraries that are not Python's own say of an error of the system
    ("No space left on device", errno.ENOSPC),
    ("database or disk is full", errno.ENOSPC),
    ("Disk quota exceeded", errno.EDQUOT),
    ("Read-only file system", errno.EROFS),
    ("Cannot allocate memory", errno.ENOMEM),
    (_NO_THREAD, errno.ENOMEM),
)
_LIMITS = {  # what has run out or cannot be written: what is wrong, what to do
    errno.EROFS: ("the file system is read-only", _WRITABLE),
    errno.EDQUOT: ("the disk quota is used up", _QUOTA),
    errno.EMFILE: ("the process has reached its limit of open files", "raise the limit (ulimit -n) and run again"),
    errno.ENFILE: ("the system has reached its limit of open files", "stop other processes, or raise fs.file-max, and run again"),
    errno.EFBIG: (
        "the file would exceed the maximum file size",
        "raise the limit (ulimit -f), or choose another disk; run again",
    ),
}
_THREADS = (
    "raise the limit of processes (ulimit -u, that of the container or the service), or stop other processes; then run again: "
    "what was there before is unchanged"
)
_FORBIDDEN = {errno.EACCES, errno.EPERM}
_OTHER_KIND = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}
_BROKEN = {errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.EHOSTDOWN, errno.EREMOTEIO, errno.EUCLEAN}
_DATABASE = (  # what SQLite says, what that means, what to do; the first that fits
    ("locked", "another program holds the database and did not release it", "end that program, or wait for it; then run again"),
    ("is not a database", "this is not a database", "restore it from the last backup, or move it away; then run again"),
    ("malformed", "the database is damaged", "restore it from the last backup, or move it away; then run again"),
    ("disk I/O error", "the disk is failing", "check that it works and has free space (dmesg, df); then run again"),
    ("out of memory", _NO_MEMORY, _MEMORY),
    ("readonly", "the database cannot be written", "fix its permissions and those of its folder; then run again"),
    (
        "no such table",
        "the database was removed or emptied",
        "restore it from the last backup, or move it away; then run again",
    ),
    ("", "the database cannot be used", "check that its folder exists and can be read and written; then run again"),
)


def of_the_machine(error: BaseException, home: Path | None = None, database: Path | None = None) -> BadInputError | None:
    """What the machine did: a disk that cannot be written, too little memory, missing permissions, an unusable SQLite database.

    Args:
        error: What was raised. Its causes are examined, too: libraries wrap what the system reported.
        home: The home, where the system does not say which file it was.
        database: The database that the code was working with.

    Returns:
        The error to report; None where none of these is the reason.

    >>> print(of_the_machine(OSError(errno.EROFS, "Read-only file system", "data/part")).problem)
    the file system is read-only
    """
    for one in _chain(error):
        place = str(getattr(one, "filename", None) or home or "")
        if limit := _exhausted(one, place):
            return limit
    is_database = any(isinstance(one, sqlite3.Error) for one in _chain(error))
    # SQLite has other words for it: an I/O error, a file that cannot be opened, a database that is readonly
    if home is not None and is_database and (limit := _of_file_system(home)):
        return limit
    if is_database and is_short_of_memory():
        return BadInputError(_NO_MEMORY, remedy=_MEMORY)
    for one in _chain(None if isinstance(error, BadInputError) else error):  # a plain message from closer to the cause says more
        if isinstance(one, OSError) and (fault := _of_file(one, home)):
            return fault
        if isinstance(one, sqlite3.Error):
            problem, remedy = next((meaning, remedy) for text, meaning, remedy in _DATABASE if text in str(one))
            return BadInputError(problem, file=str(database) if database else None, value=str(one), remedy=remedy)
    return None


def _exhausted(error: BaseException, place: str) -> BadInputError | None:
    """The error if something has run out or cannot be written; None for any other error.

    Our own errors do not count, whatever they say: they may quote the content of a file. Causes are examined separately.
    """
    if isinstance(error, BadInputError):
        return None
    number = error.errno if isinstance(error, OSError) else None
    if number is None or number not in {*_LIMITS, *(n for _, n in _TEXTS)}:
        number = next((n for text, n in _TEXTS if text in str(error)), None)
    if _NO_THREAD in str(error) and not is_short_of_memory():
        return BadInputError("no more threads can be started", remedy=_THREADS)
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return BadInputError(_NO_MEMORY, remedy=_MEMORY)
    if number == errno.ENOSPC:
        return _full(place)
    problem, remedy = _LIMITS.get(number or 0, (None, ""))
    return BadInputError(problem, file=place or None, remedy=remedy) if problem else None


def _full(place: str) -> BadInputError:
    there = left(place) if place else None
    if there is not None and there.lacks_inodes:
        problem = "the file system has no inodes left, so no more files can be created there, although there is space"
        return BadInputError(problem, file=place, remedy=_INODES)
    return BadInputError("the disk is full", file=place or None, remedy=_ROOM)


def _of_file_system(home: Path) -> BadInputError | None:
    """The error if nothing can be written to the home; None if something can."""
    there = left(home)
    if there is not None and there.read_only:
        return BadInputError("the file system is read-only", file=str(home), remedy=_WRITABLE)
    if there is not None and there.is_full:
        return _full(str(home))
    return None


def _of_file(error: OSError, home: Path | None) -> BadInputError | None:
    """An error with a file: no permission, a failing disk, or any other error with a file of the home."""
    place = str(error.filename or home or "") or None
    if error.errno in _FORBIDDEN:
        problem, remedy = "it may not be read or written", "fix its permissions; then run again"
    elif error.errno in _BROKEN:
        problem, remedy = "its disk is failing", _DEVICE
    elif home is not None and isinstance(error.filename, str) and home in Path(error.filename).parents:
        problem, remedy = "it cannot be read or written", _IN_THE_WAY if error.errno in _OTHER_KIND else _GONE
    else:
        return None
    return BadInputError(f"{problem}: {error.strerror}", file=place, remedy=remedy)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
