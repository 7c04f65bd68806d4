"""Who may read a home, for the doctor."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.home import permissions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def look(home: Path) -> Iterator[Finding]:
    """What others may read, enter or change in a home, who owns it, and what can be done from the folders above it.

    Args:
        home: The home; nothing in it is changed or opened.
    """
    if os.name != "posix":
        yield Finding("permissions", OK, "not looked at: this system has other rights")
        return
    own = permissions.access()
    seen = permissions.exposed(home)
    if seen.parents:
        told = f"everybody may rename or delete what stands in {', '.join(map(str, seen.parents))}"
        remedy = "; ".join(f"chmod o-w {shlex.quote(str(parent))}" for parent in seen.parents)
        yield Finding("permissions", PROBLEM, told, remedy)
    if seen.foreigners or seen.owner != os.geteuid():
        others = _listed(seen.foreign, seen.foreigners)
        told = f"the home is user {seen.owner}'s, you are user {os.geteuid()}; of other users: {others}"
        remedy = f"chown -R {os.geteuid()} {shlex.quote(str(home))}, or run as the user who owns it"
        yield Finding("permissions", WARNING, told, remedy)
    if seen.opened:
        reach = "others may read, write or enter" if not seen.shut else "the home is shut; were it opened, others might use"
        yield Finding("permissions", WARNING, f"{reach} {_listed(seen.open, seen.opened)}", own.remedy(home))
    if not (seen.parents or seen.foreigners or seen.owner != os.geteuid() or seen.opened):
        yield Finding("permissions", OK, f"only {'its owner' if own.group is None else 'its owner and the group'} can read it")


def _listed(names: tuple[str, ...], count: int) -> str:
    """The first names, and how many there are in all."""
    return f"{', '.join(names) or 'none'}{f' and {count - len(names)} more' if count > len(names) else ''}"
