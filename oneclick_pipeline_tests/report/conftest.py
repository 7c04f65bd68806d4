import pytest

from oneclick_pipeline_tests.orchestration import homes


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    """A home in which `retrain` of the sample has run once; read it, do not change it."""
    return homes.finished(tmp_path_factory, worker_id)
