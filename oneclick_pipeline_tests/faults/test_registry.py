"""A registry that lost its champion, or files of it: every reader says so, and a retrain makes a new one."""

import hashlib
import shutil
from contextlib import closing

import numpy as np
import pytest
import skops.io

from oneclick_pipeline.tracking import MODEL, Tracking, files, runs
from oneclick_pipeline_tests.faults.homes import FAST, database, materialize, refused
from oneclick_pipeline_tests.orchestration.homes import run


def champions_folder(home):
    store = Tracking(home)
    return store._artifacts(store.require_champion())


def model_file(home):
    store = Tracking(home)
    return store._model_file(store.require_champion())


def alias_removed(home):
    Tracking(home)._client().delete_registered_model_alias(MODEL, "champion")


def version_deleted(home):
    Tracking(home)._client().delete_model_version(MODEL, "1")


def run_deleted_for_good(home):
    run_id = Tracking(home).require_champion().run_id
    with closing(database(home)) as connection, connection:
        for table in ("tags", "metrics", "latest_metrics", "params", "runs"):
            connection.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))  # noqa: S608 - our own names


def model_file_deleted(home):
    model_file(home).unlink()


def model_file_changed(home):
    path = model_file(home)
    path.write_bytes(path.read_bytes() + b" ")


def model_file_of_foreign_types(home):
    """What somebody would do who can write to the registry as well: a file of other types, with its right hash."""
    path = model_file(home)
    path.write_bytes(skops.io.dumps(np.random.default_rng))
    with closing(database(home)) as connection, connection:
        right = hashlib.sha256(path.read_bytes()).hexdigest()
        connection.execute("UPDATE model_version_tags SET value = ? WHERE key = ?", (right, files.MODEL_SHA256))


def out_of_fold_deleted(home):
    (champions_folder(home) / runs.OUT_OF_FOLD).unlink()


def out_of_fold_changed(home):
    shutil.copyfile(champions_folder(home) / runs.SHAPLEY, champions_folder(home) / runs.OUT_OF_FOLD)


def all_files_deleted(home):
    shutil.rmtree(home / "mlflow" / "artifacts")


NO_CHAMPION = ("no champion model yet", "oneclick run --job retrain")
GONE = ("what belongs to model version 1 is gone", "restore it from a backup, or choose another version", "--job retrain")
CHANGED = ("not the one that was registered", "find out who changed it", "oneclick model promote", "--job retrain")
CASES = [
    (alias_removed, NO_CHAMPION),
    (version_deleted, NO_CHAMPION),
    (run_deleted_for_good, GONE),
    (model_file_deleted, (*GONE, files.MODEL_FILE)),
    (model_file_changed, (*CHANGED, files.MODEL_FILE)),
    (model_file_of_foreign_types, ("holds types that are not trusted", "do not use this file")),
    (out_of_fold_deleted, (*GONE, runs.OUT_OF_FOLD)),
    (out_of_fold_changed, (*CHANGED, runs.OUT_OF_FOLD)),
    (all_files_deleted, GONE),
]


QUICK = {alias_removed, model_file_changed, out_of_fold_deleted}


@pytest.mark.parametrize(
    ("broken", "parts"), [pytest.param(*case, marks=() if case[0] in QUICK else pytest.mark.soak) for case in CASES]
)
def test_scores_without_a_whole_champion_are_refused_with_the_remedy(home, broken, parts):
    broken(home)
    message = refused(home, "customer_scores")
    for part in parts:
        assert part in message


@pytest.mark.soak
@pytest.mark.parametrize("broken", [version_deleted, run_deleted_for_good, out_of_fold_deleted])
def test_report_of_scores_whose_model_is_gone_is_refused_with_the_remedy(home, broken):
    broken(home)
    assert "model version 1" in refused(home, "monthly_report")


def test_shapley_values_that_are_gone_are_told(home):
    (champions_folder(home) / runs.SHAPLEY).unlink()
    assert f"{runs.SHAPLEY}: what belongs to model version 1 is gone" in refused(home, "model_explanation")


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
