"""The page in the real graph, and written again by the command."""

import shutil

import dagster as dg
import polars as pl
import pytest

from oneclick_pipeline.home.paths import report_file, table_file
from oneclick_pipeline.orchestration.assets import report
from oneclick_pipeline.report import files, source
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline.tracking.files import local
from oneclick_pipeline_tests.orchestration.homes import MONTH, instance_of, materialize, table, told


@pytest.fixture
def home(finished, tmp_path):
    """The finished home without its report."""
    return shutil.copytree(finished.home, tmp_path / "home", ignore=shutil.ignore_patterns("dagster", "reports"))


def test_run_leaves_one_page_and_keeps_it_in_mlflow(finished):
    html = report_file(finished.home, MONTH).read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert files.loads(html) == []
    assert files.page_figures(html) == {"customers": table(finished.home, "customer_features").height}
    store = Tracking(finished.home)
    kept = local(store._client().get_run(store.require_champion().run_id).info.artifact_uri) / "report" / f"{MONTH}.html"
    assert kept.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_checks_and_figures_stand_in_dagster(finished):
    with instance_of(finished.home) as instance:
        metadata = instance.get_latest_materialization_event(dg.AssetKey("monthly_report")).asset_materialization.metadata
    profiles = table(finished.home, "segment_profiles")
    together = profiles.row(by_predicate=pl.col("segment") == "all", named=True)
    assert metadata["look declined"].value == pytest.approx(together["expected_declines"], rel=1e-3)
    assert metadata["profit of those who look declined, finance units"].value == pytest.approx(
        together["value_at_risk"], rel=1e-3
    )
    assert metadata["path"].value == str(report_file(finished.home, MONTH))


def test_figures_of_a_real_month_agree_with_its_tables(finished):
    facts = files.make(finished.home, MONTH).facts
    plan, profiles = table(finished.home, "offer_plan"), table(finished.home, "segment_profiles")
    assert facts.plan.offered == (plan["arm"] == "offer").sum()
    assert facts.plan.cost == pytest.approx(plan["cost"].sum())
    row = table(finished.home, "plan_summary").row(0, named=True)
    gain, recorded = facts.plan.recorded.gain, [row[f"expected_gain{end}"] for end in ("", "_low", "_high")]
    assert [gain.estimate, gain.low, gain.high] == recorded
    assert [g.customers for g in facts.groups] == profiles["customers"].to_list()[:-1]
    assert facts.quality.current.customers == table(finished.home, "training_set").height
    assert facts.changes is None
    assert facts.reasons.importance
    assert len(facts.quality.calibration) > 5
    assert facts.quality.model.metrics["roc_auc"].low < facts.quality.model.metrics["roc_auc"].high
    assert {s.feature for s in facts.quality.slices} == {
        "service_level", "favourite_category", "marketing_consent", "tenure_days",
    }  # fmt: skip


def test_command_writes_the_same_page_again_and_the_other_language_beside_it(oneclick, finished, home):
    code, out, _ = oneclick("report", "--month", MONTH, "--home", home)
    assert (code, out.strip()) == (0, str(report_file(home, MONTH)))
    assert report_file(home, MONTH).read_bytes() == report_file(finished.home, MONTH).read_bytes()
    code, out, _ = oneclick("report", "--month", MONTH, "--home", home, "--language", "en")
    assert code == 0
    assert '<html lang="en">' in report_file(home, MONTH, "en").read_text(encoding="utf-8")
    assert '<html lang="ru">' in report_file(home, MONTH).read_text(encoding="utf-8")


def test_language_of_the_settings_is_that_of_the_page(oneclick, home):
    with (home / "settings.yaml").open("a") as settings:
        settings.write("report: {language: en}\n")
    assert oneclick("report", "--month", MONTH, "--home", home)[0] == 0
    assert '<html lang="en">' in report_file(home, MONTH).read_text(encoding="utf-8")


def test_month_that_was_not_run_is_told(oneclick, home):
    code, _, err = oneclick("report", "--month", "2026-09", "--home", home)
    assert code == 1
    assert "there is no customer_scores of 2026-09" in err
    assert "oneclick run --month 2026-09" in err


def test_month_before_is_read_where_it_was_run(home):
    for name in ("customer_segments", "customer_scores", "rejected_rows", "market_file"):
        path = table_file(home, name, "2026-09")
        shutil.copyfile(table_file(home, name, MONTH), path)
    before = source.read(home, MONTH).before
    assert (before.month, before.model_version, before.quarantined) == ("2026-09", 1, {})
    assert before.read["market_file"] == 1300


def test_page_that_is_not_complete_in_itself_is_not_published(home, monkeypatch):
    monkeypatch.setattr(report.files, "loads", lambda _: ["img src=https://example.org"])
    result = materialize(home, assets=report.ASSETS)
    assert not result.success
    assert "self_contained" in told(result)
    assert not report_file(home, MONTH).exists()


def test_page_whose_figures_disagree_is_not_published(home):
    path = table_file(home, "offer_plan", MONTH)
    table(home, "offer_plan").head(1000).write_parquet(path)
    result = materialize(home, assets=report.ASSETS)
    assert "figures_agree" in told(result)
    assert not report_file(home, MONTH).exists()


def test_page_of_a_past_month_shows_what_its_plan_was_made_with_whatever_the_settings_say_today(home):
    """An earlier version showed today's budget (999 where the plan had 39), and an interval of its own."""
    before = files.make(home, MONTH, "en")
    with (home / "settings.yaml").open("a") as settings:
        settings.write("offers: {budget: 999, lost_share: 0.9}\nvalue: {profit_unit_roubles: 50, horizon_months: 6}\n")
    after = files.make(home, MONTH, "en")
    assert after.html == before.html
    assert "of the budget of 39.0 units" in after.html
    assert after.facts.plan.recorded.budget == pytest.approx(0.03 * 1300)


def test_month_that_was_planned_before_the_summary_says_what_is_not_recorded(home):
    for name in ("plan_summary", "profit_curve"):
        table_file(home, name, MONTH).unlink()
    (home / "settings.yaml").write_text("offers: {budget: 999}\nvalue: {offer_cost: 0.15, saved_share: 0.2}\n")
    html = files.make(home, MONTH, "en").html
    assert "were not recorded with this plan" in html
    assert "the interval was not recorded with this plan" in html
    assert "999" not in html
    assert "1 unit = " not in html
    assert "не сохранены" in files.make(home, MONTH, "ru").html
