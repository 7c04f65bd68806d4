"""One month through the whole graph, and once more: the sample, in a home of its own."""

import collections
import hashlib

import dagster as dg
import polars as pl
import pytest

from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.cli import summary
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.segments import SEGMENTS
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine.verification import verify
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model.gates import GATES
from oneclick_pipeline.model.search import VOTE
from oneclick_pipeline.orchestration.checks import CHECKS
from oneclick_pipeline.settings import Model
from oneclick_pipeline.tracking import CHAMPION, MODEL, Tracking
from oneclick_pipeline_tests.orchestration.homes import (
    FROM_RAW_TO_FEATURES,
    MONTH,
    ROOT,
    digests,
    files,
    instance_of,
    materialize,
    new_home,
    run,
    table,
)

STEPS = [
    "market_file",
    "market_money",
    "market_time",
    "money",
    "clean",
    "customer_features",
    "campaign_outcomes",
    "correlations",
    "data_profile",
    "training_set",
    "offer_effects",
    "activity_model",
    "offer_beliefs",
    "customer_scores",
    "model_explanation",
    "customer_segments",
    "drift",
    "offer_plan",
    "segment_profiles",
    "model_health",
    "offers_export",
    "monthly_report",
]
CUSTOMERS = 1300


@pytest.fixture(scope="module")
def instance(finished):
    with instance_of(finished.home) as found:
        yield found


def materialization(instance, asset):
    event = instance.get_latest_materialization_event(dg.AssetKey(asset))
    assert event is not None, asset
    return event


def test_run_succeeds_and_warns_of_collinear_features_only(finished):
    outcome = finished.outcomes["retrain"]
    assert outcome["errors"] == []
    assert outcome["success"]
    assert outcome["warnings"] == ["correlations: Some features are collinear (pairs 1, which revenue_m0 ~ revenue_m1: 0.82)"]


def test_progress_tells_every_step_start_and_success_once_in_order(finished):
    assert finished.progress["retrain"] == [[step, state] for step in STEPS for state in ("start", "success")]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_stands_at_its_path_and_keeps_its_contract(finished, name):
    verify(table_file(finished.home, name, MONTH), TABLES[name])


def test_tables_folder_holds_the_declared_tables_and_nothing_else(finished):
    assert files(finished.home / "tables") == sorted(f"{t.stage}/{name}/{MONTH}.parquet" for name, t in TABLES.items())


def test_sizes_of_tables(finished):
    assert {name: table(finished.home, name).height for name in TABLES if TABLES[name].stage != "exploration"} == {
        "market_file": CUSTOMERS,
        "market_money": 3 * CUSTOMERS,
        "market_time": 2 * CUSTOMERS,
        "money": CUSTOMERS,
        "customers": CUSTOMERS,
        "revenue": 3 * CUSTOMERS,
        "site_minutes": 2 * CUSTOMERS,
        "profit": CUSTOMERS,
        "rejected_rows": 0,
        "corrections": 1512,
        "customer_features": CUSTOMERS,
        "training_set": CUSTOMERS - 3,
        "model_explanation": 16,
        "customer_scores": CUSTOMERS,
        "customer_segments": CUSTOMERS,
        "segment_profiles": len(SEGMENTS) + 1,
        "campaign_outcomes": 0,
        "offer_effects": 0,
        "offer_beliefs": len(Catalogue.load(finished.home).offers),
        "offer_plan": CUSTOMERS,
        "plan_summary": 1,
        "profit_curve": 21,
        "drift": 16 + 1 + 2 + 4,  # features, the score, new categories of two of them, shares
        "model_health": 0,
    }


def test_three_customers_are_not_regular_and_their_reason_is_told(finished):
    features = table(finished.home, "customer_features")
    assert features.filter(~pl.col("regular"))["regular_reason"].to_list() == ["no_purchase_in_a_month"] * 3
    assert features["missing_from"].unique().to_list() == [""]


def test_one_revenue_is_corrected_to_the_median_of_its_period(finished):
    corrections = table(finished.home, "corrections")
    outlier = corrections.filter(pl.col("rule") == "outlier")
    assert outlier.select("file", "column", "old").rows() == [("market_money", "Выручка", "106862.2")]
    line = outlier["line"].item()
    key = table(finished.home, "market_money").filter(pl.col("line") == line)
    assert key["period"].item() == "текущий_месяц"
    revenue = table(finished.home, "revenue").filter(pl.col("period") == "m0")
    mended = revenue.filter(pl.col("customer_id") == int(key["customer_id"].item()))["revenue"].item()
    raw_values = (
        table(finished.home, "market_money")
        .filter((pl.col("period") == "текущий_месяц") & (pl.col("line") != line))["revenue"]
        .cast(float)
    )
    assert mended == raw_values.median() == float(outlier["new"].item())


def test_champion_is_registered_with_the_way_back_to_its_run(finished):
    tracking = Tracking(finished.home)
    champion = tracking.require_champion()
    assert (champion.name, champion.version, champion.feature_months) == (MODEL, 1, (MONTH,))
    assert champion.tags["dagster_run_id"] == finished.outcomes["retrain"]["run_id"]
    assert champion.tags["month"] == MONTH
    assert set(champion.gates) == set(GATES)
    assert (champion.failed_gates, champion.tags["gates"], champion.tags["promoted_by"]) == ((), "passed", "gates")
    client = tracking._client()
    assert client.get_registered_model(MODEL).aliases == {CHAMPION: 1}
    parent = client.get_run(champion.run_id)
    assert parent.data.tags["dagster_run_id"] == finished.outcomes["retrain"]["run_id"]
    children = client.search_runs([parent.info.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{champion.run_id}'")
    assert {c.data.tags["family"] for c in children} == {*Model().families, VOTE}
    assert {c.info.status for c in (parent, *children)} == {"FINISHED"}


def test_everybody_has_a_score_and_those_trained_on_an_out_of_fold_one(finished):
    scores = table(finished.home, "customer_scores")
    trained_on = set(table(finished.home, "training_set")["customer_id"])
    basis = dict(scores.select("customer_id", "score_basis").iter_rows())
    assert basis == {i: "out_of_fold" if i in trained_on else "model" for i in table(finished.home, "customers")["customer_id"]}
    assert scores["p_decline"].null_count() == 0
    tracking = Tracking(finished.home)
    held_out = pl.from_pandas(tracking.out_of_fold(tracking.require_champion()))
    both = scores.join(held_out, on="customer_id", suffix="_held_out")
    assert both.height == len(trained_on)
    assert (both["p_decline"] == both["p_decline_held_out"]).all()
    assert scores["model_version"].unique().to_list() == [1]


def test_value_at_risk_is_probability_times_profit_times_three_months(finished):
    scores = table(finished.home, "customer_scores")
    expected = scores.select(pl.col("p_decline") * pl.col("profit").clip(0) * 3).to_series()
    assert (scores["value_at_risk"] - expected).abs().max() < 1e-9


def test_plan_summary_is_of_the_plan_and_the_curve_comes_to_it(finished):
    made, curve = table(finished.home, "offer_plan"), table(finished.home, "profit_curve")
    row = table(finished.home, "plan_summary").row(0, named=True)
    given = made.filter(pl.col("arm") == "offer")
    counts = row["customers"], row["offers"], row["controls"]
    assert counts == (CUSTOMERS, given.height, made.filter(pl.col("arm") == "control").height)
    assert row["cost"] == pytest.approx(given["cost"].sum())
    assert row["expected_gain"] == pytest.approx(given["expected_gain"].sum())
    assert row["budget"] == pytest.approx(0.03 * CUSTOMERS)  # of a store that has not said how much
    basis = row["effects"], row["worth"], row["worth_months"], row["score"], row["profit_unit_roubles"]
    assert basis == ("catalogue", "assumed", 3, "recognition", None)
    assert row["worth_share"] == pytest.approx(0.2)
    own = curve.filter(pl.col("budget_share") == 1).row(0, named=True)
    assert {name: own[name] for name in own if name in row} == {name: row[name] for name in own if name in row}


def test_every_customer_is_in_exactly_one_segment(finished):
    segments = table(finished.home, "customer_segments")
    assert segments["customer_id"].sort().to_list() == table(finished.home, "customers")["customer_id"].sort().to_list()
    counted = collections.Counter(segments["segment"])
    profiles = table(finished.home, "segment_profiles")
    assert {s: n for s, n in profiles.select("segment", "customers").iter_rows() if n} == counted | {"all": len(segments) - 3}
    assert counted["irregular"] == 3
    assert counted["unknown"] == 0
    names = {(s.id, s.ru, s.en) for s in SEGMENTS}
    assert set(segments.select("segment", "segment_ru", "segment_en").iter_rows()) <= names


def test_instance_of_the_home_knows_the_runs(finished, instance):
    runs = {(r.run_id, r.job_name, r.status, r.tags["dagster/partition"]) for r in instance.get_runs()}
    assert runs == {(o["run_id"], job, dg.DagsterRunStatus.SUCCESS, MONTH) for job, o in finished.outcomes.items()}


def test_instance_knows_every_declared_check(finished, instance):
    evaluations = {
        (e.asset_key.to_user_string(), e.check_name): e
        for record in instance.all_logs(
            finished.outcomes["retrain"]["run_id"], of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        for e in [record.dagster_event.asset_check_evaluation_data]
    }
    declared = {(asset, spec.name): spec.blocking for asset, specs in CHECKS.items() for spec in specs}
    assert evaluations.keys() == declared.keys()
    for name, evaluation in evaluations.items():
        assert evaluation.metadata, f"{name} gives no numbers"
        assert evaluation.passed or not declared[name], name


@pytest.mark.parametrize("name", TABLES)
def test_instance_knows_rows_path_and_digest_of_every_table(finished, instance, name):
    metadata = materialization(instance, name).asset_materialization.metadata
    assert metadata["dagster/row_count"].value == pl.read_parquet(table_file(finished.home, name, MONTH)).height
    assert metadata["path"].value == str(table_file(finished.home, name, MONTH))
    assert metadata["digest"].value == finished.digests["refresh"][name]


@pytest.mark.parametrize(
    ("asset", "entry"),
    [
        ("data_profile", "distributions by activity"),
        ("correlations", "phik matrix"),
        ("correlations", "phik with activity"),
        ("activity_model", "ROC and calibration"),
        ("activity_model", "comparison of families"),
        ("profit_curve", "gain by budget"),
        ("segment_profiles", "segment map"),
        ("drift", "drift over months"),
    ],
)
def test_pictures_are_inside_the_metadata(instance, asset, entry):
    picture = materialization(instance, asset).asset_materialization.metadata[entry]
    assert isinstance(picture, dg.MarkdownMetadataValue)
    assert "data:image/png;base64,iVBOR" in picture.value


def test_raw_metadata_says_what_was_detected(instance):
    money = materialization(instance, "money").asset_materialization.metadata
    detected = {name: money[name].value for name in ("encoding", "delimiter", "numbers", "line end")}
    numbers = "id: no fraction; Прибыль: decimal comma"
    assert detected == {"encoding": "utf-8", "delimiter": ";", "numbers": numbers, "line end": "CRLF"}


def test_everything_written_lies_in_the_home(finished):
    assert finished.elsewhere == {"cwd": [], "temporary": [], "around": ["home"]}
    assert sorted(p.name for p in finished.home.iterdir()) == [
        "dagster",
        "exports",
        "ledger",
        "locks",
        "mlflow",
        "raw",
        "reports",
        "settings.yaml",
        "staging",
        "tables",
    ]
    assert list((finished.home / "staging").iterdir()) == []


def test_home_holds_no_pickle(finished):
    for name in files(finished.home):
        path = finished.home / name
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".cloudpickle"), name
        with path.open("rb") as file:
            start = file.read(2)
        assert not (start[:1] == b"\x80" and start[1:2] <= b"\x05"), f"{name} is a pickle"


def test_refresh_succeeds_without_the_stage_model(finished):
    assert finished.outcomes["refresh"]["success"], finished.outcomes["refresh"]["errors"]
    steps = [step for step, state in finished.progress["refresh"] if state == "success"]
    assert sorted(steps) == sorted(set(STEPS) - {"training_set", "activity_model", "model_explanation"})


def test_refresh_makes_no_model_and_the_same_tables(finished):
    assert finished.models == {"retrain": [1], "refresh": [1]}
    assert finished.digests["refresh"] == finished.digests["retrain"]
    assert sorted(finished.digests["retrain"]) == sorted(TABLES)


def test_unchanged_files_give_unchanged_data_versions(finished):
    assert finished.versions["refresh"] == finished.versions["retrain"]
    hashes = {s.file: hashlib.sha256((finished.home / f"raw/{MONTH}/{s.file}.csv").read_bytes()).hexdigest() for s in SOURCES}
    assert {file: finished.versions["retrain"][file] for file in hashes} == hashes


def test_pandas_engine_gives_the_same_tables(finished, tmp_path):
    home = new_home(tmp_path / "home")
    result = materialize(home, engine="pandas")
    assert result.success
    assert digests(home) == digests(finished.home, FROM_RAW_TO_FEATURES)


def test_real_month_with_default_settings(tmp_path):
    store = ROOT.parent / "shared" / "data" / "store"
    if not store.is_dir():
        pytest.skip("the real export (../shared/data/store beside the project) is not on this machine")
    home = new_home(tmp_path / "home", settings="", texts={s.file: (store / f"{s.file}.csv").read_bytes() for s in SOURCES})
    outcome = run(home)
    assert outcome.errors == ()
    found = summary.read(home, MONTH)
    assert found.read == {"market_file": 1000, "market_money": 3000, "market_time": 2000, "money": 1000}
    assert found.quarantined == {}
    assert found.corrected == {"outlier": 1, "spelling": 1181}
    assert (found.customers, found.regular) == (1000, 997)
    tracking = Tracking(home)
    metrics = tracking._client().get_run(tracking.require_champion().run_id).data.metrics
    assert metrics["roc_auc"] >= 0.89
    assert metrics["roc_auc_low"] < metrics["roc_auc"] < metrics["roc_auc_high"]
