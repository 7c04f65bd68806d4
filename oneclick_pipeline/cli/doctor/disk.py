"""Whether the disk has room, and inodes, for another month."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.machine import left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SPARE_BYTES, _SPARE_FILES = 200 * 2**20, 1000


def look(home: Path, month: int) -> Iterator[Finding]:
    """What is to be said of the disk of a home.

    Args:
        home: The home.
        month: Bytes that its last month takes.
    """
    free, needed = shutil.disk_usage(home).free, 2 * month + _SPARE_BYTES  # a table stands twice until it is published
    remedy = "make room: old months below tables/ can be made again from raw/; then look at mlflow/artifacts and dagster/storage"
    state = PROBLEM if free < needed else WARNING if free < 3 * needed else OK
    yield Finding("disk", state, f"{size(free)} free, a month needs {size(needed)}", "" if state == OK else remedy)
    there = left(home)
    if there is not None and there.files is not None and there.files < _SPARE_FILES:
        remedy = "delete files that nobody needs (df -i counts them): without inodes no file can be made, whatever room there is"
        yield Finding("disk", PROBLEM, f"{there.files} more files can be made, a month needs {_SPARE_FILES}", remedy)


def size(count: float) -> str:
    """Bytes for people.

    >>> size(3 * 2**20)
    '3 MB'
    """
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
