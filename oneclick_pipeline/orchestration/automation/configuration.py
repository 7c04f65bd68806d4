"""Whether a home's settings and catalogue can be read: a sensor reports what is wrong with them, and goes on once fixed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from oneclick_pipeline.catalogue import reader
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import FILE, Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_READERS: dict[str, Callable[[Path], object]] = {FILE: Settings.load, reader.FILE: reader.Catalogue.load}


def faults(home: Path) -> dict[str, BadInputError]:
    """What is wrong with the files, by name; nothing where a run can read both."""
    problems = {}
    for name, read in _READERS.items():
        try:
            read(home)
        except BadInputError as error:
            problems[name] = replace(error, value=None)
    return problems


def waits(home: Path) -> str:
    """Why a run would fail at once; empty if both files can be read."""
    return "; ".join(str(error) for error in faults(home).values())


def version(home: Path, name: str, error: BadInputError) -> str:
    """The same for a file and an error however often it is checked, a different one once either has changed."""
    try:
        status = os.lstat(home / name)
        times = f"{status.st_mtime_ns} {status.st_size}"
    except OSError:
        times = ""
    return hashlib.sha256(f"{times} {error}".encode()).hexdigest()[:16]
