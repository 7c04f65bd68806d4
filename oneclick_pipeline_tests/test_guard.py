"""The guard refuses what does not come from the people at this machine, before anything reads the body."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import shutil
import socket
import subprocess
import threading
from ipaddress import ip_address

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline import guard
from oneclick_pipeline.errors import BadInputError

OURS = ("127.0.0.1", 3000)
ELSEWHERE = ("192.0.2.9", 40000)  # no peer of this machine: nobody looks its user up
HOSTS = ("localhost", "127.0.0.1", "pages.example", "*.shop.example")


def scope(method="GET", path="/", *, kind="http", scheme=None, client=ELSEWHERE, **headers):
    """A request as uvicorn hands it over; a header with several values comes several times."""
    headers = {"host": "localhost:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name, one) for name, value in headers.items() for one in (value if isinstance(value, list) else [value])]
    return {
        "type": kind,
        "method": method,
        "path": path,
        "scheme": scheme or {"http": "http", "websocket": "ws"}[kind],
        "client": client,
        "server": OURS,
        "headers": [(name.encode(), one.encode()) for name, one in pairs if one is not None],
    }


def refusal(request, **rules):
    """Why a request is refused; empty where it passes."""
    try:
        guard.Rules(HOSTS, frozenset({0}), **rules).check(request)
    except BadInputError as error:
        return str(error)
    return ""


JSON = {"content_type": "application/json"}
CROSS = {"sec_fetch_site": "cross-site"}
LINK = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


@pytest.mark.parametrize(
    "request_",
    [
        scope(),
        scope(host="127.0.0.1"),
        scope(host="LOCALHOST:80"),
        scope(host="pages.example"),
        scope(host="a.b.shop.example:8443"),
        scope(origin="http://localhost:3000"),
        scope(host="localhost", origin="http://localhost"),
        scope(host="localhost:80", origin="http://localhost"),
        scope(host="pages.example", origin="https://pages.example"),  # a proxy speaks TLS
        scope(host="pages.example:8443", origin="https://pages.example:8443"),
        scope("POST", origin="http://localhost:3000", sec_fetch_site="same-origin", **JSON),
        scope("POST", **JSON),  # a program of ours
        scope("DELETE", content_type="Application/JSON; charset=utf-8"),
        scope("OPTIONS"),
        scope("HEAD"),
        scope(sec_fetch_site="none", **LINK),  # a bookmark
        scope(kind="websocket", origin="http://localhost:3000", sec_fetch_site="same-origin"),
        scope(kind="websocket", scheme="wss", host="pages.example", origin="https://pages.example"),
    ],
)
def test_own_request_passes(request_):
    assert refusal(request_) == ""


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "shop.example", "evilshop.example", "[::1]",
     "localhost:", "localhost:x", "localhost:3000:1", " localhost", "localhost/", "localhost\x00", "*", "*.shop.example",
     ["localhost", "localhost"], ["localhost", "evil.example"], None],
)  # fmt: skip
def test_foreign_host_is_refused(host):
    assert "host" in refusal(scope(host=host))


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://localhost", "http://localhost:3001", "http://localhost:30000", "http://127.0.0.1:3000", "https://localhost:3000",
     "http://evil.example", "http://localhost:3000.evil.example", "http://localhost:3000/", "http://user@localhost:3000", "file://",
     "ws://localhost:3000", "chrome-extension://abc", "http://localhost:3000 http://evil.example",
     ["http://localhost:3000", "http://evil.example"]],
)  # fmt: skip
def test_foreign_origin_is_refused(kind, origin):
    assert "origin" in refusal(scope(kind=kind, origin=origin, **JSON))


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://pages.example:444", "https://x.pages.example", "https://b.shop.example"]
)
def test_foreign_origin_is_refused_behind_a_proxy(origin):
    assert "origin" in refusal(scope(host="pages.example", origin=origin))


def test_websocket_without_origin_is_refused():
    assert "must name its origin" in refusal(scope(kind="websocket"))


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "SAME-ORIGIN", "other", ["same-origin", "cross-site"]])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_request_of_another_site_is_refused(site, method):
    assert re.search("another site|more than one", refusal(scope(method, sec_fetch_site=site, **JSON)))


def test_link_of_another_site_opens_a_page_and_nothing_else():
    def pages(path):
        return path == "/runs"

    assert refusal(scope(path="/runs", **CROSS, **LINK), links=pages) == ""
    assert refusal(scope(path="/runs", **CROSS, **LINK)) != ""  # no path is a page that is not said to be one
    foreign = [
        scope(path="/graphql", **CROSS, **LINK),
        scope("POST", "/runs", **CROSS, **LINK, **JSON),
        scope(path="/runs", origin="http://localhost:3000", **CROSS, **LINK),
        scope(path="/runs", **CROSS, sec_fetch_mode="navigate", sec_fetch_dest="iframe"),
        scope(path="/runs", **CROSS, sec_fetch_mode="navigate"),
        scope(path="/runs", **CROSS, sec_fetch_mode="no-cors", sec_fetch_dest="image"),
        scope(path="/runs", **CROSS, sec_fetch_mode="cors", sec_fetch_dest="document"),
        scope(path="/runs", **CROSS),
        scope(path="/runs", kind="websocket", origin="http://localhost:3000", **CROSS, **LINK),
    ]
    assert all("another site" in refusal(one, links=pages) for one in foreign)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING", "get"])
@pytest.mark.parametrize(
    "kind",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "text/plain; application/json", "application/json, text/plain", "application/graphql",
     "xapplication/json", ["application/json", "text/plain"]],
)  # fmt: skip
def test_change_that_is_no_json_is_refused(method, kind):
    assert re.search(r"form or a plain text|more than one", refusal(scope(method, content_type=kind)))


def test_an_application_may_take_another_type():
    allowed = guard.JSON | {"application/octet-stream"}
    assert refusal(scope("PUT", content_type="application/octet-stream"), content_types=allowed) == ""
    assert "application/json or application/octet-stream" in refusal(
        scope("PUT", content_type="text/plain"), content_types=allowed
    )


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
        ("127.0.0.2", 0xEA48, set()),
        ("127.0.0.1", 0x855B, set()),  # our own end
    ],
)
def test_owner_is_who_holds_the_other_end(host, port, ids):
    assert guard.owners(TABLE, (host, port), ("127.0.0.1", 34139), "little") == ids


def test_owner_over_ipv6():
    assert guard.owners(TABLE, ("::1", 0xEA48), ("::1", 34139), "little") == {1000}


@given(st.ip_addresses(), st.integers(1, 65535), st.ip_addresses(), st.integers(1, 65535), st.integers(0, 2**32 - 1))
def test_what_the_kernel_writes_is_read(peer, port, ours, own_port, uid):
    peer, ours = (ip_address(str(one)) for one in (peer, ours))

    def written(address):
        words = [address.packed[i : i + 4][::-1].hex().upper() for i in range(0, len(address.packed), 4)]
        return "".join(words)

    line = f"0: {written(peer)}:{port:04X} {written(ours)}:{own_port:04X} 01 {ZERO} {uid} 0 77 1"
    assert guard.owners([line], (str(peer), port), (str(ours), own_port), "little") == {uid}
    assert guard.owners([line], (str(peer), port % 65535 + 1), (str(ours), own_port), "little") == set()


@given(st.text(), st.text())
def test_any_header_ends_in_a_verdict(host, origin):
    request = scope() | {"headers": [(b"host", host.encode()), (b"origin", origin.encode())]}
    assert refusal(request)


@pytest.mark.parametrize(
    ("client", "forwarded"),
    [(None, None), (("127.0.0.1", 5), "127.0.0.1:5"), (("10.0.0.9", 0), "10.0.0.9"), (("testclient", 5), None), (("", 0), None)],
)
def test_peer_whose_address_is_not_known_is_refused(client, forwarded):
    assert "address of the peer is not known" in refusal(scope(client=client, x_forwarded_for=forwarded))


@pytest.mark.parametrize("client", [("127.0.0.1", 9), ("127.3.2.1", 9), ("::1", 9), ("::ffff:127.0.0.1", 9)])
def test_peer_of_this_machine_whom_no_process_holds_is_refused(client):
    assert "no process of this machine holds the connection" in refusal(scope(client=client))


def test_names_and_users_come_from_the_environment(monkeypatch):
    monkeypatch.delenv(guard.HOSTS, raising=False)
    monkeypatch.delenv(guard.USERS, raising=False)
    assert guard.hosts() == ("localhost", "127.0.0.1")
    assert guard.users() == {0, os.geteuid()}
    monkeypatch.setenv(guard.HOSTS, " Pages.Example ,, *.shop.example,localhost")
    monkeypatch.setenv(guard.USERS, "nobody, root")
    assert guard.hosts() == ("localhost", "127.0.0.1", "pages.example", "*.shop.example")
    assert guard.users() == {0, os.geteuid(), pwd.getpwnam("nobody").pw_uid}


@pytest.mark.parametrize("value", ["*", "https://pages.example", "pages.example:443", "pages.example/x", "a b", "-", "*.*"])
def test_name_that_is_none_is_refused_at_the_start(monkeypatch, value):
    monkeypatch.setenv(guard.HOSTS, value)
    with pytest.raises(BadInputError, match=guard.HOSTS):
        guard.Rules.from_environment()


def test_user_that_is_none_is_refused_at_the_start(monkeypatch):
    monkeypatch.setenv(guard.USERS, "no-such-user")
    with pytest.raises(BadInputError, match=r"no-such-user.*ONECLICK_USERS"):
        guard.Rules.from_environment()


class Application:
    """Answers everything, with a permission for every origin; knows what reached it."""

    def __init__(self):
        self.reached = []

    async def __call__(self, scope, _receive, send):
        if scope["type"] == "lifespan":
            return
        self.reached.append(scope["path"])
        headers = [(b"Access-Control-Allow-Origin", b"*"), (b"X-Frame-Options", b"ALLOWALL"), (b"content-security-policy", b"x")]
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, (b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def answers(application, request):
    """What the guard sends for a request, which nobody may read the body of."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("the body was read")

    asyncio.run(guard.Guard(application, guard.Rules(HOSTS, None))(request, receive, send))
    return sent


def test_refused_request_never_reaches_the_application():
    application = Application()
    start, body = answers(application, scope("POST", content_type="text/plain"))
    assert (start["status"], application.reached) == (403, [])
    assert b"What to do: send the body with the header Content-Type: application/json\n" in body["body"]
    assert b"\n" not in body["body"][:-1]
    assert answers(application, scope(kind="websocket")) == [{"type": "websocket.close", "code": 1008}]
    assert application.reached == []


def test_every_answer_carries_the_headers_and_no_permission_for_another_origin():
    for request in (scope(), scope(host="evil.example")):
        headers = answers(Application(), request)[0]["headers"]
        assert not [name for name, _ in headers if name.lower().startswith(b"access-control")]
        assert [value for name, value in headers if name.lower() == b"x-frame-options"] == [b"SAMEORIGIN"]
        assert (b"content-security-policy", b"frame-ancestors 'self'") in headers
        assert (b"x-content-type-options", b"nosniff") in headers
        assert (b"referrer-policy", b"same-origin") in headers


@pytest.fixture
def server(monkeypatch):
    """An application behind the guard on a real socket, started as the pages are; its port, and what reached it."""
    application = Application()
    for name, value in guard.DIRECT.items():
        monkeypatch.setenv(name, value)
    with socket.socket() as listening:
        listening.bind((*OURS[:1], 0))
        running = uvicorn.Server(uvicorn.Config(guard.Guard(application), log_level="critical", lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        listening.listen()
        thread.start()
        yield listening.getsockname()[1], application.reached
        running.should_exit = True
        thread.join()


def ask(port, path, *headers, user=None, wait=True):
    """What a user of this machine is answered; `bash` alone, which every user may run."""
    lines = "\\r\\n".join([f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""])
    command = f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf '{lines}' >&3; {'cat <&3' if wait else ''}"
    as_user = {} if user is None else {"user": user}
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True, cwd="/", **as_user
    ).stdout


def other_user():
    """Another user of this machine; the test is skipped where nobody may become one, unless everything is required."""
    if os.geteuid() != 0 or not shutil.which("bash"):
        assert not os.environ.get("ONECLICK_REQUIRE_ALL"), "run as root, with bash installed"
        pytest.skip("only root may ask as another user, by bash")
    return "nobody"


def test_another_user_of_the_machine_is_refused(server, monkeypatch):
    port, reached = server
    nobody = other_user()
    assert ask(port, "/mine").startswith("HTTP/1.1 200")
    refused = ask(port, "/another", user=nobody)
    assert refused.startswith("HTTP/1.1 403")
    assert "the connection belongs to another user of this machine. What to do: run as the user of the server, or add" in refused
    assert reached == ["/mine"]


def test_another_user_cannot_pass_as_somebody_else(server):
    port, reached = server
    nobody = other_user()
    mine = socket.create_connection(("127.0.0.1", port))  # a connection of ours that stays open
    with mine:
        address = f"127.0.0.1:{mine.getsockname()[1]}"
        for claim in (address, "192.0.2.9", f"192.0.2.9, {address}", "127.0.0.1"):
            for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
                assert ask(port, "/claim", f"{header}: {claim}", user=nobody).startswith("HTTP/1.1 403"), (header, claim)
        for _ in range(5):
            ask(port, "/gone", user=nobody, wait=False)  # sends and closes: its socket then shows root as its user
        assert ask(port, "/mine").startswith("HTTP/1.1 200")
    assert reached == ["/mine"]


def test_named_user_passes(monkeypatch):
    nobody = other_user()
    monkeypatch.setenv(guard.USERS, nobody)
    assert pwd.getpwnam(nobody).pw_uid in guard.Rules.from_environment().users
