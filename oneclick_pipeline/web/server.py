"""The one way in which our servers serve: uvicorn that asks who holds a connection before it reads a byte of it.

A connection belongs to one user as long as it lives, so it is asked once, when it is made. One of another user gets the reason
and no more: nothing that he sends is parsed or kept, and his connections count against no limit of ours.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.web import guard, sockets

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from starlette.types import ASGIApp

_LINGER = 0.5
"""Seconds in which the reason can arrive: a socket that is closed at once, with something unread, takes it back."""


class Connection(HttpToolsProtocol):
    """One connection.

    Attributes:
        users: Users who may connect from this machine; see `guard.users`. None: they are not looked up.
    """

    users: ClassVar[frozenset[int] | None] = frozenset()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Look up the user, then serve or refuse."""
        try:
            self._check(transport)
        except (BadInputError, OSError) as refusal:
            _turn_away(
                transport,
                str(refusal) if isinstance(refusal, BadInputError) else "the sender of the request cannot be determined",
            )
        else:
            self.app_state = {**self.app_state, guard.KNOWN: True}
            super().connection_made(transport)

    def _check(self, transport: asyncio.Transport) -> None:
        if self.users is None:
            return
        users = sockets.users(transport.get_extra_info("socket").fileno())
        if users is not None and not users <= self.users:
            remedy = f"run as the user of the server, or add your user's name to the server's {guard.USERS}"
            raise BadInputError(
                "the connection belongs to another user of this machine", value=str(max(users - self.users)), remedy=remedy
            )


def _turn_away(transport: asyncio.Transport, reason: str) -> None:
    headers, body = guard.refusal(reason)
    lines = [b"HTTP/1.1 403 Forbidden", *(name + b": " + value for name, value in headers), b"connection: close", b"", body]
    transport.set_protocol(asyncio.Protocol())  # which ignores whatever comes
    transport.write(b"\r\n".join(lines))
    with suppress(OSError):  # it has already ended
        transport.write_eof()
    asyncio.get_running_loop().call_later(_LINGER, transport.abort)


def serve(app: ASGIApp, listening: Sequence[socket.socket], **options: Any) -> None:  # noqa: ANN401 - uvicorn's
    """Serve on sockets until a signal comes.

    Args:
        app: Application; behind `guard.Guard`, which serves no other connections than these.
        listening: Sockets that listen; see `sockets.listening`.
        options: Options of `uvicorn.Config`.

    Raises:
        BadInputError: If `ONECLICK_USERS` names an unknown user.
        SystemExit: If the application does not start.
    """
    own = type("OwnConnection", (Connection,), {"users": guard.users() if sys.platform == "linux" else None})
    server = uvicorn.Server(uvicorn.Config(app, http=own, proxy_headers=False, server_header=False, **options))
    server.run(sockets=list(listening))
    if not server.started:
        sys.exit(3)


def run(app: ASGIApp, *, host: str, port: int, **options: Any) -> None:  # noqa: ANN401 - uvicorn's
    """Serve on an address until a signal comes, as `uvicorn.run` does.

    Raises:
        BadInputError: See `serve` and `sockets.listening`.
    """
    with suppress(KeyboardInterrupt), sockets.listening(host, port) as listening:
        serve(app, listening, **options)
