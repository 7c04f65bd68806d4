"""The pages: Dagster with its code server and daemon, and MLflow, as child processes on loopback."""

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
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from oneclick_pipeline import terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.execute import prepare_instance
from oneclick_pipeline.tracking import Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOOPBACK = "127.0.0.1"
_LOCATION = "oneclick_pipeline.definitions"
_WORKSPACE = f"load_from: [{{{{grpc_server: {{{{socket: {{socket}}, location_name: {_LOCATION}}}}}}}}}]\n"
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
    if url.startswith("unix:"):
        return _is_ready(url)
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # our own loopback address
            return True
    except (urllib.error.URLError, OSError):
        return False


def _is_ready(url: str) -> bool:
    """Whether a code server answers, which it does once it has loaded the graph."""
    import grpc  # type: ignore[import-untyped] # Dagster's own; it ships no types

    with grpc.insecure_channel(url) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=1)
        except grpc.FutureTimeoutError:
            return False
    return True


def _wait(servers: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    """Wait until every address answers; one that ends meanwhile is an error. A process without an address is not asked."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for url, process in servers:
        while url and not _answers(url):
            if process.poll() is not None:
                raise BadInputError(f"the server for {url} ended with code {process.returncode}", remedy="see its messages above")
            if time.monotonic() > deadline:
                raise BadInputError(f"{url} does not answer after {_PATIENCE_SECONDS:.0f} s", remedy="see the messages above")
            time.sleep(0.2)  # between two looks at a server that is starting


@contextmanager
def serve(home: Path, dagster_port: int, mlflow_port: int) -> Iterator[tuple[str, str]]:
    """Run the pages while the block runs: the processes that `deploy/compose.yaml` runs in containers.

    Args:
        home: The home they show.
        dagster_port: Port of Dagster.
        mlflow_port: Port of MLflow.

    Yields:
        The two addresses, once both answer.

    Raises:
        BadInputError: If a port is taken, a server does not start, or the database cannot be used.
    """
    _check_free(dagster_port, "--dagster-port")
    _check_free(mlflow_port, "--mlflow-port")
    environment = os.environ | {"DAGSTER_HOME": str(prepare_instance(home)), "ONECLICK_HOME": str(home), "DO_NOT_TRACK": "true"}
    Tracking(home).prepare()  # by one: two programs that create it race
    dagster, mlflow = (f"http://{LOOPBACK}:{port}" for port in (dagster_port, mlflow_port))
    servers: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(url: str, *command: str) -> None:
        # A session of its own, so that Ctrl-C reaches us alone and we stop the children in order.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", *command],
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        servers.append((url, process))
        threading.Thread(target=terminal.relay, args=(process.stdout,), daemon=True).start()

    with TemporaryDirectory(prefix="oneclick-") as folder:  # only we may enter it, and the path of a socket is short
        code, workspace = f"{folder}/code", Path(folder, "workspace.yaml")
        # What sensors remember belongs to the name of the location, which must not change with the socket.
        workspace.write_text(_WORKSPACE.format(socket=code), encoding="utf-8")
        pages = ["-h", LOOPBACK, "-p", str(dagster_port), "-w", str(workspace)]
        try:
            start(mlflow, "oneclick_pipeline.tracking.server", "--host", LOOPBACK, "--port", str(mlflow_port))
            start(f"unix:{code}", "dagster", "api", "grpc", "-s", code, "-m", _LOCATION)
            _wait(servers[1:])
            start("", "dagster._daemon", "run", "-w", str(workspace))
            start(dagster, "oneclick_pipeline.orchestration.webserver", *pages)
            _wait(servers)
            yield dagster, mlflow
        finally:
            _stop_all([process for _, process in reversed(servers)])


def _stop_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End servers and their children, in this order."""
    reapers = [threading.Thread(target=process.wait) for process in processes]  # a zombie would keep its group alive
    for reaper in reapers:
        reaper.start()
    for process in processes:
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
