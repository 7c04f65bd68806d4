"""The pages: Dagster with its code server and daemon, and MLflow, as child processes on loopback."""

from __future__ import annotations

import os
import socket
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import oneclick_pipeline
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.orchestration.automation import daemon_lock, webhook
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.processes.group import Group, variables_of
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline.web import guard, sockets

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence

LOOPBACK = sockets.LOOPBACK
_LOCATION = "oneclick_pipeline.definitions"
_INSTALLED = Path(oneclick_pipeline.__file__).parents[1]
"""Where this package lies: as trusted as the package is."""
_WORKSPACE = f"load_from: [{{{{grpc_server: {{{{socket: {{socket}}, location_name: {_LOCATION}}}}}}}}}]\n"
_PATIENCE_SECONDS = 120.0

_NEEDS = {
    "code": (
        "ONECLICK_HOME",
        "ONECLICK_ENGINE",
        "ONECLICK_SPARK_MASTER",
        postgres.VARIABLE,
        webhook.VARIABLE,
    ),  # it runs the runs
    "daemon": (postgres.VARIABLE,),
    "webserver": (postgres.VARIABLE, guard.HOSTS, guard.USERS),
    "mlflow": ("ONECLICK_HOME", postgres.VARIABLE, guard.HOSTS, guard.USERS),
}
"""Which of our variables a server gets. The address of the store's own database is for `oneclick offers publish` alone."""


def _check_free(port: int, option: str) -> None:
    """Refuse a port that is in use."""
    try:
        with sockets.listening(LOOPBACK, port):
            pass
    except BadInputError as error:
        raise BadInputError(
            f"port {port} is taken", remedy=f"choose another with {option}, or stop the program that uses it"
        ) from error


def _answers(url: str) -> bool:
    if url.startswith("unix:"):
        return _is_ready(url.removeprefix("unix:"))
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 # our own loopback address
            return True
    except (urllib.error.URLError, OSError):
        return False


def _is_ready(path: str) -> bool:
    """Whether a code server listens on its socket, which it does once it has loaded the graph.

    Not asked by a client of gRPC: one that is interrupted leaves a thread that blocks the exit of the interpreter for ever.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def _wait(servers: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    """Wait until every address answers; one that ends meanwhile is an error. A process without an address is not asked."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    for url, process in servers:
        while url and not _answers(url):
            if process.poll() is not None:
                raise BadInputError(f"the server for {url} ended with code {process.returncode}", remedy="see its messages above")
            if time.monotonic() > deadline:
                raise BadInputError(f"{url} has not answered within {_PATIENCE_SECONDS:.0f} s", remedy="see the messages above")
            time.sleep(0.2)  # between two looks at a server that is starting


@contextmanager
def serve(home: Path, dagster_port: int, mlflow_port: int, group: Group | None = None) -> Iterator[tuple[str, str]]:
    """Run the pages while the block runs: the processes that `deploy/compose.yaml` runs in containers.

    Args:
        home: The home they show.
        dagster_port: Port of Dagster.
        mlflow_port: Port of MLflow.
        group: What the processes are started in; one of their own by default.

    Yields:
        The two addresses, once both answer.

    Raises:
        BadInputError: If a port is taken, a server does not start, the database cannot be used, or a daemon already works on the
            home.
    """
    if group is None:
        with Group() as own, serve(home, dagster_port, mlflow_port, own) as addresses:
            yield addresses
        return
    _check_free(dagster_port, "--dagster-port")
    _check_free(mlflow_port, "--mlflow-port")
    instance = prepare_instance(home)
    daemon_lock.refuse_second(instance)
    variables = os.environ | {"DAGSTER_HOME": str(instance), "ONECLICK_HOME": str(home), "DO_NOT_TRACK": "true"}
    Tracking(home).prepare()  # by one: two programs that create it race
    dagster, mlflow = (f"http://{LOOPBACK}:{port}" for port in (dagster_port, mlflow_port))
    servers: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(name: str, url: str, *module: str) -> None:
        calls_others = name in ("daemon", "webserver")
        own = variables_of(variables, permissions.GROUP, *_NEEDS[name])
        servers.append((url, group.start(["-m", *module], own, calls_others=calls_others)))

    code, workspace = group.folder / "code", group.folder / "workspace.yaml"
    # What sensors remember belongs to the name of the location, which must not change with the socket.
    workspace.write_text(_WORKSPACE.format(socket=code), encoding="utf-8")
    pages = ["-h", LOOPBACK, "-p", str(dagster_port), "-w", str(workspace)]
    start("mlflow", mlflow, "oneclick_pipeline.tracking.server", "--host", LOOPBACK, "--port", str(mlflow_port))
    # With -d: it looks for the module in its current folder first unless it is told otherwise.
    start("code", f"unix:{code}", "dagster", "api", "grpc", "-s", str(code), "-m", _LOCATION, "-d", str(_INSTALLED))
    _wait(servers[1:])
    start("daemon", "", "oneclick_pipeline.orchestration.automation.daemon", "-w", str(workspace))
    start("webserver", dagster, "oneclick_pipeline.orchestration.pages.webserver", *pages)
    _wait(servers)
    yield dagster, mlflow
