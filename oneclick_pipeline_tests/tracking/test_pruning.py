"""Old versions and runs go wholly; what anything rests on stays; whoever is killed in between leaves a sound registry."""

import json
import os
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import Tracking, evaluation, pruning, runs, versions
from oneclick_pipeline_tests.tracking.trainings import copy_of, log, registry, unusable

ALL = pruning.Months("2000-01")
NOTHING = pruning.Pruned()
TAGS = {"dagster_asset": "activity_model"}


@pytest.mark.parametrize(
    ("registered", "newest", "stay", "going"),
    [
        ([], 2, [], []),
        ([1, 2], 2, [], []),
        ([1, 2, 3], 2, [], [1]),
        ([3, 1, 2], 2, [1], []),  # the champion
        ([1, 2, 3, 4, 5], 2, [2, 5], [1, 3]),
        ([7, 9, 12], 1, [], [7, 9]),  # numbers have gaps once something was pruned
        ([1, 2, 3], 5, [], []),
    ],
)
def test_superfluous_versions(registered, newest, stay, going):
    assert pruning.superfluous(registered, newest, stay) == going


@pytest.fixture(scope="session")
def four(tmp_path_factory, trained, training):
    """A home with the versions 1 to 4, of which 1 is champion; do not change it."""
    return registry(Tracking(tmp_path_factory.mktemp("four")), trained, training, [f"2026-{n:02}" for n in range(7, 11)])


@pytest.fixture
def store(four, tmp_path):
    """A copy of it."""
    return copy_of(four, tmp_path / "home")


def database(store):
    return sqlite3.connect(store.folder / "mlflow.db")


def numbers(store):
    return [version.version for version in store.versions()]


def texts(store):
    """Every text in MLflow's database."""
    with closing(database(store)) as base:
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: json.dumps(base.execute(f"SELECT * FROM {name}").fetchall(), default=str) for name in tables}  # noqa: S608


def ids_of(store, *numbers_):
    """Ids of the runs and models of versions, the runs in them among them."""
    with closing(database(store)) as base:
        made_by = [store.version(number).run_id for number in numbers_]
        below = [
            run
            for parent in made_by
            for (run,) in base.execute("SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId' AND value = ?", (parent,))
        ]
        models = [
            model
            for parent in made_by
            for (model,) in base.execute("SELECT model_id FROM logged_models WHERE source_run_id = ?", (parent,))
        ]
    assert len(below) == len(models) == len(numbers_)
    return [*made_by, *below, *models]


def traces(store, ids):
    """Where an id is still to be found: in tables and in names of files."""
    found = [(table, one) for table, text in texts(store).items() for one in ids if one in text]
    return found + [(path, one) for path in store.folder.rglob("*") for one in ids if one in path.name]


def rows(store, table):
    with closing(database(store)) as base:
        return base.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608


def test_old_versions_go_with_every_file_and_row_and_the_others_stay_whole(store):
    store.promote(2)  # 1 is the previous one
    gone, before = ids_of(store, 3), {table: rows(store, table) for table in ("datasets", "inputs", "metrics", "params")}
    pruned = store.prune(1, ALL, set)
    assert pruned == pruning.Pruned((3,), 2)
    assert numbers(store) == [4, 2, 1]
    assert traces(store, gone) == []
    assert not (store.folder / "registered" / "3").exists()
    assert not (store.folder / "registered" / pruning.FILE).exists()
    for version in store.versions():
        store.check(version)
    assert store.require_champion().version == 2
    after = {table: rows(store, table) for table in before}
    assert after == {table: count * 3 // 4 for table, count in before.items()} | {"datasets": after["datasets"]}
    assert after["datasets"] <= before["datasets"]
    assert store.prune(1, ALL, set) == NOTHING


def test_number_of_a_version_that_was_pruned_is_not_given_again(store, trained, training):
    store.prune(2, ALL, set)
    assert log(store, trained, training).version == 5


@pytest.mark.parametrize("named", [{2}, {3}, {2, 3}])
def test_version_that_a_table_names_stays(store, named):
    store.prune(1, ALL, lambda: named)
    assert numbers(store) == sorted({4, 1, *named}, reverse=True)


def test_nobody_is_asked_for_names_where_nothing_would_go(store):
    def asked():
        raise AssertionError

    assert store.prune(4, ALL, asked) == NOTHING


def test_nothing_is_deleted_where_the_names_cannot_be_read(store):
    def unreadable():
        raise BadInputError("damaged")

    with pytest.raises(BadInputError, match="damaged"):
        store.prune(1, ALL, unreadable)
    assert numbers(store) == [4, 3, 2, 1]


def test_version_without_a_record_stays(store):
    shutil.rmtree(store.folder / "registered" / "2")
    store.prune(1, ALL, set)
    assert unusable(store) == [2]
    assert numbers(store) == [4, 1]


@pytest.mark.parametrize("made_of", ["run", "address of the model", "address of the run", "run below"])
def test_version_that_another_one_was_made_of_stays(store, made_of):
    """However it was made: MLflow keeps no run of one that was made of an address."""
    version, client = store.version(2), store._client()
    client.create_registered_model("of somebody else")
    source = client.get_model_version(version.name, "2").source
    _, below, _ = ids_of(store, 2)
    source, run = {
        "run": (source, version.run_id),
        "address of the model": (source, None),
        "address of the run": (f"{client.get_run(version.run_id).info.artifact_uri}/model", None),
        "run below": (client.get_run(below).info.artifact_uri, below),
    }[made_of]
    client.create_model_version("of somebody else", source, run)
    store.prune(1, ALL, set)
    assert numbers(store) == [4, 2, 1]
    store.check(store.version(2))


def test_run_that_somebody_put_below_ours_stays(store):
    client, version = store._client(), store.version(2)
    experiment = client.get_run(version.run_id).info.experiment_id
    own = client.create_run(experiment, tags={"mlflow.parentRunId": version.run_id}).info.run_id
    assert store.prune(1, ALL, set).versions == (2, 3)
    assert client.get_run(own).info.lifecycle_stage == "active"


def test_older_run_that_somebody_made_a_version_of_stays(store):
    client = store._client()
    experiment = client.get_experiment_by_name(runs.EXPERIMENT).experiment_id
    ours = client.create_run(experiment, tags={"month": "2025-01", **TAGS}).info
    below = client.create_run(experiment, tags={"month": "2025-01", "mlflow.parentRunId": ours.run_id, **TAGS}).info
    client.create_registered_model("of somebody else")
    client.create_model_version("of somebody else", below.artifact_uri)
    assert store.prune(9, pruning.Months("2026-01"), set) == NOTHING
    client.get_run(below.run_id)


def test_alias_that_somebody_set_in_the_pages_keeps_its_version(store):
    store._client().set_registered_model_alias(runs.MODEL, "mine", "2")
    store.prune(1, ALL, set)
    assert numbers(store) == [4, 2, 1]


def test_runs_without_a_version_go_by_their_month_and_those_of_people_stay(store, tmp_path):
    client, page = store._client(), tmp_path / "page.html"
    page.write_text("page")
    ours = client.get_experiment_by_name(runs.EXPERIMENT).experiment_id
    reports = {month: store.log_report(page, month) for month in ("2025-01", "2025-06", "2026-09")}
    failed = client.create_run(ours, tags={"month": "2025-01", **TAGS}).info.run_id
    below = client.create_run(ours, tags={"month": "2025-01", "mlflow.parentRunId": failed, **TAGS}).info.run_id
    peoples = [client.create_run(ours, tags=tags).info.run_id for tags in ({}, {"month": "2025-01"})]
    client.delete_run(failed)  # in the pages: out of sight, and still there
    pruned = store.prune(9, pruning.Months("2026-01", {"2025-06"}), set)
    assert pruned == pruning.Pruned((), 3)
    assert traces(store, [failed, below, reports["2025-01"]]) == []
    for run in (reports["2025-06"], reports["2026-09"], *peoples):
        client.get_run(run)
    assert numbers(store) == [4, 3, 2, 1]
    assert client.get_experiment_by_name(evaluation.REPORTS) is not None


def test_runs_of_versions_stay_however_old_their_month(store):
    assert store.prune(9, pruning.Months("2099-01"), set) == NOTHING
    for version in store.versions():
        store.check(version)


def killed(function):
    """Call a function in a process of its own; whether it ended by a kill."""
    child = os.fork()
    if child == 0:
        try:
            function()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def dying(call, at):
    """The same method, which kills its process as it is called for the n-th time."""
    calls = iter(range(1, 100))

    def dies(*arguments):
        if next(calls) == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments)

    return dies


STEPS = [("_unregister", 1), *(("_delete_run", n) for n in (1, 2)), *(("_remove_artifacts", n) for n in (1, 2, 3, 4, 6))]
STEPS += [("_delete_inputs", 2), ("_delete_one", 3)]


@pytest.mark.parametrize(("step", "at"), STEPS)
def test_killed_between_two_deletions_leaves_a_sound_registry_and_the_next_one_finishes(store, monkeypatch, step, at):
    gone = ids_of(store, 2, 3)
    with monkeypatch.context() as patch:
        patch.setattr(pruning.Pruning, step, dying(getattr(pruning.Pruning, step), at))
        assert killed(lambda: store.prune(1, ALL, set))
    assert numbers(store) == ([4, 3, 2, 1] if step == "_unregister" else [4, 1])
    assert unusable(store) == []
    for version in store.versions():
        store.check(version)
    assert store.prune(1, ALL, set).versions == (2, 3)
    assert traces(store, gone) == []
    assert {path.name for path in (store.folder / "registered").iterdir()} == {"1", "4", "chosen.json"}


def test_killed_before_anything_was_deleted_and_promoted_since_stays(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pruning.Pruning, "_unregister", dying(pruning.Pruning._unregister, 1))
        assert killed(lambda: store.prune(1, ALL, set))
    store.promote(2)
    assert store.prune(1, ALL, set).versions == (3,)
    store.check(store.require_champion())


def test_file_of_what_is_being_deleted_that_cannot_be_read_deletes_nothing(store):
    (store.folder / "registered" / pruning.FILE).write_text('{"1": 2}')
    with pytest.raises(BadInputError, match="the list of what is being deleted cannot be read"):
        store.prune(1, ALL, set)
    assert numbers(store) == [4, 3, 2, 1]


def test_address_outside_of_the_home_is_not_followed(store, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with closing(database(store)) as base, base:
        base.execute("UPDATE runs SET artifact_uri = ? WHERE run_uuid = ?", (outside.as_uri(), store.version(2).run_id))
    with pytest.raises(BadInputError, match="outside this home"):
        store.prune(1, ALL, set)
    assert outside.exists()


def test_home_without_models_gets_none(tmp_path):
    assert Tracking(tmp_path).prune(1, ALL, set) == NOTHING
    assert list(tmp_path.iterdir()) == []


def while_it_is_waited_for(store, monkeypatch, *others):
    """Have others work on the registry when the lock is taken the next time: who takes it has waited for them."""
    lock = store._lock

    def meanwhile():
        monkeypatch.setattr(Tracking, "_lock", lambda _: lock())
        for other in others:
            other()
        return lock()

    monkeypatch.setattr(Tracking, "_lock", lambda _: meanwhile())


def test_version_is_not_promoted_while_it_is_pruned(store, monkeypatch):
    """Looked at inside of the lock: what was pruned while somebody waited for it is gone, and no alias leads to it."""
    while_it_is_waited_for(store, monkeypatch, lambda: store.prune(1, ALL, set))
    with pytest.raises(BadInputError, match="there is no model version 3"):
        store.promote(3)
    assert store.require_champion().version == 1


def test_rollback_goes_back_from_the_champion_that_others_made_meanwhile(store, monkeypatch):
    store.promote(2)
    others = (lambda: store.promote(3), lambda: store.promote(4), lambda: store.prune(1, ALL, set))
    while_it_is_waited_for(store, monkeypatch, *others)
    assert store.rollback().version == 3
    assert {alias: number for alias, number in store.aliases().items() if alias != "challenger"} == {"champion": 3, "previous": 4}
    assert store.require_champion().version == 3


def test_record_of_another_run_than_mlflow_names_stays(store):
    other = replace_record(store, 2)
    store.prune(1, ALL, set)
    assert other in unusable(store)


def replace_record(store, number):
    record = store.version(number)
    versions.write(store.folder, record.model_copy(update={"run_id": "0" * 32}))
    return number
