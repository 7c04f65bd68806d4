"""The application behind MLflow's pages: the guard, then the allow-list, then MLflow's own application.

    Guard        the request comes from a person at this machine: see `oneclick_pipeline.web.guard`
    Pages        what the request may ask for: see `allowed`; headers for files; `/health`
    MLflow       its FastAPI and Flask application, with artifacts to read only: see `artifacts`

`/health` says whether the database answers; `/version` is answered by the process alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from oneclick_pipeline import terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.tracking import allowed_requests
from oneclick_pipeline.tracking.home import Tracking
from oneclick_pipeline.tracking.logs import quiet_mlflow
from oneclick_pipeline.web.guard import Guard, Rules, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEALTH = "/health"
_MOST_BYTES = 1 << 20
_HEALTH_SECONDS = 3.0
_HEALTH_THREADS = 4  # when so many questions wait for a database that hangs, the next one gets no thread

_PAGE_POLICY = (
    b"default-src 'none'; base-uri 'self'; form-action 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' blob: data:; worker-src 'self' blob:; "
    b"frame-src 'self' blob:; media-src 'self' blob:; manifest-src 'self'"
)
"""For the pages. They show an HTML artifact in a frame that inherits this: no script of it runs, and it reaches no server."""
_FILE_POLICY = b"sandbox; default-src 'none'"
"""For files of the artifacts, should a browser ever show one as a page."""


class Pages:
    """ASGI application: MLflow's, for requests of the allow-list.

    Args:
        mlflow: MLflow's application.
        ask: Asks the database something; it raises where there is no answer.
    """

    def __init__(self, mlflow: ASGIApp, ask: Callable[[], None]) -> None:
        self._mlflow, self._ask = mlflow, ask
        self._threads = ThreadPoolExecutor(_HEALTH_THREADS, "health")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; MLflow uses no WebSocket, and what it does when it starts is of its assistant."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] != "http":
            await refuse(scope, send, "the pages do not use WebSockets")
        elif scope["path"] == HEALTH and scope["method"] in {"GET", "HEAD"}:
            await self._health(send)
        elif constant := allowed_requests.CONSTANT.get((scope["method"], scope["path"], scope["query_string"])):
            await _answer(send, 200, constant)
        else:
            try:
                rule = allowed_requests.rule(scope["method"], scope["path"])
                body = rule.body(await _body(receive) if rule.methods.isdisjoint({"GET"}) else b"")
            except allowed_requests.RefusedError as refusal:
                await _answer(send, 403, _error("PERMISSION_DENIED", str(refusal)))
            else:
                await self._mlflow(_with_length(scope, len(body)), _replay(body), _with_policy(scope["path"], send))

    async def _health(self, send: Send) -> None:
        question = asyncio.wrap_future(self._threads.submit(self._ask))
        await asyncio.wait({question}, timeout=_HEALTH_SECONDS)
        if not question.done():
            question.cancel()  # if it waits for a thread; a database that was asked is not disturbed
            problem = "no answer in time"
        elif error := question.exception():
            problem = type(error).__name__  # its text may hold the address
        else:
            await _answer(send, 200, b"OK", b"text/plain")
            return
        terminal.error(f"MLflow's database does not answer: {problem}")
        await _answer(send, 503, b"MLflow's process runs, and its database does not answer.\n", b"text/plain")


def create(store: Tracking) -> ASGIApp:
    """The whole application over a home. It makes this process a server of that home: see `artifacts.restrict`.

    Raises:
        BadInputError: See `Tracking.prepare` and `Rules.from_environment`.
    """
    rules = Rules.from_environment(links=lambda path: path == "/")
    uri, folder = store.prepare(), store.folder / "artifacts"
    with quiet_mlflow():
        from mlflow.server import constants

        os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = uri  # read when the application is imported
        os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = folder.as_uri()
        from mlflow.server import handlers
        from mlflow.server.fastapi_app import app

        from oneclick_pipeline.tracking import artifacts

        artifacts.restrict(folder)
        engine = handlers._get_tracking_store().engine  # type: ignore[attr-defined] # noqa: SLF001 - MLflow has no other question to its database that costs nothing

    def ask() -> None:
        if not store.exists():
            raise BadInputError("the database is gone", remedy="restore it from a backup")
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1 FROM experiments")).first()

    return Guard(Pages(app, ask), rules)


async def _live(receive: Receive, send: Send) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})


async def _body(receive: Receive) -> bytes:
    """The whole body.

    Raises:
        RefusedError: If it is larger than any that the pages send.
    """
    content, more = b"", True
    while more:
        message = await receive()
        content += message.get("body", b"")
        more = message.get("more_body", False)
        if len(content) > _MOST_BYTES:
            raise allowed_requests.RefusedError("the body is larger than 1 MiB", remedy=allowed_requests.INSTEAD)
    return content


def _replay(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _with_length(scope: Scope, length: int) -> Scope:
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in {b"content-length", b"transfer-encoding"}]
    return {**scope, "headers": [*kept, (b"content-length", str(length).encode())] if length else kept}


def _with_policy(path: str, send: Send) -> Send:
    policy = _FILE_POLICY if allowed_requests.is_artifact(path) else _PAGE_POLICY
    own = [(b"content-security-policy", policy)]
    if policy is _FILE_POLICY:
        own.append((b"content-disposition", b"attachment"))

    async def with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            present = {name.lower() for name, _ in headers}
            message = {**message, "headers": headers + [(name, value) for name, value in own if name not in present]}
        await send(message)

    return with_policy


def _error(code: str, message: str) -> bytes:
    """In the shape of MLflow's own errors, which its pages show to people."""
    return json.dumps({"error_code": code, "message": message}).encode()


async def _answer(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def main(arguments: list[str]) -> None:
    """Serve the pages of `ONECLICK_HOME` on `--host` and `--port`."""
    from oneclick_pipeline.web import server

    parser = ArgumentParser(prog="python -m oneclick_pipeline.tracking.server")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args(arguments)
    try:
        permissions.restrict()
        server.run(create(Tracking(Path(os.environ["ONECLICK_HOME"]))), host=options.host, port=options.port)
    except BadInputError as error:
        terminal.error(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
