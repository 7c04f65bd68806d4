from pathlib import Path

import pytest

from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.faults.homes import copied
from oneclick_pipeline_tests.orchestration import homes

collect_ignore = ["hurried.py"]  # a code server's graph: imported here, it would hurry this process


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """A home of a hundred customers up to customer_features; read it, do not change it."""
    home = homes.new_home(tmp_path_factory.mktemp("small") / "home", settings="", texts=export_text(100))
    assert homes.materialize(home).success
    return home


@pytest.fixture
def home(finished, tmp_path) -> Path:
    """A copy of the finished home that a test may break."""
    return copied(finished.home, tmp_path / "home")
