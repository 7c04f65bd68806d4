"""`oneclick serve`: the champion over HTTP on this machine."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, whole
from oneclick_pipeline.home import permissions
from oneclick_pipeline.web import sockets

_MOST_CONNECTIONS = 64
_GRACE = 1
"""Seconds that a running request has to finish after Ctrl-C."""


def serve(
    home: HomeOption = Path("data"),
    port: Annotated[
        int, typer.Option(parser=whole(0, 65535), metavar="INTEGER", help="Port on this machine; 0 picks a free one.")
    ] = 5001,
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="Version of the model; the champion by default.", show_default=False)
    ] = None,
) -> None:
    """Score customers over HTTP, by MLflow's protocol: POST /invocations, GET /ping, /health, /version. Ctrl-C ends it.

    The version is checked against its record in the home, file by file, before anything of it is opened. It is then kept in
    memory: when the champion changes, restart the server. It listens on this machine only, to its own user.
    """
    from oneclick_pipeline.serving import Scorer, server
    from oneclick_pipeline.web import server as http_server

    scorer = Scorer.open(home.absolute(), version)
    permissions.prepare(home.absolute())
    application = server.application(scorer)
    # A shell that starts us in the background has us ignore Ctrl-C.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    with sockets.listening(sockets.LOOPBACK, port) as listening:
        own, address = scorer.version, f"http://{sockets.LOOPBACK}:{listening[0].getsockname()[1]}"
        terminal.echo(f"{own.name} version {own.version} answers at {address}/invocations. Ctrl-C ends it.")
        try:
            http_server.serve(
                application,
                listening,
                lifespan="off",
                ws="none",
                access_log=False,
                log_level="critical",
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=_GRACE,
            )
        except KeyboardInterrupt:
            terminal.echo("Stopping.")
