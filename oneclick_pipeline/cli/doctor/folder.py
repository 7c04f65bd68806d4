"""Whether the home exists and can be written, and what killed steps left in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.disk import size
from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.home import locks
from oneclick_pipeline.home.paths import LASTING, MONTHLY, STAGING, staging_folder
from oneclick_pipeline.machine import left

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.cli.doctor.home import Home


def access(home: Home) -> Iterator[Finding]:
    """Whether the folders of the home can be written, and whether a link points outside it."""
    path = home.path
    if not path.is_dir():
        yield Finding(
            "home", PROBLEM, f"{path} is not a folder", "choose another --home, or create it, with exports in HOME/raw/YYYY-MM"
        )
        return
    places = [path, *(path / part for part in (*MONTHLY, *LASTING, STAGING) if (path / part).exists())]
    shut = [str(place) for place in places if not os.access(place, os.R_OK | os.W_OK | os.X_OK)]
    disk = left(path)
    if shut and disk is not None and disk.read_only:
        yield Finding("home", PROBLEM, f"{path} is on a read-only file system", "find out why (dmesg), and make it writable")
        return
    if shut:
        yield Finding("home", PROBLEM, f"not writable: {', '.join(shut)}", "fix the permissions, or run as the user who owns it")
        return
    outside = [str(link.relative_to(path)) for link in _links(path) if not link.resolve().is_relative_to(path.resolve())]
    if outside:
        remedy = "put the files themselves there: a backup of the home does not include files outside it"
        yield Finding("home", WARNING, f"links that point outside the home: {', '.join(outside[:5])}", remedy)
    else:
        yield Finding("home", OK, f"{path} can be written")


def _links(top: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(top):
        yield from (path for path in (Path(place, name) for name in (*folders, *names)) if path.is_symlink())


def staging(home: Home) -> Iterator[Finding]:
    """What steps that were killed left behind."""
    folders = [folder for folder in sorted(staging_folder(home.path).glob("step-*")) if folder.is_dir()]
    left = [folder for folder in folders if not locks.is_held(folder.with_suffix(".lock"))]
    if left:
        total = sum(path.stat().st_size for folder in left for path in folder.rglob("*") if path.is_file())
        remedy = "nothing: the next run removes it; to free the space now, delete the folders"
        yield Finding("staging", WARNING, f"{len(left)} killed steps left {size(total)}", remedy)
    else:
        yield Finding("staging", OK, "nothing left behind")
