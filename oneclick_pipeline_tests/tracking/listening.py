"""MLflow's pages as a process that listens on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from oneclick_pipeline_tests.servers import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def refused(self) -> bool:
        """Whether the allow-list refused the request."""
        return self.status == 403 and json.loads(self.body)["error_code"] == "PERMISSION_DENIED"


@dataclass(frozen=True)
class Pages:
    """A server that runs.

    Attributes:
        port: Where it listens on loopback.
        pid: Its process.
    """

    port: int
    pid: int

    @property
    def address(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def ask(self, method: str, path: str, said: Any = None, **headers: str) -> Answer:
        """One request, with a JSON body if there is one to send; the path is sent as it is."""
        body = None if said is None else json.dumps(said).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(HTTPConnection(LOOPBACK, self.port, timeout=30)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json"} | named)
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())


@contextmanager
def listening(home: Path, log: Path, **more: str) -> Iterator[Pages]:
    """The pages of a home while the block runs; with these variables beside our own."""
    port = free_port()
    command = [sys.executable, "-P", "-m", "oneclick_pipeline.tracking.server", "--host", LOOPBACK, "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=os.environ | {"ONECLICK_HOME": str(home)} | more, cwd=log.parent, stdout=output, stderr=output
        )
    pages = Pages(port, process.pid)
    try:
        deadline = time.monotonic() + 90
        while not _answers(pages):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)  # between two looks at a server that is starting
        yield pages
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(pages: Pages) -> bool:
    try:
        return pages.ask("GET", "/version").status == 200
    except OSError:
        return False
