"""Dagster's daemon, which starts schedules, sensors and queued runs: one per home, which survives a clock that is set back.

    DAGSTER_HOME=data/dagster python -P -m oneclick_pipeline.orchestration.automation.daemon -w workspace.yaml

A second daemon on the same home is refused, see `daemon_lock`.

Dagster's daemon trusts the clock, see `clock`. Once that was set back, all daemons of this process end and start over.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import THREAD_CHECK_INTERVAL, DagsterDaemonController, daemon_controller_from_instance
from dagster._utils.interrupts import capture_interrupts, raise_interrupts_as, setup_interrupt_handlers

from oneclick_pipeline import terminal
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.orchestration.automation import clock, daemon_lock

if TYPE_CHECKING:
    from collections.abc import Sequence

_LOG = logging.getLogger("dagster.daemon")


def work(target: WorkspaceFileTarget) -> None:
    """Be the daemon until it is interrupted; start over whenever the clock was set back.

    Args:
        target: The code servers.

    Raises:
        KeyboardInterrupt: When it is interrupted.
    """
    while True:
        with dg.DagsterInstance.get() as instance:
            if names := clock.forget_future(instance, time.time()):
                _LOG.warning("The clock was set back: %s continue from the present", ", ".join(names))
            with daemon_controller_from_instance(instance, target, code_server_log_level="warning") as controller:
                _until_set_back(controller, instance)


def _until_set_back(controller: DagsterDaemonController, instance: dg.DagsterInstance) -> None:
    """What Dagster's own daemon does between its checks, which have no place for one of the clock."""
    refreshed = time.time()
    while not clock.remembers_future(instance, time.time()):
        with raise_interrupts_as(KeyboardInterrupt):
            time.sleep(THREAD_CHECK_INTERVAL)
            controller.check_daemon_threads()
            refreshed = controller.check_workspace_freshness(refreshed)


@postgres.plain_words()
def run(workspace: str) -> None:
    """Be the daemon of the instance in DAGSTER_HOME until it is interrupted.

    Args:
        workspace: The YAML file that names the code servers.

    Raises:
        BadInputError: If another process is it, or the database cannot be used.
    """
    permissions.restrict()
    setup_interrupt_handlers()
    with capture_interrupts(), daemon_lock.alone(Path(os.environ[daemon_lock.FOLDER])):
        work(WorkspaceFileTarget([workspace]))


def main(arguments: Sequence[str] | None = None) -> None:
    """The program; errors are reported in one line."""
    parser = argparse.ArgumentParser(
        prog="oneclick_pipeline.orchestration.automation.daemon", description="The daemon of a home."
    )
    parser.add_argument("-w", "--workspace", required=True, help="YAML file that names the code servers")
    try:
        run(parser.parse_args(arguments).workspace)
    except KeyboardInterrupt:
        return
    except BadInputError as error:
        terminal.error(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
