"""A home with a champion whose reasons are real, and a server of it."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from oneclick_pipeline.model import explain, pictures, train
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONECLICK = [sys.executable, "-P", "-c", "from oneclick_pipeline.cli.app import main; main()"]


@dataclass(frozen=True)
class Running:
    """A server at work."""

    process: subprocess.Popen
    port: int
    log: Path

    def ask(self, method: str, path: str, body: object = None, *, raw: bytes | None = None, **headers: str):
        """Status and content of an answer."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)
        try:
            data = raw if raw is not None else None if body is None else json.dumps(body).encode()
            own = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(method, path, data, own | {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if answer.headers["content-type"] == "application/json" else text
        finally:
            connection.close()

    def score(self, body: object = None, **options):
        """The answer to a POST to /invocations."""
        return self.ask("POST", "/invocations", body, **options)


@contextmanager
def serving(home: Path, log: Path, *options: str) -> Iterator[Running]:
    """`oneclick serve` while the block runs."""
    with log.open("w") as errors:
        command = [*ONECLICK, "serve", "--home", str(home), "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        line = process.stdout.readline()
        assert "answers at http://127.0.0.1:" in line, log.read_text()
        yield Running(process, int(line.split("127.0.0.1:")[1].split("/")[0]), log)
    finally:
        process.kill()
        process.wait(30)
        process.stdout.close()


@pytest.fixture(scope="session")
def championed(tmp_path_factory) -> Path:
    """A home with a champion, version 1, and a challenger, version 2; do not change it."""
    home, rows = tmp_path_factory.mktemp("served"), make_training()
    settings = QUICK.model_copy(update={"families": ("logistic_regression",)})
    trained = train(rows, settings)
    store, explained = Tracking(home), explain(trained.pipeline, rows, settings)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "comparison", "png"):  # nobody looks at them here
            patch.setattr(pictures, name, lambda *_: b"")
        for month in ("2026-10", "2026-11"):
            store.log_training(trained, rows, explained, month=month, tags={})
    store.promote(1, force=True)
    return home


@pytest.fixture(scope="session")
def server(championed, tmp_path_factory) -> Iterator[Running]:
    """A server of the champion."""
    with serving(championed, tmp_path_factory.mktemp("log") / "log") as running:
        yield running
