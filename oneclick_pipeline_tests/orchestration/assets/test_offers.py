"""The loop in the graph: plans are published once, and later months learn from them."""

import shutil
from collections import Counter
from types import SimpleNamespace

import dagster as dg
import polars as pl
import pytest

from oneclick_pipeline.campaigns import ledger, response
from oneclick_pipeline.campaigns.outcomes import FOLDS
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.engine.files import read_metadata
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.offers.planner import offer_plan
from oneclick_pipeline.orchestration.assets import campaigns, clean, features, model, offers, raw, scores, segments
from oneclick_pipeline.orchestration.partitions import by_month
from oneclick_pipeline.orchestration.resources import Home, TableIO
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.simulator.twin.panel import write_months
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, files, table

STAGES = (raw, clean, features, model, scores, segments, campaigns, offers)
ASSETS = [asset for stage in STAGES for asset in stage.ASSETS]
TO_FEATURES = [key.to_user_string() for stage in (raw, clean, features) for asset in stage.ASSETS for key in asset.keys]
PLAN = ["offer_plan", "plan_summary", "profit_curve"]
LOOP = ["campaign_outcomes", "offer_effects", "offer_beliefs"]


def remade(home, selection, *, month=MONTH, replan=False):
    """Materialize some assets over a home; what their checks said, by name."""
    place = Home(path=str(home))
    config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if "offers_export" in selection:
        config["ops"] = {"offers_export": {"config": {"replan": replan}}}
    with environment_kept():
        result = dg.materialize(
            by_month(ASSETS),
            selection=selection,
            partition_key=month,
            resources={"home": place, "tables": TableIO(home=place)},
            raise_on_error=False,
            run_config=config,
        )
    assert result.success, [e.event_specific_data for e in result.all_events if e.is_step_failure]
    return {e.check_name: e for e in result.get_asset_check_evaluations()}


@pytest.fixture
def published(finished, tmp_path):
    return shutil.copytree(finished.home, tmp_path / "home")


def bytes_of(home):
    """Everything that was published, by path."""
    names = [f"{part}/{name}" for part in ("exports", "ledger") for name in files(home / part) if not name.endswith(".lock")]
    return {name: (home / name).read_bytes() for name in names}


def test_plan_and_export_agree(finished):
    made = table(finished.home, "offer_plan")
    sent = pl.read_csv(finished.home / "exports" / MONTH / "offers.csv", separator=";")
    given = made.filter(pl.col("arm") == "offer")
    assert (
        sent.select("customer_id", "offer_id").sort("customer_id").rows()
        == given.select("customer_id", "offer_id").sort("customer_id").rows()
    )
    held = pl.read_parquet(ledger_file(finished.home, MONTH))
    assert set(held["arm"]) == {"offer", "control"}
    assert held.height == made.filter(pl.col("arm") != "none").height


def test_running_again_changes_nothing_that_was_published(published):
    before = bytes_of(published)
    found = remade(published, ["offer_beliefs", *PLAN, "offers_export"])
    assert found["published_as_planned"].passed
    assert bytes_of(published) == before


def test_a_run_reads_the_catalogue_and_learns_from_campaigns_once(published, monkeypatch):
    """And its plan keeps which catalogue it was made with."""
    calls, learn, load = [], response.learn, Catalogue.load
    monkeypatch.setattr(response, "learn", lambda *given: calls.append("learn") or learn(*given))
    monkeypatch.setattr(Catalogue, "load", lambda home: calls.append("load") or load(home))
    remade(published, ["offer_beliefs", *PLAN, "offers_export"])
    assert Counter(calls) == {"load": 1, "learn": 1 + FOLDS}
    assert read_metadata(table_file(published, "offer_plan", MONTH), "oneclick_catalogue") == Catalogue.bundled().digest


def test_another_plan_is_told_and_needs_replan(published):
    before = bytes_of(published)
    with (published / "settings.yaml").open("a", encoding="utf-8") as file:
        file.write("offers: {budget: 10}\n")
    found = remade(published, [*PLAN, "offers_export"])
    assert not found["published_as_planned"].passed
    assert found["published_as_planned"].severity is dg.AssetCheckSeverity.WARN
    assert "--replan" in found["published_as_planned"].metadata["why"].value
    assert bytes_of(published) == before

    found = remade(published, ["offers_export"], replan=True)
    assert found["published_as_planned"].passed
    after = bytes_of(published)
    assert after[f"ledger/{MONTH}.parquet"] != before[f"ledger/{MONTH}.parquet"]
    kept = {content for name, content in after.items() if "replaced" in name}
    assert kept == set(before.values())


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    """Six months of a small store; the plans of the first two were published, by the true p_decline."""
    home = tmp_path_factory.mktemp("year")
    write_months(Profile.load(), home, first="2026-01", last="2026-06", customers=400, seed=3)
    (home / "settings.yaml").write_text("campaigns: {min_group: 5}\noffers: {exploration_share: 0.5}\n", encoding="utf-8")
    for month in (f"2026-0{n}" for n in range(1, 7)):
        remade(home, TO_FEATURES, month=month)
    settings, catalogue = Settings.load(home), Catalogue.load(home)
    for month in ("2026-01", "2026-02"):
        truth = pl.read_parquet(home / "twin" / f"{month}.parquet").select("customer_id", "p_decline").to_pandas()
        customers = table(home, "customer_features", month).to_pandas().merge(truth, on="customer_id")
        customers = customers.assign(segment="grow", model_version=1)
        made = offer_plan(customers, catalogue.valid_in(month), None, settings, month=month)
        ledger.publish(home, month, made.table)
    return home


@pytest.mark.parametrize(
    ("month", "campaigns_seen", "matured"), [("2026-01", 0, 0), ("2026-02", 1, 0), ("2026-04", 2, 1), ("2026-06", 2, 2)]
)
def test_outcomes_come_as_the_months_do(year, month, campaigns_seen, matured):
    found = remade(year, LOOP, month=month)
    assert found["nobody_lost"].passed
    assert found["every_offer"].passed
    outcomes = table(year, "campaign_outcomes", month)
    assert outcomes["campaign_month"].n_unique() == campaigns_seen
    assert outcomes.filter(pl.col("declined").is_not_null())["campaign_month"].n_unique() == matured
    beliefs = table(year, "offer_beliefs", month).filter(pl.col("segment") == "all")
    assert (beliefs["campaigns"].max() or 0) == matured
    assert (beliefs["sd"] <= beliefs["prior_sd"] + 1e-12).all()


def test_declines_are_those_of_the_twin(year):
    """The class that the truth of the campaign's month foretold, of everybody in the ledger."""
    remade(year, LOOP, month="2026-06")
    outcomes = table(year, "campaign_outcomes", "2026-06")
    for month in ("2026-01", "2026-02"):
        truth = pl.read_parquet(year / "twin" / f"{month}.parquet")
        both = outcomes.filter(pl.col("campaign_month") == month).join(truth, on="customer_id", how="left", suffix="_true")
        assert both.height == pl.read_parquet(ledger_file(year, month)).height
        assert (both["declined"] == both["declines"].cast(pl.Int64)).all()


def test_facts_of_a_plan_call_the_smallest_effect_of_an_offer_what_it_is():
    figures = dict.fromkeys(("cost", "budget", "expected_gain", "expected_gain_low", "expected_gain_high", "by_risk"), 1.0)
    figures |= {"without_limits": 1.0, "detectable_effect": 0.1, "price_of_budget": 0.0, "arms": {}, "given": {}}
    summary = SimpleNamespace(**figures, detectable_effects={"voucher": 0.2, "bundle": float("nan")})
    lessons = SimpleNamespace(response=None, learner=None)
    made = SimpleNamespace(lessons=lessons, worth=None, ways=[])
    facts = offers._facts_of_plan(made, summary)
    assert facts["smallest change of the share of decliners that voucher alone can show"] == 0.2
    assert facts["smallest change of the share of decliners that bundle alone can show"] == "too few controls"
    assert [name for name in facts if name.startswith("expected gain of")] == []
