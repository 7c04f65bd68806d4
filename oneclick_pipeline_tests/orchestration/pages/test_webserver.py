"""Dagster's server gives the pages what they need, and refuses the rest of what it registers."""

from __future__ import annotations

import asyncio
import json
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from dagster_webserver.webserver import DagsterWebserver
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from oneclick_pipeline.orchestration.pages import webserver
from oneclick_pipeline.orchestration.pages.webserver import GuardedWebserver
from oneclick_pipeline.web import guard

LAUNCH = "mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename } }"


class _NoWorkspace:
    """Stands for Dagster's instance and graph: who reaches it got through."""

    instance = SimpleNamespace(run_storage=None, telemetry_enabled=False)

    def create_request_context(self, _connection):
        return nullcontext(self)

    def __getattr__(self, name):
        raise AssertionError(f"the request got through to Dagster: {name}")


@pytest.fixture(scope="module")
def server():
    return GuardedWebserver(_NoWorkspace())


@pytest.fixture(scope="module")
def app(server):
    return server.create_asgi_app()


def ask(app, method, path, body=b"", query=b"", **headers):
    """Status and text of an answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    pairs = {"host": "localhost:3000", "content-type": "application/json"} | headers
    scope = {
        "type": "http", "method": method, "path": path, "query_string": query, "scheme": "http",
        "state": {guard.KNOWN: True}, "headers": [(k.replace("_", "-").encode(), v.encode()) for k, v in pairs.items()],
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent[1:]).decode()


def graphql(app, query, **variables):
    """What GraphQL answers: its status, and what it says is wrong."""
    status, text = ask(app, "POST", "/graphql", json.dumps({"query": query, "variables": variables}).encode())
    return status, " ".join(error["message"] for error in json.loads(text)["errors"])


def paths(routes):
    """Paths of what is no file of the pages."""
    return {route.path for route in routes if route.name not in webserver._STATIC}


def test_every_route_of_the_server_was_looked_at(app):
    """A route that Dagster adds is in no list: look at it, and write it into one."""
    registered = paths(DagsterWebserver(_NoWorkspace()).build_routes())
    assert registered == webserver.ALLOWED | set(webserver.REFUSED)
    assert not webserver.ALLOWED & set(webserver.REFUSED)
    assert {route.path for route in app.routes if route.name == "refused"} == set(webserver.REFUSED)


@pytest.mark.parametrize("path", [*webserver.REFUSED, "/unheard/of"])
def test_route_that_is_not_allowed_is_refused(monkeypatch, path):
    opened = DagsterWebserver.build_routes
    added = [Route("/unheard/of", lambda _: PlainTextResponse("here"), methods=["GET", "POST"])]
    monkeypatch.setattr(DagsterWebserver, "build_routes", lambda self: [*added, *opened(self)])
    app = GuardedWebserver(_NoWorkspace()).create_asgi_app()
    asked = path.replace("{asset_key:path}", "drift")
    assert [ask(app, method, asked)[0] for method in ("GET", "HEAD", "POST")] == [403, 403, 403]


def test_routes_below_a_prefix_are_the_same():
    app = GuardedWebserver(_NoWorkspace(), "/pages").create_asgi_app()
    assert ask(app, "POST", "/pages/report_asset_materialization/drift")[0] == 403
    assert ask(app, "GET", "/pages/server_info")[0] == 200
    assert ask(app, "GET", "/pages/graphql", query=b"query={version}")[0] == 405
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert ask(app, "GET", "/pages/graphql", **link)[0] == 403
    assert ask(app, "GET", "/pages/runs/1", **link)[0] == 200


@pytest.mark.parametrize("path", ["/", "/runs/1", "/assets/drift", "/locations/x/jobs/refresh/playground"])
def test_link_from_elsewhere_opens_a_page(app, path):
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    status, page = ask(app, "GET", path, **link)
    assert (status, "<!DOCTYPE html>" in page) == (200, True)


def test_every_path_that_does_more_than_show_a_page_is_closed_to_links(server):
    for route in server.build_routes():
        if isinstance(route, Route | WebSocketRoute) and route.path not in {"/", "/{path:path}"} and route.name != "root_static":
            assert not webserver.is_page(route.path), route.path


@pytest.mark.parametrize("query", [b"", b"query={version}", b"query=mutation{reloadWorkspace{__typename}}"])
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_graphql_is_not_asked_by_a_link(app, query, accept):
    assert ask(app, "GET", "/graphql", query=query, accept=accept)[0] == 405
    assert ask(app, "HEAD", "/graphql", query=query, accept=accept)[0] == 405


@pytest.mark.parametrize(
    "body",
    [b"", b"query=mutation{reloadWorkspace{__typename}}", b'"mutation{reloadWorkspace{__typename}}"', b"null", b"1", b"\xff",
     b"[" * 10**5, b'[{"query": "mutation{reloadWorkspace{__typename}}"}]', b'{"query": null}'],
)  # fmt: skip
def test_graphql_takes_one_json_object(app, body):
    assert ask(app, "POST", "/graphql", body, query=b"query=mutation{reloadWorkspace{__typename}}")[0] == 400


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "application/graphql"]
)
def test_graphql_takes_no_form(app, kind):
    body = b'{"query": "mutation{reloadWorkspace{__typename}}"}'
    assert ask(app, "POST", "/graphql", body, content_type=kind)[0] == 403


def test_every_mutation_was_looked_at(server):
    """A mutation that Dagster adds is in no list: look at it, and write it into one."""
    assert set(server._graphene_schema.graphql_schema.mutation_type.fields) == webserver.MUTATIONS | set(
        webserver.REFUSED_MUTATIONS
    )
    assert not webserver.MUTATIONS & set(webserver.REFUSED_MUTATIONS)


@pytest.mark.parametrize(
    "query",
    [
        'mutation { deleteRun(runId: "1") { __typename } }',
        'mutation { harmless: deleteRun(runId: "1") { __typename } }',
        (
            'mutation { setSensorCursor(sensorSelector: {repositoryLocationName: "x", repositoryName: "y", sensorName: "z"}) '
            "{ __typename } }"
        ),
        'mutation { ...F } fragment F on Mutation { deleteRun(runId: "1") { __typename } }',
        'mutation { ... on Mutation { shutdownRepositoryLocation(repositoryLocationName: "x") { __typename } } }',
        "query A { version } mutation B { wipeAssets(assetPartitionRanges: []) { __typename } }",
    ],
)
def test_mutation_that_the_pages_do_not_need_is_refused(app, query):
    body = {"query": query} | ({"operationName": "B"} if "query A" in query else {})
    status, text = ask(app, "POST", "/graphql", json.dumps(body).encode())
    assert status == 400
    assert "is refused: " in text


def launch(**parameters):
    """Parameters of a launch of a month."""
    selector = {"repositoryLocationName": "x", "repositoryName": "y", "pipelineName": "refresh"}
    return {"selector": selector, "runConfigData": {}, "mode": "default"} | parameters


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"runConfigData": {"resources": {"home": {"config": {"path": "/elsewhere"}}}}}, "resources.home.config.path"),
        ({"runConfigData": "resources: {home: {config: {engine: spark}}}"}, "resources.home.config.engine"),
        ({"executionMetadata": {"tags": [{"key": ".dagster/grpc_info", "value": "{}"}]}}, ".dagster/grpc_info"),
        ({"executionMetadata": {"tags": [{"key": "dagster/partition", "value": "../../x"}]}}, "is not a month"),
        ({"executionMetadata": {"parentRunId": "../../x"}}, "not the id of a run"),
    ],
)
def test_launch_that_names_a_place_is_refused(app, parameters, said):
    status, told = graphql(app, LAUNCH, p=launch(**parameters))
    assert status == 400
    assert said in told
    many = "mutation ($p: [ExecutionParams!]!) { launchMultipleRuns(executionParamsList: $p) { __typename } }"
    assert graphql(app, many, p=[launch(), launch(**parameters)])[1] == told
    again = "mutation ($p: ExecutionParams!) { launchRunReexecution(executionParams: $p) { __typename } }"
    assert graphql(app, again, p=launch(**parameters))[1] == told


def test_launch_that_sets_settings_goes_through(app):
    own = {"resources": {"home": {"config": {"run_settings": {"model": {"draws": 4}}}}}}
    tags = [{"key": "dagster/partition", "value": "2026-10"}, {"key": "why", "value": "a test"}]
    body = {"query": LAUNCH, "variables": {"p": launch(runConfigData=own, executionMetadata={"tags": tags})}}
    assert "PythonError" in ask(app, "POST", "/graphql", json.dumps(body).encode())[1]  # Dagster's, from what stands for it here


def test_backfill_that_names_a_place_is_refused(app):
    query = "mutation ($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) { __typename } }"
    config = {"resources": {"io_manager": {"config": {"base_dir": "/elsewhere"}}}}
    assert "resources.io_manager" in graphql(app, query, p={"runConfigData": config})[1]
    assert "dagster/image" in graphql(app, query, p={"tags": [{"key": "dagster/image", "value": "evil"}]})[1]


@pytest.mark.parametrize(
    "query",
    [
        "mutation { reloadWorkspace { __typename } }",
        "{ version }",
        "subscription A { locationStateChangeEvents { __typename } } mutation B { reloadWorkspace { __typename } }",
        "no query",
    ],
)
def test_websocket_subscribes_and_nothing_else(server, query):
    task, error = asyncio.run(server.execute_graphql_subscription(None, "1", query, None, None))
    assert task is None
    assert "may only subscribe" in error["message"] or "Syntax Error" in error["message"]
