"""All checks of a home, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor import (
    configuration,
    databases,
    disk,
    folder,
    history,
    installation,
    last_month,
    models,
    permissions,
    runs,
)
from oneclick_pipeline.cli.doctor.finding import PROBLEM, Finding
from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.errors import BadInputError, of_the_machine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHECKS: dict[str, Callable[[Home], Iterator[Finding]]] = {
    "python": lambda _: installation.python(),
    "packages": lambda _: installation.packages(),
    "home": folder.access,
    "permissions": lambda home: permissions.look(home.path),
    "settings": configuration.settings,
    "catalogue": configuration.catalogue,
    "webhook": lambda _: configuration.alert_address(),
    "dagster": databases.dagster,
    "mlflow": databases.mlflow,
    "disk": disk.look,
    "champion": models.champion,
    "models": models.versions,
    "last month": last_month.look,
    "history": history.look,
    "runs": runs.silent_runs,
    "staging": folder.staging,
    "daemon": runs.daemon,
}
"""Every check by the name of its findings."""


def examine(path: Path) -> list[Finding]:
    """All findings about a home, in the order of the checks.

    Args:
        path: The home, absolute.
    """
    home = Home(path)
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            findings += check(home)
        except Exception as error:
            reason = of_the_machine(error, path) or error
            if not isinstance(reason, BadInputError):
                raise
            message, _, remedy = str(reason).partition(". What to do: ")
            findings.append(Finding(name, PROBLEM, message, remedy))
        if name == "home" and findings[-1].state == PROBLEM:
            break  # nothing to check in a home that does not exist
    return findings
