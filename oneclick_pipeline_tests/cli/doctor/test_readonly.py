"""The doctor changes nothing, whatever the home is like."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from oneclick_pipeline.cli.doctor.checks import examine
from oneclick_pipeline.databases import copies, postgres
from oneclick_pipeline.home import locks, permissions
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration import health
from oneclick_pipeline.orchestration.instance import configuration, prepare_instance
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.home.test_permissions import CLI, command, open_home
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import instance_of, new_home
from oneclick_pipeline_tests.orchestration.runs.test_active import a_run, left_behind


def snapshot(place):
    """Everything below a folder: names, kinds, rights, owners, sizes, times, contents."""
    paths = [place, *sorted(place.rglob("*"))] if place.exists() else []
    found = {}
    for path in paths:
        seen = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(seen.st_mode) else None
        found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, content)
    return found


def examined(home):
    """What the doctor finds; the home and the folder around it are as before."""
    before = snapshot(home.parent)
    found = {finding.check: finding for finding in examine(home)}
    assert snapshot(home.parent) == before
    return found


def used(home):
    """A home in which Dagster and MLflow have kept something."""
    new_home(home, texts=export_text(8))
    prepare_instance(home)
    Tracking(home).prepare()
    with instance_of(home) as instance:
        left_behind(home, a_run(instance, 1))
    return home


def test_missing_folder(tmp_path):
    assert examined(tmp_path / "around" / "home")["home"].state == "problem"


def test_empty_folder(tmp_path):
    (tmp_path / "home").mkdir()
    examined(tmp_path / "home")


def test_new_home(tmp_path):
    found = examined(new_home(tmp_path / "home"))
    assert found["dagster"].state == "ok"
    assert found["mlflow"].message == "no model has been trained yet"


def test_home_that_was_used_settles_no_run(tmp_path):
    home = used(tmp_path / "home")
    assert examined(home)["runs"].message.startswith("retrain of 2026-10")
    with instance_of(home) as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.STARTED


def test_finished_home(finished):
    assert examined(finished.home)["champion"].state == "ok"


def test_home_whose_writer_was_killed_is_seen_whole_and_left_so(tmp_path):
    """What stands in the log beside a database counts, and is not worked in."""
    home = used(tmp_path / "home")
    database = home / "dagster" / "history" / "runs.db"
    aside = tmp_path / "aside.db"
    shutil.copyfile(database, aside)
    with closing(sqlite3.connect(aside)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE runs SET status = 'QUEUED'")
        writer.commit()
        for end in ("", "-wal"):
            shutil.copyfile(f"{aside}{end}", f"{database}{end}")
    aside.unlink()
    assert database.with_name("runs.db-wal").stat().st_size
    examined(home)
    assert health.look(home, []).queued == 1


INDEX = "dagster/history/runs/index.db"


def versions_seen(home, monkeypatch):
    """Names of the databases that were copied, and the schema of the events that was seen."""
    copy, copied = copies.copy, []
    monkeypatch.setattr(copies, "copy", lambda source, target: (copied.append(source.name), copy(source, target)))
    return health.look(home, []).schemas["events"][0], sorted(copied)


def test_events_of_all_runs_are_read_where_they_lie(tmp_path, monkeypatch):
    """They may be hundreds of megabytes."""
    home = used(tmp_path / "home")
    before = snapshot(home)
    schema, copied = versions_seen(home, monkeypatch)
    assert schema == health.look(home, []).schemas["events"][1]
    assert "index.db" not in copied
    assert snapshot(home) == before


def changed(database):
    """What another program would write, not worked in yet: the database and its log."""
    aside = database.with_name("aside.db")
    shutil.copyfile(database, aside)
    with closing(sqlite3.connect(aside)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE alembic_version SET version_num = 'another'")
        writer.commit()
        found = {end: Path(f"{aside}{end}").read_bytes() for end in ("", "-wal")}
    aside.unlink()
    return found


def test_events_whose_writer_was_killed_are_seen_whole(tmp_path, monkeypatch):
    home = used(tmp_path / "home")
    for end, content in changed(home / INDEX).items():
        Path(f"{home / INDEX}{end}").write_bytes(content)
    schema, copied = versions_seen(home, monkeypatch)
    assert schema == "another"
    assert "index.db" in copied


def test_events_that_are_written_while_they_are_read_are_read_again(tmp_path, monkeypatch):
    home = used(tmp_path / "home")
    content, look, places = changed(home / INDEX), health._look, []

    def written(*arguments, in_place):
        found = look(*arguments, in_place=in_place)
        places.append(in_place)
        if in_place:
            for end, part in content.items():
                Path(f"{home / INDEX}{end}").write_bytes(part)
        return found

    monkeypatch.setattr(health, "_look", written)
    assert health.look(home, []).schemas["events"][0] == "another"
    assert places == [True, False]


def test_models_whose_writer_was_killed_are_seen_whole_and_left_so(tmp_path):
    """The same for MLflow's database, which is opened by MLflow itself."""
    home = used(tmp_path / "home")
    database = home / "mlflow" / "mlflow.db"
    shutil.copyfile(database, aside := tmp_path / "aside.db")
    with closing(sqlite3.connect(aside)) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("UPDATE alembic_version SET version_num = 'of another version'")
        writer.commit()
        for end in ("", "-wal"):
            shutil.copyfile(f"{aside}{end}", f"{database}{end}")
    aside.unlink()
    assert "version of another version" in examined(home)["mlflow"].message


DATABASES = ["dagster/history/runs.db", "dagster/history/runs/index.db", "mlflow/mlflow.db"]


def a_pipe(path):
    os.mkfifo(path)


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize("make", [a_pipe, a_folder])
@pytest.mark.parametrize("file", [*DATABASES, "mlflow/mlflow.db-wal", "dagster/dagster.yaml", "settings.yaml", "catalogue.yaml"])
def test_what_is_no_plain_file_is_a_problem_and_nobody_waits(tmp_path, file, make):
    home = used(tmp_path / "home")
    (home / file).unlink(missing_ok=True)
    make(home / file)
    found = examined(home).values()
    assert [finding for finding in found if finding.state == "problem" and file in finding.message and finding.remedy]


@pytest.mark.parametrize("table", ["customer_features", "profit", "customer_segments"])
def test_pipe_for_a_table_is_a_problem_and_nobody_waits(tmp_path, table):
    home = used(tmp_path / "home")
    path = table_file(home, table, homes.MONTH)
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    found = examined(home).values()
    assert [finding for finding in found if finding.state == "problem" and "neither a file nor a folder" in finding.message]


def test_pipe_for_the_lock_of_a_step_makes_nobody_wait(tmp_path):
    home = used(tmp_path / "home")
    (home / "staging" / "step-a").mkdir(parents=True)
    os.mkfifo(home / "staging" / "step-a.lock")
    assert examined(home)["staging"].message.startswith("1 killed steps")


@pytest.mark.parametrize(
    "file", ["dagster/history/runs.db", "dagster/history/runs/index.db", "mlflow/mlflow.db", "dagster/dagster.yaml"]
)
@pytest.mark.parametrize("content", [b"no database, no configuration: [", b"", b"\xff\xfe"])
def test_damaged_home(tmp_path, file, content):
    home = used(tmp_path / "home")
    (home / file).write_bytes(content)
    examined(home)


def test_garbage_is_a_problem_in_plain_words(tmp_path):
    home = used(tmp_path / "home")
    (home / "dagster" / "history" / "runs.db").write_bytes(b"no database" * 1000)
    assert examined(home)["dagster"].state == "problem"


def test_dead_and_living_steps_keep_their_locks(tmp_path):
    home = used(tmp_path / "home")
    (home / "staging" / "step-a").mkdir(parents=True)
    (home / "staging" / "step-a.lock").write_text("process 1\n")
    (home / "staging" / "step-b").mkdir()
    assert examined(home)["staging"].message.startswith("2 killed steps")
    with locks.held(home / "staging" / "step-a.lock"):
        assert examined(home)["staging"].message.startswith("1 killed steps")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_home_that_may_not_be_written(tmp_path_factory):
    """Root may write everywhere: the doctor is called by nobody, who may read a home that root owns."""
    import tempfile
    from pathlib import Path

    place = Path(tempfile.mkdtemp())
    try:
        home = used(place / "home")
        for path in [place, *place.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        before = snapshot(place)
        examine(home)  # what it imports may be out of nobody's reach
        os.seteuid(65534)
        try:
            found = {finding.check: finding for finding in examine(home)}
        finally:
            os.seteuid(0)
        assert found["permissions"].state == "warning"
        assert snapshot(place) == before
    finally:
        shutil.rmtree(place)


def test_command_under_any_umask(tmp_path):
    home = used(tmp_path / "home")
    before = snapshot(tmp_path)
    done = command("-c", CLI, "doctor", "--home", home, cwd=tmp_path)
    assert b"last month" in done.stdout
    assert snapshot(tmp_path) == before


def test_unreachable_postgresql(tmp_path, monkeypatch):
    home = used(tmp_path / "home")
    monkeypatch.setenv(postgres.VARIABLE, f"postgresql://store:secret@{servers.LOOPBACK}:1/oneclick")
    (home / "dagster" / "dagster.yaml").write_text(configuration())
    found = examined(home)
    assert found["dagster"].state == found["mlflow"].state == "problem"


def test_postgresql_is_asked_in_read_only_transactions(tmp_path, monkeypatch):
    with servers.postgresql() as server:
        monkeypatch.setenv(postgres.VARIABLE, server.new("empty"))
        home = new_home(tmp_path / "home", texts=export_text(8))
        examined(home)
        assert server.query(
            "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')", "empty"
        ) == [(0,)]
        with postgres.connected(postgres.read_only(postgres.given())) as connection, pytest.raises(sa.exc.InternalError):
            connection.execute(sa.text("CREATE TABLE t (a int)"))
        prepare_instance(home)
        with instance_of(home) as instance:
            a_run(instance, 1)
        written = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
        before = server.query(written, "empty")
        found = examined(home)
        assert found["dagster"].state == "ok"
        assert server.query(written, "empty") == before


def test_permissions_are_named_with_the_command(tmp_path):
    home = open_home(tmp_path / "above" / "home")
    (tmp_path / "above").chmod(0o777)
    findings = [f for f in examine(home) if f.check == "permissions"]
    above, opened = findings
    assert (above.state, above.remedy) == ("problem", f"chmod o-w {tmp_path / 'above'}")
    assert (opened.state, opened.remedy) == ("warning", f"chmod -R go-rwx {home}")
    assert f"{home} (drwxrwxrwx)" in opened.message
    home.chmod(0o700)
    (tmp_path / "above").chmod(0o755)
    assert "money.csv (-rw-rw-rw-)" in found_permissions(home).message
    permissions.prepare(home)
    assert found_permissions(home).state == "ok"


def found_permissions(home):
    (found,) = [f for f in examine(home) if f.check == "permissions"]
    return found
