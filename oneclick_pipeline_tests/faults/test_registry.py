"""A registry that lost its champion, or files of it: every reader says so, and a retrain makes a new one."""

import hashlib
import shutil
from contextlib import closing

import numpy as np
import pytest
import skops.io

from oneclick_pipeline.tracking import MODEL, Tracking, runs, versions
from oneclick_pipeline_tests.faults.homes import FAST, database, materialize, refused
from oneclick_pipeline_tests.orchestration.homes import run
from oneclick_pipeline_tests.tracking.trainings import model_file


def kept_file(home, name):
    store = Tracking(home)
    return store.folder / store.require_champion().kept[name].path


def champions_file(home):
    store = Tracking(home)
    return model_file(store, store.require_champion())


def alias_removed(home):
    Tracking(home)._client().delete_registered_model_alias(MODEL, "champion")


def version_deleted(home):
    Tracking(home)._client().delete_model_version(MODEL, "1")


def model_file_deleted(home):
    champions_file(home).unlink()


def model_file_changed(home):
    path = champions_file(home)
    path.write_bytes(path.read_bytes() + b" ")


def model_file_of_foreign_types(home):
    """What somebody would do who reaches MLflow's port: a file of other types, and tags that say it is the right one."""
    path = champions_file(home)
    path.write_bytes(skops.io.dumps(np.random.default_rng))
    with closing(database(home)) as connection, connection:
        right = hashlib.sha256(path.read_bytes()).hexdigest()
        connection.execute(
            "INSERT OR REPLACE INTO model_version_tags (name, version, key, value) VALUES (?, 1, 'model_sha256', ?)",
            (MODEL, right),
        )


def record_of_foreign_types(home):
    """The same by somebody who can write the home itself: what is left is that nothing of such a type is made."""
    path, store = champions_file(home), Tracking(home)
    path.write_bytes(skops.io.dumps(np.random.default_rng))
    champion = store.require_champion()
    changed = {**champion.files, versions.MODEL_FILE: versions.Content.of(path.read_bytes())}
    versions.write(store.folder, champion.model_copy(update={"files": changed}))


def out_of_fold_deleted(home):
    kept_file(home, runs.OUT_OF_FOLD).unlink()


def out_of_fold_changed(home):
    shutil.copyfile(kept_file(home, runs.SHAPLEY), kept_file(home, runs.OUT_OF_FOLD))


def code_added(home):
    folder = champions_file(home).parent / "code"
    folder.mkdir()
    (folder / "evil.py").write_text("raise SystemExit")


def record_deleted(home):
    shutil.rmtree(home / "mlflow" / "registered")


def all_files_deleted(home):
    shutil.rmtree(home / "mlflow" / "artifacts")


NO_CHAMPION = ("no champion model yet", "oneclick run --job retrain")
GONE = ("a file of model version 1 is missing", "restore it from a backup, or choose another version", "--job retrain")
CHANGED = ("not the one that was registered", "find out who changed it", "oneclick model promote", "--job retrain")
CASES = [
    (alias_removed, NO_CHAMPION),
    (version_deleted, NO_CHAMPION),
    (model_file_deleted, (*GONE, versions.MODEL_FILE)),
    (model_file_changed, (*CHANGED, versions.MODEL_FILE)),
    (model_file_of_foreign_types, CHANGED),
    (code_added, ("code/evil.py", "this was not registered with model version 1", "move it away")),
    (record_deleted, ("model version 1 has no record in this home", "oneclick model accept 1")),
    (record_of_foreign_types, ("holds types that are not trusted", "do not use this file")),
    (out_of_fold_deleted, (*GONE, runs.OUT_OF_FOLD)),
    (out_of_fold_changed, (*CHANGED, runs.OUT_OF_FOLD)),
    (all_files_deleted, GONE),
]


QUICK = {alias_removed, model_file_of_foreign_types, code_added, out_of_fold_deleted}


@pytest.mark.parametrize(
    ("broken", "parts"), [pytest.param(*case, marks=() if case[0] in QUICK else pytest.mark.soak) for case in CASES]
)
def test_scores_without_a_whole_champion_are_refused_with_the_remedy(home, broken, parts):
    broken(home)
    message = refused(home, "customer_scores")
    for part in parts:
        assert part in message


@pytest.mark.soak
@pytest.mark.parametrize("broken", [version_deleted, out_of_fold_deleted])
def test_report_of_scores_whose_model_is_gone_is_refused_with_the_remedy(home, broken):
    broken(home)
    assert "model version 1" in refused(home, "monthly_report")


def test_shapley_values_that_are_gone_are_told(home):
    kept_file(home, runs.SHAPLEY).unlink()
    assert f"{runs.SHAPLEY}: a file of model version 1 is missing" in refused(home, "model_explanation")


@pytest.mark.soak
@pytest.mark.parametrize("broken", [alias_removed, version_deleted, model_file_deleted, out_of_fold_changed, all_files_deleted])
def test_retrain_makes_a_new_champion_that_scores(home, broken):
    (home / "settings.yaml").write_text(FAST)
    broken(home)
    outcome = run(home)
    assert outcome.errors == ()
    champion = Tracking(home).require_champion()
    assert champion.tags["dagster_run_id"] == outcome.run_id
    Tracking(home).load(champion)
    assert materialize(home, "customer_scores").success
