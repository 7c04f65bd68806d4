"""`oneclick ui`: the pages of Dagster and MLflow over a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, whole
from oneclick_pipeline.processes.group import Group


def ui(
    home: HomeOption = Path("data"),
    dagster_port: Annotated[
        int, typer.Option(parser=whole(0, 65535), metavar="INTEGER", help="Port of the Dagster pages.")
    ] = 3000,
    mlflow_port: Annotated[int, typer.Option(parser=whole(0, 65535), metavar="INTEGER", help="Port of the MLflow pages.")] = 5000,
) -> None:
    """Start the pages: Dagster with its daemon (schedules and sensors tick), and MLflow. Ctrl-C ends both.

    Both listen on this machine only. If one of their programs ends by itself, so does the command, with code 1: without it no
    run would start and no alert would go out.
    """
    home = home.absolute()
    with Group() as group:
        group.end_on_signals()  # before what takes seconds to import
        from oneclick_pipeline.orchestration.automation import webhook
        from oneclick_pipeline.orchestration.pages import servers
        from oneclick_pipeline.tracking import Tracking

        if (address := webhook.given()) is not None and address.warning:
            terminal.error(f"warning: {address.warning}")
        with servers.serve(home, dagster_port, mlflow_port, group) as (dagster, mlflow):
            page = f"{mlflow}{Tracking(home).page()}"
            terminal.echo("", f"Dagster  {dagster}", f"MLflow   {page}", "Ctrl-C ends both.")
            try:
                group.wait()
            except KeyboardInterrupt:
                terminal.echo("Stopping.")
