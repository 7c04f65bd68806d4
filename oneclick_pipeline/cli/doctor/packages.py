"""Whether what is installed is what is needed, for the doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, Finding
from oneclick_pipeline.databases import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


def look() -> Iterator[Finding]:
    """Every requirement of this package against what is installed; PostgreSQL's only where it is asked for."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

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
            wrong.append(f"{wanted.name} is {here}, and {wanted.specifier} is needed")
    remedy = "install what is locked: pip install --no-deps --require-hashes -r requirements.txt"
    yield (
        Finding("packages", PROBLEM, "; ".join(wrong), remedy)
        if wrong
        else Finding("packages", OK, f"{right} of {right} as needed")
    )
