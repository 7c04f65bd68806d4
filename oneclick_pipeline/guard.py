"""The guard before the pages: an ASGI middleware that refuses a request before anything reads its body.

The pages have no password. They are for the people at this machine, so a request must show that it comes from them, and not from
a web site in their browser or from another user of the machine:

    Rules       what is allowed; `Rules.check` goes through the rules in order
    Guard       the middleware: 403 and one sentence for what the rules refuse, headers for every answer
    hosts       names under which the pages may be asked for, `ONECLICK_HOSTS`
    users       user ids that may connect over loopback, `ONECLICK_USERS`
    owners      whose process holds the other end of a connection, read from the kernel's table of sockets
    DIRECT      environment of a uvicorn that must tell the guard the real address of the peer

Browsers send `Origin` and `Sec-Fetch-*` themselves, and no script can change them (Fetch Standard, forbidden request headers;
W3C Fetch Metadata). A program sends neither: it is held to the host, the user and the content type.
"""

from __future__ import annotations

import os
import pwd
import re
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS = "ONECLICK_HOSTS"
"""Variable with the names under which the pages may be asked for, with commas."""

USERS = "ONECLICK_USERS"
"""Variable with the names of other users who may connect over loopback, with commas."""

DIRECT = {"FORWARDED_ALLOW_IPS": ""}
"""uvicorn would take the peer's address from `X-Forwarded-For`, which every local program can send; with this it does not."""

JSON = frozenset({"application/json"})
"""What a request that changes something may carry: a web site cannot send it without being asked who it is."""

_LOOPBACK = ("localhost", "127.0.0.1")
_NAME = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_HOST = re.compile(r"([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ATTEMPTS = 3
_HEADERS = (
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
_FRAMES = (b"content-security-policy", b"frame-ancestors 'self'")  # beside the application's own: a browser obeys both

Address = tuple[str, int]


def hosts() -> tuple[str, ...]:
    """Names under which pages may be asked for; those of this machine alone by default.

    The machine's own names always are: health checks come by them. `*.example.com` stands for every name that ends so.

    Raises:
        BadInputError: If `ONECLICK_HOSTS` holds something that is not the name of a host.
    """
    named = [name.strip().lower() for name in os.environ.get(HOSTS, "").split(",") if name.strip()]
    for name in named:
        if not _NAME.fullmatch(name):
            remedy = "write names with commas, without scheme, port and path, as in pages.example.com"
            raise BadInputError(f"{HOSTS} holds something that is not the name of a host", value=name, remedy=remedy)
    return tuple(dict.fromkeys((*_LOOPBACK, *named)))


def users() -> frozenset[int]:
    """Ids of the users who may connect over loopback: ours, root's, and those of `ONECLICK_USERS`.

    Raises:
        BadInputError: If `ONECLICK_USERS` names a user whom this machine does not know.
    """
    ids = {os.geteuid(), 0}
    for name in (name.strip() for name in os.environ.get(USERS, "").split(",")):
        try:
            ids |= {pwd.getpwnam(name).pw_uid} if name else set()
        except KeyError as error:
            remedy = "write names of users of this machine, with commas"
            raise BadInputError(f"{USERS} names a user whom this machine does not know", value=name, remedy=remedy) from error
    return frozenset(ids)


def _no_path(_path: str) -> bool:
    return False


@dataclass(frozen=True)
class Rules:
    """What a request must look like.

    Attributes:
        hosts: Names that it may ask for; see `hosts`.
        users: Users who may connect over loopback; see `users`. None: they are not looked up.
        content_types: What a request that changes something may carry.
        links: Whether a link on another site may open a path. Only for paths that show a page and do nothing, whatever the query.
    """

    hosts: tuple[str, ...]
    users: frozenset[int] | None
    content_types: frozenset[str] = JSON
    links: Callable[[str], bool] = _no_path

    @classmethod
    def from_environment(cls, *, content_types: frozenset[str] = JSON, links: Callable[[str], bool] = _no_path) -> Rules:
        """The rules of this machine. Users are looked up on Linux only: elsewhere there is no such table of sockets.

        Raises:
            BadInputError: See `hosts` and `users`.
        """
        return cls(hosts(), users() if sys.platform == "linux" else None, content_types, links)

    def check(self, scope: Scope) -> None:
        """Refuse a request or a WebSocket that breaks a rule.

        Args:
            scope: What ASGI says of it.

        Raises:
            BadInputError: Which rule, and what to do.
        """
        host = self._host(_header(scope, b"host") or "")
        _check_peer(scope, self.users)
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
            remedy = f"open the page itself; a proxy must pass the Host header on, and its name must stand in {HOSTS}"
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


def _check_peer(scope: Scope, allowed: frozenset[int] | None) -> None:
    """Over loopback, and from this machine's own address, the user of the peer must be one of the allowed."""
    if allowed is None:
        return
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
    peer, ours = _address(client[0]), _address(server[0])
    if peer is None or ours is None or _is_forwarded(scope, client[0]):
        remedy = f"start the server with {next(iter(DIRECT))} empty, on an address and a port"
        raise BadInputError("the address of the peer is not known", remedy=remedy)
    if not peer.is_loopback and peer != ours:
        return
    found = _owners_now((str(peer), client[1]), (str(ours), server[1]))
    if not found:
        remedy = "keep the connection open until the answer is there, and see that /proc/net/tcp can be read"
        raise BadInputError("no process of this machine holds the connection", remedy=remedy)
    if not found <= allowed:
        remedy = f"run as the user of the server, or add your user's name to the server's {USERS}"
        raise BadInputError(
            "the connection belongs to another user of this machine", value=str(max(found - allowed)), remedy=remedy
        )


def _is_forwarded(scope: Scope, host: str) -> bool:
    """Whether uvicorn may have put an address of a header in place of the peer's."""
    values = b" ".join(value for key, value in scope["headers"] if key.lower() == b"x-forwarded-for").decode("latin-1")
    return re.search(rf"(?<![0-9a-f.]){re.escape(host)}(?![0-9a-f.])", values) is not None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """An address; that of an IPv4 peer on an IPv6 socket as IPv4. None for the name of a socket in a folder, or nothing."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _owners_now(peer: Address, ours: Address) -> frozenset[int]:
    """`owners` by the tables of now. They are read in pieces, and a socket that ends meanwhile may hide another: look again."""
    for _ in range(_ATTEMPTS):
        tables = (Path("/proc/net", name) for name in ("tcp", "tcp6"))
        lines = [line for table in tables if table.exists() for line in table.read_text("ascii").splitlines()]
        if found := owners(lines, peer, ours):
            return found
    return frozenset()


def owners(table: Iterable[str], peer: Address, ours: Address, order: Any = sys.byteorder) -> frozenset[int]:  # noqa: ANN401 - "little" or "big"
    """Ids of the users whose process holds the socket from a peer to us, as an identd finds them.

    Args:
        table: Lines of /proc/net/tcp and tcp6; see proc_pid_net(5).
        peer: Address and port of the peer: local to its socket.
        ours: Address and port of ours: remote to its socket.
        order: Byte order of the machine that wrote the table.

    Returns:
        The ids; none where no process holds the socket. One that was closed has no inode and shows 0 as its user: it does not
        count.

    >>> line = " 5: 0100007F:EA48 0100007F:855B 01 00000000:00000000 00:00000000 00000000 65534 0 18321 2"
    >>> sorted(owners([line], ("127.0.0.1", 59976), ("127.0.0.1", 34139), "little"))
    [65534]
    """
    local, remote = _spellings(*peer, order), _spellings(*ours, order)
    columns = (line.split() for line in table)
    return frozenset(int(c[7]) for c in columns if len(c) > 9 and c[1] in local and c[2] in remote and c[9].strip("0"))  # noqa: PLR2004 - columns of the table


def _spellings(host: str, port: int, order: Any) -> frozenset[str]:  # noqa: ANN401 - "little" or "big"
    """How the tables write an address: words of the machine in hex; an IPv4 one may stand in the table of IPv6, too."""
    address = ip_address(host)
    forms = [address.packed] if address.version == 6 else [address.packed, bytes(10) + b"\xff\xff" + address.packed]  # noqa: PLR2004 - IPv6
    words = ([int.from_bytes(form[i : i + 4], order) for i in range(0, len(form), 4)] for form in forms)
    return frozenset("".join(f"{word:08X}" for word in form) + f":{port:04X}" for form in words)


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
    body = f"{reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await _protected(send)({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
