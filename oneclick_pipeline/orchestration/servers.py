"""The pages: Dagster with its daemon, and MLflow, as child processes on loopback."""

from __future__ import annotations

import os
import signal
import socket
import subprocess  # our own programs, no shell
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.execute import prepare_instance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

LOOPBACK = "127.0.0.1"
_PATIENCE_SECONDS = 120.0
_GRACE_SECONDS = 20.0


def _check_free(port: int, option: str) -> None:
    """Refuse a port that somebody listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise BadInputError(f"port {port} is taken", remedy=f"choose another with {option}, or stop what uses it") from error


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # our own loopback address
            return True
    except (urllib.error.URLError, OSError):
        return False


def _wait(servers: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    """Wait until every address answers; a server that ends meanwhile is an error."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for url, process in servers:
        while not _answers(url):
            if process.poll() is not None:
                raise BadInputError(f"the server for {url} ended with code {process.returncode}", remedy="see its messages above")
            if time.monotonic() > deadline:
                raise BadInputError(f"{url} does not answer after {_PATIENCE_SECONDS:.0f} s", remedy="see the messages above")
            time.sleep(0.2)  # between two looks at a server that is starting


@contextmanager
def serve(home: Path, dagster_port: int, mlflow_port: int, tracking_uri: str) -> Iterator[tuple[str, str]]:
    """Run the pages while the block runs.

    Args:
        home: The home they show.
        dagster_port: Port of Dagster.
        mlflow_port: Port of MLflow.
        tracking_uri: MLflow's database; it must exist, since two programs that create it race.

    Yields:
        The two addresses, once both answer.

    Raises:
        BadInputError: If a port is taken or a server does not start.
    """
    _check_free(dagster_port, "--dagster-port")
    _check_free(mlflow_port, "--mlflow-port")
    environment = os.environ | {
        "DAGSTER_HOME": str(prepare_instance(home)),
        "ONECLICK_HOME": str(home),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes that judge language models
    }
    python = [sys.executable, "-m"]
    commands = {
        f"http://{LOOPBACK}:{dagster_port}": [
            *python, "dagster", "dev", "-m", "oneclick_pipeline.definitions", "-h", LOOPBACK, "-p", str(dagster_port)
        ],
        f"http://{LOOPBACK}:{mlflow_port}": [
            *python, "mlflow", "server", "--backend-store-uri", tracking_uri, "--host", LOOPBACK, "--port", str(mlflow_port),
            "--workers", "1",
        ],
    }  # fmt: skip
    servers = []
    try:
        for url, command in commands.items():
            # A session of its own, so that Ctrl-C reaches us alone and we stop the children in order.
            servers.append((url, subprocess.Popen(command, env=environment, start_new_session=True)))  # noqa: S603
        _wait(servers)
        yield servers[0][0], servers[1][0]
    finally:
        reapers = [threading.Thread(target=process.wait) for _, process in servers]  # a zombie would keep its group alive
        for reaper in reapers:
            reaper.start()
        for _, process in servers:
            _stop(process.pid)
        for reaper in reapers:
            reaper.join()


def _stop(group: int) -> None:
    """End a server and all its children: politely, then not, and only return when the last one is gone."""
    for step in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _GRACE_SECONDS
        try:
            os.killpg(group, step)
            while time.monotonic() < deadline:
                os.killpg(group, 0)  # raises once the group is empty
                time.sleep(0.1)  # between two looks at processes that are ending
        except ProcessLookupError:
            return
