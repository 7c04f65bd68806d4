"""Alerts arrive, at least once, and keep the webhook's address to themselves."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.automation import delivery, webhook
from oneclick_pipeline.orchestration.automation.delivery import Alert, Backlog, NotDeliveredError, deliver, post_waiting
from oneclick_pipeline.orchestration.automation.webhook import VARIABLE as WEBHOOK
from oneclick_pipeline_tests.home.test_locks import elsewhere

ALERT = Alert("run-1", "2026-10", "customers", "the run failed: «7 %» rejected", "http://127.0.0.1:3000/runs/1")


class Receiver(ThreadingHTTPServer):
    """A webhook that keeps what it gets; `answers` are the codes it gives first, None for hanging up.

    It answers once `held` is set, if there is such an event; `asked` is set when it has got something.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Hook)
        self.got, self.answers, self.held, self.asked = [], [], None, threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/services/SECRET"


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code = self.server.answers.pop(0) if self.server.answers else 200
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        self.server.asked.set()
        if (held := self.server.held) is not None:
            held.wait()
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


def test_deliver_sends_again_what_was_not_answered(tmp_path, receiver, capsys):
    receiver.answers = [None]
    with pytest.raises(NotDeliveredError, match=r"the webhook at 127\.0\.0\.1 cannot be reached") as caught:
        deliver(tmp_path, ALERT)
    assert "SECRET" not in str(caught.value) + capsys.readouterr().err
    deliver(tmp_path, ALERT)
    deliver(tmp_path, ALERT)
    assert [body["event"] for _, _, body in receiver.got] == ["run-1", "run-1"]


def test_deliver_refuses_what_is_no_web_address_and_does_not_tell_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(WEBHOOK, "http://user:SECRET@a/")
    with pytest.raises(BadInputError, match=r"^ONECLICK_WEBHOOK is not an http or https address") as caught:
        deliver(tmp_path, ALERT)
    assert "SECRET" not in str(caught.value)
    assert "ALERT 2026-10" in capsys.readouterr().err


POSTING = """
import sys
from pathlib import Path
from oneclick_pipeline.orchestration.automation.delivery import Alert, deliver
deliver(Path(sys.argv[1]), Alert("run-1", "2026-10", "customers", "failed", "http://127.0.0.1:3000/runs/1"))
"""


def test_process_that_is_killed_while_it_posts_leaves_the_event_to_be_sent(tmp_path, receiver):
    receiver.held = threading.Event()
    with subprocess.Popen([sys.executable, "-c", POSTING, str(tmp_path)], stderr=subprocess.DEVNULL) as process:
        assert receiver.asked.wait(timeout=60)
        process.kill()
    receiver.held.set()
    receiver.held = None
    assert list((tmp_path / "alerts" / "webhook").glob("run-1.json")) == []
    deliver(tmp_path, ALERT)
    deliver(tmp_path, ALERT)
    assert len(receiver.got) == 2


def test_event_that_another_process_is_posting_is_not_posted(tmp_path, receiver):
    lock = tmp_path / "alerts" / "webhook" / ".lock"
    lock.parent.mkdir(parents=True)
    with elsewhere(f"__import__('filelock').FileLock({str(lock)!r})") as process:
        with pytest.raises(NotDeliveredError, match="another process is sending"):
            deliver(tmp_path, ALERT, seconds=0.1)
        process.stdin.close()
        process.wait()
    assert receiver.got == []
    deliver(tmp_path, ALERT)
    assert len(receiver.got) == 1


def test_event_is_a_file_in_its_folder_whatever_its_name(tmp_path, receiver):
    for event in ("../../outside", "a/b", "", "a" * 300):
        deliver(tmp_path, replace(ALERT, event=event))
        deliver(tmp_path, replace(ALERT, event=event))
    assert len(receiver.got) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["alerts"]
    assert len(list((tmp_path / "alerts" / "webhook").glob("*.json"))) == 4


MANY = [replace(ALERT, event=f"run-{number}") for number in range(50)]


def test_dead_webhook_costs_one_deadline_however_many_wait_and_lets_all_have_their_turn(tmp_path, receiver, monkeypatch):
    monkeypatch.setattr(delivery, "DEADLINE_SECONDS", 0.3)
    receiver.held = threading.Event()
    there, begin = webhook.given(), time.monotonic()
    backlog, problems = post_waiting(tmp_path, MANY, there, Backlog(), 1000)
    assert time.monotonic() - begin < 3
    assert problems == ["run-0: the webhook at 127.0.0.1 did not answer in time", "49 more wait for the next tick"]
    assert backlog == Backlog(("run-0",), 1, 1000)  # the next look tries again at once
    backlog, problems = post_waiting(tmp_path, MANY, there, backlog, 1000)
    assert problems[0].startswith("run-1: ")
    assert backlog == Backlog(("run-0", "run-1"), 2, 1060)
    assert post_waiting(tmp_path, MANY, there, backlog, 1059) == (
        backlog,
        ["50 wait: the webhook at 127.0.0.1 will be tried again at 00:17 UTC"],
    )
    receiver.held.set()
    receiver.held = None
    monkeypatch.setattr(delivery, "DEADLINE_SECONDS", 60.0)
    assert post_waiting(tmp_path, MANY, there, backlog, 1060) == (Backlog((), 0, 1060), [])
    assert {body["event"] for _, _, body in receiver.got} == {alert.event for alert in MANY}
    assert all(delivery.has_arrived(tmp_path, alert) for alert in MANY)


def test_clock_that_was_set_back_does_not_prolong_a_pause(tmp_path, receiver):
    backlog, problems = post_waiting(tmp_path, MANY[:1], webhook.given(), Backlog(("run-0",), 5, until=1_000_900), now=1_000)
    assert (backlog, problems) == (Backlog((), 0, 1_000), [])
    assert len(receiver.got) == 1


def test_event_that_is_always_refused_does_not_hold_up_the_others(tmp_path, receiver):
    receiver.answers = [400]
    backlog, problems = post_waiting(tmp_path, MANY[:3], webhook.given(), Backlog(), 0)
    assert problems == ["run-0: the webhook at 127.0.0.1 answered 400"]
    assert [body["event"] for _, _, body in receiver.got] == ["run-0", "run-1", "run-2"]
    assert backlog == Backlog(("run-0",), 0, 0)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_pauses_grow_to_a_quarter_of_an_hour_and_end_with_the_first_success(rounds):
    backlog, now = Backlog(), 0.0
    for fails, taken in rounds:
        now = max(now, backlog.until)
        before, backlog = backlog, backlog.after(["run-1"] if fails else [], now, taken=taken)
        assert 0 <= backlog.until - now <= 900
        if taken or not fails:
            assert (backlog.rounds, backlog.until) == (0, now)
        else:
            assert backlog.rounds == before.rounds + 1


def test_deliver_says_where_it_cannot_remember(tmp_path):
    (tmp_path / "alerts").write_text("a file")
    with pytest.raises(NotDeliveredError, match="stderr cannot be written"):
        deliver(tmp_path, ALERT)
