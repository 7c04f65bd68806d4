"""The pages of a finished home, for all tests of the pages: they take long to start. A browser."""

from __future__ import annotations

import shutil
import socket

import pytest

from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.pages.browser import chromium


@pytest.fixture(scope="package")
def pages(tmp_path_factory, worker_id):
    """Addresses of Dagster and MLflow, which show a copy of the finished home, and the copy."""
    home = tmp_path_factory.mktemp("pages") / "home"
    shutil.copytree(homes.finished(tmp_path_factory, worker_id).home, home)
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind((servers.LOOPBACK, 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    with servers.serve(home, *ports) as (dagster, mlflow):
        yield dagster, mlflow, home


@pytest.fixture(scope="module")
def browser():
    """A browser for a file of tests. While it lives, no other test of this process can run an event loop."""
    with chromium() as started:
        yield started
