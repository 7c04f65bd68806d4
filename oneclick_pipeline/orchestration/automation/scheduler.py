"""A part of `dagster.yaml` that every process loads with a home's instance, however started: pages, daemon, code server."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
from dagster._core.scheduler import DagsterDaemonScheduler

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.orchestration.automation import daemon_lock

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData


class OwnersScheduler(DagsterDaemonScheduler):
    """Dagster's own scheduler; a process that loads it writes files that only their owner can read, and is not a second daemon.

    Dagster has no setting for either, and a scheduler is loaded at once, not when it is needed.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's
        """Load the scheduler.

        Raises:
            BadInputError: See `permissions.access`.
            click.ClickException: If this is Dagster's own daemon, and another one works on the home.
        """
        permissions.restrict()
        _be_the_only_daemon()
        return super().from_config_value(inst_data, config_value)


def _be_the_only_daemon() -> None:
    """If the process is a `dagster-daemon run`, however it was started: hold the lock of the home's daemon as long as it runs."""
    command, cli = click.get_current_context(silent=True), sys.modules.get("dagster._daemon.cli")
    folder = os.environ.get(daemon_lock.FOLDER)
    if command is None or cli is None or command.command is not cli.run_command or not folder:
        return
    try:
        command.with_resource(daemon_lock.alone(Path(folder)))
    except BadInputError as error:
        raise click.ClickException(str(error)) from error
