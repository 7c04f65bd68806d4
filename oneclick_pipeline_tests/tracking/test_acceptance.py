"""Versions that older software registered: looked over, accepted by a person, then as good as any."""

from __future__ import annotations

import shutil
from hashlib import sha256

import pytest
from typer.testing import CliRunner

from oneclick_pipeline.cli import app
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import CHAMPION, MODEL, files, runs, versions
from oneclick_pipeline_tests.tracking.trainings import assert_no_customer, model_file


@pytest.fixture
def older(store):
    """Version 1 as older software left it: customers' tables among the artifacts, hashes as tags, no record."""
    version = store.version(1)
    artifacts = files.local(store._client().get_run(version.run_id).info.artifact_uri)
    hashed = {name: store.folder / version.kept[name].path for name in (runs.OUT_OF_FOLD, runs.SHAPLEY, runs.CONTRIBUTIONS)}
    hashed[versions.MODEL_FILE] = model_file(store, version)
    for name, path in hashed.items():
        tag = "model_sha256" if name == versions.MODEL_FILE else f"{name.split('.')[0]}_sha256"
        store._client().set_model_version_tag(MODEL, "1", tag, sha256(path.read_bytes()).hexdigest())
        if name in (runs.OUT_OF_FOLD, runs.SHAPLEY):
            path.rename(artifacts / name)
    shutil.rmtree(store.folder / "registered" / "1")
    return store, version, artifacts


def trust(store, *options):
    return CliRunner().invoke(app.app, ["model", "accept", "1", "--home", str(store.home), *options])


def test_version_without_a_record_is_refused_and_accepted_by_hand(older):
    store, version, _ = older
    with pytest.raises(BadInputError, match=r"model version 1 has no record in this home.*oneclick model accept 1"):
        store.require_champion()
    told = trust(store, "--yes")
    assert told.exit_code == 0, told.output
    for part in (version.run_id, "2026-10", "logistic_regression", version.tags["roc_auc"], "passed", version.folder):
        assert part in told.output
    for name, content in version.files.items():
        assert content.sha256 in told.output
        assert f"{name} ({'as its tag says' if name == versions.MODEL_FILE else 'no hash was kept'})" in told.output
    accepted = store.require_champion()
    store.check(accepted)
    assert accepted.kept.keys() == version.kept.keys()
    assert {**accepted.model_dump(), "kept": {}} == {**version.model_dump(), "kept": {}}
    assert store.evaluation(1).metrics == version.metrics
    assert len(store.out_of_fold(accepted)) > 0


def test_version_that_is_accepted_shows_no_customer_any_more(older, training):
    """Older software logged the first customer of the training as the example, and tables of all of them."""
    store, version, artifacts = older
    folder = store.folder / version.folder
    row = training[["revenue_m0"]].head(1)
    for name in ("input_example.json", "serving_input_example.json"):
        (folder / name).write_text(row.to_json(orient="split"))
    assert trust(store, "--yes").exit_code == 0
    assert not [name for name in (runs.OUT_OF_FOLD, runs.SHAPLEY) if (artifacts / name).exists()]
    shutil.rmtree(store.folder / "artifacts" / "models" / store.version(2).folder.split("/")[2])
    assert_no_customer(store, training)
    accepted = store.require_champion()
    store.check(accepted)
    assert len(store.out_of_fold(accepted)) == len(training)
    assert not store.shapley(accepted).empty
    assert accepted.files["input_example.json"] == version.files["input_example.json"]


def test_file_that_was_changed_since_it_was_looked_over_is_not_accepted(older):
    store, version, _ = older
    candidate = store.candidate(1)
    path = store.folder / version.folder / "MLmodel"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BadInputError, match="MLmodel: the file of model version 1 is not the one that was registered"):
        store.accept(candidate)
    assert not versions.record_file(store.folder, 1).exists()


def test_aliases_are_shown_and_the_champion_is_accepted_as_such(older):
    store, *_ = older
    (store.folder / "registered" / "chosen.json").unlink()
    told = trust(store, "--yes")
    assert "aliases         champion" in told.output
    store._client().set_registered_model_alias(MODEL, CHAMPION, "2")
    store._promoted(store.version(2), "hand")
    with pytest.raises(BadInputError, match="version 2 has the alias champion, but oneclick gave it to version 1"):
        store.require_champion()


def test_nothing_is_accepted_without_a_yes(older):
    store, *_ = older
    told = CliRunner().invoke(app.app, ["model", "accept", "1", "--home", str(store.home)], input="n\n")
    assert told.exit_code == 1
    assert not versions.record_file(store.folder, 1).exists()


def refused(store):
    told = trust(store, "--yes")
    assert told.exit_code == 1
    assert not versions.record_file(store.folder, 1).exists()
    return str(told.exception)


@pytest.mark.parametrize("name", [versions.MODEL_FILE, runs.OUT_OF_FOLD, runs.SHAPLEY, runs.CONTRIBUTIONS])
def test_file_that_disagrees_with_its_tag_is_not_accepted(older, name):
    store, version, artifacts = older
    path = store.folder / version.folder / name if name == versions.MODEL_FILE else artifacts / name
    path.write_bytes(path.read_bytes() + b" ")
    assert f"{name}: the file of model version 1 is not the one that was registered" in refused(store)
    path.unlink()
    assert f"{name}: a file of model version 1 is missing" in refused(store)


def test_code_of_the_artifacts_own_is_not_accepted(older):
    store, version, _ = older
    (store.folder / version.folder / "code").mkdir()
    (store.folder / version.folder / "code" / "evil.py").write_text("")
    assert "code/evil.py: this is not a file of model version 1" in refused(store)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loader_module: mlflow.sklearn", "loader_module: evil"),
        ("loader_module: mlflow.sklearn", "loader_module: mlflow.sklearn\n    code: code"),
        ("flavors:", "flavors:\n  evil: {}"),
        ("flavors:", "flavours:"),
        ("flavors:", "{"),
    ],
)
def test_description_that_is_not_ours_is_not_accepted(older, old, new):
    store, version, _ = older
    path = store.folder / version.folder / "MLmodel"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert "MLmodel: this does not describe a model that this software made" in refused(store)


def test_address_outside_of_the_home_is_not_accepted(older, tmp_path):
    import sqlite3
    from contextlib import closing

    store, *_ = older
    for address in (f"file://{tmp_path}", (store.folder / "artifacts").as_uri() + "/../../..", str(tmp_path)):
        with closing(sqlite3.connect(store.folder / "mlflow.db")) as connection, connection:
            connection.execute("UPDATE model_versions SET source = ?", (address,))
        assert "MLflow refers to a folder outside this home" in refused(store)


def test_version_with_a_record_is_not_accepted_anew(store):
    assert "model version 1 has a record, and its files agree with it" in str(trust(store, "--yes").exception)
    path = model_file(store, store.version(1))
    path.write_bytes(b"forged")
    before = versions.record_file(store.folder, 1).read_bytes()
    assert "is not the one that was registered" in str(trust(store, "--yes").exception)
    assert versions.record_file(store.folder, 1).read_bytes() == before


def test_home_without_models_stays_without(tmp_path):
    told = CliRunner().invoke(app.app, ["model", "accept", "1", "--home", str(tmp_path)])
    assert "no models yet in" in str(told.exception)
    assert list(tmp_path.iterdir()) == []
