"""Where our servers listen, and whose a connection is: by tables of the kernel as they are written, and by real sockets."""

from __future__ import annotations

import os
import pwd
import socket
import struct
from contextlib import closing, contextmanager
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.web import sockets

NOBODY = pwd.getpwnam("nobody").pw_uid

# The kernel's tables: the server at 127.0.0.1:34139 has two peers, an orphan of another, one over IPv6, one over both.
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
ZERO = "00000000:00000000 00:00000000 00000000"
TABLE = f"""{HEADER}
   3: 0100007F:855B 00000000:0000 0A {ZERO}     0        0 18317 1 00000000e5448b17 100 0 0 10 0
   5: 0100007F:EA48 0100007F:855B 01 {ZERO} 65534        0 18321 2 000000009065f6ce 20 0 0 10 -1
   8: 0100007F:855B 0100007F:EA48 01 {ZERO}     0        0 18322 1 0000000088df5c26 20 0 0 10 -1
   6: 0100007F:EA49 0100007F:855B 05 00000000:00000000 03:00001770 00000000     0        0 0 3 000000001cb2ee16
   7: 0100007F:EA52 0100007F:855B 04 00000001:00000000 01:00000014 00000000 65534        0 0 2 000000009172bcba 20 0 0 11 -1
   9: 00000000000000000000000001000000:EA48 00000000000000000000000001000000:855B 01 {ZERO}  1000        0 20 2 0 20 0 0 10 -1
  10: 0000000000000000FFFF00000100007F:EA50 0000000000000000FFFF00000100007F:855B 01 {ZERO}  1001        0 10 2 0 20 0 0 10 -1
  12: 0100007F:EA54 0100007F:855B 02 {ZERO}     0        0 18330 2 000000009065f6ce 20 0 0 10 -1
  13: 0100007F:EA55 0100007F:855B 05 {ZERO} 65534        0 18331 2 000000009065f6ce 20 0 0 10 -1
  11: 0100007F:EA51 0100007F:855B 01
garbage
""".splitlines()


@pytest.mark.parametrize(
    ("host", "port", "ids"),
    [
        ("127.0.0.1", 0xEA48, {65534}),
        ("127.0.0.1", 0xEA49, set()),  # closed and still there: root's, says the table
        ("127.0.0.1", 0xEA52, set()),  # closed with something left to send
        ("127.0.0.1", 0xEA50, {1001}),  # an IPv4 connection from a socket of both families
        ("127.0.0.1", 0xEA51, set()),  # a line that is cut
        ("127.0.0.1", 0xEA53, set()),
        ("127.0.0.1", 0xEA54, set()),  # not connected yet: it may have the port of somebody who has left
        ("127.0.0.1", 0xEA55, {65534}),  # sends no more, and waits for the answer
        ("127.0.0.2", 0xEA48, set()),
        ("127.0.0.1", 0x855B, set()),  # our own end
    ],
)
def test_owner_is_who_holds_the_other_end(host, port, ids):
    assert sockets.owners(TABLE, (host, port), ("127.0.0.1", 34139), "little") == ids


def test_owner_over_ipv6():
    assert sockets.owners(TABLE, ("::1", 0xEA48), ("::1", 34139), "little") == {1000}


@given(st.ip_addresses(), st.integers(1, 65535), st.ip_addresses(), st.integers(1, 65535), st.integers(0, 2**32 - 1))
def test_what_the_kernel_writes_is_read(peer, port, ours, own_port, uid):
    peer, ours = (ip_address(str(one)) for one in (peer, ours))

    def written(address):
        words = [address.packed[i : i + 4][::-1].hex().upper() for i in range(0, len(address.packed), 4)]
        return "".join(words)

    line = f"0: {written(peer)}:{port:04X} {written(ours)}:{own_port:04X} 01 {ZERO} {uid} 0 77 1"
    assert sockets.owners([line], (str(peer), port), (str(ours), own_port), "little") == {uid}
    assert sockets.owners([line], (str(peer), port % 65535 + 1), (str(ours), own_port), "little") == set()


@contextmanager
def connected(family=socket.AF_INET, to="127.0.0.1", source=None, accepting="127.0.0.1", make=socket.socket):
    """A connection: the peer's socket, and ours."""
    kind = socket.AF_INET6 if ":" in accepting else socket.AF_INET
    with socket.create_server((accepting, 0), family=kind) as server, make(family) as peer:
        if source:
            peer.bind((source, 0))
        peer.connect((to, server.getsockname()[1]))
        with closing(server.accept()[0]) as ours:
            yield peer, ours


def own_address():
    """An address of this machine that is none of loopback; the test is skipped where it has none, unless all is required."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.9", 9))  # sends nothing
            return probe.getsockname()[0]
        except OSError:
            assert not os.environ.get("ONECLICK_REQUIRE_ALL"), "the machine has no address but those of loopback"
            pytest.skip("the machine has no address but those of loopback")


def anothers(family=socket.AF_INET):
    """A socket of another user, as the kernel sees it; the test is skipped where nobody may become one."""
    if os.geteuid() != 0:
        assert not os.environ.get("ONECLICK_REQUIRE_ALL"), "run as root"
        pytest.skip("only root may become another user")
    os.seteuid(NOBODY)
    try:
        return socket.socket(family, socket.SOCK_STREAM)  # it keeps the user who made it
    finally:
        os.seteuid(0)


@pytest.mark.parametrize(
    "way",
    [
        {},
        {"source": "127.3.2.1"},
        {"family": socket.AF_INET6, "to": "::1", "accepting": "::1"},
        {"family": socket.AF_INET6, "to": "::ffff:127.0.0.1"},
    ],
)
@pytest.mark.parametrize("asked", [True, False])
def test_user_of_a_connection_is_seen(monkeypatch, way, asked):
    if not asked:
        monkeypatch.setattr(sockets, "_asked", lambda *_: None)  # a kernel that was built without it
    with connected(**way) as (_, ours):
        assert sockets.users(ours.fileno()) == {os.geteuid()}


@pytest.mark.parametrize("asked", [True, False])
def test_another_user_is_seen_wherever_he_comes_from(monkeypatch, asked):
    if not asked:
        monkeypatch.setattr(sockets, "_asked", lambda *_: None)
    own = own_address()
    for way in ({}, {"source": "127.3.2.1"}, {"source": own}, {"accepting": "0.0.0.0", "to": own}):  # noqa: S104 - in a container
        with connected(**way, make=anothers) as (_, ours):
            assert sockets.users(ours.fileno()) == {NOBODY}, way


def test_peer_on_another_machine_has_no_user_here():
    assert not sockets._is_here(ip_address("198.51.100.255"))
    assert not sockets._is_here(ip_address("2001:db8::1"))
    assert sockets._is_here(ip_address(own_address()))


@pytest.mark.parametrize("moment", ["before", "meanwhile"])
@pytest.mark.parametrize("lookup", ["_asked", "_owners_now"])
def test_connection_that_was_left_is_not_that_of_the_next_one_from_its_port(monkeypatch, lookup, moment):
    """Somebody sends a request, breaks the connection off, and another user's program gets his port before we look."""
    if lookup == "_owners_now":
        monkeypatch.setattr(sockets, "_asked", lambda *_: None)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as victim:
        peer = socket.create_connection(server.getsockname(), source_address=("127.0.0.2", 0))  # where nobody else is
        with closing(server.accept()[0]) as ours:
            peer.sendall(b"a request that is still to be read")

            def leave():
                port = peer.getsockname()[1]
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.close()
                victim.bind(("127.0.0.2", port))
                victim.connect(server.getsockname())

            if moment == "before":
                leave()
            else:
                look = getattr(sockets, lookup)
                monkeypatch.setattr(sockets, lookup, lambda *ends: leave() or look(*ends))
            with pytest.raises(BadInputError, match="no process of this machine holds the connection"):
                sockets.users(ours.fileno())


def test_connection_that_was_closed_is_nobodys():
    with connected() as (peer, ours):
        peer.close()
        with pytest.raises(BadInputError, match="no process of this machine holds the connection"):
            sockets.users(ours.fileno())


def test_socket_in_a_folder_has_no_peer_that_can_be_known():
    ours, peer = socket.socketpair()
    with ours, peer, pytest.raises(BadInputError, match="the address of the peer is unknown"):
        sockets.users(ours.fileno())


def test_port_is_ours_in_both_families():
    with sockets.listening("127.0.0.1", 0) as (first, second):
        port = first.getsockname()[1]
        assert (first.getsockname()[0], second.getsockname()[:2]) == ("127.0.0.1", ("::1", port))
    with sockets.listening("0.0.0.0", 0) as found:  # noqa: S104 - in a container
        assert len(found) == 1


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_port_that_somebody_has_in_one_family_is_refused(host, family):
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                BadInputError, match=rf"'{port}': the port cannot be used: Address already in use.*choose another port"
            ),
            sockets.listening("127.0.0.1", port),
        ):
            raise AssertionError("it listens")
        with socket.socket(socket.AF_INET6 if family == socket.AF_INET else socket.AF_INET) as free:
            free.bind(("127.0.0.1" if free.family == socket.AF_INET else "::1", port))  # nothing is left of the try
