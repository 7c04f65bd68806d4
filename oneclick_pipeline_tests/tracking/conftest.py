"""A registry with two versions, to be broken by every test in a copy of its own."""

import shutil

import pytest

from oneclick_pipeline.model import pictures, train
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.test_tracking import PASSED, log


@pytest.fixture(scope="session")
def training():
    return make_training()


@pytest.fixture(scope="session")
def trained(training):
    return train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))


@pytest.fixture(scope="session")
def registered(tmp_path_factory, trained, training):
    """A home with the versions 1, which is champion, and 2; do not change it."""
    store = Tracking(tmp_path_factory.mktemp("registered"))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "comparison", "png"):  # nobody looks at them here
            patch.setattr(pictures, name, lambda *_: b"")
        for month in ("2026-10", "2026-11"):
            store.log_gates(log(store, trained, training, month), PASSED)
    store.promote(1)
    return store


@pytest.fixture
def store(registered, tmp_path):
    """A copy of it."""
    shutil.copytree(registered.folder, tmp_path / "home" / "mlflow")
    copy = Tracking(tmp_path / "home")
    copy.moved(registered.home)
    return copy
