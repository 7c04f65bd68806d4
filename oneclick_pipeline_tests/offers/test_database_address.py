"""Which databases may be published into: files and servers of the store's own, whatever the address is spelled like."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import example, given
from hypothesis import strategies as st

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.offers import database, database_address
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.offers.test_database import MONTH, plan, segments


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with the databases that a home has, as the current folder."""
    home = tmp_path / "home"
    for name in ("mlflow/mlflow.db", "dagster/storage/runs.db", "dagster/history/runs/index.db", "ledger/2026-10.parquet"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        with sa.create_engine(f"sqlite:///{home / name}", poolclass=sa.NullPool).begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (a)"))
    monkeypatch.chdir(home)
    return home


@pytest.mark.parametrize(
    "text",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:/// ",
        "sqlite:///:memory:",
        "sqlite:///:MEMORY:",
        "sqlite:///%3Amemory%3A",
        "sqlite:///%253Amemory%253A",
        "sqlite+pysqlite:///:memory:",
        "sqlite:///x.db?mode=memory",
        "sqlite:///:memory:?cache=shared",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file::memory:?cache=shared&uri=true",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:///file:%3Amemory%3A?uri=true",
        "sqlite:///file:?uri=true",
        "sqlite:///FILE:x.db?vfs=memdb&uri=1",
        "sqlite:///?uri=true",
        "sqlite:///%66ile:x.db",
    ],
)
def test_database_in_memory_is_refused_in_every_spelling(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInputError, match=r"in memory|given as a plain file") as error:
        database.publish(text, MONTH, plan([1]), segments([1]))
    assert error.value.remedy
    assert list(tmp_path.iterdir()) == []


OWN = [
    "sqlite:///{home}/mlflow/mlflow.db",
    "sqlite:///mlflow/mlflow.db",
    "sqlite:///../home/mlflow/../mlflow/mlflow.db",
    "sqlite:///{home}/dagster/storage/runs.db",
    "sqlite:///{home}/dagster/history/runs/new.db",
    "sqlite:///{home}/ledger/store.db",
    "sqlite:///{home}/tables/store.db",
    "sqlite:///{home}/settings.yaml",
    "sqlite:///{home}/catalogue",
    "sqlite:///{home}/mlflow%2Fmlflow.db",
    "sqlite:///file:{home}/mlflow/mlflow.db?uri=true",
    "sqlite:///{outside}/link.db",
    "sqlite:///{outside}/folder/mlflow.db",
    "sqlite:///{outside}/hard.db",
    "sqlite:///{outside}/disk/new.db",
]


@pytest.mark.parametrize("text", OWN)
def test_databases_and_folders_of_the_home_are_refused_by_whatever_path(home, tmp_path, text):
    outside = tmp_path / "outside"
    (outside / "disk").mkdir(parents=True)
    (outside / "link.db").symlink_to(home / "mlflow" / "mlflow.db")
    (outside / "folder").symlink_to(home / "mlflow")
    os.link(home / "mlflow" / "mlflow.db", outside / "hard.db")
    (home / "tables").symlink_to(outside / "disk")
    before = {path: path.read_bytes() for path in home.rglob("*.db")}
    with pytest.raises(BadInputError) as error:
        database.publish(text.format(home=home, outside=outside), MONTH, plan([1]), segments([1]), home)
    assert error.value.remedy
    assert {path: path.read_bytes() for path in home.rglob("*.db")} == before


def test_home_that_is_given_by_a_link_is_the_same_home(home, tmp_path):
    (tmp_path / "alias").symlink_to(home)
    with pytest.raises(BadInputError, match="belongs to the home"):
        database_address.target(f"sqlite:///{home}/mlflow/mlflow.db", tmp_path / "alias")


@pytest.mark.parametrize("name", ["store.db", "../store.db", "../a b%23.db"])
def test_database_of_the_store_is_accepted(home, name):
    assert database_address.target(f"sqlite:///{name}", home).database == str((home / name.replace("%23", "#")).resolve())


def test_new_database_is_its_owners_alone(tmp_path):
    old = os.umask(0)
    try:
        database.publish(f"sqlite:///{tmp_path / 'store.db'}", MONTH, plan([1]), segments([1]))
    finally:
        os.umask(old)
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("..", "not a plain file"),
        ("../pipe", "not a plain file"),
        ("../nowhere/store.db", "the folder of the database does not exist"),
        ("../a%0Ab.db", "control character"),
        ("../a%00b.db", "control character"),
        ("../circle/store.db", "cannot be used|does not exist"),
        ("../" + "a" * 300, "cannot be used"),
        ("../store.db-wal", "part of another database"),
        ("../store.db-journal", "part of another database"),
    ],
)
def test_file_that_can_be_no_database_is_refused(home, tmp_path, name, problem):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(BadInputError, match=problem):
        database_address.target(f"sqlite:///{name}", home)


@given(st.text(max_size=30))
@example("x?mode=memory")
@example("\ud800")
@example("\x00")
@example("a" * 5000)
def test_accepted_sqlite_address_is_one_plain_absolute_file(text):
    try:
        url = database_address.target(f"sqlite:///{text}")
    except BadInputError:
        return
    assert url.drivername == "sqlite+pysqlite"
    assert Path(url.database).is_absolute()
    assert Path(url.database).parent.is_dir()
    assert not url.query


@given(st.text(max_size=30))
@example("postgresql://[::1")
@example("sqlite+x://a@/b")
def test_whatever_the_address_is_it_is_understood_or_refused_in_plain_words(text):
    try:
        database_address.target(text)
    except BadInputError as error:
        assert error.remedy  # noqa: PT017 - either is right


@pytest.fixture(scope="module")
def server():
    with servers.postgresql() as started:
        yield started


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ("postgresql://a@127.0.0.1:1/team", "postgresql://b:s3cr3t@localhost:1/team"),
        ("postgresql://a@db/team", "postgresql+psycopg2://b@DB:5432/team"),
        ("postgresql://a@db/team", "postgresql:///?host=db&dbname=team&user=b"),
        ("postgresql://a@db/team", "postgresql://elsewhere:5/other?host=db&port=5432&dbname=team"),
        ("postgresql://a@[::1]/team", "postgresql:///team"),
    ],
)
def test_postgresql_of_the_home_is_refused_without_asking_it(monkeypatch, own, text):
    monkeypatch.setenv(postgres.VARIABLE, own)
    with pytest.raises(BadInputError, match="is the one of ONECLICK_POSTGRES") as error:
        database_address.target(text)
    assert "s3cr3t" not in str(error.value)


def test_postgresql_of_the_home_is_refused_by_another_address(server, monkeypatch):
    """As an ordinary user, by an address that is not the same text."""
    server.query(f"CREATE ROLE clerk LOGIN PASSWORD '{servers.PASSWORD}'")
    own = server.new("team")
    server.query("GRANT ALL ON SCHEMA public TO clerk", "team")
    monkeypatch.setenv(postgres.VARIABLE, own)
    same = own.replace("//store:", "//clerk:").replace(servers.LOOPBACK, "0x7f000001")
    with pytest.raises(BadInputError, match="is the one of ONECLICK_POSTGRES"):
        database.publish(same, MONTH, plan([1]), segments([1]))
    assert server.query("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'oneclick%'", "team") == [(0,)]
    database.publish(server.new("shop"), MONTH, plan([1]), segments([1]))


def test_temporary_tables_of_postgresql_are_refused(server):
    """They are gone when the command ends, and the rows with them."""
    url = server.new("passing")
    with pytest.raises(BadInputError, match="a temporary table is gone when the command ends") as error:
        database.publish(f"{url}?options=-csearch_path%3Dpg_temp", MONTH, plan([1]), segments([1]))
    assert "search_path" in error.value.remedy
    server.query("CREATE SCHEMA shop", "passing")
    database.publish(f"{url}?options=-csearch_path%3Dshop", MONTH, plan([1]), segments([1]))
    assert server.query("SELECT count(*) FROM shop.oneclick_offer_plan", "passing") == [(1,)]


@pytest.mark.parametrize("tables", [("event_logs", "asset_keys"), ("runs", "run_tags"), ("experiments", "registered_models")])
def test_database_with_runs_or_models_is_refused_whoever_they_belong_to(server, tmp_path, tables):
    url = server.new(f"other_{tables[0]}")
    for name in tables:
        server.query(f"CREATE SCHEMA IF NOT EXISTS mlflow; CREATE TABLE mlflow.{name} (a int)", f"other_{tables[0]}")
    file = f"sqlite:///{tmp_path / 'other.db'}"
    with sa.create_engine(file, poolclass=sa.NullPool).begin() as connection:
        for name in tables:
            connection.execute(sa.text(f"CREATE TABLE {name} (a int)"))
    for address in (url, file):
        with pytest.raises(BadInputError, match="holds the runs or models of a home"):
            database.publish(address, MONTH, plan([1]), segments([1]))
