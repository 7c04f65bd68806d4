"""A dump goes into a real PostgreSQL as a whole or not at all, and home and database go together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.backup import copies, dumps, home_backup
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.orchestration.homes import files


@pytest.fixture(scope="module")
def server():
    with servers.postgresql() as started:
        started.new("source")
        started.query("CREATE TABLE t AS SELECT i, md5(i::text) AS text FROM generate_series(1, 200000) i", "source")
        yield started


@pytest.fixture
def dumped(server, monkeypatch, tmp_path):
    """A dump, and a backup of a home that has it."""
    folder = tmp_path / "b"
    (folder / "home").mkdir(parents=True)
    (folder / "home" / "settings.yaml").write_text("{}")
    dumps.dump(postgres.parsed(server.url("source")), folder / "postgres.dump")
    described(folder)
    return folder


def described(folder):
    """Write the manifest of what is in the folder."""
    sums = {name: copies.sha256_of(folder / name) for name in ("home/settings.yaml", "postgres.dump")}
    manifest = {"made": "2026-11-22T03:00:00+00:00", "home": "/srv/old", "postgres": True, "files": sums}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def tables(server, database):
    return server.query("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'", database)[0][0]


def test_dump_comes_back_through_a_pipe(server, dumped, monkeypatch, tmp_path):
    monkeypatch.setenv(postgres.VARIABLE, server.new("whole"))
    home_backup.restore(dumped, tmp_path / "new")
    assert server.query("SELECT count(*) FROM t", "whole") == [(200_000,)]
    assert files(tmp_path / "new") == ["settings.yaml"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "new"]


def test_dump_that_pg_restore_refuses_leaves_no_home_and_an_empty_database(server, dumped, monkeypatch, tmp_path):
    content = (dumped / "postgres.dump").read_bytes()
    (dumped / "postgres.dump").write_bytes(content[: len(content) // 2])  # the manifest says so: only pg_restore can see it
    described(dumped)
    monkeypatch.setenv(postgres.VARIABLE, server.new("half"))
    with pytest.raises(BadInputError, match="pg_restore: ") as error:
        home_backup.restore(dumped, tmp_path / "new")
    assert servers.PASSWORD not in str(error.value)
    assert tables(server, "half") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


KILLED = """
import os, signal, sys
from pathlib import Path
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.orchestration.backup import dumps
def half(content, pipe):
    pipe.write(content.read(1_000_000))
    pipe.flush()
    os.kill(os.getpid(), signal.SIGKILL)
dumps.shutil.copyfileobj = half
dumps.restore(postgres.given(), Path(sys.argv[1]))
"""


def test_restore_that_is_killed_leaves_an_empty_database(server, dumped, monkeypatch):
    address = server.new("killed")
    assert (dumped / "postgres.dump").stat().st_size > 2_000_000
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(dumped / "postgres.dump")],
        check=False,
        env=os.environ | {postgres.VARIABLE: address},
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    gone = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'killed' AND pid <> pg_backend_pid()"
    end = time.monotonic() + 30
    while server.query(gone) != [(0,)]:  # pg_restore outlives us for a moment
        assert time.monotonic() < end
    assert tables(server, "killed") == 0
