"""Trainings logged, versions opened, reports kept: what code asks of a home's MLflow."""

import json
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import predict
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.tracking import TRUSTED_TYPES, evaluation, files, runs
from oneclick_pipeline_tests.model.conftest import make_features
from oneclick_pipeline_tests.tracking.trainings import EXPLAINED, TAGS, log, model_file


def test_version_is_registered_with_the_way_back(logged):
    tracking, version = logged
    assert version.version == 1
    assert version.feature_months == ("2026-10",)
    assert version.tags.items() >= TAGS.items()
    registered = tracking._client().get_model_version(version.name, "1")
    assert registered.status == "READY"
    assert "# Activity decline" in registered.description
    assert registered.tags["roc_auc"].count("to") == 1
    assert tracking.aliases() == {"challenger": 1}


def test_parent_run_holds_data_metrics_and_files(logged, two_families):
    tracking, version = logged
    run = tracking._client().get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["log_loss"] == pytest.approx(two_families.metrics["log_loss"].estimate)
    assert run.data.metrics["log_loss_low"] == pytest.approx(two_families.metrics["log_loss"].low)
    assert run.data.tags["training_digest"] == two_families.digest
    assert run.inputs.dataset_inputs[0].dataset.digest == two_families.digest
    logged_files = {f.path for f in tracking._client().list_artifacts(version.run_id)}
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
    assert shown["customers"].to_list() == two_families.slices["customers"].to_list()
    assert tracking.run_path(version.run_id) == f"/#/experiments/{run.info.experiment_id}/runs/{version.run_id}"


def test_every_family_is_a_child_run(logged, two_families):
    tracking, version = logged
    client = tracking._client()
    experiment = client.get_run(version.run_id).info.experiment_id
    children = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{version.run_id}'")
    assert {c.data.tags["family"] for c in children} == {f.name for f in two_families.families}
    for child in children:
        family = next(f for f in two_families.families if f.name == child.data.tags["family"])
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
    folder = model_file(tracking, version).parent
    described = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    names = [c["name"] for c in json.loads(described["signature"]["inputs"])]
    assert names == list(inputs(make_features(3)).columns)
    assert described["flavors"]["sklearn"]["serialization_format"] == "skops"
    assert described["flavors"]["sklearn"]["skops_trusted_types"] == list(TRUSTED_TYPES)
    assert "scikit-learn==" in (folder / "requirements.txt").read_text()
    example = json.loads((folder / "serving_input_example.json").read_text())["dataframe_split"]
    served = mlflow.pyfunc.load_model(str(folder)).predict(pd.DataFrame(example["data"], columns=example["columns"]))
    np.testing.assert_allclose(served.sum(axis=1), 1)


def test_round_trip_gives_the_same_predictions(logged, two_families):
    tracking, version = logged
    features = make_features(50, seed=9)
    np.testing.assert_array_equal(predict(tracking.load(version), features), predict(two_families.pipeline, features))
    pd.testing.assert_frame_equal(tracking.out_of_fold(version), two_families.out_of_fold)


def test_shipped_model_predicts_the_same_after_its_journey(logged, two_families):
    tracking, version = logged
    arrived = pickle.loads(pickle.dumps(tracking.shipped(version)))  # noqa: S301 - our own bytes
    rows = make_features(50, seed=9)
    np.testing.assert_array_equal(arrived(rows), predict(two_families.pipeline, rows))
    assert arrived.open() is arrived.open(), "opened once"
    forged = replace(arrived, content=arrived.content + b"x")
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        forged(rows)


def test_nothing_global_is_left_behind(logged):
    import mlflow

    assert mlflow.active_run() is None
    assert str(logged[0].home) not in mlflow.get_tracking_uri()


def test_contributions_come_back_and_are_refused_if_changed(tracking, trained, training):
    version = log(tracking, trained, training)
    assert tracking.contributions(version) == EXPLAINED.contributions.to_json()
    pd.testing.assert_frame_equal(tracking.shapley(version), EXPLAINED.sample)
    (tracking.folder / version.kept[runs.CONTRIBUTIONS].path).write_text('{"method": "forged"}')
    with pytest.raises(BadInputError, match=r"effects.json: the file of model version 1 is not the one that was registered"):
        tracking.contributions(version)


def test_training_that_fails_half_way_leaves_no_version(tracking, trained, training, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(runs, "log_model", broken)
    with pytest.raises(OSError, match="disk full"):
        log(tracking, trained, training)
    client = tracking._client()
    assert client.search_model_versions() == []
    parents = [r for r in client.search_runs(["1"]) if "mlflow.parentRunId" not in r.data.tags]
    assert [r.info.status for r in parents] == ["FAILED"]


def test_report_is_kept_with_the_training_of_its_month(tracking, trained, training):
    champion = tracking.promote(log(tracking, trained, training).version, force=True)
    page = tracking.home / "2026-10.html"
    page.write_text("страница", encoding="utf-8")
    assert tracking.log_report(page, "2026-10") == champion.run_id
    artifacts = files.local(tracking._client().get_run(champion.run_id).info.artifact_uri)
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


def test_import_is_light():
    heavy = {"mlflow", "sklearn", "pandas", "scipy", "matplotlib"}
    code = f"import sys, oneclick_pipeline.tracking, oneclick_pipeline.model; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
