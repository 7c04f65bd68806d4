"""Alerts arrive, once, and keep the webhook's address to themselves."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oneclick_pipeline.orchestration.delivery import WEBHOOK, Alert, NotDeliveredError, deliver

ALERT = Alert("run-1", "2026-10", "customers", "the run failed: «7 %» rejected", "http://127.0.0.1:3000/runs/1")


class Receiver(ThreadingHTTPServer):
    """A webhook that keeps what it gets; `answers` are the codes it gives first, None for hanging up."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hook)
        self.got, self.answers = [], []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/services/SECRET"


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.server.answers.pop(0) if self.server.answers else 200
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        if code is not None:
            self.send_response(code)
            self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(monkeypatch):
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv(WEBHOOK, server.address)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_webhook(monkeypatch):
    monkeypatch.delenv(WEBHOOK, raising=False)


def test_deliver_writes_to_stderr_once(tmp_path, capsys):
    for _ in range(3):
        deliver(tmp_path, ALERT)
    assert capsys.readouterr().err == ("ALERT 2026-10 customers: the run failed: «7 %» rejected\nhttp://127.0.0.1:3000/runs/1\n")
    kept = json.loads((tmp_path / "alerts" / "stderr" / "run-1.json").read_text(encoding="utf-8"))
    assert Alert(**kept) == ALERT


def test_deliver_posts_month_asset_reason_and_link_once(tmp_path, receiver):
    for _ in range(3):
        deliver(tmp_path, ALERT, stderr=False)
    ((path, kind, body),) = receiver.got
    assert path == "/services/SECRET"
    assert kind == "application/json; charset=utf-8"
    assert body == {
        "event": "run-1",
        "month": "2026-10",
        "asset": "customers",
        "reason": "the run failed: «7 %» rejected",
        "link": "http://127.0.0.1:3000/runs/1",
        "text": str(ALERT),
    }


def test_deliver_does_not_repeat_on_stderr_what_a_terminal_has_told(tmp_path, capsys):
    deliver(tmp_path, ALERT, stderr=False)
    deliver(tmp_path, ALERT)
    assert capsys.readouterr().err == ""


def test_deliver_of_one_event_by_many_at_once_arrives_once(tmp_path, receiver, capsys):
    threads = [threading.Thread(target=deliver, args=(tmp_path, ALERT)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.got) == 1
    assert capsys.readouterr().err.count("ALERT") == 1


def test_deliver_tries_again_what_was_refused_and_tells_stderr_once(tmp_path, receiver, capsys):
    receiver.answers = [503, 404]
    for code in (503, 404):
        with pytest.raises(NotDeliveredError, match=f"the webhook at 127.0.0.1 answered {code}"):
            deliver(tmp_path, ALERT)
    deliver(tmp_path, ALERT)
    deliver(tmp_path, ALERT)
    assert len(receiver.got) == 3
    assert capsys.readouterr().err.count("ALERT") == 1


def test_deliver_tries_again_when_nobody_listened(tmp_path, receiver, monkeypatch):
    with Receiver() as closed:
        nobody = closed.address
    monkeypatch.setenv(WEBHOOK, nobody)
    with pytest.raises(NotDeliveredError, match="cannot be reached") as caught:
        deliver(tmp_path, ALERT)
    assert "SECRET" not in str(caught.value)
    monkeypatch.setenv(WEBHOOK, receiver.address)
    deliver(tmp_path, ALERT)
    assert len(receiver.got) == 1


def test_deliver_does_not_repeat_what_may_have_arrived(tmp_path, receiver, capsys):
    receiver.answers = [None]
    deliver(tmp_path, ALERT)
    deliver(tmp_path, ALERT)
    assert len(receiver.got) == 1
    told = capsys.readouterr().err
    assert "the webhook at 127.0.0.1 did not answer; the alert run-1 may not have arrived" in told
    assert "SECRET" not in told


@pytest.mark.parametrize("address", ["ftp://a/SECRET", "file:///SECRET", "http://", "SECRET", "http://[SECRET"])
def test_deliver_refuses_what_is_no_web_address_and_does_not_tell_it(tmp_path, monkeypatch, address):
    monkeypatch.setenv(WEBHOOK, address)
    with pytest.raises(NotDeliveredError, match=r"^ONECLICK_WEBHOOK is no http or https address$"):
        deliver(tmp_path, ALERT, stderr=False)


def test_deliver_says_where_it_cannot_remember(tmp_path):
    (tmp_path / "alerts").write_text("a file")
    with pytest.raises(NotDeliveredError, match="stderr cannot be written"):
        deliver(tmp_path, ALERT)
