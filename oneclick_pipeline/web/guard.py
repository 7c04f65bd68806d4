"""The guard before the pages: an ASGI middleware that refuses a request before anything reads its body.

The pages have no password. They are for the people at this machine, so a request must show that it comes from them, and not from
a web site in their browser or from another user of the machine:

    Rules       what is allowed; `Rules.check` goes through the rules in order
    Guard       the middleware: 403 and one sentence for what the rules refuse, headers for every answer
    hosts       names under which the pages may be asked for, `ONECLICK_HOSTS`
    users       user ids that may connect from this machine, `ONECLICK_USERS`; `http_server` holds connections to them
    KNOWN       its mark on a request: it has looked who holds the connection

Browsers send `Origin` and `Sec-Fetch-*` themselves, and no script can change them (Fetch Standard, forbidden request headers;
W3C Fetch Metadata). A program sends neither: only host, user and content type are checked.
"""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = "ONECLICK_HOSTS"
"""Variable with the names under which the pages may be asked for, with commas."""

USERS = "ONECLICK_USERS"
"""Variable with the names of other users of this machine who may connect, with commas."""

KNOWN = "oneclick.connection"
"""Key of the state of a request (ASGI) that came by a connection whose user was looked up."""

JSON = frozenset({"application/json"})
"""What a request that changes something may carry: a web site cannot send it without being asked who it is."""

_LOOPBACK = ("localhost", "127.0.0.1")
_NAME = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_HOST = re.compile(r"([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HEADERS = (
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FRAMES = (b"content-security-policy", b"frame-ancestors 'self'")  # beside the application's own: a browser obeys both


def hosts() -> tuple[str, ...]:
    """Names under which pages may be asked for; those of this machine alone by default.

    The machine's own names always are: health checks come by them. `*.example.com` matches every name with that ending.

    Raises:
        BadInputError: If `ONECLICK_HOSTS` holds something that is not the name of a host.
    """
    named = [name.strip().lower() for name in os.environ.get(HOSTS, "").split(",") if name.strip()]
    for name in named:
        if not _NAME.fullmatch(name):
            remedy = "write names separated by commas, without scheme, port and path, as in pages.example.com"
            raise BadInputError(f"{HOSTS} holds something that is not the name of a host", value=name, remedy=remedy)
    return tuple(dict.fromkeys((*_LOOPBACK, *named)))


def users() -> frozenset[int]:
    """Ids of the users who may connect from this machine: ours, root's, and those of `ONECLICK_USERS`.

    Raises:
        BadInputError: If `ONECLICK_USERS` names an unknown user.
    """
    ids = {os.geteuid(), 0}
    for name in (name.strip() for name in os.environ.get(USERS, "").split(",")):
        try:
            ids |= {pwd.getpwnam(name).pw_uid} if name else set()
        except KeyError as error:
            remedy = "write names of users of this machine, separated by commas"
            raise BadInputError(f"{USERS} names an unknown user", value=name, remedy=remedy) from error
    return frozenset(ids)


def _no_path(_path: str) -> bool:
    return False


@dataclass(frozen=True)
class Rules:
    """What a request must look like.

    Attributes:
        hosts: Names that it may ask for; see `hosts`.
        content_types: What a request that changes something may carry.
        links: Whether a link on another site may open a path. Only for paths that show a page and do nothing, whatever the query.
    """

    hosts: tuple[str, ...]
    content_types: frozenset[str] = JSON
    links: Callable[[str], bool] = _no_path

    @classmethod
    def from_environment(cls, *, content_types: frozenset[str] = JSON, links: Callable[[str], bool] = _no_path) -> Rules:
        """The rules of this machine.

        Raises:
            BadInputError: See `hosts`.
        """
        return cls(hosts(), content_types, links)

    def check(self, scope: Scope) -> None:
        """Refuse a request or a WebSocket that breaks a rule.

        Args:
            scope: What ASGI says of it.

        Raises:
            BadInputError: Which rule, and what to do.
        """
        host = self._host(_header(scope, b"host") or "")
        if not scope.get("state", {}).get(KNOWN):
            raise BadInputError(
                "the owner of the connection is unknown", remedy="start the server by oneclick_pipeline.web.server"
            )
        origin = _header(scope, b"origin")
        self._check_origin(scope, host, origin)
        self._check_site(scope, origin)
        self._check_content_type(scope)

    def _host(self, host: str) -> str:
        host = host.lower()
        parts = _HOST.fullmatch(host)
        if not parts or not any(_matches(parts[1], name) for name in self.hosts):
            remedy = f"open the pages as localhost or 127.0.0.1, or add the name to {HOSTS}"
            raise BadInputError("the request names a host that is not ours", value=host, remedy=remedy)
        return host

    def _check_origin(self, scope: Scope, host: str, origin: str | None) -> None:
        """Another port is another origin. A proxy that speaks TLS passes the name on, and https is its own addition."""
        websocket = scope["type"] == "websocket"
        if origin is None:
            if websocket:
                raise BadInputError("a WebSocket must name its origin", remedy="open the page itself in a browser")
            return
        scheme = scope.get("scheme", "http").replace("ws", "http")
        name = host.partition(":")[0]
        schemes = {scheme} if name in _LOOPBACK else {scheme, "https"}
        if origin.lower() not in {
            one for s in schemes for one in (f"{s}://{host}", f"{s}://{host.removesuffix(_DEFAULT_PORTS[s])}")
        }:
            remedy = f"open the page itself; a proxy must pass the Host header on, and its name must be in {HOSTS}"
            raise BadInputError("the request comes from a page of another origin", value=origin, remedy=remedy)

    def _check_site(self, scope: Scope, origin: str | None) -> None:
        """A link may open a page; a foreign page may send nothing else. Another port of localhost is the same site."""
        site = _header(scope, b"sec-fetch-site")
        if site in {None, "none", "same-origin"}:
            return
        navigation = _header(scope, b"sec-fetch-mode") == "navigate" and _header(scope, b"sec-fetch-dest") == "document"
        asked = scope["type"] == "http" and scope["method"] in {"GET", "HEAD"} and origin is None
        if not (asked and navigation and self.links(scope["path"])):
            raise BadInputError("the request comes from another site", value=site, remedy="open the page itself, by its address")

    def _check_content_type(self, scope: Scope) -> None:
        if scope["type"] == "websocket" or scope["method"] in _SAFE:
            return
        kind = (_header(scope, b"content-type") or "").partition(";")[0].strip().lower()
        if kind not in self.content_types:
            remedy = f"send the body with the header Content-Type: {' or '.join(sorted(self.content_types))}"
            raise BadInputError("a request that changes something must not be a form or a plain text", value=kind, remedy=remedy)


def _matches(host: str, name: str) -> bool:
    return host.endswith(name[1:]) if name.startswith("*.") else host == name


def _header(scope: Scope, name: bytes) -> str | None:
    """The one header of a name; two could be read differently by us and by what comes behind."""
    values = [value for key, value in scope["headers"] if key.lower() == name]
    if len(values) > 1:
        raise BadInputError(f"the request has more than one header {name.decode()}", remedy="send one")
    return values[0].decode("latin-1") if values else None


class Guard:
    """ASGI middleware: what the rules refuse gets 403 and the reason, and never reaches the application.

    Args:
        app: The application.
        rules: What is allowed; the rules of this machine by default.
    """

    def __init__(self, app: ASGIApp, rules: Rules | None = None) -> None:
        self._app, self._rules = app, rules or Rules.from_environment()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, one WebSocket, or the start and end of the server."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            self._rules.check(scope)
        except BadInputError as refusal:
            await refuse(scope, send, str(refusal))
        else:
            await self._app(scope, receive, _protected(send))


async def refuse(scope: Scope, send: Send, reason: str) -> None:
    """Answer 403 with a reason, without reading the body; for a WebSocket the 403 is all that a server sends."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    headers, body = refusal(reason)
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def refusal(reason: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body of the answer to what is refused."""
    body = f"{reason}\n".encode()
    own = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    return [*own, *_HEADERS, _FRAMES], body


def _protected(send: Send) -> Send:
    """Send with our headers. No answer may be read by another origin, so none ever carries a permission to (CORS)."""
    ours = {name for name, _ in _HEADERS}

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in ours]
            kept = [(name, value) for name, value in kept if not name.lower().startswith(b"access-control-")]
            message = {**message, "headers": [*kept, *_HEADERS, _FRAMES]}
        await send(message)

    return with_headers
