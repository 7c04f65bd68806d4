"""What goes wrong because of the input, or of the machine, said so that the reader can mend it."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.terminal import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class BadInputError(Exception):
    """Input that the pipeline cannot use: what, where, and how to mend it.

    Attributes:
        problem: What is wrong, one sentence without a full stop.
        file: File in which it is wrong.
        line: Line of the file, the header being line 1.
        column: Header of the column; its number in a file without headers.
        value: Offending value, as it came.
        remedy: What the reader should do.

    >>> print(BadInputError("profit is no number", file="money.csv", line=7, column="Прибыль", value="abc", remedy="mend it"))
    money.csv, line 7, column «Прибыль», value 'abc': profit is no number. What to do: mend it
    """

    problem: str
    file: str | None = None
    line: int | None = None
    column: str | int | None = None
    value: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        """One message on one line: place, problem, remedy; nothing in it commands a terminal."""
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


_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_PAGES = 64 << 10
_ROOM = "make room on it and run again; what stood there before is as it was"
_FULL_TEXTS = ("No space left on device", "database or disk is full")
_DATABASE = (  # what SQLite says, what that means, what to do; the first that fits
    ("locked", "another program holds the database and did not let go", "end that program, or wait for it; then run again"),
    ("is not a database", "this is no database", "put the last backup in its place, or move it away; then run again"),
    ("malformed", "the database is damaged", "put the last backup in its place, or move it away; then run again"),
    ("disk I/O error", "the disk is full or damaged", "make room on it, or mend it; then run again"),
    ("readonly", "the database cannot be written", "mend its permissions and those of its folder; then run again"),
    (
        "no such table",
        "the database was taken away or emptied",
        "put the last backup in its place, or move it away; then run again",
    ),
    ("", "the database cannot be used", "see that its folder is there and can be read and written; then run again"),
)


def of_the_machine(error: BaseException, home: Path | None = None, database: Path | None = None) -> BadInputError | None:
    """What a full disk, missing permissions, or an SQLite database that cannot be used did: in plain words.

    Args:
        error: What was raised. What it came from is looked at, too: libraries wrap what the system told them.
        home: The home, where the system does not say which file it was.
        database: The database that the code was working with.

    Returns:
        The error to tell; None where none of these is the reason.

    >>> print(of_the_machine(OSError(errno.ENOSPC, "No space left on device", "data/part")))
    data/part: the disk is full. What to do: make room on it and run again; what stood there before is as it was
    """
    for one in _chain(error):
        text = str(one)
        if (isinstance(one, OSError) and one.errno in _FULL) or any(full in text for full in _FULL_TEXTS):
            place = getattr(one, "filename", None) or home
            return BadInputError("the disk is full", file=str(place) if place else None, remedy=_ROOM)
    if home is not None and any(isinstance(one, sqlite3.Error) for one in _chain(error)) and _is_full(home):
        return BadInputError("the disk is full", file=str(home), remedy=_ROOM)  # SQLite may call it an I/O error
    for one in _chain(None if isinstance(error, BadInputError) else error):  # who told it in plain words knew more
        if isinstance(one, OSError) and one.errno in _FORBIDDEN:
            problem = f"it may not be read or written: {one.strerror}"
            return BadInputError(
                problem, file=str(one.filename or home or "") or None, remedy="mend its permissions; then run again"
            )
        if isinstance(one, sqlite3.Error):
            problem, remedy = next((told, remedy) for said, told, remedy in _DATABASE if said in str(one))
            return BadInputError(problem, file=str(database) if database else None, value=str(one), remedy=remedy)
    return None


def _is_full(folder: Path) -> bool:
    """Whether not even a few pages of a database fit on the disk of a folder."""
    return folder.exists() and shutil.disk_usage(folder).free < _PAGES


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
