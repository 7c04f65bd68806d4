"""The webhook: its address, and one POST to it.

The address is a secret, so it is in no file, no log and no message; what may be shown is its scheme and its host. A message has
been delivered if the answer is 2xx, and in no other case: a redirect is not followed, and neither an answer of a proxy
counts (those of the environment are not used) nor silence. The whole exchange has one deadline, the name's resolution included.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from oneclick_pipeline.errors import BadInputError

VARIABLE = "ONECLICK_WEBHOOK"
"""Environment variable with the address that alerts are posted to."""

DEADLINE_SECONDS = 10.0
"""For resolution, connection, TLS, request and answer together."""

_PATH = r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*"
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)(?::(?P<port>[0-9]{1,5}))?"
    rf"(?P<target>(?:/{_PATH})?(?:\?(?:{_PATH}|\?)*)?)",
    re.ASCII | re.IGNORECASE,
)
_NUMBER = re.compile("[0-9]+|0x[0-9a-f]*")  # browsers and resolvers take a name with such an ending for an address
_PORTS = {"http": 80, "https": 443}
_LONGEST, _LONGEST_HOST, _LONGEST_LABEL, _LAST_PORT = 2048, 253, 63, 65535
_SUCCESS, _REDIRECT = range(200, 300), range(300, 400)


class NotDeliveredError(Exception):
    """A message was, as far as we know, not delivered, and must be tried again."""


@dataclass(frozen=True)
class Webhook:
    """An address that alerts can be posted to.

    Attributes:
        scheme: `http` or `https`.
        host: Name or address of the host, without brackets.
        port: Its port.
        target: Path and query: the secret.
    """

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def warning(self) -> str:
        """A warning that messages can be read in transit; empty if they cannot."""
        if self.scheme == "https" or _is_loopback(self.host):
            return ""
        return f"the webhook at {self.host} is not encrypted: {VARIABLE} begins with http, so anyone on the way can read alerts"


def given() -> Webhook | None:
    """The webhook of the environment; None where there is none.

    Raises:
        BadInputError: If alerts cannot be posted to the address. The message does not hold it.
    """
    address = os.environ.get(VARIABLE, "")
    return parse(address) if address else None


def parse(address: str) -> Webhook:
    """An address parsed by an allow-list of its characters.

    Raises:
        BadInputError: See `given`.

    >>> parse("https://hooks.example.org/T0/B0")
    Webhook(scheme='https', host='hooks.example.org', port=443)
    """
    parts = _ADDRESS.fullmatch(address)
    host = parts["host"].lower().strip("[]") if parts else ""
    scheme = parts["scheme"].lower() if parts else ""
    port = int(parts["port"] or _PORTS[scheme]) if parts else 0
    if parts is None or len(address) > _LONGEST or not 1 <= port <= _LAST_PORT or not _is_host(host, parts["host"]):
        raise BadInputError(
            f"{VARIABLE} is not an http or https address to which alerts can be posted",
            remedy="write it as https://HOST/PATH or https://HOST:PORT/PATH: in ASCII, with a port from 1 to 65535, and without "
            "a user, a password, a fragment (#) or spaces; a host name with non-ASCII letters as xn--…; or unset the variable",
        )
    return Webhook(scheme, host, port, "/" + parts["target"].removeprefix("/"))


def _is_host(host: str, written: str) -> bool:
    """Whether a host is an address, or a name that is not meant as one: `127.1`, `2130706433` and `0x7f000001` are neither."""
    labels = host.split(".")
    is_address = written.startswith("[") or _NUMBER.fullmatch(labels[-1]) is not None
    if not is_address:
        return len(host) <= _LONGEST_HOST and all(1 <= len(label) <= _LONGEST_LABEL for label in labels)
    try:
        ipaddress.IPv6Address(host) if written.startswith("[") else ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def post(webhook: Webhook, body: bytes, seconds: float = DEADLINE_SECONDS) -> None:
    """Post JSON, and return once the receiver has accepted it.

    Args:
        webhook: Where to.
        body: The JSON, UTF-8.
        seconds: How long the whole exchange may take.

    Raises:
        NotDeliveredError: If no answer came in time, or it is not 2xx.
    """
    place = f"the webhook at {webhook.host}"
    exchange = _Exchange(webhook, body, seconds)
    if seconds > 0:
        exchange.start()
        exchange.join(seconds)
    if seconds <= 0 or exchange.is_alive():
        exchange.stop()
        raise NotDeliveredError(f"{place} did not answer in time")
    if exchange.status is None:
        raise NotDeliveredError(f"{place} cannot be reached: {exchange.problem}")
    if exchange.status in _REDIRECT:
        raise NotDeliveredError(f"{place} answered {exchange.status}, a redirect, which is not followed: set its final address")
    if exchange.status not in _SUCCESS:
        raise NotDeliveredError(f"{place} answered {exchange.status}")


class _Exchange(threading.Thread):
    """One POST in a thread of its own: a resolver that hangs, or an answer that drips, can be abandoned in no other way.

    Attributes:
        status: Status of the answer; None if there was none.
        problem: Why there was none.
    """

    def __init__(self, webhook: Webhook, body: bytes, seconds: float) -> None:
        super().__init__(daemon=True)
        self.status: int | None = None
        self.problem = ""
        self._webhook, self._body, self._seconds = webhook, body, seconds
        self._socket: socket.socket | None = None
        self._stopped = False

    def run(self) -> None:
        """Make the request; errors are kept for the caller."""
        try:
            self.status = self._exchange()
        except http.client.HTTPException:  # its text may repeat what the receiver said
            self.problem = "the response was not HTTP"
        except (OSError, ValueError) as error:
            self.problem = (
                getattr(error, "strerror", None) or "timed out" * isinstance(error, TimeoutError) or type(error).__name__
            )
        finally:
            if self._socket is not None:
                self._socket.close()

    def stop(self) -> None:
        """End the connection; if there is none yet, nothing is sent once there is."""
        self._stopped = True
        if self._socket is not None:
            with suppress(OSError):  # it has ended by itself
                self._socket.shutdown(socket.SHUT_RDWR)

    def _exchange(self) -> int:
        there = self._webhook
        self._socket = socket.create_connection((there.host, there.port), timeout=self._seconds + 1)  # the caller stops it before
        if there.scheme == "https":
            context = ssl.create_default_context()
            name = there.host
            secure = context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
            self._socket = secure
            self._check_wanted()
            secure.do_handshake()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(there.host, there.port, context=context)
        else:
            connection = http.client.HTTPConnection(there.host, there.port)
        self._check_wanted()
        connection.sock = self._socket
        headers = {"Content-Type": "application/json; charset=utf-8", "Connection": "close"}
        connection.request("POST", there.target, self._body, headers)
        return connection.getresponse().status  # its headers are bounded by http.client, its body is not read

    def _check_wanted(self) -> None:
        if self._stopped:
            raise TimeoutError
