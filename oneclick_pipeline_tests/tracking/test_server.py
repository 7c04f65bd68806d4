"""MLflow's pages as they listen: every route that MLflow registers, the dangerous ones by name, files, health, environment."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.tracking.listening import listening

A2, A3 = "/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow"
SECRET = "s3cr3t-of-another-program"  # noqa: S105 - of the test
HOSTILE = {
    "ONECLICK_WEBHOOK": f"https://hook.example/{SECRET}",
    "ONECLICK_DATABASE": f"postgresql://crm:{SECRET}@db/crm",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "true",
    "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS": "true",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": "*",
    "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
    "MLFLOW_DEPLOYMENTS_TARGET": "http://127.0.0.1:9/",
    "_MLFLOW_STATIC_PREFIX": "/elsewhere",
    "FORWARDED_ALLOW_IPS": "*",
    "UVICORN_ROOT_PATH": "/elsewhere",
}
"""Variables that somebody else's program needs, and those that would open MLflow."""

ROUTES = """
import asyncio, json, re, sys
from pathlib import Path
from fastapi.routing import iter_route_contexts
from oneclick_pipeline.tracking import Tracking, app

pages = app.create(Tracking(Path(sys.argv[1])))._app
from mlflow.server import app as flask
contexts = [c for c in iter_route_contexts(pages._mlflow.routes) if c.path]
routes = {(m, c.path) for c in contexts for m in c.methods or ["WEBSOCKET"]}
routes |= {(m, rule.rule) for rule in flask.url_map.iter_rules() for m in rule.methods}

async def outcome(method, path):
    said = []
    async def mlflow(scope, receive, send):
        said.append("passed on")
    async def receive():
        return {"type": "http.request", "body": b"{}"}
    async def send(message):
        said.append(message.get("status"))
    pages._mlflow = mlflow
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    await pages(scope, receive, send)
    return said[0]

async def main():
    return [(m, rule, await outcome(m, re.sub(r"<(path:)?\\w+>|\\{\\w+(:path)?\\}", "x1", rule))) for m, rule in sorted(routes)]

print(json.dumps(asyncio.run(main())))
"""
"""Asks the application for every method and rule that it registers, and sends each one; MLflow itself is out of reach then."""
READS = {
    "/",
    "/get-artifact",
    "/health",
    "/model-versions/get-artifact",
    "/static-files/<path:path>",
    "/version",
    f"{A2}/artifacts/list",
    f"{A2}/experiments/get",
    f"{A2}/experiments/get-by-name",
    f"{A2}/experiments/search",
    f"{A2}/logged-models/<model_id>",
    f"{A2}/logged-models/<model_id>/artifacts/directories",
    f"{A2}/logged-models/<model_id>/artifacts/files",
    f"{A2}/metrics/get-history",
    f"{A2}/metrics/get-history-bulk",
    f"{A2}/metrics/get-history-bulk-interval",
    f"{A2}/model-versions/get",
    f"{A2}/model-versions/search",
    f"{A2}/registered-models/alias",
    f"{A2}/registered-models/get",
    f"{A2}/registered-models/get-latest-versions",
    f"{A2}/registered-models/search",
    f"{A2}/runs/get",
    f"{A3}/datasets/search",
    f"{A3}/server-info",
}
SEARCHES = {
    "/graphql",
    f"{A2}/experiments/search",
    f"{A2}/experiments/search-datasets",
    f"{A2}/logged-models/search",
    f"{A2}/registered-models/get-latest-versions",
    f"{A2}/runs/search",
    f"{A3}/datasets/search",
    f"{A3}/traces/metrics",
    f"{A3}/traces/search",
}
EDITS = {
    ("DELETE", f"{A2}/model-versions/delete"),
    ("DELETE", f"{A2}/model-versions/delete-tag"),
    ("DELETE", f"{A2}/registered-models/alias"),
    ("DELETE", f"{A2}/registered-models/delete-tag"),
    ("PATCH", f"{A2}/logged-models/<model_id>/tags"),
    ("PATCH", f"{A2}/model-versions/update"),
    ("PATCH", f"{A2}/registered-models/update"),
    ("POST", f"{A2}/experiments/delete"),
    ("POST", f"{A2}/experiments/delete-experiment-tag"),
    ("POST", f"{A2}/experiments/restore"),
    ("POST", f"{A2}/experiments/set-experiment-tag"),
    ("POST", f"{A2}/experiments/update"),
    ("POST", f"{A2}/model-versions/set-tag"),
    ("POST", f"{A2}/registered-models/alias"),
    ("POST", f"{A2}/registered-models/set-tag"),
    ("POST", f"{A2}/runs/delete"),
    ("POST", f"{A2}/runs/delete-tag"),
    ("POST", f"{A2}/runs/restore"),
    ("POST", f"{A2}/runs/set-tag"),
    ("POST", f"{A2}/runs/update"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a run, a model and a version, and with what somebody wrote into database and artifacts by hand."""
    home = tmp_path_factory.mktemp("served") / "home"
    store = Tracking(home)
    client = store._client()
    artifacts = store.folder / "artifacts"
    experiment = client.create_experiment("activity decline", artifact_location=artifacts.as_uri())
    run = client.create_run(experiment, run_name="retrain 2026-10", tags={"gates": "passed"}).info
    client.create_registered_model("activity_decline")
    folder = Path(run.artifact_uri.removeprefix("file://"))
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<script>document.title = 'taken'</script>")
    (folder / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    client.create_model_version("activity_decline", folder.as_uri(), run.run_id, tags={"model_sha256": "0"})
    secret = home / "secret.txt"
    secret.write_text(SECRET)
    (folder / "link.txt").symlink_to(secret)
    os.mkfifo(folder / "pipe")
    elsewhere = client.create_experiment("elsewhere", artifact_location=home.as_uri())
    outside = client.create_run(elsewhere).info
    linked = client.create_run(experiment).info
    away = Path(linked.artifact_uri.removeprefix("file://"))
    away.parent.mkdir(parents=True)
    away.symlink_to(home)
    (home / outside.run_id / "artifacts").mkdir(parents=True)
    (home / outside.run_id / "artifacts" / "secret.txt").write_text(SECRET)
    remote = client.create_experiment("remote", artifact_location="s3://bucket/x")
    ids = {"run": run.run_id, "outside": outside.run_id, "linked": linked.run_id, "remote": client.create_run(remote).info.run_id}
    (home / "ids.json").write_text(json.dumps(ids | {"experiment": experiment}))
    return home


@pytest.fixture(scope="module")
def ids(home):
    return json.loads((home / "ids.json").read_text())


@pytest.fixture(scope="module")
def pages(home, tmp_path_factory):
    with listening(home, tmp_path_factory.mktemp("log") / "pages.log", **HOSTILE) as started:
        yield started


def expected(method, rule):
    """Whether a route is one that the pages need."""
    own = re.sub(r"^/api/", "/ajax-api/", rule)
    return (
        (method in {"GET", "HEAD"} and own in READS)
        or (method == "POST" and own in SEARCHES)
        or (method, rule) in EDITS
    )  # fmt: skip


def test_every_route_that_mlflow_registers_is_needed_by_the_pages_or_refused(tmp_path):
    command = [sys.executable, "-P", "-W", "ignore", "-c", ROUTES, str(tmp_path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path)
    outcomes = {(method, rule): outcome for method, rule, outcome in json.loads(answer.stdout.splitlines()[-1])}
    assert len(outcomes) > 400
    words = {word for _, rule in outcomes for word in rule.split("/")}
    assert {"assistant", "gateway", "jobs", "webhooks", "scorers", "mlflow-artifacts", "mcp-servers"} <= words
    assert {("GET", rule) for rule in READS} | {("POST", rule) for rule in SEARCHES} | EDITS <= outcomes.keys()
    needed = {route: outcome for route, outcome in outcomes.items() if expected(*route)}
    assert {outcome for (_, rule), outcome in needed.items() if rule != "/health"} == {"passed on"}
    assert {route: outcome for route, outcome in outcomes.items() if route not in needed and outcome != 403} == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{A3}/assistant/config"),
        ("GET", f"{A3}/assistant/config"),
        ("POST", f"{A3}/assistant/message"),
        ("POST", f"{A3}/assistant/skills/install"),
        ("POST", "/gateway/mlflow/v1/chat/completions"),
        ("POST", f"{A2}/gateway-proxy"),
        ("GET", f"{A2}/gateway-proxy?gateway_path=api/2.0/endpoints/x"),
        ("POST", f"{A3}/gateway/secrets/create"),
        ("POST", f"{A3}/prompt-optimization/jobs"),
        ("POST", f"{A3}/scorer/invoke"),
        ("POST", f"{A3}/scorers/register"),
        ("POST", f"{A3}/genai/evaluate/invoke"),
        ("POST", "/ajax-api/3.0/jobs/"),
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("POST", f"{A2}/webhooks/1/test"),
        ("POST", "/v1/traces"),
        ("POST", "/api/3.0/mlflow/traces"),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/models/model.skops"),
        ("DELETE", "/api/2.0/mlflow-artifacts/artifacts/models/model.skops"),
        ("POST", "/api/2.0/mlflow-artifacts/mpu/create/models/model.skops"),
        ("POST", f"{A2}/upload-artifact?run_uuid=1&path=x"),
        ("POST", f"{A2}/artifacts/presigned-upload-url"),
        ("POST", "/api/2.0/mlflow/model-versions/create"),
        ("POST", "/api/2.0/mlflow/registered-models/create"),
        ("POST", "/api/2.0/mlflow/experiments/create"),
        ("POST", "/api/2.0/mlflow/logged-models"),
        ("POST", "/api/2.0/mlflow/runs/create"),
        ("POST", "/api/2.0/mlflow/runs/log-batch"),
        ("POST", f"{A3}/demo/generate"),
        ("PUT", "//ajax-api/3.0/mlflow/assistant/config"),
        ("PUT", f"/version/..{A3}/assistant/config"),
        ("PUT", f"/elsewhere{A3}/assistant/config"),
        ("PUT", f"{A3}/%61ssistant/config"),
        ("PUT", f"{A3}/assistant/config/"),
        ("POST", f"{A2}/runs/log%2Dbatch"),
    ],
)
def test_what_runs_commands_calls_out_or_writes_files_is_refused(pages, method, path):
    answer = pages.ask(method, path, {"selected_provider": "x"} if method != "GET" else None)
    assert answer.refused, answer


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Host": "evil.example"},
    ],
)
def test_other_sites_may_ask_nothing_and_read_nothing(pages, headers):
    answer = pages.ask("POST", f"{A2}/experiments/search", {"max_results": 5}, **headers)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_no_answer_may_be_read_by_another_origin(pages):
    answer = pages.ask("GET", f"{A2}/experiments/search?max_results=5", Origin=pages.address)
    assert answer.status == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    assert pages.ask("OPTIONS", f"{A2}/experiments/search", Origin="http://localhost:1").status == 403


def test_data_scientist_reads_and_edits(pages, ids, home):
    run = {"run_id": ids["run"]}
    search = pages.ask("POST", f"{A2}/runs/search", {"experiment_ids": [ids["experiment"]]})
    assert ids["run"] in [r["info"]["run_id"] for r in json.loads(search.body)["runs"]]
    named = {"name": "activity_decline"}
    edits = [
        ("POST", "runs/update", run | {"run_name": "the best"}),
        ("POST", "runs/set-tag", run | {"key": "mlflow.note.content", "value": "# seen"}),
        ("POST", "runs/set-tag", run | {"key": "reviewed", "value": "yes"}),
        ("POST", "runs/delete", run),
        ("POST", "runs/restore", run),
        ("PATCH", "registered-models/update", named | {"description": "ours"}),
        ("POST", "registered-models/alias", named | {"alias": "candidate", "version": "1"}),
        ("PATCH", "model-versions/update", named | {"version": "1", "description": "first"}),
        ("POST", "model-versions/set-tag", named | {"version": "1", "key": "reviewed", "value": "yes"}),
        ("POST", "experiments/set-experiment-tag", {"experiment_id": ids["experiment"], "key": "team", "value": "ours"}),
    ]
    assert [pages.ask(method, f"{A2}/{path}", said).status for method, path, said in edits] == [200] * len(edits)
    client = Tracking(home)._client()
    changed = client.get_run(ids["run"])
    assert (changed.info.run_name, changed.info.lifecycle_stage) == ("the best", "active")
    assert changed.data.tags.items() >= {"reviewed": "yes", "mlflow.note.content": "# seen", "gates": "passed"}.items()
    assert client.get_model_version_by_alias("activity_decline", "candidate").description == "first"


def test_tags_of_the_pipeline_stay_as_they_are(pages, ids, home):
    version = {"name": "activity_decline", "version": "1", "key": "model_sha256"}
    for method, path, said in (
        ("POST", "model-versions/set-tag", version | {"value": "1" * 64}),
        ("DELETE", "model-versions/delete-tag", version),
        ("POST", "runs/set-tag", {"run_id": ids["run"], "key": "gates", "value": "failed"}),
        ("POST", "runs/update", {"run_id": ids["run"], "status": "FAILED"}),
    ):
        assert pages.ask(method, f"{A2}/{path}", said).refused
    client = Tracking(home)._client()
    assert client.get_model_version("activity_decline", "1").tags["model_sha256"] == "0"
    assert client.get_run(ids["run"]).info.status == "RUNNING"


@pytest.mark.parametrize("name", ["report.html", "drawing.svg"])
def test_file_is_handed_out_as_a_download_that_runs_nothing(pages, ids, name):
    for path in (
        f"/get-artifact?path={name}&run_uuid={ids['run']}",
        f"/model-versions/get-artifact?path={name}&name=activity_decline&version=1",
    ):
        answer = pages.ask("GET", path)
        assert answer.status == 200
        headers = {key.lower(): value for key, value in answer.headers.items()}
        assert headers["content-disposition"].startswith("attachment")
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        *("../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/secret.txt", "a/../../../secret.txt", "/etc/passwd", "//etc/passwd"),
        *("file:///etc/passwd", "file:secret.txt", "..\\secret.txt", "link.txt", "pipe", "%252e%252e%252fsecret.txt", "", "."),
    ],
)
def test_no_path_leads_out_of_the_artifacts(pages, ids, path):
    for query in (path, quote(path, safe="")):
        answer = pages.ask("GET", f"/get-artifact?run_uuid={ids['run']}&path={query}")
        assert answer.status in {400, 403, 404, 500}, answer
        assert SECRET.encode() not in answer.body
        assert b"root:" not in answer.body


@pytest.mark.parametrize("run", ["outside", "linked", "remote"])
def test_artifacts_that_the_database_or_a_link_puts_elsewhere_are_not_shown(pages, ids, run):
    """Whoever writes the database may name any folder, or another machine."""
    for path in ("/get-artifact?path=secret.txt&run_uuid=", f"{A2}/artifacts/list?run_id="):
        answer = pages.ask("GET", path + ids[run])
        assert answer.status == 403, answer
        assert b"artifacts that are not in the home's folder are not shown" in answer.body


def test_server_starts_without_the_secrets_and_switches_of_others(pages):
    environment = dict(line.split("=", 1) for line in Path(f"/proc/{pages.pid}/environ").read_text().split("\0") if "=" in line)
    assert SECRET not in str(environment)
    opened = {"MLFLOW_ENABLE_REMOTE_ASSISTANT", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "MLFLOW_SERVER_ENABLE_CUSTOM_SCORERS"}
    assert {environment.get(name, "false") for name in opened} == {"false"}
    assert not {name for name in HOSTILE if name in environment} - opened
    command = Path(f"/proc/{pages.pid}/cmdline").read_text().split("\0")
    assert command[1] == "-P"


def test_health_follows_the_database_and_the_process_is_seen_to_live(home, tmp_path):
    copy = tmp_path / "home"
    shutil.copytree(home / "mlflow", copy / "mlflow", symlinks=True, ignore=lambda *_: ["artifacts"])
    with listening(copy, tmp_path / "log") as served:
        assert served.ask("GET", "/health").status == 200
        shutil.move(copy / "mlflow" / "mlflow.db", tmp_path / "away.db")
        answer = served.ask("GET", "/health")
        assert (answer.status, answer.body) == (503, b"MLflow's process runs, and its database does not answer.\n")
        assert served.ask("GET", "/version").status == 200
        shutil.move(tmp_path / "away.db", copy / "mlflow" / "mlflow.db")
        assert served.ask("GET", "/health").status == 200


@pytest.mark.soak
def test_health_follows_a_postgresql_and_holds_no_password(tmp_path):
    with servers.postgresql() as database:
        variables = {postgres.VARIABLE: database.new("pages")}
        with listening(tmp_path / "home", tmp_path / "log", **variables) as served:
            assert served.ask("GET", "/health").status == 200
            database.stop()
            answer = served.ask("GET", "/health")
            assert (answer.status, answer.body) == (503, b"MLflow's process runs, and its database does not answer.\n")
            assert served.ask("GET", "/version").status == 200
            database.start()
            assert served.ask("GET", "/health").status == 200
        assert "MLflow's database does not answer: " in (tmp_path / "log").read_text()
        assert quote(servers.PASSWORD, safe="") not in (tmp_path / "log").read_text()
