"""Records of registered versions: whoever changes MLflow's files or tags changes nothing of what is loaded."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from typer.testing import CliRunner

from oneclick_pipeline.cli.app import app
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.gates import edge_rows
from oneclick_pipeline.tracking import CHAMPION, MODEL, PREVIOUS, Tracking, runs, versions
from oneclick_pipeline_tests.tracking.trainings import FAILED, log, model_file, unusable

FOLDER = ["MLmodel", "conda.yaml", "input_example.json", "model.skops", "python_env.yaml", "requirements.txt"]
FOLDER += ["serving_input_example.json"]


def folder_of(store, number=1):
    return store.folder / store.version(number).folder


def uses(store):
    """Everything that would use the champion, by name."""
    version = store.version(1)
    return {
        "load": lambda: store.load(version),
        "ship": lambda: store.shipped(version),
        "promote": lambda: store.promote(1, force=True),
        "check": lambda: store.check(version),
    }


def changed(path):
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


def longer(path):
    path.write_bytes(path.read_bytes() + b"\n")


def emptied(path):
    path.write_bytes(b"")


def linked(path):
    """A link to the very same content: where it leads may change after the check."""
    same = path.parents[3] / "same"
    shutil.copy(path, same)
    path.unlink()
    path.symlink_to(same)


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def a_folder(path):
    path.unlink()
    path.mkdir()
    (path / "x").write_bytes(b"")


def removed(path):
    path.unlink()


@pytest.mark.parametrize("tamper", [changed, longer, emptied, linked, a_pipe, a_folder, removed])
def test_tampered_file_of_the_folder_is_named_and_nothing_is_used(store, tamper):
    whole = store.home / "whole"
    folder = folder_of(store)
    assert sorted(store.version(1).files) == FOLDER
    shutil.copytree(folder, whole)
    for name in FOLDER:
        tamper(folder / name)
        for use, call in uses(store).items():
            with pytest.raises(BadInputError) as error:
                call()
            assert error.value.file.startswith(str(folder / name)), use
            assert "oneclick model promote" in error.value.remedy
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
    store.check(store.version(1))


EVIL = "raise SystemExit('code of the artifact ran')\n"


def code_of_its_own(folder):
    (folder / "code").mkdir()
    (folder / "code" / "evil.py").write_text(EVIL)
    return "code/evil.py"


def a_hidden_file(folder):
    (folder / ".evil").write_text(EVIL)
    return ".evil"


def an_empty_folder(folder):
    (folder / "code").mkdir()
    return "code"


def a_link_to_nowhere(folder):
    (folder / "evil").symlink_to("/nowhere")
    return "evil"


def a_link_to_a_folder(folder):
    (folder / "code").symlink_to(folder.parent)
    return "code"


@pytest.mark.parametrize("add", [code_of_its_own, a_hidden_file, an_empty_folder, a_link_to_nowhere, a_link_to_a_folder])
def test_whatever_came_into_the_folder_is_named_and_nothing_is_used(store, add):
    name = add(folder_of(store))
    for use, call in uses(store).items():
        with pytest.raises(BadInputError, match="this was not registered with model version 1") as error:
            call()
        assert error.value.file == str(folder_of(store) / name), use
        assert "move it away" in error.value.remedy


def test_loader_of_the_artifacts_own_is_refused(store):
    path = folder_of(store) / "MLmodel"
    text = path.read_text(encoding="utf-8")
    assert "loader_module: mlflow.sklearn" in text
    path.write_text(text.replace("loader_module: mlflow.sklearn", "loader_module: evil\n    code: code"), encoding="utf-8")
    with pytest.raises(BadInputError, match="MLmodel: the file of model version 1 is not the one that was registered"):
        store.load(store.version(1))


def test_folder_on_the_way_that_became_a_link_is_refused(store):
    folder = folder_of(store)
    folder.rename(folder.with_name("moved"))
    folder.symlink_to("moved")
    with pytest.raises(BadInputError, match="is not the one that was registered"):
        store.load(store.version(1))


def test_artifacts_may_lie_on_another_disk(store, tmp_path):
    (store.folder / "artifacts").rename(tmp_path / "disk")
    (store.folder / "artifacts").symlink_to(tmp_path / "disk")
    store.check(store.version(1))


@pytest.mark.parametrize("name", [runs.OUT_OF_FOLD, runs.SHAPLEY, runs.CONTRIBUTIONS, runs.SLICES, *runs.PICTURES])
def test_every_file_that_is_read_again_is_checked(store, name):
    version = store.version(1)
    read = {runs.OUT_OF_FOLD: store.out_of_fold, runs.SHAPLEY: store.shapley, runs.CONTRIBUTIONS: store.contributions}
    read[runs.SLICES] = lambda v: store.evaluation(v.version)
    path = store.folder / version.kept[name].path
    path.write_bytes(path.read_bytes() + b" ")
    for call in (read.get(name, lambda v: store.picture(v, name)), store.check):
        with pytest.raises(BadInputError, match=f"{name}: the file of model version 1 is not the one that was registered"):
            call(version)
    path.unlink()
    with pytest.raises(BadInputError, match=f"{name}: a file of model version 1 is missing"):
        store.check(version)


def test_fresh_process_and_rollback_refuse_the_folder_too(store, training):
    store.promote(2)
    assert store.aliases() == {CHAMPION: 2, PREVIOUS: 1}
    code_of_its_own(folder_of(store))
    with pytest.raises(BadInputError, match=r"evil\.py: this was not registered"):
        store.rollback()
    assert "evil.py: this was not registered" in store.reopen(store.version(1), edge_rows(training)).error
    assert store.aliases() == {CHAMPION: 2, PREVIOUS: 1}


def overwrite_tags(store, **tags):
    client = store._client()
    for name, text in tags.items():
        client.set_model_version_tag(MODEL, "2", name.replace("__", "."), text)


def test_tags_decide_nothing(store):
    store.log_gates(store.version(2), FAILED)
    before = store.version(2)
    overwrite_tags(store, gates="passed", gate__loads_in_fresh_process="passed: of course", month="2030-01", promoted_by="me")
    overwrite_tags(store, feature_months="2030-01", label_months="2030-04", roc_auc="1.000 (1.000 to 1.000)", model_sha256="0")
    assert store.version(2) == before
    assert before.failed_gates == ("loads_in_fresh_process",)
    with pytest.raises(BadInputError, match="has not passed all gates"):
        store.promote(2)


def test_run_and_files_of_mlflows_database_decide_nothing(store, training):
    version = store.version(1)
    with closing(sqlite3.connect(store.folder / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE model_versions SET source = '/tmp/evil'")
        connection.execute("UPDATE runs SET artifact_uri = '/tmp/evil'")
        connection.execute("UPDATE latest_metrics SET value = 1")
    assert store.version(1) == version
    assert store.contributions(version)
    assert store.evaluation(1).metrics["roc_auc"].estimate < 1
    store.load(version)


def test_version_that_somebody_else_registered_is_not_used(store):
    client, own = store._client(), store._registered(1)
    client.create_model_version(MODEL, own.source, own.run_id, {"gates": "passed", "promoted_by": "me"})
    client.set_registered_model_alias(MODEL, CHAMPION, "3")
    for use in (store.champion, lambda: store.version(3), lambda: store.promote(3, force=True)):
        with pytest.raises(BadInputError, match=r"model version 3 has no record in this home.*oneclick model accept 3"):
            use()
    assert [version.version for version in store.versions()] == [2, 1]
    assert unusable(store) == [3]


def test_versions_are_listed_by_one_question(store, monkeypatch):
    """However many there are: each question reads every version of MLflow's and every record."""
    asked, search = [], MlflowClient.search_model_versions
    monkeypatch.setattr(MlflowClient, "search_model_versions", lambda *a, **k: asked.append(a) or search(*a, **k))
    listed = CliRunner().invoke(app, ["model", "list", "--home", str(store.home)])
    assert listed.exit_code == 0
    assert "champion" in listed.output
    assert len(asked) == 1


def test_number_that_was_given_again_does_not_take_over_the_record(store):
    client = store._client()
    other = store._registered(2)
    client.delete_registered_model(MODEL)
    client.create_registered_model(MODEL)
    assert int(client.create_model_version(MODEL, other.source, other.run_id).version) == 1
    with pytest.raises(BadInputError, match="the record of model version 1 is of a different run from the one that MLflow names"):
        store.version(1)


def test_record_and_tables_of_customers_are_the_owners_alone(store, trained, training, monkeypatch):
    before = os.umask(0)
    try:
        log(store, trained, training, "2026-12")
        store.promote(3, force=True)
    finally:
        os.umask(before)
    folder = store.folder / "registered"
    assert stat.S_IMODE((folder / "3").stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder / "3").iterdir()}
    assert modes == {"record.json": 0o600, runs.OUT_OF_FOLD: 0o600, runs.SHAPLEY: 0o600}


def test_first_record_makes_a_folder_of_the_owner_alone(tmp_path, registered):
    before = os.umask(0)
    try:
        versions.write(tmp_path, registered.version(1))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "registered").stat().st_mode) == 0o700


def test_nothing_of_a_record_is_below_what_mlflow_serves(registered):
    assert not versions.record_file(registered.folder, 1).is_relative_to(registered.folder / "artifacts")


def test_record_that_is_killed_while_it_is_written_stays_as_it_was(store, monkeypatch):
    version = store.version(1)

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        versions.write(store.folder, version.tagged({"month": "2030-01"}))
    assert store.version(1) == version
    assert sorted(path.name for path in (store.folder / "registered" / "1").iterdir()) == sorted(
        ["record.json", runs.OUT_OF_FOLD, runs.SHAPLEY]
    )


def test_home_that_was_moved_keeps_its_records(store, tmp_path):
    there = tmp_path / "elsewhere"
    store.home.rename(there)
    moved = Tracking(there)
    moved.moved(store.home)
    moved.check(moved.require_champion())
    assert str(there) in str(model_file(moved, moved.version(1)))
    assert str(store.home) not in versions.record_file(moved.folder, 1).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "../../etc"},
        {"folder": "/etc"},
        {"files": {}},
        {"files": {"model.skops": {"sha256": "0", "size": 1}}},
        {"files": {"../model.skops": {"sha256": "0" * 64, "size": 1}}},
        {"version": 2},
        {"surprise": 1},
        {"tags": {"month": 1}},
    ],
    ids=str,
)
def test_record_that_is_none_is_refused_with_a_remedy(store, change):
    path = versions.record_file(store.folder, 1)
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(
        BadInputError, match=r"record.json: (the record of model version 1 is damaged|this is not the record)"
    ) as e:
        store.version(1)
    assert "restore it from a backup" in e.value.remedy


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text(alphabet='{}[]",:0123456789e.- ', max_size=60).map(str.encode))
def test_any_bytes_for_a_record_are_refused_in_plain_words(tmp_path, content):
    path = versions.record_file(tmp_path, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="the record of model version 1 is damaged"):
        versions.read(tmp_path, 1)


def test_record_that_is_a_link_is_refused(store, tmp_path):
    path = versions.record_file(store.folder, 1)
    path.rename(tmp_path / "record.json")
    path.symlink_to(tmp_path / "record.json")
    with pytest.raises(BadInputError, match="the record of model version 1 is damaged"):
        store.version(1)
