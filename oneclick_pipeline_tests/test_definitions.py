"""The graph as it is declared: a change of any asset's place, owner, checks or automation shows here."""

import subprocess
import sys

import dagster as dg
import pytest

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.definitions import build
from oneclick_pipeline.model.gates import GATES

ENGINEERS, SCIENTISTS, MARKETERS = "team:data-engineering", "team:data-science", "team:marketing"
RAW = {"lines_split": False, "known_columns": False}
CLEAN = {"rows_accounted": True, "rejected_share": True, "plausible_scale": True}
OF_PERIODS = CLEAN | {"every_period": True}
JOINED = {"no_customer_lost": True, "files_complete": False, "regular_customers": False}
EXPLAINED = {"something_matters": False, "reasons_faithful": False}
TRAINED = dict.fromkeys(GATES, False)
SCORED = {"every_customer": True, "scores_match_reality": False}
PLANNED = {"consent": True, "within_budget": True, "within_capacities": True, "near_optimal": False}
BELIEVED = {"every_offer": True, "as_measured": False}
BELIEFS_OF = "campaign_outcomes customer_features offer_effects"
PLAN_OF = "campaign_outcomes customer_features customer_scores customer_segments offer_beliefs"
LABELLED = {"both_classes": True, "no_feature_is_the_label": True, "nothing_from_the_future": True, "rule_agrees": False}
LABELS_OF = "campaign_ledger customer_features market_file market_money"
FILES = "market_file market_money market_time money"
REPORTED = (
    "activity_model campaign_outcomes corrections correlations customer_features customer_scores customer_segments data_profile "
    "drift market_file market_money market_time model_explanation model_health money offer_beliefs offer_effects offer_plan "
    "plan_summary profit_curve rejected_rows segment_profiles training_set"
)
DRIFT_OF = f"customer_features customer_scores rejected_rows {FILES}"
HEALTH_OF = "campaign_ledger customer_features customer_scores offer_plan"
MOVED = dict.fromkeys(
    ("features_stable", "scores_stable", "quarantine_share", "snapshot_complete", "consent_share", "no_new_categories"), False
)
WRITTEN = {"self_contained": True, "figures_agree": True}
SCORES_AND_ALL = "customer_features customer_scores customer_segments"

# fmt: off
# asset: (group, owner, what it depends on, kinds beside parquet, checks and whether they block, has a freshness policy)
ASSETS = {
    "market_file": ("raw", ENGINEERS, "", "csv polars", RAW, False),
    "market_money": ("raw", ENGINEERS, "", "csv polars", RAW, False),
    "market_time": ("raw", ENGINEERS, "", "csv polars", RAW, False),
    "money": ("raw", ENGINEERS, "", "csv polars", RAW, False),
    "customers": ("clean", ENGINEERS, "market_file", "narwhals pandera", CLEAN, False),
    "revenue": ("clean", ENGINEERS, "market_money", "narwhals pandera", OF_PERIODS, False),
    "site_minutes": ("clean", ENGINEERS, "market_time", "narwhals pandera", OF_PERIODS, False),
    "profit": ("clean", ENGINEERS, "money", "narwhals pandera", CLEAN, False),
    "rejected_rows": ("clean", ENGINEERS, FILES, "narwhals pandera", {"nothing_rejected": False}, False),
    "corrections": ("clean", ENGINEERS, FILES, "narwhals pandera", {}, False),
    "customer_features": ("features", ENGINEERS, "customers profit revenue site_minutes", "narwhals", JOINED, False),
    "data_profile": ("exploration", SCIENTISTS, "customer_features", "pandas scipy", {"no_constant_column": False}, False),
    "correlations": ("exploration", SCIENTISTS, "customer_features", "pandas phik", {"no_collinear_features": False}, False),
    "training_set": ("model", SCIENTISTS, LABELS_OF, "pandas", LABELLED, False),
    "activity_model": ("model", SCIENTISTS, "training_set", "mlflow scikitlearn", TRAINED, False),
    "model_explanation": ("model", SCIENTISTS, "activity_model training_set", "scikitlearn", EXPLAINED, False),
    "customer_scores": ("scores", SCIENTISTS, "activity_model customer_features", "mlflow pandas", SCORED, True),
    "customer_segments": ("segments", MARKETERS, "customer_scores", "pandas", {"every_customer": True}, True),
    "segment_profiles": ("segments", MARKETERS, SCORES_AND_ALL, "mlflow pandas", {"customers_add_up": True}, True),
    "campaign_outcomes": ("campaigns", SCIENTISTS, "campaign_ledger customer_features", "pandas", {"nobody_lost": True}, False),
    "offer_effects": ("campaigns", SCIENTISTS, "campaign_outcomes", "pandas", {"split_as_planned": False}, False),
    "offer_beliefs": ("campaigns", SCIENTISTS, BELIEFS_OF, "pandas", BELIEVED, False),
    "offer_plan": ("offers", MARKETERS, PLAN_OF, "pandas", PLANNED, True),
    "plan_summary": ("offers", MARKETERS, PLAN_OF, "pandas", {"worth_its_cost": False}, True),
    "profit_curve": ("offers", MARKETERS, PLAN_OF, "pandas", {"agrees_with_the_past": False}, True),
    "offers_export": ("offers", MARKETERS, "customer_features offer_plan", "csv", {"published_as_planned": False}, False),
    "drift": ("monitoring", SCIENTISTS, DRIFT_OF, "mlflow pandas", MOVED, False),
    "model_health": ("monitoring", SCIENTISTS, HEALTH_OF, "mlflow pandas", {"calibrated": False, "ranks": False}, False),
    "monthly_report": ("report", MARKETERS, REPORTED, "html mlflow", WRITTEN, True),
}
# fmt: on


@pytest.fixture(scope="module")
def defs(tmp_path_factory):
    return build(str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def graph(defs):
    return defs.resolve_asset_graph()


def names(keys):
    return {key.to_user_string() for key in keys}


def test_definitions_load(defs):
    dg.Definitions.validate_loadable(defs)


def test_graph_has_these_assets(graph):
    assert names(graph.get_all_asset_keys()) == {*ASSETS, "campaign_ledger"}


def test_ledger_is_external_and_read_for_the_months_before(graph):
    """The loop closes outside the graph: what was sent is no asset of a run, and no plan reads its own month's."""
    ledger = graph.get(dg.AssetKey("campaign_ledger"))
    assert ledger.is_external
    assert (ledger.group_name, list(ledger.owners)) == ("campaigns", [SCIENTISTS])
    mapping = graph.get_partition_mapping(dg.AssetKey("campaign_outcomes"), ledger.key)
    assert (mapping.start_offset, mapping.end_offset) == (-71, -1)


@pytest.mark.parametrize("name", ASSETS)
def test_asset_is_as_declared(graph, name):
    group, owner, deps, kinds, checks, fresh = ASSETS[name]
    node = graph.get(dg.AssetKey(name))
    found = {key.name: graph.get_check_spec(key).blocking for key in graph.get_check_keys_for_assets({node.key})}
    assert (node.group_name, list(node.owners)) == (group, [owner])
    assert names(node.parent_keys) == set(deps.split())
    assert node.kinds == {*kinds.split(), *(["parquet"] if name in TABLES else [])}
    assert found == checks
    assert node.automation_condition is None
    assert (node.freshness_policy is not None) == fresh
    assert isinstance(node.partitions_def, dg.MonthlyPartitionsDefinition)
    assert node.partitions_def.get_partition_keys()[0] == "2024-01"
    assert len(node.code_version) == 12
    assert len(node.description) > 20


def test_prepare_makes_the_wide_table_and_no_more(defs, graph):
    """What a month before the first model needs: nothing of it may wait for a model or a plan."""
    made = names(defs.resolve_job_def("prepare").asset_layer.selected_asset_keys)
    assert made == {name for name, (group, *_) in ASSETS.items() if group in ("raw", "clean", "features")}
    assert names(graph.get(dg.AssetKey("customer_features")).parent_keys) <= made


def test_training_set_reads_the_months_before_and_none_after(graph):
    """Six years back at most, not before the graph begins, and never past the month itself."""
    mapping = graph.get_partition_mapping(dg.AssetKey("training_set"), dg.AssetKey("customer_features"))
    months = graph.get(dg.AssetKey("customer_features")).partitions_def
    assert (mapping.start_offset, mapping.end_offset) == (-71, 0)
    for month, first in (("2024-01", "2024-01"), ("2026-10", "2024-01")):
        subset = months.subset_with_partition_keys([month])
        found = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, months, months)
        keys = list(found.partitions_subset.get_partition_keys())
        assert found.required_but_nonexistent_subset.is_empty
        assert (min(keys), max(keys)) == (first, month)


def test_report_looks_one_month_back_and_no_further(graph):
    for name in ("customer_scores", "customer_segments", "rejected_rows"):
        mapping = graph.get_partition_mapping(dg.AssetKey("monthly_report"), dg.AssetKey(name))
        assert (mapping.start_offset, mapping.end_offset) == (-1, 0)


def test_monitoring_looks_back_and_never_ahead(graph):
    for asset, names_of in (("drift", DRIFT_OF.split()), ("model_health", HEALTH_OF.split())):
        for name in names_of:
            mapping = graph.get_partition_mapping(dg.AssetKey(asset), dg.AssetKey(name))
            before = name in ("campaign_ledger", "offer_plan")  # what a month sends itself tells nothing of its scores yet
            assert (mapping.start_offset, mapping.end_offset) == (-71, -1 if before else 0)


@pytest.mark.parametrize("name", TABLES)
def test_column_schema_is_the_contract(graph, name):
    schema = graph.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
    table = TABLES[name]
    assert [(c.name, c.type, c.constraints.nullable) for c in schema.columns] == [
        (c.name, c.kind, c.nullable) for c in table.columns
    ]
    for shown, declared in zip(schema.columns, table.columns, strict=True):
        assert shown.description.startswith(declared.description)
        assert declared.unit in shown.description
        assert shown.constraints.unique == (table.key == (declared.name,))
        assert shown.constraints.other == ([declared.promise] if declared.promise else [])


def test_every_table_is_an_asset_in_the_group_of_its_stage(graph):
    assert {name: graph.get(dg.AssetKey(name)).group_name for name in TABLES} == {n: t.stage for n, t in TABLES.items()}


def test_every_check_says_what_it_promises(graph):
    for key in graph.get_check_keys_for_assets(graph.get_all_asset_keys()):
        assert len(graph.get_check_spec(key).description) > 10


@pytest.mark.parametrize(
    ("job", "assets"),
    [("retrain", set(ASSETS)), ("refresh", {name for name, (group, *_) in ASSETS.items() if group != "model"})],
)
def test_job_selects(defs, job, assets):
    found = defs.resolve_job_def(job)
    assert names(found.asset_layer.executable_asset_keys) == assets
    assert found.partitions_def.get_partition_keys()[0] == "2024-01"
    assert found.description


def test_schedule_refreshes_monthly(defs):
    schedule = defs.resolve_schedule_def("monthly_refresh")
    assert (schedule.job_name, schedule.cron_schedule) == ("refresh", "0 6 5 * *")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize(("name", "jobs"), [("new_snapshot", ["refresh", "retrain"]), ("alerts", [])])
def test_sensor_ticks_every_minute_from_the_start(defs, name, jobs):
    sensor = defs.resolve_sensor_def(name)
    assert [target.job_name for target in sensor.targets] == jobs
    assert sensor.minimum_interval_seconds == 60
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_sensor_of_monitoring_retrains(defs):
    sensor = defs.resolve_sensor_def("retrain_due")
    assert (sensor.job_name, sensor.minimum_interval_seconds) == ("retrain", 600)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_sensor_of_pruning_starts_no_run(defs):
    sensor = defs.resolve_sensor_def("pruning")
    assert (list(sensor.targets), sensor.minimum_interval_seconds) == ([], 3600)
    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING


def test_freshness_is_a_month_and_a_few_days(graph):
    for name, (*_, fresh) in ASSETS.items():
        if fresh:
            policy = graph.get(dg.AssetKey(name)).freshness_policy
            assert (policy.warn_window.to_timedelta().days, policy.fail_window.to_timedelta().days) == (35, 40)


def test_home_and_engine_come_from_the_environment_and_loading_is_light(tmp_path):
    heavy = {"sklearn", "mlflow", "phik", "matplotlib", "scipy"}
    code = (
        "import sys, oneclick_pipeline.definitions as d\n"
        "home = d.defs.resources['home']\n"
        f"print(home.path, home.engine, sorted({heavy} & set(sys.modules)))"
    )
    environment = {"PATH": "/usr/bin", "ONECLICK_HOME": "/some where", "ONECLICK_ENGINE": "pandas"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "/some where pandas []"
    assert list(tmp_path.iterdir()) == []
