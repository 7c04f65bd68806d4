"""A month after the one in which the champion was trained, in which the twin's customers have changed: assets, checks, sensor."""

import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.home.paths import raw_file, table_file
from oneclick_pipeline.orchestration.assets import clean, features, monitoring, raw, scores
from oneclick_pipeline.orchestration.automation.sensors import retrain_due
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline.simulator.twin.month import write_month
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.tracking import Tracking, versions
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, materialize, table, told

TRAINED = "2026-09"
ASSETS = [*raw.ASSETS, *clean.ASSETS, *features.ASSETS, *scores.ASSETS, *monitoring.ASSETS]


def move_back(home: Path) -> None:
    """Make of the finished month the one before: its tables, what the registry says of its model, and nothing published."""
    for path in (home / "tables").rglob(f"{MONTH}.parquet"):
        path.rename(path.with_stem(TRAINED))
    (home / "raw" / MONTH).rename(home / "raw" / TRAINED)
    shutil.rmtree(home / "ledger")
    record = versions.read(home / "mlflow", 1)
    versions.write(home / "mlflow", record.tagged({name: TRAINED for name, value in record.tags.items() if value == MONTH}))


def write_shifted(home: Path) -> None:
    """The twin's customers, who now look at three times as many pages; some have a category that nobody had."""
    folder = home / "raw" / MONTH
    write_month(Profile.load(), folder, customers=500, seed=5)
    path = raw_file(home, MONTH, "market_file")
    lines = path.read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    pages, category = header.index("Страниц_за_визит"), header.index("Популярная_категория")
    rows = [line.split(",") for line in lines[1:]]
    for number, row in enumerate(rows):
        row[pages] = str(3 * int(row[pages]))
        if number < 12:
            row[category] = "Садовый инвентарь"
    path.write_text("\n".join([lines[0], *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def shifted(finished, tmp_path_factory):
    home = tmp_path_factory.mktemp("shifted") / "home"
    shutil.copytree(finished.home, home, ignore=shutil.ignore_patterns("dagster", "reports", "exports", "staging"))
    move_back(home)
    write_shifted(home)
    selection = [*(s.file for s in SOURCES), *(s.name for s in SOURCES), "rejected_rows", "corrections", "customer_features"]
    result = materialize(home, month=MONTH, assets=ASSETS, selection=[*selection, "customer_scores", "drift", "model_health"])
    assert told(result) == ""
    return home, result


def checks_of(result, asset):
    return {e.check_name: e for e in result.get_asset_check_evaluations() if e.asset_key == dg.AssetKey(asset)}


def numbers(check):
    return {name: value.value for name, value in check.metadata.items()}


def look(home):
    """One tick of the sensor: the requests, or why there are none."""
    with (
        environment_kept(),
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"home": Home(path=str(home))}) as context,
    ):
        result = retrain_due(context)
    return result.run_requests or [], result.skip_reason.skip_message if result.skip_reason else None


def test_shifted_month_is_found_with_its_feature_and_category(shifted):
    found = table(shifted[0], "drift").to_pandas()
    assert set(found["reference_month"]) == {TRAINED}
    assert set(found["model_version"]) == {1}
    by_name = found[found["kind"] == "feature"].set_index("name")
    assert by_name.loc["pages_per_visit", "status"] == "shifted"
    assert by_name.loc["service_level", "status"] == "stable"
    new = found[(found["kind"] == "category") & (found["category"] == "Садовый инвентарь")]
    assert new["count"].tolist() == [12]
    # whoever has it is scored all the same
    customers = table(shifted[0], "customer_features").to_pandas()
    mine = customers.loc[customers["favourite_category"] == "Садовый инвентарь", "customer_id"]
    scored = table(shifted[0], "customer_scores").to_pandas().set_index("customer_id")
    assert len(mine) == 12
    assert scored.loc[mine, "p_decline"].notna().all()


def test_checks_tell_numbers_and_how_bad_it_is(shifted):
    found = checks_of(shifted[1], "drift")
    moved = found["features_stable"]
    assert (moved.passed, moved.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert numbers(moved)["psi"] > 0.25
    assert numbers(moved)["psi_low"] > numbers(moved)["psi_chance"]
    assert "pages_per_visit" in numbers(moved)["which"]
    new = found["no_new_categories"]
    assert (new.passed, new.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert numbers(new)["which"] == "favourite_category: Садовый инвентарь (12)"
    assert numbers(new)["count"] == 12
    assert found["quarantine_share"].passed
    assert numbers(found["snapshot_complete"])["customers"] == 500
    assert numbers(found["consent_share"])["consent_share low"] < numbers(found["consent_share"])["consent_share high"]


def test_scores_of_the_month_before_are_held_against_its_classes(shifted):
    found = table(shifted[0], "model_health").to_pandas()
    assert found["feature_month"].tolist() == [TRAINED, "all"]
    assert found["label_month"].fillna("").tolist() == [TRAINED, ""]
    assert found["customers"].tolist() == [1297, 1297]
    champion = Tracking(shifted[0]).champion()
    assert found["roc_auc_at_training"].to_numpy() == pytest.approx([champion.roc_auc] * 2)
    assert found["roc_auc"].to_numpy() == pytest.approx([champion.roc_auc] * 2, abs=0.02)
    found = checks_of(shifted[1], "model_health")
    assert found["calibrated"].passed
    assert found["ranks"].passed
    assert numbers(found["ranks"])["customers"] == 1297


def test_pictures_are_inside_the_metadata(shifted):
    events = {e.asset_key.to_user_string(): e.materialization.metadata for e in shifted[1].get_asset_materialization_events()}
    for asset, entry in (("drift", "drift over months"), ("model_health", "predicted and observed")):
        assert "data:image/png;base64,iVBOR" in events[asset][entry].value
    assert events["drift"]["PSI pages_per_visit"].value > 0.25


def test_shifted_month_makes_the_sensor_request_a_retrain_once(shifted):
    (request,), skipped = look(shifted[0])
    assert (request.partition_key, request.run_key, skipped) == (MONTH, f"drift-{MONTH}-champion-1", None)
    assert "pages_per_visit has drifted" in request.tags["oneclick/why"]
    assert look(shifted[0])[0][0].run_key == request.run_key  # Dagster starts one run for a key


def test_sensor_asks_for_nothing_where_nobody_watches_or_scores(finished, tmp_path):
    assert look(tmp_path) == ([], "no month has been monitored yet")
    assert look(finished.home) == ([], f"version 1 was already trained on {MONTH} or later")
    (tmp_path / "raw" / MONTH).mkdir(parents=True)
    path = table_file(tmp_path, "drift", MONTH)
    path.parent.mkdir(parents=True)
    shutil.copyfile(table_file(finished.home, "drift", MONTH), path)
    assert look(tmp_path) == ([], "there is no champion to replace")
    assert not (tmp_path / "mlflow").exists()


@pytest.fixture
def calm(shifted, tmp_path):
    """The same home after a month in which nothing moved."""
    home = tmp_path / "home"
    shutil.copytree(shifted[0], home, ignore=shutil.ignore_patterns("clean", "scores", "features"))
    path = table_file(home, "drift", MONTH)
    found = pd.read_parquet(path)
    found.assign(status="stable").to_parquet(path)
    return home


def test_sensor_asks_for_nothing_within_the_limits(calm):
    assert look(calm) == ([], f"{MONTH} is within all limits for version 1")


def test_champion_that_is_old_is_replaced(calm):
    (calm / "settings.yaml").write_text("monitoring: {retrain_months: 1}\n", encoding="utf-8")
    (request,), _ = look(calm)
    assert request.tags["oneclick/why"] == f"the champion was trained for {TRAINED}"


@pytest.mark.parametrize(("column", "word"), [("calibration", "calibration error"), ("ranking", "ROC-AUC")])
def test_scores_that_turned_out_wrong_make_a_retrain_due(calm, column, word):
    path = table_file(calm, "model_health", MONTH)
    found = pd.read_parquet(path)
    found.assign(**{column: np.where(found["feature_month"] == "all", "shifted", "stable")}).to_parquet(path)
    (request,), _ = look(calm)
    assert request.tags["oneclick/why"].startswith(word)
    found.assign(**{column: "shifted"}, model_version=7).to_parquet(path)
    assert look(calm)[0] == []  # another version's: the champion has not made them


def test_drift_against_another_champion_says_nothing(calm):
    path = table_file(calm, "drift", MONTH)
    found = pd.read_parquet(path).assign(status="shifted")
    found.to_parquet(path)
    assert len(look(calm)[0]) == 1
    found.assign(model_version=7).to_parquet(path)
    assert look(calm)[0] == []


def test_month_that_is_not_over_is_not_requested(calm, monkeypatch):
    monkeypatch.setattr(Home, "months", lambda *_: ["2024-01"])
    (calm / "settings.yaml").write_text("monitoring: {retrain_months: 1}\n", encoding="utf-8")
    assert look(calm) == ([], "no month has been monitored yet")
