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
        yield Finding("permissions", OK, "not checked: this system has no POSIX permissions")
        return
    allowed = permissions.access()
    exposed = permissions.exposed(home)
    if exposed.parents:
        message = f"everyone may rename or delete what is in {', '.join(map(str, exposed.parents))}"
        remedy = "; ".join(f"chmod o-w {shlex.quote(str(parent))}" for parent in exposed.parents)
        yield Finding("permissions", PROBLEM, message, remedy)
    if exposed.foreigners or exposed.owner != os.geteuid():
        others = _listed(exposed.foreign, exposed.foreigners)
        message = f"the home is user {exposed.owner}'s, you are user {os.geteuid()}; of other users: {others}"
        remedy = f"chown -R {os.geteuid()} {shlex.quote(str(home))}, or run as the user who owns it"
        yield Finding("permissions", WARNING, message, remedy)
    if exposed.opened:
        reach = (
            "others may read, write or enter"
            if not exposed.shut
            else "the home is closed to others; if it were opened, they could use"
        )
        yield Finding("permissions", WARNING, f"{reach} {_listed(exposed.open, exposed.opened)}", allowed.remedy(home))
    if not (exposed.parents or exposed.foreigners or exposed.owner != os.geteuid() or exposed.opened):
        yield Finding(
            "permissions", OK, f"only {'its owner' if allowed.group is None else 'its owner and the group'} can read it"
        )


def _listed(names: tuple[str, ...], count: int) -> str:
    """The first names, and how many there are in all."""
    return f"{', '.join(names) or 'none'}{f' and {count - len(names)} more' if count > len(names) else ''}"
