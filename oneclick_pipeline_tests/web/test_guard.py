"""The guard refuses what does not come from the people at this machine, before anything reads the body."""

from __future__ import annotations

import asyncio
import os
import pwd
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.web import guard

HOSTS = ("localhost", "127.0.0.1", "pages.example", "*.shop.example")


def scope(method="GET", path="/", *, kind="http", scheme=None, **headers):
    """A request as uvicorn hands it over; a header with several values comes several times."""
    headers = {"host": "localhost:3000"} | {name.replace("_", "-"): value for name, value in headers.items()}
    pairs = [(name, one) for name, value in headers.items() for one in (value if isinstance(value, list) else [value])]
    return {
        "type": kind,
        "method": method,
        "path": path,
        "scheme": scheme or {"http": "http", "websocket": "ws"}[kind],
        "state": {guard.KNOWN: True},
        "headers": [(name.encode(), one.encode()) for name, one in pairs if one is not None],
    }


def refusal(request, **rules):
    """Why a request is refused; empty where it passes."""
    try:
        guard.Rules(HOSTS, **rules).check(request)
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


@given(st.text(), st.text())
def test_any_header_ends_in_a_verdict(host, origin):
    request = scope() | {"headers": [(b"host", host.encode()), (b"origin", origin.encode())]}
    assert refusal(request)


def test_connection_that_nobody_looked_at_is_refused():
    for state in ({}, {guard.KNOWN: False}):
        assert "the owner of the connection is unknown" in refusal(scope() | {"state": state})
    del (request := scope())["state"]
    assert "the owner of the connection is unknown" in refusal(request)


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
        guard.users()


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

    asyncio.run(guard.Guard(application, guard.Rules(HOSTS))(request, receive, send))
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
