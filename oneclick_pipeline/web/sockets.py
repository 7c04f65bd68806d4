"""Sockets of our servers: where they listen, and which user of this machine holds the other end of a connection.

listening    sockets on an address; on loopback in both of its families
users        user ids behind a connection, by the kernel's table of sockets
owners       the same from the lines of the table
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import sys
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LOOPBACK = "127.0.0.1"
_ATTEMPTS = 3
_HELD = frozenset({"01", "04", "05"})
"""States of a socket whose connection exists: ESTABLISHED, and FIN_WAIT of one that sends no more. One that is only trying to
connect (SYN_SENT) may have taken the port of a connection that its owner has left, and whose request still waits here."""
_SOCK_DIAG, _BY_FAMILY, _ANY = 4, 20, 0xFFFFFFFF  # NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY
_PATIENCE = 1.0
_NO_IPV6 = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})

Address = tuple[str, int]
_IP = IPv4Address | IPv6Address


@contextmanager
def listening(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Listen on a port while the block runs.

    `localhost` leads a browser to ::1 first. Whoever listened there could show it a page of his own under our name, and
    leave: the page would then ask us, as one of ours. So the port of 127.0.0.1 is ours on ::1 as well.

    Args:
        host: Address.
        port: Port; 0 takes a free one.

    Yields:
        The sockets, that of `host` first.

    Raises:
        BadInputError: If one of the addresses is taken or cannot be used.
    """
    try:
        bound = _bound(host, port)
    except OSError as error:
        problem = f"the port cannot be used: {os.strerror(error.errno or 0)}"
        raise BadInputError(problem, value=str(port), remedy="choose another port, or stop the program that uses it") from error
    with ExitStack() as stack:
        yield [stack.enter_context(one) for one in bound]


def _bound(host: str, port: int, attempts: int = _ATTEMPTS) -> list[socket.socket]:
    first = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    if host != LOOPBACK:
        return [first]
    try:
        return [first, socket.create_server(("::1", first.getsockname()[1]), family=socket.AF_INET6)]
    except OSError as error:
        if error.errno in _NO_IPV6:
            return [first]
        first.close()
        if port == 0 and attempts > 1 and error.errno == errno.EADDRINUSE:
            return _bound(host, port, attempts - 1)  # a port that was free on 127.0.0.1 alone
        raise


def users(connection: int) -> frozenset[int] | None:
    """Ids of the users whose process holds the other end of a connection.

    The answer is about this very connection. Another one from the same address and port can only exist once ours has ended,
    so ours is looked at last.

    Args:
        connection: Descriptor of our socket.

    Returns:
        The ids; None where the other end is on another machine.

    Raises:
        BadInputError: If no process holds it, or it has ended.
        OSError: If there are too few descriptors to look.
    """
    with socket.socket(fileno=os.dup(connection)) as own:  # uvloop's own object remembers addresses of what has ended
        try:
            peer, ours = _end(own.getpeername()), _end(own.getsockname())
            if not (peer[0].is_loopback or ours[0].is_loopback or _is_here(peer[0])):
                return None
            ids = _asked(peer, ours)
            own.getpeername()
            if ids is None:
                ids = _owners_now((str(peer[0]), peer[1]), (str(ours[0]), ours[1]))
                own.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            ids = frozenset()
    if not ids:
        remedy = "keep the connection open until the answer has arrived, and see that /proc/net/tcp can be read"
        raise BadInputError("no process of this machine holds the connection", remedy=remedy)
    return ids


def _end(name: Any) -> tuple[_IP, int]:  # noqa: ANN401 - a tuple of the family, or the path of a socket in a folder
    """Address and port of an end; those of an IPv4 peer on an IPv6 socket as IPv4."""
    if not isinstance(name, tuple):
        remedy = "let the server listen on an address and a port"
        raise BadInputError("the address of the peer is unknown", remedy=remedy)
    address = ip_address(name[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address, int(name[1])


def _is_here(address: _IP) -> bool:
    """Whether this machine has an address: a program of ours may come from any of them, to whichever it connects."""
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6) as probe:  # noqa: PLR2004 - IPv4
        try:
            probe.bind((str(address), 0))
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
    return True


def _asked(peer: tuple[_IP, int], ours: tuple[_IP, int]) -> frozenset[int] | None:
    """`owners` of this very moment: the kernel is asked for one socket, whatever number of them there are; see sock_diag(7).

    Returns:
        The ids; None where the kernel knows no such socket, or was built without this question.
    """
    family = socket.AF_INET if peer[0].version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    ends = struct.pack(">HH16s16s", peer[1], ours[1], peer[0].packed, ours[0].packed)
    question = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ANY) + ends + struct.pack("=III", 0, _ANY, _ANY)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
        kernel.settimeout(_PATIENCE)
        kernel.send(struct.pack("=IHHII", 16 + len(question), _BY_FAMILY, 1, 0, 0) + question)
        answer = kernel.recv(1 << 13)
    if struct.unpack_from("=H", answer, 4) != (_BY_FAMILY,):
        return None  # an error, that there is none
    state, user, inode = struct.unpack_from("=xBxx48x12xII", answer, 16)
    return frozenset({user} if f"{state:02X}" in _HELD and inode else ())


def _owners_now(peer: Address, ours: Address) -> frozenset[int]:
    """`owners` by the tables of now. They are read in pieces, and a socket that ends meanwhile may hide another: look again."""
    for _ in range(_ATTEMPTS):
        tables = (Path("/proc/net", name) for name in ("tcp", "tcp6"))
        lines = [line for table in tables if table.exists() for line in table.read_text("ascii").splitlines()]
        if users := owners(lines, peer, ours):
            return users
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
        count. Neither does one that is not connected yet.

    >>> line = " 5: 0100007F:EA48 0100007F:855B 01 00000000:00000000 00:00000000 00000000 65534 0 18321 2"
    >>> sorted(owners([line], ("127.0.0.1", 59976), ("127.0.0.1", 34139), "little"))
    [65534]
    """
    local, remote = _spellings(*peer, order), _spellings(*ours, order)
    columns = (line.split() for line in table if re.match(r"\s*\d+:", line))
    return frozenset(
        int(c[7])
        for c in columns
        if len(c) > 9 and c[1] in local and c[2] in remote and c[3] in _HELD and c[9].strip("0")  # noqa: PLR2004 - columns of the table
    )


def _spellings(host: str, port: int, order: Any) -> frozenset[str]:  # noqa: ANN401 - "little" or "big"
    """How the tables write an address: words of the machine in hex; an IPv4 one may stand in the table of IPv6, too."""
    address = ip_address(host)
    forms = [address.packed] if address.version == 6 else [address.packed, bytes(10) + b"\xff\xff" + address.packed]  # noqa: PLR2004 - IPv6
    words = ([int.from_bytes(form[i : i + 4], order) for i in range(0, len(form), 4)] for form in forms)
    return frozenset("".join(f"{word:08X}" for word in form) + f":{port:04X}" for form in words)
