"""A newcomer's walk through the pages of Dagster and MLflow, in a real browser."""

from __future__ import annotations

import re
from contextlib import suppress

import psutil
import pytest

from oneclick_pipeline.contracts.schema import STAGES
from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.pages.test_servers import refused
from oneclick_pipeline_tests.pages.browser import needs_browser

pytestmark = needs_browser

MONTH = homes.MONTH


@pytest.fixture
def page(browser):
    """A page of its own, which may talk to this machine only."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.set_default_timeout(120_000)
    context.route(lambda url: not url.startswith(f"http://{servers.LOOPBACK}:"), lambda route: route.abort())
    yield context.new_page()
    context.close()


def test_pages_listen_on_loopback_only(pages):
    listening = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a run of another test that has ended meanwhile
            found = process.net_connections("tcp")
            listening += [connection.laddr.ip for connection in found if connection.status == psutil.CONN_LISTEN]
    assert len(listening) >= len(pages[:2])
    assert set(listening) == {servers.LOOPBACK, "::1"}


def test_pages_refuse_a_request_that_names_another_host(pages):
    assert [refused(f"{address}/", "evil.example") for address in pages[:2]] == [403, 403]


def test_dagster_shows_the_graph_by_stage(pages, page):
    page.goto(f"{pages[0]}/asset-groups")
    for stage in STAGES:
        page.get_by_text(stage, exact=True).first.wait_for()


def test_dagster_asset_tells_schema_rows_and_origin(pages, page):
    page.goto(f"{pages[0]}/assets/customer_features")
    page.get_by_text("One row per customer seen in any file").first.wait_for()
    page.get_by_text("Days since the customer registered (days)").first.wait_for()
    page.goto(f"{pages[0]}/assets/customer_features?view=events")
    page.get_by_text("dagster/row_count").first.wait_for()
    page.get_by_text("Show Markdown").first.click()
    page.get_by_role("cell", name="market_time.csv «минут», market_time.csv «Период»").first.wait_for()


def test_dagster_materializes_a_month_and_shows_its_checks_and_picture(pages, page):
    page.goto(f"{pages[0]}/assets/segment_profiles")
    page.get_by_role("button", name="Materialize…").click()
    months = page.get_by_placeholder("ex: 2024-01", exact=False)
    months.fill(MONTH)
    months.press("Enter")
    with page.expect_response(lambda response: "LaunchPipelineExecution" in (response.request.post_data or "")) as launched:
        page.get_by_role("button", name="Launch 1 run").click()
    run = re.search(r'"id":\s*"([0-9a-f-]{36})"', launched.value.text())
    assert run, launched.value.text()
    page.goto(f"{pages[0]}/runs/{run[1]}")
    page.get_by_text("Success", exact=True).first.wait_for()

    page.goto(f"{pages[0]}/assets/segment_profiles?view=checks")
    page.get_by_text("customers_add_up").first.click()
    page.get_by_text("Passed").first.wait_for()
    page.get_by_text("Plots").first.wait_for()
    page.goto(f"{pages[0]}/assets/segment_profiles?view=events")
    page.get_by_role("row").filter(has_text="segment map").get_by_text("Show Markdown").click()
    picture = page.get_by_role("img", name="Segments by profit and risk")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 500


def test_dagster_launchpad_describes_the_settings(pages, page):
    page.goto(f"{pages[0]}/locations/oneclick_pipeline.definitions/jobs/refresh/playground")
    page.get_by_text("Launch Run").first.wait_for()
    answer = page.request.post(
        f"{pages[0]}/graphql",
        data={
            "query": """query ($s: PipelineSelector!) { runConfigSchemaOrError(selector: $s) { ... on RunConfigSchema {
                allConfigTypes { ... on CompositeConfigType { fields { name description } } } } } }""",
            "variables": {
                "s": {
                    "pipelineName": "refresh",
                    "repositoryName": "__repository__",
                    "repositoryLocationName": "oneclick_pipeline.definitions",
                }
            },
        },
    )
    types = answer.json()["data"]["runConfigSchemaOrError"]["allConfigTypes"]
    described = {field["name"]: field["description"] or "" for kind in types for field in kind.get("fields", [])}
    assert described["high_risk"].startswith("p_decline from which the risk is high")


def test_mlflow_compares_families_and_months(pages, page):
    _, mlflow, home = pages
    store = Tracking(home)
    runs = store._client().search_runs([store._client().get_experiment_by_name("activity decline").experiment_id])
    families = [run for run in runs if run.data.tags.get("mlflow.parentRunId")]
    assert len(families) >= 2
    ids = ",".join(f'"{run.info.run_id}"' for run in families[:3])
    page.goto(f'{mlflow}/#/compare-runs?runs=[{ids}]&experiments=["{families[0].info.experiment_id}"]')
    for run in families[:3]:
        page.get_by_text(run.info.run_name, exact=True).first.wait_for()
    page.get_by_text("roc_auc", exact=True).first.wait_for()
    page.goto(f"{mlflow}/#/experiments/{families[0].info.experiment_id}/runs?workflowType=machine_learning")
    page.get_by_text(f"retrain {MONTH}").first.wait_for()
