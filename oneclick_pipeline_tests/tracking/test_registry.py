"""Which version is champion: gates, promotion, the way back."""

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.gates import GATES
from oneclick_pipeline_tests.tracking.trainings import FAILED, PASSED, log, model_file


def test_no_champion_is_said_clearly(tracking):
    assert tracking.champion() is None
    with pytest.raises(BadInputError, match=r"no champion model yet.*run retrain first"):
        tracking.champion_facts()


def test_second_version_waits_for_its_promotion(tracking, trained, training):
    first = log(tracking, trained, training)
    assert tracking.champion() is None
    tracking.log_gates(first, PASSED)
    champion = tracking.promote(first.version)
    assert tracking.aliases() == {"champion": 1}
    second = log(tracking, trained, training, "2026-11")
    assert (first.version, second.version) == (1, 2)
    assert tracking.require_champion() == champion
    assert tracking.aliases() == {"champion": 1, "challenger": 2}
    tracking.log_gates(second, PASSED)
    tracking.promote(second.version)
    assert tracking.aliases() == {"champion": 2, "previous": 1}
    assert [v.version for v in tracking.versions()] == [2, 1]
    lines = dict(tracking.champion_facts())
    assert lines["ROC-AUC"].startswith(f"{trained.metrics['roc_auc'].estimate:.3f} (95 % interval")
    assert "version 2, alias champion" in lines["Model"]


def test_gates_are_tags_of_version_and_run_and_metrics(three):
    version = three.version(3)
    assert not version.has_gates
    judged = three.log_gates(version, FAILED)
    assert judged.has_gates
    assert judged.failed_gates == ("loads_in_fresh_process",)
    assert list(judged.gates) == list(GATES)
    run = three._client().get_run(version.run_id)
    for tags in (judged.tags, run.data.tags):
        assert tags["gates"] == "failed: loads_in_fresh_process"
        assert tags["gate.calibrated"] == "passed: well above"
        assert tags["gate.loads_in_fresh_process"] == "failed: no predictions"
    assert run.data.metrics["gate_calibrated_low"] == 0.8
    assert "gate_calibrated_why" not in run.data.metrics


def test_version_that_failed_or_was_not_judged_is_promoted_by_force_only(three):
    with pytest.raises(BadInputError, match=r"version 1 was not evaluated.*oneclick model promote 1 --force"):
        three.promote(1)
    three.log_gates(three.version(1), FAILED)
    with pytest.raises(BadInputError, match="has not passed all gates: loads_in_fresh_process failed: no predictions"):
        three.promote(1)
    assert three.champion() is None
    assert three.promote(1, by="hand", force=True).tags["promoted_by"] == "hand"
    assert three.aliases() == {"champion": 1, "challenger": 3}


def test_promoting_the_champion_again_keeps_the_previous_one(three):
    for number in (1, 2, 2):
        three.promote(number, force=True)
    assert three.aliases() == {"champion": 2, "previous": 1, "challenger": 3}


def test_killed_between_the_two_aliases_no_model_is_lost(three, monkeypatch):
    from mlflow import MlflowClient

    for number in (1, 2):
        three.promote(number, force=True)
    whole = MlflowClient.set_registered_model_alias

    def killed(self, name, alias, version):
        if alias == "champion":
            raise KeyboardInterrupt
        whole(self, name, alias, version)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            three.promote(3, force=True)
    assert three.require_champion().version == 2
    with pytest.raises(BadInputError, match="no previous champion"):
        three.rollback()
    three.promote(3, force=True)
    assert three.aliases() == {"champion": 3, "previous": 2}


def test_rollback_and_back(three):
    for number in (1, 2):
        three.promote(number, force=True)
    back = three.rollback()
    assert (back.version, back.tags["promoted_by"]) == (1, "rollback")
    assert three.aliases() == {"champion": 1, "previous": 2, "challenger": 3}
    assert three.rollback().version == 2


def test_tampered_model_is_neither_promoted_nor_rolled_back_to(three):
    for number in (1, 2):
        three.promote(number, force=True)
    path = model_file(three, three.version(1))
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        three.rollback()
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        three.promote(1, force=True)
    assert three.aliases() == {"champion": 2, "previous": 1, "challenger": 3}


def test_version_that_does_not_exist_is_said_clearly(logged):
    with pytest.raises(BadInputError, match=r"there is no model version 12.*oneclick model list"):
        logged[0].version(12)
