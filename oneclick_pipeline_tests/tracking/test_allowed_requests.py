"""Which requests, bodies and tags MLflow's pages may send: literal tables, no server."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.tracking import Tracking, allowed_requests

A2, A3 = "/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/get-artifact"),
        ("GET", "/static-files/static/js/main.c2f5f8d4.js"),
        ("GET", f"{A2}/logged-models/m-743c972d58144a6a9ccf73cccd62576f/artifacts/directories"),
        ("GET", "/api/2.0/mlflow/runs/get"),
        ("POST", "/api/2.0/mlflow/runs/search"),
        ("POST", f"{A2}/runs/set-tag"),
        ("DELETE", f"{A2}/registered-models/alias"),
    ],
)
def test_what_the_pages_need_has_a_rule(method, path):
    assert method in allowed_requests.rule(method, path).methods


REFUSED = [
    ("PUT", f"{A3}/assistant/config"),
    ("GET", f"{A3}/assistant/config"),
    ("POST", f"{A3}/assistant/message"),
    ("POST", f"{A2}/gateway-proxy"),
    ("GET", f"{A2}/gateway-proxy"),
    ("POST", f"{A2}/webhooks"),
    ("POST", "/ajax-api/3.0/jobs/"),
    ("POST", "/v1/traces"),
    ("POST", f"{A2}/runs/create"),
    ("POST", f"{A2}/runs/log-batch"),
    ("POST", f"{A2}/experiments/create"),
    ("POST", f"{A2}/model-versions/create"),
    ("POST", f"{A2}/model-versions/transition-stage"),
    ("POST", f"{A2}/registered-models/create"),
    ("POST", f"{A2}/registered-models/rename"),
    ("DELETE", f"{A2}/registered-models/delete"),
    ("POST", f"{A2}/upload-artifact"),
    ("PUT", "/api/2.0/mlflow-artifacts/artifacts/models/model.skops"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts/models/model.skops"),
    ("POST", "/api/2.0/mlflow/runs/set-tag"),  # programs edit in the database, not over HTTP
    ("OPTIONS", f"{A2}/runs/search"),
    ("TRACE", "/"),
    ("GET", f"{A2}/runs/set-tag"),
    ("GET", "/graphql"),
]
SPELLINGS = [
    "//ajax-api/2.0/mlflow/runs/search",
    f"{A2}//runs/search",
    f"{A2}/runs/search/",
    f"{A2}/runs/SEARCH",
    f"{A2}/runs/./search",
    f"{A2}/experiments/../runs/search",
    f"{A2}/runs/%73earch",
    f"{A2}/runs/search\n",
    f"{A2}/runs/search;x",
    f"/prefix{A2}/runs/search",
    "ajax-api/2.0/mlflow/runs/search",
    "/ajax-api/2x0/mlflow/runs/search",
    "",
]


@pytest.mark.parametrize(("method", "path"), REFUSED + [("POST", path) for path in SPELLINGS])
def test_everything_else_is_refused_and_said(method, path):
    with pytest.raises(allowed_requests.RefusedError, match="MLflow's pages do not offer this here"):
        allowed_requests.rule(method, path)


OUTSIDE = ["../../etc/passwd", "..", ".env", "a//b", "a/", "a/../b", "%2e%2e/b", "/etc/passwd", "a\\b", "a\x00"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_static_files_are_below_their_folder(path):
    with pytest.raises(allowed_requests.RefusedError):
        allowed_requests.rule("GET", f"/static-files/{path}")


@given(st.text(), st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"]))
def test_refusal_of_any_path_is_one_printable_line(path, method):
    with pytest.raises(allowed_requests.RefusedError) as refusal:
        allowed_requests.rule(method, f"/x{path}")
    assert str(refusal.value).isprintable()


def body(method, path, said):
    return json.loads(allowed_requests.rule(method, path).body(json.dumps(said).encode()))


EDITS = [
    ("POST", "runs/update", {"run_id": "1", "run_name": "better"}),
    ("POST", "runs/set-tag", {"run_id": "1", "key": "mlflow.note.content", "value": "# note"}),
    ("POST", "runs/set-tag", {"run_id": "1", "key": "reviewed by", "value": "me"}),
    ("POST", "experiments/set-experiment-tag", {"experiment_id": "1", "key": "mlflow.sharedViewState.0a1", "value": "x"}),
    ("PATCH", "logged-models/m-1/tags", {"model_id": "m-1", "tags": [{"key": "reviewed", "value": "yes"}]}),
    ("POST", "registered-models/alias", {"name": "activity_decline", "alias": "candidate", "version": "1"}),
]


@pytest.mark.parametrize(("method", "path", "said"), EDITS)
def test_edit_of_the_pages_is_passed_on(method, path, said):
    assert body(method, f"{A2}/{path}", said) == said


@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "runs/update", {"run_id": "1", "status": "FAILED"}),
        ("POST", "runs/update", {"run_id": "1", "end_time": 1}),
        ("POST", "runs/update", {"runId": "1", "run_name": "x"}),  # protobuf's other spelling of a field
        ("POST", "runs/set-tag", {"run_id": "1", "key": "mlflow.loggedArtifacts", "value": "[]"}),
        ("POST", "runs/set-tag", {"run_id": "1", "key": "mlflow.parentRunId", "value": "2"}),
        ("POST", "runs/set-tag", {"run_id": "1", "key": "mlflow.note.content.x", "value": "2"}),
        ("POST", "runs/set-tag", {"run_id": "1", "key": 1, "value": "2"}),
        ("POST", "model-versions/set-tag", {"name": "m", "version": "1", "key": "model_sha256", "value": "0"}),
        ("POST", "model-versions/set-tag", {"name": "m", "version": "1", "key": "gates", "value": "passed"}),
        ("POST", "model-versions/set-tag", {"name": "m", "version": "1", "key": "gate.no_drop", "value": "passed"}),
        ("DELETE", "model-versions/delete-tag", {"name": "m", "version": "1", "key": "feature_months"}),
        ("POST", "experiments/update", {"experiment_id": "1", "new_name": "x", "artifact_location": "file:///etc"}),
        ("PATCH", "model-versions/update", {"name": "m", "version": "1", "description": "", "source": "file:///etc"}),
        ("PATCH", "logged-models/m-1/tags", {"tags": [{"key": "mlflow.x", "value": ""}]}),
        ("PATCH", "logged-models/m-1/tags", {"tags": {"key": "mine"}}),
        ("PATCH", "logged-models/m-1/tags", {"tags": [{"Key": "mlflow.x", "value": ""}]}),
    ],
)
def test_edit_that_can_do_more_than_the_pages_is_refused(method, path, said):
    with pytest.raises(allowed_requests.RefusedError):
        body(method, f"{A2}/{path}", said)


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'"{}"', b"{", b"\xff", b"[" * 100_000])
def test_body_that_is_no_object_is_refused(content):
    for path in ("runs/search", "runs/set-tag"):
        with pytest.raises(allowed_requests.RefusedError, match="not a JSON object"):
            allowed_requests.rule("POST", f"{A2}/{path}").body(content)


def test_field_that_is_said_twice_is_passed_on_as_it_was_checked():
    twice = b'{"run_id": "1", "key": "mlflow.user", "value": "x", "key": "mine"}'
    passed = allowed_requests.rule("POST", f"{A2}/runs/set-tag").body(twice)
    assert passed.count(b'"key"') == 1
    assert b"mlflow.user" not in passed


def test_text_of_graphql_that_would_take_long_to_read_is_refused():
    with pytest.raises(allowed_requests.RefusedError, match="not a GraphQL query"):
        body("POST", "/graphql", {"query": "{" + " a" * 20_000 + "}"})
    assert body("POST", "/graphql", {"query": "{" + " a" * 900 + "}"})


def test_graphql_may_only_read():
    assert body("POST", "/graphql", {"query": "query Q { test(inputString: 1) { output } }"})
    for text in ("mutation { x }", "query Q { x } mutation M { x }", "subscription { x }", "{", "", None, 1, "{" * 5000):
        with pytest.raises(allowed_requests.RefusedError, match="not a GraphQL query"):
            body("POST", "/graphql", {"query": text})


def test_body_of_a_read_is_dropped():
    assert allowed_requests.rule("GET", f"{A2}/runs/get").body(b'{"run_id": "1"}') == b""


def editable(key):
    try:
        allowed_requests._require_editable(key)
    except allowed_requests.RefusedError:
        return False
    return True


def test_tags_of_runs_versions_and_experiments_are_the_pipelines_own(finished):
    client = Tracking(finished.home)._client()
    experiments = client.search_experiments()
    runs = client.search_runs([experiment.experiment_id for experiment in experiments])
    versions = client.search_model_versions()
    keys = {key for one in experiments for key in one.tags} | {key for run in runs for key in run.data.tags}
    keys |= {key for version in versions for key in version.tags}
    assert {"gates", "promoted_by", "roc_auc", "mlflow.parentRunId"} <= keys
    assert {key for key in keys if editable(key)} == {"mlflow.note.content"}
