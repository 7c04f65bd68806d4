"""A server of ours on real sockets: what another user of the machine gets, and what he cannot do to ours."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import pytest

from oneclick_pipeline.web import guard, sockets
from oneclick_pipeline.web import server as http_server
from oneclick_pipeline_tests.web.test_guard import Application
from oneclick_pipeline_tests.web.test_sockets import anothers, own_address

MOST = 4


@pytest.fixture
def server(monkeypatch):
    """An application behind the guard, served as the pages are; its port, and what reached it."""
    application, made = Application(), []
    monkeypatch.setattr(http_server.uvicorn.Server, "__init__", _remembering(made, http_server.uvicorn.Server.__init__))
    with sockets.listening("127.0.0.1", 0) as listening:
        options = {"log_level": "critical", "lifespan": "off", "limit_concurrency": MOST}
        thread = threading.Thread(target=http_server.serve, args=(guard.Guard(application), listening), kwargs=options)
        thread.start()
        try:
            yield listening[0].getsockname()[1], application.reached
        finally:
            made[0].should_exit = True
            thread.join()


def _remembering(made, init):
    def remembering(self, *arguments):
        init(self, *arguments)
        made.append(self)

    return remembering


def ask(port, path, *headers, source=None, to="127.0.0.1", said=True, make=socket.socket):
    """What is answered, to whom a socket belongs."""
    with make(socket.AF_INET6 if ":" in to else socket.AF_INET) as one:
        one.settimeout(20)
        if source:
            one.bind((source, 0))
        one.connect((to, port))
        if said:
            lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", ""]
            one.sendall("\r\n".join(lines).encode())
        return b"".join(iter(lambda: one.recv(1 << 16), b"")).decode()


def test_another_user_of_the_machine_is_refused(server):
    port, reached = server
    assert ask(port, "/mine").startswith("HTTP/1.1 200")
    refused = ask(port, "/another", make=anothers)
    assert refused.startswith("HTTP/1.1 403")
    assert "the connection belongs to another user of this machine. What to do: run as the user of the server, or add" in refused
    assert "x-frame-options: SAMEORIGIN" in refused
    assert reached == ["/mine"]


def test_another_user_is_refused_from_every_address_of_the_machine(server):
    port, reached = server
    for way in ({"source": own_address()}, {"source": "127.3.2.1"}, {"to": "::1"}):
        assert ask(port, "/another", **way, make=anothers).startswith("HTTP/1.1 403"), way
        assert ask(port, "/mine", **way).startswith("HTTP/1.1 200"), way
    assert reached == ["/mine"] * 3


def test_another_user_cannot_pass_as_somebody_else(server):
    port, reached = server
    with socket.create_connection(("127.0.0.1", port)) as mine:  # a connection of ours that stays open
        address = f"127.0.0.1:{mine.getsockname()[1]}"
        for claim in (address, "192.0.2.9", f"192.0.2.9, {address}", "127.0.0.1"):
            for header in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
                answer = ask(port, "/claim", f"{header}: {claim}", make=anothers)
                assert answer.startswith("HTTP/1.1 403"), (header, claim)
        for _ in range(5):  # sends and closes: its socket then shows root as its user
            with anothers() as gone:
                gone.connect(("127.0.0.1", port))
                gone.sendall(b"GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert ask(port, "/mine").startswith("HTTP/1.1 200")
    assert reached == ["/mine"]


def test_another_user_is_answered_before_he_says_anything_and_takes_nobodys_place(server):
    port, _ = server
    assert ask(port, "", said=False, make=anothers).startswith("HTTP/1.1 403")
    with ExitStack() as stack:
        for _ in range(3 * MOST):
            stack.enter_context(anothers()).connect(("127.0.0.1", port))
        assert ask(port, "/mine").startswith("HTTP/1.1 200")


def test_named_user_passes(monkeypatch, request):
    monkeypatch.setenv(guard.USERS, "nobody")
    port, _ = request.getfixturevalue("server")
    assert ask(port, "/named", make=anothers).startswith("HTTP/1.1 200")
