"""`oneclick model`: versions listed, promoted, rolled back. `accept`: tracking/test_acceptance.py."""

import shutil

import pytest

from oneclick_pipeline.model import pictures, train
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.model.conftest import QUICK, make_training
from oneclick_pipeline_tests.tracking.trainings import FAILED, PASSED, log, model_file


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A home with three versions: the first passed every gate, the second failed one, the third was not evaluated."""
    home = tmp_path_factory.mktemp("registry")
    training = make_training()
    trained = train(training, QUICK.model_copy(update={"families": ("logistic_regression",)}))
    with pytest.MonkeyPatch.context() as patch:
        for name in ("curves", "comparison", "png"):  # nobody looks at them here
            patch.setattr(pictures, name, lambda *_: b"")
        versions = [log(Tracking(home), trained, training, f"2026-1{i}") for i in range(3)]
    for version, judged in zip(versions, (PASSED, FAILED), strict=False):
        Tracking(home).log_gates(version, judged)
    return home


@pytest.fixture
def judged(registry, tmp_path):
    """The same registry to write in."""
    shutil.copytree(registry / "mlflow", tmp_path / "mlflow")
    Tracking(tmp_path).moved(registry)
    return tmp_path


def test_model_list_shows_versions_gates_and_aliases(oneclick, judged):
    assert oneclick("model", "promote", 1, "--home", judged)[0] == 0
    code, out, _ = oneclick("model", "list", "--home", judged)
    assert code == 0
    third, second, first = out.split("logistic_regression")[1:]
    heads = [line for line in out.splitlines() if "logistic_regression" in line]
    assert [head.split()[0] for head in heads] == ["3", "2", "1"]
    for part in ("champion", "of 2026-10", "9 gates passed", Tracking(judged).version(1).run_id[:8], "ROC-AUC", "log loss"):
        assert part in first
    assert "failed: loads_in_fresh_process" in second
    assert "not evaluated" in third
    assert "challenger" in third


def test_model_promote_refuses_failed_gates_unless_forced(oneclick, judged):
    code, _, err = oneclick("model", "promote", 2, "--home", judged)
    assert code == 1
    assert "has not passed all gates: loads_in_fresh_process failed: no predictions" in err
    code, out, _ = oneclick("model", "promote", 2, "--home", judged, "--force")
    assert (code, out) == (0, "activity_decline version 2 is champion\n")
    champion = Tracking(judged).require_champion()
    assert (champion.version, champion.tags["promoted_by"]) == (2, "hand")


def test_model_promote_loads_the_version_first(oneclick, judged):
    store = Tracking(judged)
    path = model_file(store, store.version(1))
    path.write_bytes(b"forged")
    code, _, err = oneclick("model", "promote", 1, "--home", judged)
    assert code == 1
    assert "the file of model version 1 is not the one that was registered" in err
    assert Tracking(judged).champion() is None


def test_model_rollback_goes_back_and_says_so(oneclick, judged):
    code, _, err = oneclick("model", "rollback", "--home", judged)
    assert code == 1
    assert "there is no previous champion to go back to. What to do: choose a version: oneclick model list" in err
    for number in (1, 2):
        oneclick("model", "promote", number, "--home", judged, "--force")
    code, out, _ = oneclick("model", "rollback", "--home", judged)
    assert (code, out) == (0, "activity_decline version 1 is champion again\n")
    assert Tracking(judged).aliases() == {"champion": 1, "previous": 2, "challenger": 3}


def test_model_version_that_does_not_exist_ends_with_its_message(oneclick, judged):
    code, _, err = oneclick("model", "promote", 12, "--home", judged)
    assert (code, err) == (1, "error: there is no model version 12. What to do: see oneclick model list\n")


@pytest.mark.parametrize("command", [["list"], ["promote", "1"], ["rollback"]], ids=" ".join)
def test_model_commands_in_a_home_without_models_make_none(oneclick, tmp_path, command):
    code, _, err = oneclick("model", *command, "--home", tmp_path)
    assert code == 1
    assert f"no models yet in {tmp_path}/mlflow" in err
    assert list(tmp_path.iterdir()) == []
