"""The application before MLflow's: what it passes on, what it answers itself. MLflow is a recorder here."""

import asyncio
import json
import threading

import pytest

from oneclick_pipeline.tracking import app
from oneclick_pipeline.tracking.allowed_requests import CONSTANT

GONE = "postgresql://store:s3cr3t@db:5432/oneclick"


class Recorder:
    """MLflow's application: notes the request, answers a page."""

    def __init__(self, headers=()):
        self.requests, self._headers = [], list(headers)

    async def __call__(self, scope, receive, send):
        self.requests.append((scope, (await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": b"page"})


def answers():
    """A database that answers."""


def ask(pages, method, path, *, body=(b"",), headers=(), kind="http", query=b""):
    """What the application sends for a request."""
    parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
    parts[-1]["more_body"] = False
    sent = []

    async def receive():
        return parts.pop(0)

    async def send(message):
        sent.append(message)

    scope = {"type": kind, "method": method, "path": path, "headers": list(headers), "query_string": query}
    asyncio.run(pages(scope, receive, send))
    return sent


def status(sent):
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_body_is_passed_on_as_it_was_understood():
    mlflow = Recorder()
    said = [b'{"experiment_ids"', b': ["1"], "max_results":  5}']
    headers = [(b"Content-Length", b"999"), (b"transfer-encoding", b"chunked"), (b"x", b"y")]
    code, _, _ = status(ask(app.Pages(mlflow, answers), "POST", "/ajax-api/2.0/mlflow/runs/search", body=said, headers=headers))
    ((scope, body),) = mlflow.requests
    assert (code, json.loads(body)) == (200, {"experiment_ids": ["1"], "max_results": 5})
    assert scope["headers"] == [(b"x", b"y"), (b"content-length", str(len(body)).encode())]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/ajax-api/3.0/mlflow/assistant/config", [b"{}"]),
        ("POST", "/ajax-api/2.0/mlflow/runs/update", [b'{"run_id": "1", "status": "FAILED"}']),
        ("POST", "/ajax-api/2.0/mlflow/runs/search", [b'{"filter": "', b"x" * (1 << 20), b'"}']),
    ],
)
def test_refusal_has_the_shape_of_mlflows_errors_and_never_reaches_mlflow(method, path, body):
    mlflow = Recorder()
    code, headers, answer = status(ask(app.Pages(mlflow, answers), method, path, body=body))
    assert (code, mlflow.requests) == (403, [])
    assert headers[b"content-type"] == b"application/json"
    said = json.loads(answer)
    assert said.keys() == {"error_code", "message"}
    assert said["error_code"] == "PERMISSION_DENIED"
    assert "What to do: " in said["message"]


def test_websocket_is_refused_and_start_and_end_are_ours():
    mlflow = Recorder()
    (refusal,) = ask(app.Pages(mlflow, answers), "GET", "/", kind="websocket")
    assert refusal["type"] == "websocket.close"
    sent = ask(app.Pages(mlflow, answers), "", "", kind="lifespan", body=(b"", b""))
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert mlflow.requests == []


def test_file_of_the_artifacts_is_never_a_page_of_this_origin():
    for path in ("/get-artifact", "/model-versions/get-artifact", "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files"):
        _, headers, _ = status(ask(app.Pages(Recorder(), answers), "GET", path))
        assert headers[b"content-security-policy"] == b"sandbox; default-src 'none'"
        assert headers[b"content-disposition"] == b"attachment"
    named = Recorder([(b"Content-Disposition", b"attachment; filename=a.html")])
    _, headers, _ = status(ask(app.Pages(named, answers), "GET", "/get-artifact"))
    assert headers[b"Content-Disposition"] == b"attachment; filename=a.html"
    assert b"content-disposition" not in headers


def test_page_runs_its_own_scripts_only_and_reaches_this_machine_only():
    _, headers, _ = status(ask(app.Pages(Recorder(), answers), "GET", "/"))
    rules = dict(rule.split(" ", 1) for rule in headers[b"content-security-policy"].decode().split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert {source for rule in rules.values() for source in rule.split()} <= {
        "'none'",
        "'self'",
        "'unsafe-inline'",
        "data:",
        "blob:",
    }
    assert [name for name, rule in rules.items() if "unsafe" in rule] == ["style-src"]


def test_question_for_gateways_is_answered_here_and_no_other_one():
    mlflow = Recorder()
    ((method, path, query),) = CONSTANT
    assert status(ask(app.Pages(mlflow, answers), method, path, query=query))[::2] == (200, b'{"endpoints": []}')
    assert status(ask(app.Pages(mlflow, answers), method, path, query=b"gateway_path=api/3.0"))[0] == 403
    assert mlflow.requests == []


def test_health_asks_the_database():
    assert status(ask(app.Pages(Recorder(), answers), "GET", "/health"))[::2] == (200, b"OK")


def test_health_without_a_database_is_503_and_holds_no_address(capsys):
    def gone():
        raise ConnectionError(GONE)

    code, _, said = status(ask(app.Pages(Recorder(), gone), "GET", "/health"))
    assert (code, said) == (503, b"MLflow's process runs, and its database does not answer.\n")
    assert capsys.readouterr().err == "MLflow's database does not answer: ConnectionError\n"


def test_health_does_not_wait_for_a_database_that_hangs(monkeypatch):
    monkeypatch.setattr(app, "_HEALTH_SECONDS", 0.05)

    async def often():
        sent = []

        async def send(message):
            sent.append(message)

        for _ in range(app._HEALTH_THREADS + 2):
            await pages({"type": "http", "method": "GET", "path": "/health", "headers": []}, None, send)
        return [m["status"] for m in sent if "status" in m]

    def asked():
        waiting.append(threading.get_ident())
        release.wait()

    waiting, release = [], threading.Event()
    pages = app.Pages(Recorder(), asked)
    try:
        assert asyncio.run(often()) == [503] * (app._HEALTH_THREADS + 2)
        assert len(waiting) == app._HEALTH_THREADS
    finally:
        release.set()
    assert status(ask(pages, "GET", "/health"))[0] == 200
