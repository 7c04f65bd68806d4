"""Snapshots as they arrive in HOME/raw: which months are there, whole, and already run.

Nothing here trusts a clock: whether a month has been run is told by the content of its exports.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import read_facts
from oneclick_pipeline.tables import SOURCES, check_month, raw_file, table_file

if TYPE_CHECKING:
    from pathlib import Path


def delivered(home: Path) -> list[str]:
    """Months that have a folder, oldest first."""
    months = []
    for folder in sorted((home / "raw").glob("*")):
        try:
            months.append(check_month(folder.name))
        except BadInputError:
            continue  # not a month: somebody's notes
    return months


def absent(home: Path, month: str) -> list[str]:
    """Names of the exports that are missing or empty."""
    paths = [raw_file(home, month, source.file) for source in SOURCES]
    return [path.name for path in paths if not (path.is_file() and path.stat().st_size)]


def state(home: Path, month: str) -> str | None:
    """What tells that the exports of a month are being written to: sizes and times; None until all four are there."""
    if absent(home, month):
        return None
    stats = [raw_file(home, month, source.file).stat() for source in SOURCES]
    return json.dumps([(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for stat in stats])


def content(home: Path, month: str) -> list[str]:
    """SHA-256 of each of the four exports."""
    hashes = []
    for source in SOURCES:
        with raw_file(home, month, source.file).open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes


def already_run(home: Path, month: str, hashes: list[str]) -> bool:
    """Whether the month's segments were made from exports of this content, whoever made them."""
    tables = [table_file(home, source.file, month) for source in SOURCES]
    segments = table_file(home, "customer_segments", month)
    if not all(path.is_file() for path in (*tables, segments)):
        return False
    # Both are ours and of one run's clock; were it moved back meanwhile, the month would be run once more.
    if any(segments.stat().st_mtime_ns < table.stat().st_mtime_ns for table in tables):
        return False
    try:
        return [read_facts(table).sha256 for table in tables] == hashes
    except BadInputError:
        return False  # a damaged table has not been run
