"""The plan in a database: SQLite always, a real PostgreSQL where one is installed."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from oneclick_pipeline import cli
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.offers import database
from oneclick_pipeline.tables import CUSTOMER_SEGMENTS, OFFER_PLAN, table_file

MONTH = "2026-10"
PASSWORD = "s3cr3t/ @x"  # noqa: S105 - of the test's own server
SPELLED = "s3cr3t%2F%20%40x"


@pytest.fixture
def oneclick(monkeypatch, tmp_path):
    """`oneclick offers publish` in a home of its own."""
    monkeypatch.delenv("ONECLICK_DATABASE", raising=False)

    def call(*arguments, **environment):
        command = ["offers", "publish", "--home", str(tmp_path), "--month", MONTH, *arguments]
        return CliRunner().invoke(cli.app, command, env=environment)

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
    """`tables.OFFER_PLAN`."""
    values = {
        "arm": arm,
        "offer_id": "basket_voucher" if arm != "none" else None,
        "assignment": "plan",
        "reason": "offered",
        "propensity": 0.8,
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
    """`tables.CUSTOMER_SEGMENTS`."""
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
    with pytest.raises(BadInputError, match=r"the database refused, nothing of 2026-10 was changed"):
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
        ("sqlite:////nowhere/at/all/store.db", "the database refused"),
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


def test_table_of_another_version_is_told(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("CREATE TABLE oneclick_offer_plan (month TEXT, customer_id INTEGER)"))
    with pytest.raises(BadInputError, match=r"drop them: oneclick_offer_plan, oneclick_customer_segments"):
        database.publish(url, MONTH, plan([1]), segments([1]))


def test_month_is_checked(tmp_path):
    with pytest.raises(BadInputError, match="is not a month"):
        database.publish(f"sqlite:///{tmp_path / 'store.db'}", "x", plan([1]), segments([1]))
    assert not (tmp_path / "store.db").exists()


def test_driver_that_is_not_installed_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psycopg", None)
    with pytest.raises(BadInputError, match=r"the database driver psycopg is not installed.*oneclick_pipeline\[postgres\]"):
        database.publish("postgresql://store@127.0.0.1:1/db", MONTH, plan([1]), segments([1]))


def test_command_publishes_the_tables_of_the_home(oneclick, tmp_path):
    for name, frame in (("offer_plan", plan([1, 2])), ("customer_segments", segments([1, 2]))):
        path = table_file(tmp_path, name, MONTH)
        path.parent.mkdir(parents=True)
        frame.to_parquet(path, index=False)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    for result in (oneclick("--database", url), oneclick(ONECLICK_DATABASE=url)):
        assert result.exit_code == 0
        assert "oneclick_offer_plan  2 rows of 2026-10, 0 removed" in result.output
        assert "oneclick_customer_segments  2 rows" in result.output
    assert len(rows(url, "oneclick_offer_plan")) == 2


def test_command_without_a_plan_or_a_database_says_so(oneclick, tmp_path):
    result = oneclick("--database", f"sqlite:///{tmp_path / 'store.db'}")
    assert "there is no offer_plan of 2026-10. What to do: run the month" in str(result.exception)
    assert not (tmp_path / "store.db").exists()
    assert oneclick().exit_code == 2
