"""Variables that would lead MLflow elsewhere."""

import shutil
import socket

import pytest

from oneclick_pipeline.tracking import Tracking, ignored_variables
from oneclick_pipeline.tracking.environment import ELSEWHERE
from oneclick_pipeline_tests.tracking.trainings import PASSED, log


def test_variables_that_lead_mlflow_elsewhere_send_nothing_there(tmp_path, migrated, trained, training, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        elsewhere = f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name in (*ELSEWHERE, "MLFLOW_ARTIFACT_URI", "MLFLOW_RUN_ID"):
            monkeypatch.setenv(name, elsewhere)
        (tmp_path / "mlflow").mkdir()
        shutil.copyfile(migrated, tmp_path / "mlflow" / "mlflow.db")
        tracking = Tracking(tmp_path)
        version = tracking.log_gates(log(tracking, trained, training), PASSED)
        tracking.load(tracking.promote(version.version))
        assert tracking.champion().version == version.version
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has come
            listener.accept()


@pytest.mark.parametrize(
    ("variables", "warning"),
    [
        ({}, ""),
        ({"MLFLOW_TRACKING_URI": "", "ONECLICK_HOME": "x"}, ""),
        (dict.fromkeys(ELSEWHERE, "SECRET"), "MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI are set, and ignored: runs and"),
    ],
)
def test_variables_that_are_not_followed_are_named_without_their_values(variables, warning):
    assert ignored_variables(variables).startswith(warning)
    assert bool(ignored_variables(variables)) == bool(warning)
    assert "SECRET" not in ignored_variables(variables)
