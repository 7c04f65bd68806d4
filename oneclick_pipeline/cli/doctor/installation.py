"""Whether Python and the installed packages are of versions that this package accepts."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, Finding
from oneclick_pipeline.databases import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


def python() -> Iterator[Finding]:
    """Whether this Python is one that the package accepts."""
    wanted, here = str(metadata("oneclick_pipeline")["Requires-Python"]), platform.python_version()
    if here not in SpecifierSet(wanted):
        yield Finding("python", PROBLEM, f"Python {here}, but {wanted} is needed", "rebuild the environment")
    else:
        yield Finding("python", OK, f"Python {here}")


def packages() -> Iterator[Finding]:
    """Check every requirement of this package against what is installed; PostgreSQL's only where it is asked for."""
    wrong, right = [], 0
    for text in requires("oneclick_pipeline") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": "postgres" if postgres.given() else ""}):
            continue
        try:
            here = version(wanted.name)
        except PackageNotFoundError:
            wrong.append(f"{wanted.name} is not installed")
            continue
        if wanted.specifier.contains(here, prereleases=True):
            right += 1
        else:
            wrong.append(f"{wanted.name} is {here}, but {wanted.specifier} is needed")
    remedy = "install what is locked: pip install --no-deps --require-hashes -r requirements.txt"
    yield (
        Finding("packages", PROBLEM, "; ".join(wrong), remedy)
        if wrong
        else Finding("packages", OK, f"{right} of {right} as needed")
    )
