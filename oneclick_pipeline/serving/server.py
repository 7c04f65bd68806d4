"""A scoring server that speaks MLflow's protocol: customers in, probabilities with reasons out.

    POST /invocations   {"dataframe_records": [{...}, ...]} or {"dataframe_split": {"columns": [...], "data": [[...], ...]}}
                        -> {"predictions": [{"p_decline": ..., "meaning": ..., "reasons": [...], "missing": [...],
                            "model": {...}}, ...]}
    GET  /ping /health  200 while the server answers
    GET  /version       which version of the model answers

The version was checked against its record and opened before the server started. It is kept in memory: whatever happens to
its files or to the aliases later, this server keeps using it and `/version` says so; a restart takes the then champion.
Nothing of a customer is logged.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from oneclick_pipeline import terminal
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.serving.scoring import parse_json
from oneclick_pipeline.tracking.versions import MODEL_FILE
from oneclick_pipeline.web.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp

    from oneclick_pipeline.serving.scoring import Scorer

MOST_RECORDS = 1_000
"""Customers of one request; more are refused."""

MOST_BYTES = 4 << 20
"""Bytes of one request."""

_PATIENCE = 30
"""Seconds in which the body of a request must be there."""

_SPLIT, _RECORDS = "dataframe_split", "dataframe_records"
_BODY = "the request"
_FORMATS = f'give {{"{_RECORDS}": [{{"unpaid_items": 3}}]}} or {{"{_SPLIT}": {{"columns": ["unpaid_items"], "data": [[3]]}}}}'


class TooLargeError(BadInputError):
    """More than the server takes at once."""


def application(scorer: Scorer) -> ASGIApp:
    """The server of a model, behind the guard that checks the requester.

    Args:
        scorer: The model.

    Raises:
        BadInputError: If the guard's settings in the environment cannot be used.
    """
    one = asyncio.Semaphore(1)  # a prediction uses every core that it may: two at once are slower than one after the other

    async def invocations(request: Request) -> Response:
        records = read_customers(await _body(request))
        async with one:
            return _answer(200, {"predictions": await run_in_threadpool(scorer.score, records)})

    async def alive(_: Request) -> Response:
        return PlainTextResponse("\n")

    async def version(_: Request) -> Response:
        return _answer(200, described(scorer))

    return Guard(
        Starlette(
            routes=[
                Route("/invocations", _in_plain_words(invocations), methods=["POST"]),
                Route("/ping", alive),
                Route("/health", alive),
                Route("/version", version),
            ]
        )
    )


def described(scorer: Scorer) -> dict[str, object]:
    """Which version of the model answers."""
    own = scorer.version
    return {
        "model": own.name,
        "version": own.version,
        "run_id": own.run_id,
        "month": own.tags["month"],
        "family": own.tags["family"],
        "sha256": own.files[MODEL_FILE].sha256,
    }


def read_customers(body: bytes) -> list[dict[str, object]]:
    """The records in the body of a request.

    Args:
        body: JSON in UTF-8, in one of the formats of MLflow's protocol that have names of columns.

    Raises:
        BadInputError: If it holds none.

    >>> read_customers(b'{"dataframe_split": {"columns": ["unpaid_items"], "data": [[3], [4]]}}')
    [{'unpaid_items': 3}, {'unpaid_items': 4}]
    """
    try:
        content = parse_json(body.decode("utf-8"), _BODY)
    except UnicodeDecodeError as error:
        raise BadInputError("it is not UTF-8", file=_BODY, remedy="send JSON in UTF-8") from error
    if not isinstance(content, dict) or len(content) != 1 or not content.keys() <= {_SPLIT, _RECORDS}:
        named = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise BadInputError("it must hold one list of customers with column names", file=_BODY, value=named, remedy=_FORMATS)
    if _SPLIT in content:
        return _of_split(content[_SPLIT])
    records = content[_RECORDS]
    if not isinstance(records, list):
        raise BadInputError(f"{_RECORDS} is not a list", file=_BODY, remedy=_FORMATS)
    _require_few(records)
    for place, record in enumerate(records):
        if not isinstance(record, dict):
            raise BadInputError(f"record {place} is not an object", file=_BODY, value=str(record), remedy=_FORMATS)
    return records


def _of_split(split: object) -> list[dict[str, object]]:
    if not isinstance(split, dict) or not {"columns", "data"} <= split.keys() <= {"columns", "data", "index"}:
        raise BadInputError(f"{_SPLIT} must have columns and data", file=_BODY, remedy=_FORMATS)
    columns, data = split["columns"], split["data"]
    if not isinstance(columns, list) or not all(isinstance(name, str) for name in columns):
        raise BadInputError("columns must be a list of names", file=_BODY, remedy=_FORMATS)
    for name, times in Counter(columns).items():
        if times > 1:
            raise BadInputError("the column appears twice", file=_BODY, column=name, remedy="give every column once")
    if not isinstance(data, list):
        raise BadInputError("data must be a list of rows", file=_BODY, remedy=_FORMATS)
    _require_few(data)
    for place, row in enumerate(data):
        if not isinstance(row, list) or len(row) != len(columns):
            raise BadInputError(
                f"record {place} does not have one value for each of the {len(columns)} columns",
                file=_BODY,
                value=str(row),
                remedy=_FORMATS,
            )
    return [dict(zip(columns, row, strict=True)) for row in data]


def _require_few(records: list[object]) -> None:
    if len(records) > MOST_RECORDS:
        raise TooLargeError(
            f"there are more than {MOST_RECORDS:,} customers", file=_BODY, value=str(len(records)), remedy="send them in parts"
        )


async def _body(request: Request) -> bytes:
    """The body of a request, read no further than it may be large.

    Raises:
        BadInputError: If it is larger, or does not come.
    """
    too_large = TooLargeError(f"it is larger than {MOST_BYTES:,} bytes", file=_BODY, remedy="send the customers in parts")
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length[:20]) > MOST_BYTES:
        raise too_large
    content = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for part in request.stream():
                content += part
                if len(content) > MOST_BYTES:
                    raise too_large
    except TimeoutError as error:
        raise BadInputError(f"it did not arrive within {_PATIENCE} s", file=_BODY, remedy="send it at once") from error
    return bytes(content)


def _in_plain_words(handle: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Answer what goes wrong. A fault of ours is logged with its kind and place, not with its message: that may hold values."""

    async def handled(request: Request) -> Response:
        try:
            return await handle(request)
        except BadInputError as error:
            fields = {"column": error.column, "value": error.value and error.value[:200], "remedy": error.remedy}
            content = {"error_code": "BAD_REQUEST", "message": str(error), **{k: v for k, v in fields.items() if v is not None}}
            return _answer(413 if isinstance(error, TooLargeError) else 400, content)
        except ClientDisconnect:
            return _answer(400, {"error_code": "BAD_REQUEST", "message": "the connection was closed"})
        except Exception as error:  # noqa: BLE001 - uvicorn would log it with its message
            place = traceback.extract_tb(error.__traceback__)[-1]
            terminal.error(f"error: {type(error).__name__} in {place.filename}, line {place.lineno}")
            return _answer(500, {"error_code": "INTERNAL_ERROR", "message": "an error in the server; see its log"})

    return handled


def _answer(status: int, content: dict[str, Any]) -> Response:
    """JSON; half of a character, which a request may hold, goes back as it was escaped."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False)
    return Response(text.encode("utf-8", "backslashreplace"), status, media_type="application/json")
