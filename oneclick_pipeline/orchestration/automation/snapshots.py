"""Snapshots as they arrive in HOME/raw: which months have arrived, are complete, and have been run.

Whether a month has been run is decided by the content of its exports, not by a clock. The clock only says which months have
ended: a folder of one that has not is not a snapshot.
"""

from __future__ import annotations

import hashlib
import json
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import is_over
from oneclick_pipeline.home.paths import raw_file, raw_files, raw_months, table_file
from oneclick_pipeline.raw.facts import read_facts

if TYPE_CHECKING:
    import os
    from pathlib import Path


def delivered(home: Path, now: datetime | None = None) -> list[str]:
    """Months that are over and have a folder, oldest first; anything else in HOME/raw is ignored.

    Args:
        home: The home.
        now: The time, in UTC; the clock's by default.
    """
    now = now or datetime.now(UTC)
    return [month for month in raw_months(home) if is_over(month, now)]


def absent(home: Path, month: str) -> list[str]:
    """Names of the exports that are missing, empty, or not readable files."""
    paths = [raw_file(home, month, source.file) for source in SOURCES]
    return [path.name for path in paths if _stat(path) is None]


def _stat(path: Path) -> os.stat_result | None:
    """Size and times of a file that is not empty; None for anything else."""
    try:
        status = path.stat()
    except OSError:  # it does not exist, a link is broken, the folder is a file or may not be entered
        return None
    return status if stat.S_ISREG(status.st_mode) and status.st_size else None


def state(home: Path, month: str) -> str | None:
    """What shows that the exports of a month are being written to: sizes and times; None until all four are there."""
    if absent(home, month):
        return None
    stats = [_stat(path) for source in SOURCES for path in raw_files(home, month, source.file)]
    return json.dumps([(found.st_size, found.st_mtime_ns, found.st_ctime_ns) for found in stats if found is not None])


def content(home: Path, month: str) -> list[str] | None:
    """SHA-256 of each of the four exports; None if one of them cannot be read."""
    hashes = []
    for source in SOURCES:
        try:
            with raw_file(home, month, source.file).open("rb") as file:
                hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError:
            return None
    return hashes


def already_run(home: Path, month: str, hashes: list[str]) -> bool:
    """Whether the month's segments were made from exports with this content, by whichever run."""
    tables = [table_file(home, source.file, month) for source in SOURCES]
    segments = table_file(home, "customer_segments", month)
    if not all(path.is_file() for path in (*tables, segments)):
        return False
    # dated in the order in which they were made, whatever the clock said: `files.date_after`
    if any(segments.stat().st_mtime_ns < table.stat().st_mtime_ns for table in tables):
        return False
    try:
        return [read_facts(table).sha256 for table in tables] == hashes
    except BadInputError:
        return False  # a damaged table counts as not run
