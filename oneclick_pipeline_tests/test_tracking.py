import json
import shutil
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import candidates, predict, search, train
from oneclick_pipeline.model.evaluation import Learner
from oneclick_pipeline.model.folds import fold_numbers
from oneclick_pipeline.model.training import fit
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.tracking import TRUSTED_TYPES, Tracking, registry, runs

from .model.conftest import QUICK, make_features, make_training

TAGS = {"dagster_run": "0123", "code_version": "abc"}


@pytest.fixture(scope="module")
def training():
    return make_training()


@pytest.fixture(scope="module")
def trained(training):
    return train(training, QUICK)


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
    return tracking, tracking.log_training(trained, training, month="2026-10", tags=TAGS)


@pytest.fixture
def tracking(migrated, tmp_path):
    return Tracking(copied(migrated, tmp_path))


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


def test_parent_run_holds_data_metrics_and_files(logged, trained):
    tracking, version = logged
    run = client_of(tracking).get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["log_loss"] == pytest.approx(trained.metrics["log_loss"].estimate)
    assert run.data.metrics["log_loss_low"] == pytest.approx(trained.metrics["log_loss"].low)
    assert run.data.tags["training_digest"] == trained.digest
    assert run.inputs.dataset_inputs[0].dataset.digest == trained.digest
    files = {f.path for f in client_of(tracking).list_artifacts(version.run_id)}
    assert files >= {"card.md", "curves.png", "families.png", "out_of_fold.parquet"}
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
        table = pd.read_json(registry._local(child.info.artifact_uri) / "cv_results.json", orient="split")
        assert table["mean_log_loss"].to_list() == pytest.approx(family.trials["mean_log_loss"].to_list())


def test_model_has_signature_example_and_our_trusted_types(logged):
    import mlflow.pyfunc
    import yaml

    tracking, version = logged
    folder = tracking._model_folder(version)
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


def test_nothing_global_is_left_behind(logged):
    import mlflow

    assert mlflow.active_run() is None
    assert str(logged[0].home) not in mlflow.get_tracking_uri()


def test_no_champion_is_said_clearly(tracking):
    assert tracking.champion() is None
    with pytest.raises(BadInputError, match=r"no champion model yet.*run retrain first"):
        tracking.describe_champion()


def test_second_version_waits_for_its_promotion(tracking, trained, training):
    first = tracking.log_training(trained, training, month="2026-10", tags=TAGS)
    assert tracking.champion() is None
    tracking.promote(first.version)
    second = tracking.log_training(trained, training, month="2026-11", tags=TAGS)
    assert (first.version, second.version) == (1, 2)
    assert tracking.require_champion() == first
    tracking.promote(second.version)
    assert tracking.require_champion() == second
    lines = dict(tracking.describe_champion())
    assert lines["ROC-AUC"].startswith(f"{trained.metrics['roc_auc'].estimate:.3f} (95 % interval")
    assert "version 2, alias champion" in lines["Model"]


def test_training_that_fails_half_way_leaves_no_version(tracking, trained, training, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(runs, "log_model", broken)
    with pytest.raises(OSError, match="disk full"):
        tracking.log_training(trained, training, month="2026-10", tags=TAGS)
    client = client_of(tracking)
    assert client.search_model_versions() == []
    parents = [r for r in client.search_runs(["1"]) if "mlflow.parentRunId" not in r.data.tags]
    assert [r.info.status for r in parents] == ["FAILED"]


def test_tampered_model_is_refused(tracking, trained, training):
    version = tracking.log_training(trained, training, month="2026-10", tags=TAGS)
    path = tracking._model_folder(version) / runs.MODEL_FILE
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        tracking.load(version)
    path.unlink()
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        tracking.load(version)


def test_untrusted_types_are_refused_even_with_the_right_hash(logged, tmp_path, monkeypatch):
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    tracking, version = logged
    content = skops.io.dumps(FunctionTransformer(shutil.rmtree))
    (tmp_path / runs.MODEL_FILE).write_bytes(content)
    monkeypatch.setattr(registry.Tracking, "_model_folder", lambda *_: tmp_path)
    forged = replace(version, tags=version.tags | {runs.SHA256: sha256(content).hexdigest()})
    with pytest.raises(BadInputError, match=r"types that are not trusted: shutil\.rmtree"):
        tracking.load(forged)


@pytest.mark.parametrize("family", [f.name for f in candidates.FAMILIES])
def test_every_family_fits_trusted_types_only(training, family):
    import skops.io

    data = Learner(inputs(training), training["declined"].to_numpy(), training["copies"].to_numpy())
    numbers = fold_numbers(data.declined, data.copies, folds=2, seed=[1])
    drawn = [c for c in candidates.draw(16, seed=1) if c.family.name == family]
    for tried in search.search(search.matrices(data.frame, data.frame)[0], data.declined, numbers, drawn, seed=1):
        content = skops.io.dumps(fit(tried, data, numbers, seed=1))
        assert set(skops.io.get_untrusted_types(data=content)) <= set(TRUSTED_TYPES)


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
