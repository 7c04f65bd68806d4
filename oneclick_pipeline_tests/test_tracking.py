import json
import pickle
import shutil
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import candidates, predict, search, train
from oneclick_pipeline.model.attribution import Explained
from oneclick_pipeline.model.evaluation import Learner
from oneclick_pipeline.model.folds import fold_numbers
from oneclick_pipeline.model.gates import GATES, Gate, edge_rows
from oneclick_pipeline.model.training import fit
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.tracking import TRUSTED_TYPES, Tracking, evaluation, files, ignored, isolated, runs, versions
from oneclick_pipeline.tracking.environment import ELSEWHERE

from .model.conftest import QUICK, make_features, make_training

TAGS = {"dagster_run": "0123", "code_version": "abc"}


class KnownContributions:
    """Contributions that say one thing, so that tests need not compute any."""

    def to_json(self):
        return '{"method": "by hand, «руками»"}'


EXPLAINED = Explained(contributions=KnownContributions(), sample=pd.DataFrame({"feature": ["profit"], "shapley": [0.5]}))
PASSED = [Gate(name, passed=True, figures={"low": 0.8, "why": "because"}, text="well above") for name in GATES]
FAILED = [*PASSED[:-1], Gate("loads_in_fresh_process", passed=False, figures={}, text="no predictions")]


def log(tracking, trained, training, month="2026-10"):
    return tracking.log_training(trained, training, EXPLAINED, month=month, tags=TAGS)


@pytest.fixture(scope="module")
def training():
    return make_training()


@pytest.fixture(scope="module")
def trained(training):
    """Two families and their vote: every run that is logged draws pictures."""
    return train(training, QUICK.model_copy(update={"families": ("decision_tree", "logistic_regression")}))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A database that was migrated once: seconds, so every test copies it."""
    home = tmp_path_factory.mktemp("migrated")
    Tracking(home).prepare()
    return home / "mlflow" / "mlflow.db"


@pytest.fixture(scope="module")
def logged(migrated, trained, training, tmp_path_factory):
    """A home with one version that was logged and not promoted; do not change it."""
    tracking = Tracking(copied(migrated, tmp_path_factory.mktemp("дом с пробелом")))
    return tracking, log(tracking, trained, training)


@pytest.fixture
def tracking(migrated, tmp_path):
    return Tracking(copied(migrated, tmp_path))


@pytest.fixture(scope="module")
def three_logged(migrated, trained, training, tmp_path_factory):
    """A home with three versions that were logged and neither judged nor promoted."""
    tracking = Tracking(copied(migrated, tmp_path_factory.mktemp("three")))
    for month in ("2026-10", "2026-11", "2026-12"):
        log(tracking, trained, training, month)
    return tracking


@pytest.fixture
def three(three_logged, tmp_path):
    """The same registry to write in."""
    shutil.copytree(three_logged.folder, tmp_path / "mlflow")
    Tracking(tmp_path).moved(three_logged.home)
    return Tracking(tmp_path)


def copied(database, home):
    (home / "mlflow").mkdir()
    shutil.copy(database, home / "mlflow")
    return home


def client_of(tracking):
    return tracking._client()


def test_version_is_registered_with_the_way_back(logged):
    tracking, version = logged
    assert version.version == 1
    assert version.feature_months == ("2026-10",)
    assert version.tags.items() >= TAGS.items()
    registered = client_of(tracking).get_model_version(version.name, "1")
    assert registered.status == "READY"
    assert "# Activity decline" in registered.description
    assert registered.tags["roc_auc"].count("to") == 1
    assert tracking.aliases() == {"challenger": 1}


def test_parent_run_holds_data_metrics_and_files(logged, trained):
    tracking, version = logged
    run = client_of(tracking).get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["log_loss"] == pytest.approx(trained.metrics["log_loss"].estimate)
    assert run.data.metrics["log_loss_low"] == pytest.approx(trained.metrics["log_loss"].low)
    assert run.data.tags["training_digest"] == trained.digest
    assert run.inputs.dataset_inputs[0].dataset.digest == trained.digest
    logged_files = {f.path for f in client_of(tracking).list_artifacts(version.run_id)}
    assert logged_files >= {
        "card.md",
        "curves.png",
        "families.png",
        "slices.json",
        "effects.json",
    }
    tables = json.loads(run.data.tags["mlflow.loggedArtifacts"])
    assert tables == [{"path": "slices.json", "type": "table"}]
    shown = pd.read_json(files.local(run.info.artifact_uri) / "slices.json", orient="split")
    assert shown["customers"].to_list() == trained.slices["customers"].to_list()
    assert tracking.run_path(version.run_id) == f"/#/experiments/{run.info.experiment_id}/runs/{version.run_id}"


def test_every_family_is_a_child_run(logged, trained):
    tracking, version = logged
    client = client_of(tracking)
    experiment = client.get_run(version.run_id).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{version.run_id}'")
    assert {c.data.tags["family"] for c in children} == {f.name for f in trained.families}
    for child in children:
        family = next(f for f in trained.families if f.name == child.data.tags["family"])
        assert child.info.status == "FINISHED"
        assert child.data.params == {k: str(v) for k, v in family.parameters.items()}
        history = client.get_metric_history(child.info.run_id, "fold_roc_auc")
        assert [m.value for m in sorted(history, key=lambda m: m.step)] == pytest.approx(family.fold_scores["roc_auc"].to_list())
        table = pd.read_json(files.local(child.info.artifact_uri) / "cv_results.json", orient="split")
        assert table["mean_log_loss"].to_list() == pytest.approx(family.trials["mean_log_loss"].to_list())


def test_model_has_signature_example_and_our_trusted_types(logged):
    import mlflow.pyfunc
    import yaml

    tracking, version = logged
    folder = tracking._model_file(version).parent
    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    names = [c["name"] for c in json.loads(described["signature"]["inputs"])]
    assert names == list(inputs(make_features(3)).columns)
    assert described["flavors"]["sklearn"]["serialization_format"] == "skops"
    assert described["flavors"]["sklearn"]["skops_trusted_types"] == list(TRUSTED_TYPES)
    assert "scikit-learn==" in (folder / "requirements.txt").read_text()
    example = json.loads((folder / "serving_input_example.json").read_text())["dataframe_split"]
    served = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame(example["data"], columns=example["columns"]))
    np.testing.assert_allclose(served.sum(axis=1), 1)


def test_round_trip_gives_the_same_predictions(logged, trained):
    tracking, version = logged
    features = make_features(50, seed=9)
    np.testing.assert_array_equal(predict(tracking.load(version), features), predict(trained.pipeline, features))
    pd.testing.assert_frame_equal(tracking.out_of_fold(version), trained.out_of_fold)


def test_shipped_model_predicts_the_same_after_its_journey(logged, trained):
    tracking, version = logged
    arrived = pickle.loads(pickle.dumps(tracking.shipped(version)))  # noqa: S301 - our own bytes
    rows = make_features(50, seed=9)
    np.testing.assert_array_equal(arrived(rows), predict(trained.pipeline, rows))
    assert arrived.open() is arrived.open(), "opened once"
    forged = replace(arrived, content=arrived.content + b"x")
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        forged(rows)


def test_nothing_global_is_left_behind(logged):
    import mlflow

    assert mlflow.active_run() is None
    assert str(logged[0].home) not in mlflow.get_tracking_uri()


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
    run = client_of(three).get_run(version.run_id)
    for tags in (judged.tags, run.data.tags):
        assert tags["gates"] == "failed: loads_in_fresh_process"
        assert tags["gate.calibrated"] == "passed: well above"
        assert tags["gate.loads_in_fresh_process"] == "failed: no predictions"
    assert run.data.metrics["gate_calibrated_low"] == 0.8
    assert "gate_calibrated_why" not in run.data.metrics


def test_version_that_failed_or_was_not_judged_is_promoted_by_force_only(three):
    with pytest.raises(BadInputError, match=r"version 1 was not judged.*oneclick model promote 1 --force"):
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
    path = three._model_file(three.version(1))
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        three.rollback()
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        three.promote(1, force=True)
    assert three.aliases() == {"champion": 2, "previous": 1, "challenger": 3}


def test_version_that_does_not_exist_is_said_clearly(logged):
    with pytest.raises(BadInputError, match=r"there is no model version 12.*oneclick model list"):
        logged[0].version(12)


def test_contributions_come_back_and_are_refused_if_changed(tracking, trained, training):
    version = log(tracking, trained, training)
    assert tracking.contributions(version) == EXPLAINED.contributions.to_json()
    pd.testing.assert_frame_equal(tracking.shapley(version), EXPLAINED.sample)
    (tracking.folder / version.kept[runs.CONTRIBUTIONS].path).write_text('{"method": "forged"}')
    with pytest.raises(BadInputError, match=r"effects.json: the file of model version 1 is not the one that was registered"):
        tracking.contributions(version)


def test_fresh_process_predicts_the_same_as_the_model_it_came_from(logged, trained, training):
    tracking, version = logged
    rows = edge_rows(training)
    found = tracking.reopen(version, rows)
    assert (found.foreign, found.error) == ((), "")
    np.testing.assert_array_equal(found.p_decline, predict(trained.pipeline, rows))


def test_fresh_process_tells_why_it_gives_no_probabilities(tracking, trained, training, monkeypatch):
    version = log(tracking, trained, training)
    path = tracking._model_file(version)
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    found = tracking.reopen(version, edge_rows(training))
    assert (found.p_decline, found.foreign) == (None, ())
    assert "is not the one that was registered" in found.error
    path.write_bytes(content)
    assert "features are missing: service_level" in tracking.reopen(version, edge_rows(training).iloc[:, 1:]).error
    monkeypatch.setattr(isolated, "_PATIENCE", 0.01)
    assert tracking.reopen(version, edge_rows(training)).error == "the process did not answer within 0.01 s"


def forged(tracking, version):
    """A file of foreign types, and a record that says it was registered so."""
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    content = skops.io.dumps(FunctionTransformer(shutil.rmtree))
    tracking._model_file(version).write_bytes(content)
    changed = {**version.files, versions.MODEL_FILE: versions.Content.of(content)}
    versions.write(tracking.folder, version.model_copy(update={"files": changed}))
    return tracking.version(version.version)


def test_fresh_process_names_foreign_types(tracking, trained, training):
    version = forged(tracking, log(tracking, trained, training))
    assert tracking.reopen(version, edge_rows(training)).foreign == ("shutil.rmtree",)


def test_training_that_fails_half_way_leaves_no_version(tracking, trained, training, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(runs, "log_model", broken)
    with pytest.raises(OSError, match="disk full"):
        log(tracking, trained, training)
    client = client_of(tracking)
    assert client.search_model_versions() == []
    parents = [r for r in client.search_runs(["1"]) if "mlflow.parentRunId" not in r.data.tags]
    assert [r.info.status for r in parents] == ["FAILED"]


def test_tampered_model_is_refused(tracking, trained, training):
    version = log(tracking, trained, training)
    path = tracking._model_file(version)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        tracking.load(version)
    path.unlink()
    with pytest.raises(BadInputError, match="what belongs to model version 1 is gone"):
        tracking.load(version)


def test_untrusted_types_are_refused_even_with_the_right_hash(three):
    version = forged(three, three.version(1))
    with pytest.raises(BadInputError, match=r"value 'shutil\.rmtree': model version 1 holds types that are not trusted"):
        three.load(version)
    with pytest.raises(BadInputError, match="holds types that are not trusted"):
        three.shipped(version)


@pytest.fixture(scope="module")
def tried(training):
    """Every family's trials and the votes of their best, with what they are fitted on."""
    data = Learner(inputs(training), training["declined"].to_numpy(), training["copies"].to_numpy())
    numbers = fold_numbers(data.declined, data.copies, folds=2, seed=[1])
    prepared = search.matrices(data.frame, data.frame)[0]
    trials = search.search(prepared, data.declined, numbers, candidates.draw(QUICK), QUICK)
    return [*trials, *search.votes(search.best_of_families(trials), data.declined, numbers)], data, numbers


@pytest.mark.parametrize("family", [*(f.name for f in candidates.FAMILIES), search.VOTE])
def test_every_family_fits_trusted_types_only_and_comes_back_the_same(tried, family):
    import skops.io

    choices, data, numbers = tried
    own = [choice for choice in choices if choice.name == family]
    assert own
    for choice in own[:2]:  # as it is and calibrated
        pipeline = fit(choice, data, numbers, seed=1)
        content = skops.io.dumps(pipeline)
        assert set(skops.io.get_untrusted_types(data=content)) <= set(TRUSTED_TYPES)
        again = skops.io.loads(content, trusted=list(TRUSTED_TYPES))
        np.testing.assert_array_equal(predict(again, data.frame), predict(pipeline, data.frame))


@pytest.mark.soak
def test_two_processes_may_come_first_together(tmp_path):
    code = (
        f"from pathlib import Path; from oneclick_pipeline.tracking import Tracking; Tracking(Path({str(tmp_path)!r})).champion()"
    )
    racers = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [racer.communicate(timeout=120)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], errors
    assert sorted(p.name for p in (tmp_path / "mlflow").iterdir()) == [".lock", "mlflow.db"]


def test_import_is_light():
    heavy = {"mlflow", "sklearn", "pandas", "scipy", "matplotlib"}
    code = f"import sys, oneclick_pipeline.tracking, oneclick_pipeline.model; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_what_was_found_out_about_a_version_is_read_back(logged, trained):
    tracking, version = logged
    found = tracking.evaluation(version.version)
    assert (found.version, found.month, found.rows, found.same_month) == (1, "2026-10", trained.rows, trained.feature_months ==
                                                                         trained.label_months)  # fmt: skip
    assert found.metrics == {name: m for name, m in trained.metrics.items() if name in found.metrics}
    assert found.metrics.keys() == trained.metrics.keys()
    assert {f.label: f.metrics for f in found.families} == {f.label: f.metrics for f in trained.families}
    assert [f.label for f in found.families if f.chosen] == [found.family] == [trained.best.label]
    losses = [f.metrics["log_loss"].estimate for f in found.families]
    assert losses == sorted(losses)
    pd.testing.assert_frame_equal(found.slices, trained.slices, check_dtype=False, atol=1e-9)
    assert found.out_of_time.empty == trained.out_of_time.empty
    assert len(found.out_of_fold) == len(trained.out_of_fold)


def test_report_is_kept_with_the_training_of_its_month(tracking, trained, training):
    champion = tracking.promote(log(tracking, trained, training).version, force=True)
    page = tracking.home / "2026-10.html"
    page.write_text("страница", encoding="utf-8")
    assert tracking.log_report(page, "2026-10") == champion.run_id
    artifacts = files.local(client_of(tracking).get_run(champion.run_id).info.artifact_uri)
    assert (artifacts / "report" / "2026-10.html").read_text(encoding="utf-8") == "страница"


def test_report_of_a_month_without_training_has_a_run_of_its_own(tracking):
    page = tracking.home / "2026-10.html"
    for text in ("первая", "вторая"):
        page.write_text(text, encoding="utf-8")
        run_id = tracking.log_report(page, "2026-10")
    client = tracking._client()
    experiment = client.get_experiment_by_name(evaluation.REPORTS)
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_id, run.info.run_name, run.info.status) == (run_id, "report 2026-10", "FINISHED")
    kept = files.local(run.info.artifact_uri) / "report" / "2026-10.html"
    assert kept.read_text(encoding="utf-8") == "вторая"
    assert kept.is_relative_to(tracking.folder)
    assert tracking.log_report(page, "2026-11") != run_id


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
    ("variables", "said"),
    [
        ({}, ""),
        ({"MLFLOW_TRACKING_URI": "", "ONECLICK_HOME": "x"}, ""),
        (dict.fromkeys(ELSEWHERE, "SECRET"), "MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI are set, and not followed: runs and"),
    ],
)
def test_variables_that_are_not_followed_are_named_without_their_values(variables, said):
    assert ignored(variables).startswith(said)
    assert bool(ignored(variables)) == bool(said)
    assert "SECRET" not in ignored(variables)
