"""MLflow's pages through the allow-list, in a real browser: what a data scientist reads and edits, and what others may not do."""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

import pytest

from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.pages.browser import needs_browser
from oneclick_pipeline_tests.servers import LOOPBACK
from oneclick_pipeline_tests.tracking.listening import listening

pytestmark = needs_browser

ASKED_IN_VAIN = {"assistant/config", "assistant/providers", "scorers/list"}
"""What the pages ask for by themselves and are refused; they show no error for it."""
HOSTILE = """<!doctype html><p id="said">nothing ran</p><img src="x" onerror="run()"><script>
function run() {
  document.getElementById('said').textContent = 'script ran'
  const said = {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(EDIT)}
  fetch('ADDRESS/ajax-api/2.0/mlflow/runs/set-tag', said)
  top.document.title = 'taken'
}
run()
</script>"""
FOREIGN = """<!doctype html><title>foreign</title>
<img src="ADDRESS/ajax-api/2.0/mlflow/runs/get?run_id=RUN">
<form id="form" method="POST" enctype="text/plain" target="hidden" action="ADDRESS/ajax-api/2.0/mlflow/runs/set-tag">
<input name='EDIT' value=''></form><iframe name="hidden"></iframe><iframe src="ADDRESS/"></iframe><script>
document.getElementById('form').submit()
const url = 'ADDRESS/ajax-api/2.0/mlflow/runs/set-tag', body = 'EDIT'
const outcome = asked => asked.then(answer => answer.text(), () => 'failed')
const send = (mode, type) => outcome(fetch(url, {method: 'POST', mode, body, headers: {'Content-Type': type}}))
const read = outcome(fetch('ADDRESS/ajax-api/2.0/mlflow/experiments/search?max_results=1'))
Promise.all([send('cors', 'application/json'), send('no-cors', 'text/plain'), read]).then(all => window.outcome = all)
</script>"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, worker_id):
    """A copy of the finished home, with a hostile page among the champion's artifacts."""
    home = tmp_path_factory.mktemp("mlflow") / "home"
    finished = homes.finished(tmp_path_factory, worker_id).home
    shutil.copytree(finished / "mlflow", home / "mlflow")
    Tracking(home).moved(finished, home)
    return home


@pytest.fixture(scope="module")
def address(home, tmp_path_factory):
    with listening(home, tmp_path_factory.mktemp("log") / "mlflow.log") as served:
        yield served.address


@pytest.fixture
def page(browser):
    """A page of its own, which may talk to this machine only; what was refused and what it complained of is noted."""
    context = browser.new_context(viewport={"width": 1500, "height": 1000})
    context.set_default_timeout(120_000)
    context.route(lambda url: not url.startswith(f"http://{LOOPBACK}:"), lambda route: route.abort())
    page = context.new_page()
    page.refused, page.problems, page.console = [], [], []
    page.on("response", lambda answer: page.refused.append(answer.url) if answer.status == 403 else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("console", lambda message: page.console.append(message.text))
    yield page
    context.close()


def fine(page):
    """Nothing was refused but what the pages ask in vain, and no error is shown."""
    assert {urlparse(url).path.split("/mlflow/")[-1] for url in page.refused} <= ASKED_IN_VAIN
    assert page.get_by_text("PERMISSION_DENIED").count() == 0
    assert page.problems == []
    assert not [text for text in page.console if "Content Security Policy" in text]


def champion(home):
    store = Tracking(home)
    found = store.require_champion()
    return found, store._client().get_run(found.run_id).info.experiment_id


def edit(run_id):
    return '{"run_id": "RUN", "key": "stolen", "value": "1"}'.replace("RUN", run_id)


def test_experiments_runs_and_a_chart_of_the_families_are_shown(address, home, page):
    found, experiment = champion(home)
    page.goto(f"{address}/#/experiments")
    page.get_by_text("activity decline", exact=True).first.wait_for()
    page.goto(f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning")
    page.get_by_text(f"retrain {homes.MONTH}").first.wait_for()
    page.goto(f"{address}/#/experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART")
    page.locator(".js-plotly-plot .bars").first.wait_for()
    page.goto(f"{address}/#/experiments/{experiment}/runs/{found.run_id}")
    page.get_by_text("Child runs").first.wait_for()
    page.get_by_text("roc_auc", exact=True).first.wait_for()
    fine(page)


def test_picture_table_and_report_are_shown(address, home, page):
    found, experiment = champion(home)
    page.goto(f"{address}/#/experiments/{experiment}/runs/{found.run_id}/artifacts/curves.png")
    picture = page.locator("img[src^='blob:'], img[src*='get-artifact']").first
    picture.wait_for()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    page.get_by_text("slices.json", exact=True).first.click()
    page.get_by_text("service_level", exact=True).first.wait_for()
    page.get_by_text("report", exact=True).first.click()
    page.get_by_text(f"{homes.MONTH}.html", exact=True).first.click()
    page.frame_locator("iframe").get_by_role("heading", level=1).wait_for()
    fine(page)


def test_note_tag_and_alias_are_edited(address, home, page):
    found, experiment = champion(home)
    page.goto(f"{address}/#/experiments/{experiment}/runs/{found.run_id}")
    page.get_by_role("button", name="Edit description").click()
    page.locator("textarea").first.fill("# Read by me")
    page.get_by_role("button", name="Save", exact=True).first.click()
    page.get_by_role("heading", name="Read by me").first.wait_for()

    page.goto(f"{address}/#/models/activity_decline/versions/{found.version}")
    page.get_by_label("tag name").fill("reviewed")
    page.get_by_label("tag value").fill("yes")
    with page.expect_response(lambda answer: "model-versions/set-tag" in answer.url) as tagged:
        page.get_by_test_id("add-tag-button").click()
    assert tagged.value.status == 200
    page.locator("[data-component-id$='modelversionviewaliaseditor.tsx_37']").click()
    aliases = page.get_by_role("dialog").get_by_role("combobox")
    aliases.fill("candidate")
    aliases.press("Enter")
    with page.expect_response(lambda answer: answer.url.endswith("registered-models/alias")) as named:
        page.get_by_role("button", name="Save aliases").click()
    assert named.value.status == 200
    fine(page)
    client = Tracking(home)._client()
    assert client.get_run(found.run_id).data.tags["mlflow.note.content"] == "# Read by me"
    version = client.get_model_version("activity_decline", str(found.version))
    assert version.tags["reviewed"] == "yes"
    assert Tracking(home).aliases() == {"champion": found.version, "candidate": found.version}


def test_html_among_the_artifacts_runs_no_script(address, home, page):
    found, experiment = champion(home)
    text = HOSTILE.replace("ADDRESS", address).replace("EDIT", edit(found.run_id))
    artifacts = Tracking(home)._client().get_run(found.run_id).info.artifact_uri
    Path(artifacts.removeprefix("file://"), "hostile.html").write_text(text)
    page.goto(f"{address}/#/experiments/{experiment}/runs/{found.run_id}/artifacts/hostile.html")
    said = page.frame_locator("iframe").locator("#said")
    said.wait_for()
    assert said.text_content() == "nothing ran"
    assert [text for text in page.console if "script" in text and "Content Security Policy" in text]
    assert page.title() != "taken"
    with page.expect_download() as download:  # opened by itself, it is a file and not a page
        page.evaluate(f"location.href = '{address}/get-artifact?path=hostile.html&run_uuid={found.run_id}'")
    assert download.value.suggested_filename == "hostile.html"
    assert "stolen" not in Tracking(home)._client().get_run(found.run_id).data.tags


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing."""


@contextmanager
def site(folder):
    """A web site on another port of this machine."""
    with ThreadingHTTPServer((LOOPBACK, 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{LOOPBACK}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_page_of_another_port_edits_and_reads_nothing(address, home, page, tmp_path):
    run_id = champion(home)[0].run_id
    text = FOREIGN.replace("ADDRESS", address).replace("EDIT", edit(run_id)).replace("RUN", run_id)
    (tmp_path / "index.html").write_text(text)
    with site(tmp_path) as foreign:
        page.goto(foreign)
        page.wait_for_function("window.outcome")
        assert page.evaluate("window.outcome") == ["failed", "failed", "failed"]
        page.wait_for_load_state()
    assert "/ajax-api/2.0/mlflow/runs/set-tag" in {urlparse(url).path for url in page.refused}
    assert "stolen" not in Tracking(home)._client().get_run(run_id).data.tags
