"""Registries that tests begin with: empty ones, and ones with versions, in a copy of their own where they write."""

import shutil

import pytest

from oneclick_pipeline.model import train
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.tracking.trainings import copy_of, log, registry


@pytest.fixture(scope="session")
def training():
    return make_training()


@pytest.fixture(scope="session")
def trained(training):
    return train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))


@pytest.fixture(scope="session")
def two_families(training):
    """Two families and their vote."""
    return train(training, QUICK.model_copy(update={"families": ("decision_tree", "logistic_regression")}))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """A database that was migrated once: seconds, so every test copies it."""
    home = tmp_path_factory.mktemp("migrated")
    Tracking(home).prepare()
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def tracking(migrated, tmp_path):
    """A home in which nothing was logged yet."""
    return empty(migrated, tmp_path)


@pytest.fixture(scope="session")
def logged(migrated, two_families, training, tmp_path_factory):
    """A home with one version that was logged and not promoted; do not change it."""
    tracking = empty(migrated, tmp_path_factory.mktemp("дом с пробелом"))
    return tracking, log(tracking, two_families, training)


@pytest.fixture(scope="session")
def three_logged(migrated, trained, training, tmp_path_factory):
    """A home with three versions that were logged and neither judged nor promoted."""
    tracking = empty(migrated, tmp_path_factory.mktemp("three"))
    for month in ("2026-10", "2026-11", "2026-12"):
        log(tracking, trained, training, month)
    return tracking


@pytest.fixture
def three(three_logged, tmp_path):
    """The same registry to write in."""
    return copy_of(three_logged, tmp_path)


@pytest.fixture(scope="session")
def registered(tmp_path_factory, trained, training):
    """A home with the versions 1, which is champion, and 2; do not change it."""
    return registry(Tracking(tmp_path_factory.mktemp("registered")), trained, training, ("2026-10", "2026-11"))


@pytest.fixture
def store(registered, tmp_path):
    """A copy of it."""
    return copy_of(registered, tmp_path / "home")


def empty(database, home):
    (home / "mlflow").mkdir()
    shutil.copy(database, home / "mlflow")
    return Tracking(home)
