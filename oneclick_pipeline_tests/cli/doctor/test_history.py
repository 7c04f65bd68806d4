"""Databases of an older backup under newer tables: doctor names what is ahead, and runs go on."""

import os
import shutil

import pytest

from oneclick_pipeline.cli.doctor import history as look_module
from oneclick_pipeline.cli.doctor.checks import CHECKS
from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.tracking import CHAMPION, Tracking, aliases, versions
from oneclick_pipeline.tracking.references import references
from oneclick_pipeline_tests.faults.homes import FAST, copied
from oneclick_pipeline_tests.orchestration.homes import MONTH, SAMPLE, environment_kept, instance_of, run

EARLIER = "2026-09"


@pytest.fixture
def home(finished, tmp_path):
    with environment_kept():
        yield copied(finished.home, tmp_path / "home")


def history(home):
    return [(f.state, f.message, f.remedy) for f in CHECKS["history"](Home(home))]


def test_databases_that_know_all_are_well(home):
    assert history(home) == [("ok", "the databases contain all months and model versions that the tables refer to", "")]


@pytest.mark.soak
def test_month_that_dagster_does_not_know_is_named_and_is_known_once_it_has_run_again(home):
    before = shutil.copytree(home / "dagster", home.parent / "dagster")
    shutil.copytree(SAMPLE, home / "raw" / EARLIER)
    assert run(home, "refresh", month=EARLIER).success
    assert [state for state, *_ in history(home)] == ["ok"]
    shutil.rmtree(home / "dagster")
    shutil.copytree(before, home / "dagster")

    ((state, told, remedy),) = history(home)

    assert state == "warning"
    assert told == f"Dagster's database does not know the runs that made the tables of {EARLIER}: it is older than they are"
    assert remedy.endswith(f"oneclick run --job refresh --month {EARLIER}")
    assert run(home, "refresh", month=EARLIER).errors == ()
    assert [state for state, *_ in history(home)] == ["ok"]


@pytest.mark.soak
def test_month_that_was_run_again_after_the_backup_is_ahead_and_not_changed(home):
    before = shutil.copytree(home / "dagster", home.parent / "dagster")
    path = home / "raw" / MONTH / "money.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",5", ",7"), encoding="utf-8")
    assert run(home, "refresh").success
    shutil.rmtree(home / "dagster")
    shutil.copytree(before, home / "dagster")
    with instance_of(home) as instance:  # Dagster's record is older by more than it takes to write it
        last = max(record.update_timestamp for record in instance.get_run_records()).timestamp()
    for name in ("customer_scores", "customer_segments"):
        os.utime(table_file(home, name, MONTH), (last + 3600, last + 3600))
    ((_, told, _),) = history(home)
    assert f"the tables of {MONTH}" in told
    assert not [f for f in CHECKS["last month"](Home(home)) if "changed since its run" in f.message]


def ahead(home):
    """The home as if version 2 had been trained, promoted and used after the backup of MLflow's database."""
    import polars as pl

    store = Tracking(home)
    first = store.require_champion()
    versions.write(store.folder, first.model_copy(update={"version": 2}))
    aliases.write(store.folder, {CHAMPION: [2], "previous": [1]})
    for name in ("customer_scores", "offer_plan"):
        path = table_file(home, name, MONTH)
        frame = pl.read_parquet(path, glob=False)
        if "model_version" in frame.columns:
            frame.with_columns(model_version=pl.lit(2, pl.Int64)).write_parquet(path)


@pytest.mark.soak
def test_versions_that_mlflow_does_not_know_are_named_and_a_known_one_goes_on(home):
    (home / "settings.yaml").write_text(FAST)
    ahead(home)
    assert 2 in references(home)
    findings = [told for _, told, _ in history(home) if "model version 2" in told]
    assert len(findings) == 1
    assert findings[0].startswith(f"MLflow's database does not know model version 2, which customer_scores of {MONTH}")
    with pytest.raises(BadInputError, match=r"MLflow does not know model version 2.*oneclick model promote 1$"):
        Tracking(home).require_champion()
    assert "MLflow does not know model version 2" in "".join(run(home, "refresh").errors)

    assert Tracking(home).promote(1).version == 1

    assert run(home, "refresh").errors == ()
    assert "model version 2" not in "".join(told for _, told, _ in history(home))


@pytest.mark.soak
def test_number_that_tables_or_records_name_is_given_to_no_other_model(home):
    (home / "settings.yaml").write_text(FAST)
    ahead(home)
    Tracking(home).promote(1)
    assert run(home, "retrain").errors == ()
    assert [version.version for version in Tracking(home).versions()] == [3, 1]
    assert versions.read(Tracking(home).folder, 2).version == 2


def test_damaged_table_names_no_version(home):
    table_file(home, "customer_scores", MONTH).write_bytes(b"")
    assert f"customer_scores of {MONTH}" not in references(home).get(1, [])


def test_months_that_dagster_does_not_know_are_references(home):
    """The quick core: databases without a run."""
    shutil.rmtree(home / "dagster" / "history")
    ((state, told, _),) = history(home)
    assert (state, told.split(":")[0]) == (
        "warning",
        f"Dagster's database does not know the runs that made the tables of {MONTH}",
    )


def test_unknown_champion_is_refused_with_the_way_on_which_is_one(home):
    """The quick core: nothing is run."""
    ahead(home)
    (told,) = [told for _, told, _ in history(home) if "model version 2" in told]
    assert told.startswith(f"MLflow's database does not know model version 2, which customer_scores of {MONTH}")
    store = Tracking(home)
    with pytest.raises(BadInputError, match=r"MLflow does not know model version 2.*oneclick model promote 1$"):
        store.require_champion()
    assert store.promote(1).version == store.require_champion().version == 1
    client, first = store._client(), store.require_champion()
    assert int(store._registered_anew(client, "file:///nowhere", first.run_id, {}, "").version) == 3


def test_many_months_are_counted():
    assert look_module._shown([f"2026-{n:02}" for n in range(1, 10)] + ["a", "b", "c", "d"]).endswith("c and 1 more")
