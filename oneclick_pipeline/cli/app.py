"""The `oneclick` command, put together: one file per sub-command, and what happens when one of them fails."""

from __future__ import annotations

import os
import sys

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli import (
    backup,
    campaigns,
    model,
    offers,
    report,
    restore,
    run,
    score,
    serve,
    simulate,
    streams,
    twin,
    ui,
)
from oneclick_pipeline.cli.doctor import command as doctor
from oneclick_pipeline.cli.options import FAILED, Given
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home import permissions
from oneclick_pipeline.processes.group import SAFE_PATH, Group, leave

app = typer.Typer(
    name="oneclick",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""The monthly retention engine of the online store «В один клик».

    A home (--home, [b]data[/b] by default) holds everything: the four CSV exports of every month in
    [b]raw/YYYY-MM/[/b], the tables in [b]tables/[/b], the models in [b]mlflow/[/b], the runs in [b]dagster/[/b].
    Homes are independent of one another.

    [b]Begin with[/b]  oneclick run --month 2026-10   then   oneclick ui
    """,
)
for command in (
    report.report,
    doctor.doctor,
    serve.serve,
    run.run,
    ui.ui,
    backup.backup,
    restore.restore,
    score.score,
    simulate.simulate,
):
    app.command()(command)
for name, commands in (("twin", twin.app), ("model", model.app), ("campaigns", campaigns.app), ("offers", offers.app)):
    app.add_typer(commands, name=name)


def main() -> None:
    """Entry point: unusable input and a failing machine end with their message and code 1."""
    streams.install()
    terminal.guard()
    os.environ[SAFE_PATH] = "1"  # for whatever this process starts
    try:
        permissions.restrict()
        app()
    except Exception as error:
        reason = of_the_machine(error, Given.home) or error
        if not isinstance(reason, BadInputError):
            raise
        terminal.error(f"error: {reason}")
        sys.exit(FAILED)
    finally:
        if Group.ended:
            leave()
