"""Whether the disk has space and inodes for another month."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.home.paths import MONTHLY
from oneclick_pipeline.machine import left

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from oneclick_pipeline.cli.doctor.home import Home

"""Folders with files of single months."""
_SPARE_BYTES, _SPARE_FILES = 200 * 2**20, 1000


def look(home: Home) -> Iterator[Finding]:
    """Compare the free space on the disk of a home with the size of its newest month."""
    month = bytes_of(home.path, home.months[-1]) if home.months else 0
    free, needed = shutil.disk_usage(home.path).free, 2 * month + _SPARE_BYTES  # a table appears twice until it is published
    remedy = "free some space: old months in tables/ can be rebuilt from raw/; then look at mlflow/artifacts and dagster/storage"
    state = PROBLEM if free < needed else WARNING if free < 3 * needed else OK
    yield Finding("disk", state, f"{size(free)} free, a month needs {size(needed)}", "" if state == OK else remedy)
    disk = left(home.path)
    if disk is not None and disk.files is not None and disk.files < _SPARE_FILES:
        remedy = (
            "delete files that are no longer needed (df -i counts them): without inodes no file can be created, "
            "however much space is free"
        )
        yield Finding("disk", PROBLEM, f"{disk.files} more files can be created, a month needs {_SPARE_FILES}", remedy)


def bytes_of(home: Path, month: str) -> int:
    """Bytes of all files of a month: in folders of its name, or of that name themselves."""
    named = re.compile(rf"(^|/){re.escape(month)}([./]|$)")
    files = (path for part in MONTHLY for path in (home / part).rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if named.search(path.relative_to(home).as_posix()))


def size(count: float) -> str:
    """Bytes for people.

    >>> size(3 * 2**20)
    '3 MB'
    """
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.0f} MB"
