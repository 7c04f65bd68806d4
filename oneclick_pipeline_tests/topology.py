"""The services of `deploy/compose.yaml` as processes on loopback: the same commands, variables and health checks.

What is another here is where things are: addresses, ports, the home, this Python in place of the image's.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from oneclick_pipeline_tests.servers import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
PORTS = {"webserver": "3000", "mlflow": "5000"}
SOCKET = "/run/oneclick/code"
GRACE_SECONDS = 20
SERVICES = ("code", "mlflow", "daemon", "webserver")


def wait_for(ready: Callable[[], Any], what: str, seconds: float = 240) -> Any:
    """What a function gives once that is true."""
    deadline = time.monotonic() + seconds
    while not (found := ready()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.5)  # between two looks at other processes
    return found


@dataclass
class Topology:
    """Services that run.

    Attributes:
        home: The home.
        url: Address of PostgreSQL, as a user writes it.
        logs: Folder with what every process said.
        place: Folder with a short path: the socket of the code server, the secrets of every service.
        ports: Port by service.
        processes: Process by service.
        commands: Every command line that was seen of them and their children.
    """

    home: Path
    url: str
    logs: Path
    place: Path
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)
    commands: set[str] = field(default_factory=set)

    @property
    def environment(self) -> dict[str, str]:
        """All variables of a command by hand, secrets among them."""
        return self.environment_of("tools") | {"ONECLICK_POSTGRES": self.url}

    def environment_of(self, service: str) -> dict[str, str]:
        """The variables of a container with our places; its secrets are files, as they are there."""
        secrets = self.place / "secrets" / service
        secrets.mkdir(parents=True, exist_ok=True)
        for name in COMPOSE["services"][service]["secrets"]:
            (secrets / name).write_text(self.url if name == "ONECLICK_POSTGRES" else "")
        places = {"ONECLICK_HOME": str(self.home), "DAGSTER_HOME": str(self.home / "dagster"), "SECRETS": str(secrets)}
        told = COMPOSE["services"][service]["environment"]
        machine = {name: value for name, value in os.environ.items() if not name.startswith("ONECLICK_")}
        return machine | {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in told.items()} | places

    def local(self, arguments: list[str]) -> list[str]:
        """A command of a container as one of this machine."""
        workspace, socket = self.place / "workspace.yaml", str(self.place / "code")
        text = (DEPLOY / "workspace.yaml").read_text(encoding="utf-8")
        workspace.write_text(text.replace(SOCKET, socket))
        swaps = {"0.0.0.0": LOOPBACK, "/opt/oneclick/deploy/workspace.yaml": str(workspace)}  # noqa: S104 - of containers
        swaps |= {port: str(self.ports[name]) for name, port in PORTS.items()}
        swaps |= {SOCKET: socket, "with-secrets": str(DEPLOY / "with-secrets"), "python": sys.executable}
        swaps |= {name: str(Path(sys.executable).parent / name) for name in ("dagster", "dagster-daemon", "oneclick")}
        done = []
        for argument in arguments:
            for name, port in PORTS.items():
                argument = argument.replace(f":{port}/", f":{self.ports[name]}/")  # noqa: PLW2901
            done.append(swaps.get(argument, argument))
        return done

    def start(self, name: str) -> None:
        """Start a service; a session of its own, as a container is."""
        command = self.local(["with-secrets", *COMPOSE["services"][name]["command"]])  # the entry point of the image
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment_of(name), cwd=self.logs, stdout=log, stderr=log, start_new_session=True
            )

    def healthy(self, name: str) -> bool:
        """Whether the health check of a service passes."""
        assert self.processes[name].poll() is None, (self.logs / f"{name}.log").read_text()[-3000:]
        check = self.local(COMPOSE["services"][name]["healthcheck"]["test"][1:])
        done = subprocess.run(check, env=self.environment_of(name), cwd=self.logs, capture_output=True, timeout=60, check=False)
        return done.returncode == 0

    def stop(self, name: str) -> None:
        """End a service and all its processes, as the end of a container does."""
        process = self.processes[name]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def descendants(self) -> list[psutil.Process]:
        """All processes of the services; their command lines are noted."""
        found = []
        for process in self.processes.values():
            try:
                own_process = psutil.Process(process.pid)
                found += [own_process, *own_process.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
        for process in found:
            try:
                self.commands.add("\0".join(process.cmdline()))
            except psutil.NoSuchProcess:
                continue
        return found

    def address(self, name: str) -> str:
        """Address of a service's pages."""
        return f"http://{LOOPBACK}:{self.ports[name]}"

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        """What Dagster's pages answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.address('webserver')}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["data"]

    def launch(self, job: str, month: str) -> str:
        """Start a run as the pages do; returns its id."""
        selector = {
            "repositoryLocationName": "oneclick_pipeline.definitions",
            "repositoryName": "__repository__",
            "pipelineName": job,
        }
        tags = [{"key": "dagster/partition", "value": month}]
        config = {"ops": {"offers_export": {"config": {"replan": False}}}}
        told = self.graphql(
            """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
            p={"selector": selector, "mode": "default", "runConfigData": config, "executionMetadata": {"tags": tags}},
        )["launchPipelineExecution"]
        assert told["__typename"] == "LaunchRunSuccess", told
        return told["run"]["runId"]


@contextmanager
def running(home: Path, url: str, logs: Path) -> Iterator[Topology]:
    """All services while the block runs, started in the order that compose waits for."""
    logs.mkdir(parents=True)
    (home / "dagster").mkdir(exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    place = Path(tempfile.mkdtemp(prefix="oneclick-"))
    topology = Topology(home, url, logs, place)
    try:
        for name in ("code", "mlflow"):
            topology.start(name)
        for name in ("code", "mlflow"):
            wait_for(lambda name=name: topology.healthy(name), name)
        for name in ("daemon", "webserver"):
            topology.start(name)
        wait_for(lambda: topology.healthy("webserver"), "webserver")
        yield topology
    finally:
        for name in reversed(topology.processes):
            topology.stop(name)
        shutil.rmtree(place)
