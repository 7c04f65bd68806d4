"""The plan in a database: SQLite always, a real PostgreSQL where one is installed."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.campaigns.ledger_rules import SENT
from oneclick_pipeline.cli import app
from oneclick_pipeline.contracts.offers import OFFER_PLAN
from oneclick_pipeline.contracts.segments import CUSTOMER_SEGMENTS
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.offers import database
from oneclick_pipeline.orchestration import publication

MONTH = "2026-10"
PASSWORD = "s3cr3t/ @x"  # noqa: S105 - of the test's own server
SPELLED = "s3cr3t%2F%20%40x"


@pytest.fixture
def oneclick(monkeypatch, tmp_path):
    """`oneclick offers publish` in a home of its own."""
    monkeypatch.delenv("ONECLICK_DATABASE", raising=False)

    def call(*arguments, **environment):
        command = ["offers", "publish", "--home", str(tmp_path), "--month", MONTH, *arguments]
        return CliRunner().invoke(app.app, command, env=environment)

    return call


@pytest.fixture(scope="module")
def server():
    """URL of a PostgreSQL of our own on a Unix socket, stopped at the end; a server refuses to run as root."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("no PostgreSQL is installed: initdb and pg_ctl are not on the PATH")
    user = {"user": "nobody"} if os.geteuid() == 0 else {}
    # not pytest's folder: another user must get there, and the path of a socket is short
    folder = Path(tempfile.mkdtemp(prefix="oneclick-pg-"))
    if user:
        shutil.chown(folder, **user)

    def call(*command):
        return subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=120, **user)

    data, secret = folder / "data", folder / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    options = f"-c listen_addresses='' -k {folder} -c fsync=off"
    try:
        call("initdb", "-D", data, "-U", "store", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-locale", "-N")
        # its output goes to a file: the server would hold a pipe open as long as it lives
        call("pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start")
        try:
            yield f"postgresql://store:{SPELLED}@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    found = request.getfixturevalue("server")
    engine = sa.create_engine(sa.make_url(found).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for name in database.NAMES:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {name}"))
    return found


def plan(ids, arm="offer", **columns):
    """`contracts.offers.OFFER_PLAN`."""
    values = {
        "arm": arm,
        "offer_id": "basket_voucher" if arm != "none" else None,
        "assignment": "plan",
        "reason": "offered",
        "propensity": 0.8,
        "p_no_offer": 0.2,
        "p_control": 0.13,
        "p_explore": 0.09,
        "chances": "basket_voucher=0.03,premium_perks=0.03",
        "control_share": 0.1,
        "exploration_share": 0.1,
        "offer_control_share": 0.1,
        "fits": "basket_voucher,premium_perks",
        "segment": "core",
        "p_decline": 0.25,
        "value": 2.4,
        "expected_effect": -0.05,
        "expected_gain": 0.01,
        "cost": 0.06,
        "model_version": 1,
    }
    return pd.DataFrame({"customer_id": list(ids), **(values | columns)})[OFFER_PLAN.names]


def segments(ids, **columns):
    """`contracts.segments.CUSTOMER_SEGMENTS`."""
    values = {"segment": "core", "segment_ru": "Опора магазина", "segment_en": "Core", "p_decline": 0.25, "profit": 4.0}
    return pd.DataFrame({"customer_id": list(ids), **(values | {"value_at_risk": 3.0} | columns)})[CUSTOMER_SEGMENTS.names]


def rows(url, name, month=MONTH):
    """What stands in the database, by customer."""
    made = sa.make_url(url)
    made = made.set(drivername="postgresql+psycopg") if made.get_backend_name() == "postgresql" else made
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    with engine.connect() as connection:
        table = sa.Table(name, sa.MetaData(), autoload_with=connection)
        query = sa.select(table).where(table.c.month == month).order_by(table.c.customer_id)
        return [dict(row) for row in connection.execute(query).mappings()]


def test_publish_writes_every_column(url):
    table = plan([2, 1], "none", p_decline=np.nan, expected_gain=np.nan)
    published = database.publish(url, MONTH, table, segments([1, 2]))
    assert published.rows == {"oneclick_offer_plan": 2, "oneclick_customer_segments": 2}
    assert published.removed == {"oneclick_offer_plan": 0, "oneclick_customer_segments": 0}
    first = {"month": MONTH, **table.iloc[1].to_dict()} | {"p_decline": None, "expected_gain": None, "offer_id": None}
    assert rows(url, "oneclick_offer_plan")[0] == first
    assert [row["customer_id"] for row in rows(url, "oneclick_offer_plan")] == [1, 2]
    assert rows(url, "oneclick_customer_segments")[1] == {"month": MONTH, **segments([2]).iloc[0].to_dict()}


def test_publish_updates_inserts_and_removes_in_its_month_only(url):
    database.publish(url, "2026-09", plan([1, 2]), segments([1, 2]))
    database.publish(url, MONTH, plan([1, 2, 3]), segments([1, 2, 3]))
    published = database.publish(url, MONTH, plan([2, 4], "control"), segments([2, 4, 5], segment="grow"))
    assert published.removed == {"oneclick_offer_plan": 2, "oneclick_customer_segments": 2}
    assert [(r["customer_id"], r["arm"]) for r in rows(url, "oneclick_offer_plan")] == [(2, "control"), (4, "control")]
    assert [(r["customer_id"], r["segment"]) for r in rows(url, "oneclick_customer_segments")] == [
        (2, "grow"),
        (4, "grow"),
        (5, "grow"),
    ]
    assert [r["customer_id"] for r in rows(url, "oneclick_offer_plan", "2026-09")] == [1, 2]


def test_publish_again_changes_nothing(url):
    for _ in range(2):
        published = database.publish(url, MONTH, plan([1, 2]), segments([1, 2]))
        before = rows(url, "oneclick_offer_plan")
    assert published.removed == {"oneclick_offer_plan": 0, "oneclick_customer_segments": 0}
    assert rows(url, "oneclick_offer_plan") == before
    assert len(before) == 2


def test_publish_takes_more_rows_than_a_batch_and_none(url, monkeypatch):
    monkeypatch.setattr(database, "_BATCH_ROWS", 3)
    database.publish(url, MONTH, plan(range(10)), segments(range(10)))
    assert len(rows(url, "oneclick_offer_plan")) == 10
    published = database.publish(url, MONTH, plan([]), segments([]))
    assert published.removed == {"oneclick_offer_plan": 10, "oneclick_customer_segments": 10}
    assert rows(url, "oneclick_offer_plan") == []


def test_hostile_text_is_a_value(url):
    text = "'); DROP TABLE oneclick_offer_plan; --"
    database.publish(url, MONTH, plan([1], fits=text), segments([1], segment=text))
    assert rows(url, "oneclick_offer_plan")[0]["fits"] == text


class _DeathError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["_batches", "_remove_others"])
def test_publish_that_dies_half_way_leaves_the_old_rows(url, monkeypatch, step):
    database.publish(url, MONTH, plan([1, 2]), segments([1, 2]))
    before = [rows(url, name) for name in database.NAMES]
    original, calls = getattr(database, step), []

    def die_on_the_second(*arguments):
        calls.append(arguments)
        if len(calls) == 2:  # the first table is written by now
            raise _DeathError
        return original(*arguments)

    monkeypatch.setattr(database, step, die_on_the_second)
    with pytest.raises(_DeathError):
        database.publish(url, MONTH, plan([2, 3], "control"), segments([2, 3], segment="grow"))
    assert [rows(url, name) for name in database.NAMES] == before


def test_row_that_the_database_refuses_leaves_the_old_rows(url):
    database.publish(url, MONTH, plan([1]), segments([1]))
    with pytest.raises(BadInputError, match=r"the database refused, and nothing of 2026-10 was changed"):
        database.publish(url, MONTH, plan([1], "control"), segments([1, 2], segment=[None, "grow"]))
    assert [row["arm"] for row in rows(url, "oneclick_offer_plan")] == ["offer"]


def test_wrong_password_is_not_told(server):
    with pytest.raises(BadInputError, match="password authentication failed") as error:
        database.publish(server.replace(SPELLED, "wr0ng%40pass"), MONTH, plan([1]), segments([1]))
    for spelling in ("wr0ng%40pass", "wr0ng@pass"):
        assert spelling not in str(error.value)
    assert error.value.__suppress_context__
    assert "store:***@" in error.value.value


def test_published_database_has_no_password(server):
    published = database.publish(server, "2026-01", plan([1]), segments([1]))
    assert PASSWORD not in published.database
    assert SPELLED not in published.database
    assert "***" in published.database


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nonsense s3cr3t", "the database URL is not understood"),
        ("postgresql://store:s3cr3t@host:port/db", "the database URL is not understood"),
        ("", "the database URL is not understood"),
        ("mysql://store:s3cr3t@host/db", "the database is neither PostgreSQL nor SQLite"),
        ("sqlite:////nowhere/at/all/store.db", "the folder of the database does not exist"),
        ("postgresql://store:s3cr3t@127.0.0.1:1/db", "the database refused"),
        ("postgresql://store@127.0.0.1:1/db?password=s3cr3t", "the database refused"),
        ("postgresql://store@127.0.0.1:1/db?password=s3cr3t&sslmode=s3cr3t", "the database refused"),
    ],
)
def test_url_that_cannot_be_used_is_told_without_its_password(text, problem):
    with pytest.raises(BadInputError, match=problem) as error:
        database.publish(text, MONTH, plan([1]), segments([1]))
    assert "s3cr3t" not in str(error.value).replace("sslmode=s3cr3t", "")
    assert error.value.remedy


def old_tables(url, *, without, key=", PRIMARY KEY (month, customer_id)"):
    """The tables as an older version made them, with a row of an older month."""
    made = sa.make_url(url)
    made = made.set(drivername="postgresql+psycopg") if made.get_backend_name() == "postgresql" else made
    with sa.create_engine(made, poolclass=sa.NullPool).begin() as connection:
        for name, table in database.NAMES.items():
            kinds = {"int": "BIGINT", "float": "FLOAT", "str": "TEXT"}
            columns = [f"{c.name} {kinds[c.kind]}" for c in table.columns if c.name not in without]
            connection.execute(sa.text(f"CREATE TABLE {name} (month VARCHAR(7), {', '.join(columns)}{key})"))
            connection.execute(sa.text(f"INSERT INTO {name} (month, customer_id) VALUES ('2026-01', 7)"))  # noqa: S608 - our names


def test_tables_of_an_older_version_get_the_columns_that_they_lack_and_keep_their_rows(url):
    old_tables(url, without={"fits", "control_share", "segment_en"})
    database.publish(url, MONTH, plan([1]), segments([1]))
    assert rows(url, "oneclick_offer_plan")[0] == {"month": MONTH, **plan([1]).iloc[0].to_dict()}
    assert rows(url, "oneclick_customer_segments")[0]["segment_en"] == "Core"
    for name in database.NAMES:
        assert [row["customer_id"] for row in rows(url, name, "2026-01")] == [7]


def test_table_with_another_key_is_refused_and_the_remedy_loses_nothing(url):
    old_tables(url, without={"fits"}, key="")
    with pytest.raises(BadInputError, match="oneclick_offer_plan in the database is not ours") as error:
        database.publish(url, MONTH, plan([1]), segments([1]))
    assert "rename it" in error.value.remedy
    assert "its rows are kept" in error.value.remedy
    assert "fits" not in rows(url, "oneclick_offer_plan", "2026-01")[0]  # nothing was changed


def test_no_remedy_says_to_drop_a_table(url):
    with pytest.raises(BadInputError, match="the database refused") as error:
        database.publish(url, MONTH, plan([1]), segments([1], segment=[None]))
    assert "drop" not in error.value.remedy.lower()
    assert "rename it" in error.value.remedy


TOGETHER = """
import sys
import pandas as pd
from oneclick_pipeline.offers import database
url, plan, segments, month = sys.argv[1:]
frames = pd.read_pickle(plan), pd.read_pickle(segments)
print("ready", flush=True)
sys.stdin.readline()
database.publish(url, month, *frames)
"""


def test_first_publishes_that_come_together_take_turns(url, tmp_path):
    """Six processes, let go at once into a database without tables: without turns most of them fail."""
    plan(range(50)).to_pickle(tmp_path / "plan")
    segments(range(50)).to_pickle(tmp_path / "segments")
    months = [f"2026-{n:02}" for n in range(1, 7)]
    command = [sys.executable, "-c", TOGETHER, url, str(tmp_path / "plan"), str(tmp_path / "segments")]
    started = [
        subprocess.Popen([*command, month], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for month in months
    ]
    for process in started:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in started:
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in started]
    assert [code for _, code in ends] == [0] * len(months), ends
    assert all(len(rows(url, name, month)) == 50 for name in database.NAMES for month in months)


def test_second_first_publish_waits_until_the_first_has_ended(url, monkeypatch):
    """Stopped in the middle of its transaction, the first one is waited for; both succeed."""
    inside, go_on = threading.Event(), threading.Event()
    batches = database._batches

    def stopped(frame, month):
        if month == "2026-01":
            inside.set()
            assert go_on.wait(30)
        return batches(frame, month)

    monkeypatch.setattr(database, "_batches", stopped)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(database.publish, url, "2026-01", plan([1]), segments([1]))
        assert inside.wait(30)
        second = pool.submit(database.publish, url, "2026-02", plan([2]), segments([2]))
        with pytest.raises(TimeoutError):
            second.result(timeout=1)
        go_on.set()
        assert first.result(60).rows == second.result(60).rows
    assert [len(rows(url, "oneclick_offer_plan", month)) for month in ("2026-01", "2026-02")] == [1, 1]


def test_month_is_checked(tmp_path):
    with pytest.raises(BadInputError, match="is not a month"):
        database.publish(f"sqlite:///{tmp_path / 'store.db'}", "x", plan([1]), segments([1]))
    assert not (tmp_path / "store.db").exists()


def test_driver_that_is_not_installed_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(BadInputError, match=r"the database driver psycopg is not installed.*oneclick_pipeline\[postgres\]"):
        database.publish("postgresql://store@127.0.0.1:1/db", MONTH, plan([1]), segments([1]))


def hand_over(home, planned, table=None):
    """A home in which a plan was handed over, and `offer_plan` is `table` by now."""
    ledger.publish(home, MONTH, planned)
    put(home, "offer_plan", planned if table is None else table)
    put(home, "customer_segments", segments(planned["customer_id"]))


def put(home, name, frame):
    path = table_file(home, name, MONTH)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)


def test_command_publishes_what_was_handed_over(oneclick, tmp_path):
    hand_over(tmp_path, pd.concat([plan([1, 2]), plan([3], "none", assignment="none", propensity=np.nan)]))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    for result in (oneclick("--database", url), oneclick(ONECLICK_DATABASE=url)):
        assert result.exit_code == 0, result.exception
        assert "oneclick_offer_plan  2 rows of 2026-10, 0 removed" in result.output
        assert "oneclick_customer_segments  3 rows" in result.output
        assert "warning" not in result.output
    assert rows(url, "oneclick_offer_plan")[0] == {"month": MONTH, **plan([1]).iloc[0].to_dict()}
    assert [row["customer_id"] for row in rows(url, "oneclick_offer_plan")] == [1, 2]  # who got nothing was not published


def test_command_publishes_the_ledger_and_says_that_the_plan_has_become_another(oneclick, tmp_path):
    hand_over(tmp_path, plan([1, 2, 3]), plan([2, 3, 4], offer_id=["premium_perks", "basket_voucher", "basket_voucher"]))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    result = oneclick("--database", url)
    assert result.exit_code == 0
    assert "the current plan of 2026-10 has changed: 3 customers differ" in result.output
    assert "oneclick run --month 2026-10 --replan" in result.output
    assert [(r["customer_id"], r["offer_id"]) for r in rows(url, "oneclick_offer_plan")] == [
        (1, "basket_voucher"),
        (2, "basket_voucher"),
        (3, "basket_voucher"),
    ]


def test_command_publishes_segments_that_agree_with_what_was_handed_over(oneclick, tmp_path):
    hand_over(tmp_path, plan([1, 2]))
    put(tmp_path, "customer_segments", segments([1, 2, 3], segment=["save_first", "core", "grow"], p_decline=[0.9, 0.25, 0.1]))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    assert oneclick("--database", url).exit_code == 0
    found = rows(url, "oneclick_customer_segments")
    assert [(r["segment"], r["segment_en"], r["p_decline"], r["value_at_risk"]) for r in found] == [
        ("core", "Core", 0.25, None),  # of another score: its value at risk is not this one's
        ("core", "Core", 0.25, 3.0),
        ("grow", "Core", 0.1, 3.0),
    ]
    joined = {r["customer_id"]: (r["segment"], r["p_decline"]) for r in found}
    assert all(joined[r["customer_id"]] == (r["segment"], r["p_decline"]) for r in rows(url, "oneclick_offer_plan"))


@pytest.mark.parametrize("older", [False, True])
def test_log_of_a_crm_is_published_without_what_it_does_not_hold(oneclick, tmp_path, url, older):
    """Nothing is taken from today's plan: it may be another one."""
    hand_over(tmp_path, plan([1]))
    sent = plan([1])[[c.name for c in SENT]]
    sent.to_parquet(ledger_file(tmp_path, MONTH))
    if older:
        old_tables(url, without=())
    assert oneclick("--database", url).exit_code == 0
    found = rows(url, "oneclick_offer_plan")[0]
    lacking = {
        "reason",
        "p_no_offer",
        "p_control",
        "p_explore",
        "chances",
        "control_share",
        "exploration_share",
        "offer_control_share",
        "expected_effect",
        "expected_gain",
        "model_version",
    }
    assert {name for name, value in found.items() if value is None} == lacking


def test_command_refuses_a_plan_that_nobody_handed_over(oneclick, tmp_path):
    hand_over(tmp_path, plan([1]))
    ledger_file(tmp_path, MONTH).unlink()
    result = oneclick("--database", f"sqlite:///{tmp_path / 'store.db'}")
    assert result.exit_code == 1
    assert "was not published" in str(result.exception)
    assert "materialize offers_export for it, or run the month: oneclick run --month 2026-10" in str(result.exception)
    assert not (tmp_path / "store.db").exists()


def test_command_publishes_where_the_plan_is_gone_and_says_so(oneclick, tmp_path):
    hand_over(tmp_path, plan([1]))
    table_file(tmp_path, "offer_plan", MONTH).unlink()
    result = oneclick("--database", f"sqlite:///{tmp_path / 'store.db'}")
    assert result.exit_code == 0
    assert "offer_plan of 2026-10 no longer exists" in result.output


def test_command_waits_for_the_run_that_works_on_the_month(tmp_path):
    """A replan writes the ledger under the lock of the month; what is published is what stands there after it."""
    hand_over(tmp_path, plan([1]))
    url, waiting = f"sqlite:///{tmp_path / 'store.db'}", threading.Event()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path / "locks" / f"{MONTH}.lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"held\n"
    with ThreadPoolExecutor() as pool:
        published = pool.submit(publication.publish, tmp_path, MONTH, url, waiting.set)
        assert waiting.wait(30)
        ledger.publish(tmp_path, MONTH, plan([2], "control"), replan=True)
        holder.communicate(b"\n", timeout=30)
        assert published.result(60).published.rows["oneclick_offer_plan"] == 1
    assert [(r["customer_id"], r["arm"]) for r in rows(url, "oneclick_offer_plan")] == [(2, "control")]


HOLDING = """
import sys
from pathlib import Path
from filelock import FileLock
Path(sys.argv[1]).parent.mkdir()
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_command_without_a_plan_or_a_database_says_so(oneclick, tmp_path):
    result = oneclick("--database", f"sqlite:///{tmp_path / 'store.db'}")
    assert "there is no offer_plan of 2026-10. What to do: run the month" in str(result.exception)
    assert not (tmp_path / "store.db").exists()
    assert oneclick().exit_code == 2
