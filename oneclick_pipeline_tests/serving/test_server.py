"""`oneclick serve`: the protocol, what is refused, and what a log never holds. What may stand in a record: test_scoring."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.serving import Scorer, score_records
from oneclick_pipeline.serving import server as serve
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.servers import LOOPBACK
from oneclick_pipeline_tests.tracking.trainings import model_file

from .conftest import ONECLICK, serving

ONE = {"unpaid_items": 3, "minutes_m0": 4.5, "service_level": "premium", "marketing_consent": True}
TWO = {"customer_id": 7, "favourite_category": "Товары для детей", "pages_per_visit": 2}
PRIVATE = "Совершенно секретно"


def records(*rows):
    return {"dataframe_records": list(rows)}


def split(columns, *rows, **more):
    return {"dataframe_split": {"columns": columns, "data": list(rows), **more}}


def test_one_customer_gets_what_the_command_says(server, championed):
    status, answer = server.score(records(ONE))
    assert status == 200
    assert answer == {"predictions": score_records(championed, [ONE])}
    (said,) = answer["predictions"]
    assert 0 < said["p_decline"] < 1
    assert said["reasons"][0].keys() == {"feature", "effect", "ru", "en"}
    assert "tenure_days" in said["missing"]
    assert said["model"] == {"name": "activity_decline", "version": 1}


def test_batch_comes_back_in_order_in_both_formats(server):
    rows = [ONE, TWO] * 50
    status, by_records = server.score(records(*rows))
    assert status == 200
    assert [p.get("customer_id") for p in by_records["predictions"]] == [None, 7] * 50
    names = sorted({*ONE, *TWO} - {"customer_id"})
    status, by_split = server.score(split(names, *([row.get(name) for name in names] for row in rows), index=list(range(100))))
    assert status == 200
    assert [p["p_decline"] for p in by_split["predictions"]] == [p["p_decline"] for p in by_records["predictions"]]
    assert server.score(records()) == (200, {"predictions": []})


def test_server_says_that_it_lives_and_which_version_answers(server, championed):
    for path in ("/ping", "/health"):
        assert server.ask("GET", path) == (200, "\n")
    status, answer = server.ask("GET", "/version")
    version = Tracking(championed).version(1)
    assert (status, answer["version"], answer["run_id"], answer["month"]) == (200, 1, version.run_id, "2026-10")
    assert answer["sha256"] == version.files["model.skops"].sha256


@pytest.mark.parametrize(
    ("body", "parts"),
    [
        (records(ONE, ONE | {"unpaid_items": -1}), ("record 1: ", "unpaid_items is out of range", "at least 0")),
        (records(ONE, {"unpaid_item": 1}), ("record 1: ", "column «unpaid_item»", "is not a feature", "docs/tables.md")),
        (split(["unpaid_items", "age"], [1, 2]), ("column «age»", "age is not a feature")),
        (split(["unpaid_items"], [1], [1, 2]), ("record 1 does not have one value for each of the 1 columns", "[1, 2]")),
        (split(["unpaid_items"], 3), ("record 0 does not have one value",)),
        (split(["unpaid_items", "unpaid_items"], [1, 2]), ("column «unpaid_items»", "appears twice")),
        (split([3], [1]), ("columns must be a list of names",)),
        (split("unpaid_items", [1]), ("columns must be a list of names",)),
        ({"dataframe_split": {"columns": ["unpaid_items"]}}, ("must have columns and data",)),
        ({"dataframe_split": {"columns": ["unpaid_items"], "data": {}}}, ("data must be a list of rows",)),
        ({"dataframe_split": []}, ("must have columns and data",)),
        ({"dataframe_records": ONE}, ("dataframe_records is not a list",)),
        (records(3), ("record 0 is not an object",)),
        ({"inputs": [[1, 2]]}, ("value 'inputs'", "with column names", "dataframe_split")),
        ({"instances": [ONE]}, ("value 'instances'",)),
        (records(ONE) | {"params": {}}, ("dataframe_records, params",)),
        ({}, ("dataframe_records",)),
        ([ONE], ("dataframe_records",)),
        ("text", ("dataframe_records",)),
        (None, ("this is not JSON",)),
        (records(ONE | {"favourite_category": "\ud800"}), ("favourite_category holds a control character", "\\ud800")),
        (records({"\ud800": 1}), ("is not a feature",)),
    ],
)  # fmt: skip
def test_bad_request_is_answered_with_place_and_remedy(server, body, parts):
    status, answer = server.score(body, raw=b"" if body is None else None)
    assert status == 400
    assert answer["error_code"] == "BAD_REQUEST"
    assert answer["remedy"]
    for part in parts:
        assert part in answer["message"]


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"{", "line 1: this is not JSON"),
        (b"\xff", "it is not UTF-8"),
        (b'{"dataframe_records": [{"minutes_m0": NaN}]}', "NaN is not JSON"),
        (b'{"dataframe_records": [{"minutes_m0": Infinity}]}', "Infinity is not JSON"),
        (b'{"dataframe_records": [{"minutes_m0": 1e999}]}', "minutes_m0 is not a number that a customer can have"),
        (
            b'{"dataframe_records": [{"unpaid_items": 1' + b"0" * 400 + b"}]}",
            "unpaid_items is not a number that a customer can have",
        ),
        (b'{"dataframe_records": [{"unpaid_items": ' + b"1" * 5000 + b"}]}", "this is not JSON"),
        (b'{"dataframe_records": [{"unpaid_items": 1, "unpaid_items": 2}]}', "the field appears twice"),
        (b'{"dataframe_records": [], "dataframe_records": []}', "the field appears twice"),
        (b"[" * 200_000, "it is nested too deeply"),
        (b'{"dataframe_records": [' + b"[" * 900 + b"]" * 900 + b"]}", "it is nested too deeply"),
    ],
)
def test_text_that_is_hardly_json_is_answered_in_plain_words(server, raw, part):
    status, answer = server.score(raw=raw)
    assert (status, part in answer["message"]) == (400, True), answer


def test_too_much_is_refused_and_says_how_much_is_not(server):
    status, answer = server.score(records(*[ONE] * 1_001))
    assert status == 413
    assert "there are more than 1,000 customers" in answer["message"]
    status, answer = server.score(raw=b" " * (serve.MOST_BYTES + 1))
    assert status == 413
    assert "larger than 4,194,304 bytes" in answer["message"]


def test_body_without_a_length_is_read_no_further_than_it_may(server):
    """In parts, as HTTP allows, until the server has enough of it."""
    with socket.create_connection((LOOPBACK, server.port), timeout=60) as connection:
        head = f"POST /invocations HTTP/1.1\r\nHost: {LOOPBACK}:{server.port}\r\nContent-Type: application/json\r\n"
        connection.sendall(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n")
        part = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
        for _ in range(5):
            connection.sendall(part)
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://localhost:8000"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
    ],
    ids=str,
)
def test_web_site_in_a_browser_is_refused(server, headers):
    status, text = server.score(records(ONE), **headers)
    assert status == 403
    assert "What to do: " in text


def test_other_paths_and_methods_are_not_there(server):
    assert server.ask("GET", "/")[0] == 404
    assert server.ask("GET", "/invocations")[0] == 405
    assert server.ask("POST", "/version", {})[0] == 405


def test_log_holds_nothing_of_a_customer(server):
    server.score(records(ONE | {"favourite_category": PRIVATE}))
    server.score(records({"unpaid_items": PRIVATE}))
    server.score(records({PRIVATE: 1}))
    server.ask("POST", "/invocations?unpaid_items=314159", records(ONE))
    assert server.log.read_text() == ""


def test_fault_of_the_server_is_logged_without_its_message(capsys):
    import asyncio

    async def broken(_):
        raise ValueError(f"could not convert {PRIVATE}")

    answer = asyncio.run(serve._in_plain_words(broken)(None))
    assert answer.status_code == 500
    assert PRIVATE not in answer.body.decode()
    logged = capsys.readouterr().err
    assert logged.startswith("error: ValueError in ")
    assert "test_server.py, line" in logged
    assert PRIVATE not in logged


@pytest.fixture
def home(championed, tmp_path):
    """A copy of the home to break."""
    shutil.copytree(championed / "mlflow", tmp_path / "home" / "mlflow")
    Tracking(tmp_path / "home").moved(championed)
    return tmp_path / "home"


def test_server_goes_on_with_what_it_checked_and_a_restart_is_refused(home, tmp_path):
    """The champion changes, then its files do: the bytes in memory are those that were registered."""
    with serving(home, tmp_path / "log") as running:
        before = running.score(records(ONE))
        store = Tracking(home)
        store.promote(2, force=True)
        model_file(store, store.version(1)).write_bytes(b"forged")
        assert running.score(records(ONE)) == before
        assert running.ask("GET", "/version")[1]["version"] == 1
    with serving(home, tmp_path / "log") as running:
        assert running.ask("GET", "/version")[1]["version"] == 2
    with pytest.raises(BadInputError, match="the file of model version 1 is not the one that was registered"):
        Scorer.open(home, 1)


@pytest.mark.parametrize("name", ["model.skops", "MLmodel", "code/evil.py", "out_of_fold.parquet", "effects.json"])
def test_tampered_version_is_not_served(home, name):
    import subprocess

    store = Tracking(home)
    version = store.version(1)
    path = store.folder / version.kept[name].path if name in version.kept else store.folder / version.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"forged")
    command = [*ONECLICK, "serve", "--home", str(home), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert name in done.stderr
    assert "What to do: " in done.stderr
    assert done.stdout == ""


def test_any_version_may_be_served_and_one_that_is_not_there_is_said_so(home):
    assert Scorer.open(home, 2).version.version == 2
    with pytest.raises(BadInputError, match="there is no model version 9"):
        Scorer.open(home, 9)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_server_ends_at_once_even_with_a_request_that_does_not_come(championed, tmp_path, stop):
    with serving(championed, tmp_path / "log") as running:
        with socket.create_connection((LOOPBACK, running.port), timeout=60) as slow:
            head = f"POST /invocations HTTP/1.1\r\nHost: {LOOPBACK}:{running.port}\r\nContent-Type: application/json\r\n"
            slow.sendall(head.encode() + b"Content-Length: 1000\r\n\r\n{")
            assert running.ask("GET", "/ping")[0] == 200  # the slow one was taken before
            begin = time.monotonic()
            running.process.send_signal(stop)
            assert running.process.wait(30) == 0
            assert time.monotonic() - begin < 10
        assert running.log.read_text() == ""


def test_port_that_is_taken_is_said_so(server, championed):
    from typer.testing import CliRunner

    from oneclick_pipeline.cli import app

    told = CliRunner().invoke(app.app, ["serve", "--home", str(championed), "--port", str(server.port)])
    assert "the port cannot be used: Address already in use. What to do: choose another port" in str(told.exception)


def test_names_of_columns_are_compared_at_once():
    """Compared one with all others, those of a request of 1 MB would hold the server for minutes."""
    columns = [f"c{place}" for place in range(120_000)]
    started = time.monotonic()
    assert serve.read_customers(json.dumps(split(columns)).encode()) == []
    with pytest.raises(BadInputError, match="appears twice"):
        serve.read_customers(json.dumps(split([*columns, "c0"])).encode())
    assert time.monotonic() - started < 10


def test_server_listens_on_this_machine_only(server):
    """Another address of this machine is loopback as well, and is not listened on."""
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", server.port), timeout=5).close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["columns", "data", "unpaid_items", "x"]), inner),
    max_leaves=8,
)


@given(name=st.sampled_from(["dataframe_split", "dataframe_records"]), content=JSON)
def test_any_json_is_read_or_refused_in_plain_words(name, content):
    try:
        rows = serve.read_customers(json.dumps({name: content}).encode())
    except BadInputError:
        return  # anything else would end the test
    assert all(isinstance(row, dict) for row in rows)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused_in_plain_words(body):
    with pytest.raises(BadInputError):
        serve.read_customers(body)
