"""A backup of a home with SQLite, and what refuses to be one. PostgreSQL: `databases/test_postgres.py`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from oneclick_pipeline.cli import app
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.backup import copies, home_backup, placing
from oneclick_pipeline.tracking import Tracking, database
from oneclick_pipeline_tests.faults.mounts import fill, small_disk
from oneclick_pipeline_tests.orchestration.homes import digests, environment_kept, files, instance_of
from oneclick_pipeline_tests.tracking.trainings import model_file


@pytest.fixture(autouse=True)
def _environment():
    with environment_kept():
        yield


@pytest.fixture
def small(tmp_path):
    """A home with an instance, a database that is written to, a lock and a leftover."""
    home = tmp_path / "home"
    (home / "staging" / "step-1").mkdir(parents=True)
    (home / "staging" / "step-1" / "part.parquet").write_text("x")
    (home / "ledger").mkdir()
    (home / "ledger" / ".lock").write_text("")
    (home / "settings.yaml").write_text("{}")
    return home


def test_finished_home_comes_back_elsewhere_and_works(finished, tmp_path):
    made = home_backup.backup(finished.home, tmp_path / "b")
    home = tmp_path / "elsewhere" / "home"
    home_backup.restore(tmp_path / "b", home)
    assert not made["postgres"]
    assert digests(home) == digests(finished.home)
    store = Tracking(home)
    assert store.load(store.require_champion()) is not None
    assert str(model_file(store, store.require_champion())).startswith(str(home))
    with instance_of(home) as restored, instance_of(finished.home) as original:
        assert [r.run_id for r in restored.get_runs()] == [r.run_id for r in original.get_runs()]
        run = restored.get_runs()[0].run_id
        assert len(restored.all_logs(run)) == len(original.all_logs(run))


def test_database_that_is_written_to_is_copied_whole(small, tmp_path):
    with closing(sqlite3.connect(small / "own.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        with connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS a")  # stands in own.db-wal while the connection is open
        home_backup.backup(small, tmp_path / "b")
    with closing(sqlite3.connect(tmp_path / "b" / "home" / "own.db")) as copy:
        assert copy.execute("SELECT a FROM t").fetchall() == [(1,)]
    kept = files(tmp_path / "b" / "home")
    assert [name for name in kept if "staging" in name or name.endswith((".lock", "-wal", "-shm"))] == []
    assert "settings.yaml" in kept


def test_backup_is_refused_while_a_run_is_at_work(small, tmp_path):
    home_backup.prepare_instance(small)
    with instance_of(small) as instance:
        run = dg.DagsterRun(job_name="retrain", status=dg.DagsterRunStatus.STARTED)
        instance.add_run(run)
    with pytest.raises(BadInputError, match=f"a run is in progress: {run.run_id}"):
        home_backup.backup(small, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_backup_during_which_a_run_was_made_is_thrown_away(small, tmp_path, monkeypatch):
    copy = copies.copy

    def run_meanwhile(*paths):
        with instance_of(small) as instance:
            instance.add_run(dg.DagsterRun(job_name="refresh", status=dg.DagsterRunStatus.SUCCESS))
        return copy(*paths)

    monkeypatch.setattr(copies, "copy", run_meanwhile)
    with pytest.raises(BadInputError, match="a run was in progress during the backup"):
        home_backup.backup(small, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_backup_goes_into_a_new_folder_outside(small, tmp_path):
    (tmp_path / "b").mkdir()
    with pytest.raises(BadInputError, match="it already exists"):
        home_backup.backup(small, tmp_path / "b")
    with pytest.raises(BadInputError, match="it is inside the home itself"):
        home_backup.backup(small, small / "b")


@pytest.fixture
def backed_up(small, tmp_path):
    home_backup.backup(small, tmp_path / "b")
    return tmp_path / "b"


def test_restore_refuses_a_home_that_is_not_empty_but_for_its_configuration(backed_up, tmp_path):
    home = tmp_path / "new"
    (home / "dagster").mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "raw").mkdir()
    (home / "raw" / "notes").write_text("mine")
    with pytest.raises(BadInputError, match=r"notes: the home is not empty"):
        home_backup.restore(backed_up, home)
    (home / "raw" / "notes").unlink()
    home_backup.restore(backed_up, home)
    assert (home / "dagster" / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    assert (home / "settings.yaml").exists()


def test_restore_refuses_what_is_not_whole(backed_up, tmp_path):
    (backed_up / "home" / "settings.yaml").write_text("{ }")
    with pytest.raises(BadInputError, match=r"settings.yaml: the file differs from the one that was backed up"):
        home_backup.restore(backed_up, tmp_path / "new")
    shutil.rmtree(backed_up / "home")
    with pytest.raises(BadInputError, match="differs from the one that was backed up"):
        home_backup.restore(backed_up, tmp_path / "new")
    with pytest.raises(BadInputError, match="it is not a backup"):
        home_backup.restore(tmp_path, tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.fixture
def tree(tmp_path):
    """A backup made by hand, without a Dagster instance: `tree.manifest` is written as it stands, `tree.restore` tries it."""
    return Tree(tmp_path)


class Tree:
    def __init__(self, top):
        self.top, self.folder, self.home = top, top / "b", top / "homes" / "new"
        (self.folder / "home" / "raw").mkdir(parents=True)
        (top / "homes").mkdir()
        self.manifest = {"made": "2026-11-22T03:00:00+00:00", "home": "/srv/old", "postgres": False, "files": {}}
        self.add("home/settings.yaml", "{}")
        self.add("home/raw/a.csv", "a;b")

    def add(self, name, content, *, at=None):
        """Put a file into the backup, by default where its name says."""
        path = at or self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        self.manifest["files"][name] = copies.sha256_of(path)

    def restore(self):
        (self.folder / "manifest.json").write_text(json.dumps(self.manifest))
        return home_backup.restore(self.folder, self.home)

    def refused(self, match):
        """Restoring is refused, and nothing is written anywhere."""
        before = files(self.top / "homes")
        with pytest.raises(BadInputError, match=match) as error:
            self.restore()
        assert files(self.top / "homes") == before
        assert sorted(p.name for p in (self.top / "homes").iterdir()) in ([], ["new"])
        return error.value


def test_restore_of_a_backup_brings_its_files_for_their_owner_alone(tree):
    os.umask(old := os.umask(0))
    try:
        os.umask(0)
        tree.restore()
    finally:
        os.umask(old)
    assert files(tree.home) == ["raw/a.csv", "settings.yaml"]
    assert (tree.home / "raw" / "a.csv").read_text() == "a;b"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tree.home, *tree.home.rglob("*"))}
    assert modes == {0o600, 0o700}
    assert [path.name for path in tree.home.parent.iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["home/../escaped", "home/raw/../../escaped"])
def test_name_that_climbs_out_of_the_home_is_refused_before_a_byte_is_written(tree, name):
    tree.add(name, "ssh-rsa", at=Path(os.path.normpath(tree.folder / name)))
    tree.refused(r"a name has the component «\.\.»")


def test_absolute_name_is_refused_before_a_byte_is_written(tree):
    tree.add(str(tree.top / "homes" / "passwd"), "x", at=tree.top / "passwd")
    shutil.copy(tree.top / "passwd", tree.top / "homes" / "passwd")
    with pytest.raises(BadInputError, match="it is not one of our backups"):
        tree.restore()
    assert files(tree.top / "homes") == ["passwd"]


def test_linked_file_of_a_backup_is_refused(tree):
    tree.add("home/secret", "secret", at=tree.top / "secret")
    (tree.folder / "home" / "secret").symlink_to(tree.top / "secret")
    assert tree.refused("it holds a link").value == "'home/secret'"


def test_linked_folder_of_a_backup_is_refused(tree):
    tree.add("home/linked/secret", "secret", at=tree.top / "away" / "secret")
    (tree.folder / "home" / "linked").symlink_to(tree.top / "away")
    assert tree.refused("it holds a link").value == "'home/linked'"


def test_pipe_in_a_backup_is_refused_at_once(tree):
    os.mkfifo(tree.folder / "home" / "pipe")
    tree.manifest["files"]["home/pipe"] = "0" * 64
    tree.refused("it holds a link, a pipe")


def test_file_that_the_manifest_does_not_name_is_refused_by_name(tree):
    (tree.folder / "home" / "raw" / "stranger.csv").write_text("x")
    assert tree.refused("the manifest does not name").value == "'home/raw/stranger.csv'"


def test_file_that_is_swapped_after_a_look_is_not_restored(tree, monkeypatch):
    """What is compared with the manifest is what was copied: no moment between a check and a use."""
    opened = home_backup.manifest.opened

    def swapping(folder, name):
        if name == "home/raw/a.csv":
            (folder / name).write_text("swapped")
        return opened(folder, name)

    monkeypatch.setattr(home_backup.manifest, "opened", swapping)
    tree.refused("the file differs from the one that was backed up")


def test_file_that_becomes_a_link_after_a_look_is_not_restored(tree, monkeypatch):
    """Even one that leads to the same content: whoever can swap it can swap it back."""
    opened = home_backup.manifest.opened

    def swapping(folder, name):
        if name == "home/raw/a.csv":
            (folder / name).rename(tree.top / "moved.csv")
            (folder / name).symlink_to(tree.top / "moved.csv")
        return opened(folder, name)

    monkeypatch.setattr(home_backup.manifest, "opened", swapping)
    tree.refused("it cannot be written|Too many levels of symbolic links")


def restored_into_an_open_home(tree, monkeypatch, meanwhile):
    """Restore into a home of everybody that is filled in its place; something happens once the files are staged."""
    (tree.home / "dagster").mkdir(parents=True)
    (tree.home / "dagster" / "dagster.yaml").write_text("")
    tree.home.chmod(0o777)
    settle = placing.Place.settle

    def settling(place):
        meanwhile()
        settle(place)

    monkeypatch.setattr(placing.Place, "settle", settling)
    tree.restore()


def test_home_that_is_filled_in_its_place_is_shut_before_anything_is_there(tree, monkeypatch):
    seen = []
    restored_into_an_open_home(tree, monkeypatch, lambda: seen.append(stat.S_IMODE(tree.home.stat().st_mode)))
    assert seen == [0o700]


@pytest.mark.parametrize("name", ["raw", "settings.yaml"])
def test_link_that_comes_into_the_home_meanwhile_leads_nothing_outside(tree, monkeypatch, name):
    outside = tree.top / "outside"
    outside.mkdir()
    with pytest.raises(BadInputError, match=f"{name}: this appeared in the home while it was restored"):
        restored_into_an_open_home(tree, monkeypatch, lambda: (tree.home / name).symlink_to(outside))
    assert files(outside) == []
    (tree.home / name).unlink()
    monkeypatch.undo()
    tree.restore()  # goes on from there
    assert files(tree.home) == ["dagster/dagster.yaml", "raw/a.csv", "settings.yaml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_folder_of_another_user_in_the_home_is_refused(tree):
    """They could change what is restored into it."""
    (tree.home / "raw").mkdir(parents=True)
    os.chown(tree.home / "raw", 65534, 65534)
    tree.refused("raw: this belongs to another user, 65534")


def test_link_in_the_home_leads_nothing_outside(tree):
    outside = tree.top / "outside"
    outside.mkdir()
    tree.home.mkdir()
    (tree.home / "raw").symlink_to(outside)
    with pytest.raises(BadInputError, match="raw: the home is not empty"):
        tree.restore()
    assert files(outside) == []


def test_journal_that_was_left_in_the_home_is_refused(tree):
    """SQLite would play it back into the database that is restored beside it."""
    (tree.home / "mlflow").mkdir(parents=True)
    (tree.home / "mlflow" / "mlflow.db-journal").write_text("x")
    tree.refused("the home is not empty")


def database_of(tree, *statements):
    """MLflow's database in the backup, made by hand."""
    path = tree.folder / "home" / "mlflow" / "mlflow.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    tree.manifest["files"]["home/mlflow/mlflow.db"] = copies.sha256_of(path)


def test_database_whose_trigger_never_ends_is_given_up(tree, monkeypatch):
    monkeypatch.setattr(database, "_MOVING_SECONDS", 0.1)
    endless = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT max(x) FROM r"
    database_of(
        tree,
        "CREATE TABLE experiments (artifact_location text)",
        "INSERT INTO experiments VALUES ('file:///srv/old/mlflow/artifacts')",
        f"CREATE TRIGGER evil AFTER UPDATE ON experiments BEGIN {endless}; END",
    )
    assert tree.refused("the database cannot be used").value == "interrupted"


def test_database_that_is_not_mlflows_is_named(tree):
    database_of(tree, "CREATE TABLE t (a)")
    error = tree.refused("the database was removed or emptied")
    assert (error.file, error.remedy) == (str(tree.folder / "home/mlflow/mlflow.db"), "use another backup; nothing was written")


def test_home_that_is_a_link_to_an_empty_folder_is_restored_where_it_leads(tree):
    (tree.top / "homes" / "disk").mkdir()
    tree.home.symlink_to("disk")
    tree.restore()
    assert (tree.top / "homes" / "disk" / "settings.yaml").exists()
    assert tree.home.is_symlink()


def test_full_disk_leaves_nothing_and_restoring_again_brings_all(tree):
    tree.add("home/raw/large.csv", "x" * 1_000_000)
    with small_disk(4) as disk:
        tree.home = disk / "new"
        fill(disk, leave=500_000)
        with pytest.raises(BadInputError, match=r"it cannot be written: .*No space left"):
            tree.restore()
        assert [path.name for path in disk.iterdir()] == ["filler"]
        (disk / "filler").unlink()
        tree.restore()
        assert files(tree.home) == ["raw/a.csv", "raw/large.csv", "settings.yaml"]


def test_home_that_is_a_mount_point_is_filled_or_left_empty():
    with small_disk(4) as disk:
        tree = Tree(disk.parent / f"{disk.name}-backup")
        try:
            tree.home = disk
            tree.add("home/raw/large.csv", "x" * 1_000_000)
            fill(disk, leave=500_000)
            (disk / "filler").rename(disk / "filler.lock")  # locks may be there
            with pytest.raises(BadInputError, match=r"it cannot be written: .*No space left"):
                tree.restore()
            assert [path.name for path in disk.iterdir()] == ["filler.lock"]
            (disk / "filler.lock").unlink()
            tree.restore()
            assert files(disk) == ["raw/a.csv", "raw/large.csv", "settings.yaml"]
        finally:
            shutil.rmtree(tree.top)


KILLED = """
import os, signal, sys
from pathlib import Path
call, number, folder, home = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
from oneclick_pipeline.orchestration.backup import home_backup as backup
original, calls = getattr(os, call), []
def counted(*arguments, **named):
    calls.append(1)
    if len(calls) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **named)
setattr(os, call, counted)
backup.restore(folder, home)
"""


def killed(tree, call, number):
    """Restore in a process that is killed at its so-many-th call; its exit code."""
    (tree.folder / "manifest.json").write_text(json.dumps(tree.manifest))
    command = [sys.executable, "-c", KILLED, call, str(number), str(tree.folder), str(tree.home)]
    return subprocess.run(command, check=False, timeout=60).returncode


@pytest.mark.parametrize(("call", "number"), [("fsync", 2), ("rename", 1)])
def test_killed_restore_leaves_no_home_and_the_next_one_brings_all(tree, call, number):
    tree.home.mkdir()
    assert killed(tree, call, number) == -9
    assert files(tree.home) == []
    tree.restore()
    assert files(tree.home) == ["raw/a.csv", "settings.yaml"]
    assert [path.name for path in tree.home.parent.iterdir()] == ["new"]


def test_restore_killed_among_its_last_renames_is_finished_by_the_next_one(tree):
    """A home with its configuration cannot be renamed over: containers mount it there."""
    (tree.home / "dagster").mkdir(parents=True)
    (tree.home / "dagster" / "dagster.yaml").write_text("mounted")
    tree.add("home/dagster/dagster.yaml", "of the backup")
    tree.add("home/dagster/runs.txt", "runs")
    assert killed(tree, "rename", 2) == -9
    assert files(tree.home / "raw") == []
    assert killed(tree, "rename", 2) == -9
    with pytest.raises(BadInputError, match="a restore of this home was interrupted"):
        home_backup.prepare_instance(tree.home)
    tree.restore()
    assert files(tree.home) == ["dagster/dagster.yaml", "dagster/runs.txt", "raw/a.csv", "settings.yaml"]
    assert (tree.home / "dagster" / "dagster.yaml").read_text() == "mounted"


@pytest.mark.parametrize("call", ["fsync", "rename", "rmdir", "unlink", "mkdir", "open"])
@pytest.mark.parametrize("mounted", [False, True])
def test_restore_killed_at_any_call_leaves_nothing_or_all_or_is_finished_by_the_next_one(tree, call, mounted):
    tree.add("home/dagster/dagster.yaml", "of the backup")
    everything = ["dagster/dagster.yaml", "raw/a.csv", "settings.yaml"]
    number, status = 0, 1
    while status:
        number += 1
        shutil.rmtree(tree.top / "homes")
        (tree.home / "dagster" if mounted else tree.top / "homes").mkdir(parents=True)
        if mounted:
            (tree.home / "dagster" / "dagster.yaml").write_text("mounted")
        status = killed_here(tree, call, number)
        left = [name for name in files(tree.home) if not name.startswith("staging/")]
        blocked = (tree.home / "staging" / "restored").exists()
        assert blocked or left in (everything, everything[:1] if mounted else [])
        if blocked or left != everything:
            tree.restore()
        assert [name for name in files(tree.home) if not name.startswith("staging/")] == everything
        assert (tree.home / "dagster" / "dagster.yaml").read_text() == ("mounted" if mounted else "of the backup")
    assert number > 1


def killed_here(tree, call, number):
    """Restore in a copy of this process that is killed at its so-many-th call; 0 if it ended before that."""
    (tree.folder / "manifest.json").write_text(json.dumps(tree.manifest))
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert status in (0, signal.SIGKILL)
        return status
    original, calls = getattr(os, call), []

    def counted(*arguments, **named):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **named)

    try:
        setattr(os, call, counted)
        home_backup.restore(tree.folder, tree.home)
        os._exit(0)
    finally:
        os._exit(1)  # whatever happened, the copy goes no further in the tests


def test_interrupted_restore_is_not_finished_with_another_backup(tree):
    (tree.home / "dagster").mkdir(parents=True)
    (tree.home / "dagster" / "dagster.yaml").write_text("mounted")
    assert killed(tree, "rename", 2) == -9
    tree.add("home/raw/b.csv", "another")
    with pytest.raises(BadInputError, match="a restore of another backup was interrupted"):
        tree.restore()


def test_linked_folders_and_files_are_in_the_backup(small, tmp_path):
    away = tmp_path / "disk"
    (away / "2026-10").mkdir(parents=True)
    (away / "2026-10" / "money.csv").write_text("a;b")
    (small / "raw").symlink_to(away)
    (small / "catalogue.yaml").symlink_to(away / "2026-10" / "money.csv")
    made = home_backup.backup(small, tmp_path / "b")
    assert {"home/raw/2026-10/money.csv", "home/catalogue.yaml"} <= made["files"].keys()
    assert not any(path.is_symlink() for path in (tmp_path / "b").rglob("*"))
    home_backup.restore(tmp_path / "b", tmp_path / "new")
    assert (tmp_path / "new" / "raw" / "2026-10" / "money.csv").read_text() == "a;b"


@pytest.mark.parametrize(
    ("link", "leads_to", "problem"),
    [
        ("raw", "../nothing", r"raw: the target of the link does not exist.*\.\./nothing"),
        ("raw", "raw", r"raw: the target of the link does not exist"),
        ("ledger/up", "..", r"ledger/up: the link points back to a folder above it"),
        ("backups", "..", r"points back to"),
    ],
)
def test_link_that_cannot_be_followed_is_refused_by_name(small, tmp_path, link, leads_to, problem):
    (small / link).symlink_to(leads_to)
    with pytest.raises(BadInputError, match=problem):
        home_backup.backup(small, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_link_to_the_backup_itself_is_refused(small, tmp_path):
    (tmp_path / "disk").mkdir()
    (small / "backups").symlink_to(tmp_path / "disk")
    with pytest.raises(BadInputError, match="points back to the backup itself"):
        home_backup.backup(small, tmp_path / "disk" / "b")
    assert files(tmp_path / "disk") == []


def test_pipe_and_socket_are_left_out_by_name(small, tmp_path, monkeypatch):
    os.mkfifo(small / "raw.csv")
    monkeypatch.chdir(small)
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("code.sock")
        result = CliRunner().invoke(app.app, ["backup", str(tmp_path / "b"), "--home", str(small)])
    assert result.exit_code == 0, result.output
    for name in ("home/raw.csv", "home/code.sock"):
        assert f"left out, because a backup cannot hold it: {name}" in result.output
    assert home_backup.restore(tmp_path / "b", tmp_path / "new")["left_out"] == ["home/code.sock", "home/raw.csv"]


def test_backup_is_its_owners_alone(small, tmp_path):
    (small / "settings.yaml").chmod(0o644)
    old = os.umask(0)
    try:
        home_backup.backup(small, tmp_path / "b")
    finally:
        os.umask(old)
    top = tmp_path / "b"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (top, *top.rglob("*"))} == {0o600, 0o700}


def test_everything_of_a_backup_is_on_disk_before_it_has_its_name(small, tmp_path, monkeypatch):
    settled, fsync, named = set(), os.fsync, []

    def watching(descriptor):
        settled.add(os.fstat(descriptor).st_ino)
        named.append((tmp_path / "b").exists())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watching)
    home_backup.backup(small, tmp_path / "b")
    top = tmp_path / "b"
    assert {path.stat().st_ino for path in (top, tmp_path, *top.rglob("*"))} <= settled
    assert named[-2:] == [False, True]  # its own name comes last


def test_file_that_changes_while_it_is_copied_is_copied_again_or_named(small, tmp_path, monkeypatch):
    export, read, growing = small / "export.csv", os.read, [1]
    export.write_text("first")
    inode = export.stat().st_ino

    def grown(descriptor, size):
        block = read(descriptor, size)
        if os.fstat(descriptor).st_ino == inode and not block and growing:
            growing.pop()
            with export.open("a") as file:
                file.write(", more")
        return block

    monkeypatch.setattr(os, "read", grown)
    home_backup.backup(small, tmp_path / "b")
    assert (tmp_path / "b" / "home" / "export.csv").read_text() == "first, more"
    growing.extend([1] * 9)
    with pytest.raises(BadInputError, match=r"export.csv: it kept changing while it was copied"):
        home_backup.backup(small, tmp_path / "c")
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another user's rights")
@pytest.mark.parametrize("name", ["secret.csv", "secrets/a.csv"])
def test_what_cannot_be_read_is_named(name):
    with tempfile.TemporaryDirectory() as place:  # not pytest's folder: another user must get there
        home = Path(place, "home")
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text("x")
        locked = home / name.split("/", maxsplit=1)[0]
        locked.chmod(0)
        Path(place).chmod(0o777)
        os.seteuid(65534)
        try:
            with pytest.raises(BadInputError, match="it cannot be read: Permission denied") as error:
                copies.copy(home / copies.listed(home, Path("/"))[0][0], Path(place, "copy"))
        finally:
            os.seteuid(0)
        assert error.value.file == str(locked)


@pytest.mark.parametrize("name", ["a\\b.csv", "a\nb.csv"])
def test_name_that_could_not_be_restored_is_refused_when_it_is_backed_up(small, tmp_path, name):
    (small / name).write_text("x")
    with pytest.raises(BadInputError, match="could not be restored"):
        home_backup.backup(small, tmp_path / "b")


def test_file_that_is_only_named_like_a_lock_or_a_part_of_a_database_is_left_out_by_name(small, tmp_path):
    names = ["money.lock", "sales-journal", "x.csv-wal", "money.db-shm"]
    for name in names:
        (small / name).write_text("1;2;3\n" * 100)
    os.mkfifo(small / "pipe.lock")
    result = CliRunner().invoke(app.app, ["backup", str(tmp_path / "b"), "--home", str(small)])
    assert result.exit_code == 0, result.output
    left_out = sorted(f"home/{name}" for name in (*names, "pipe.lock"))
    assert home_backup.restore(tmp_path / "b", tmp_path / "new")["left_out"] == left_out
    assert [name for name in left_out if f"left out, because a backup cannot hold it: {name}" not in result.output] == []


def test_lock_and_log_of_a_living_database_pass(small, tmp_path):
    with closing(sqlite3.connect(small / "store.db")) as writer:
        writer.execute("PRAGMA journal_mode=WAL")
        writer.execute("CREATE TABLE t (a)")
        writer.commit()
        assert (small / "store.db-wal").stat().st_size
        assert home_backup.backup(small, tmp_path / "b")["left_out"] == []
    with closing(sqlite3.connect(tmp_path / "b" / "home" / "store.db")) as copied:
        assert copied.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]


def test_export_that_begins_like_a_database_is_copied_as_it_is(small, tmp_path):
    (small / "money.csv").write_bytes(content := b"SQLite format 3\0;and no database\n")
    home_backup.backup(small, tmp_path / "b")
    assert (tmp_path / "b" / "home" / "money.csv").read_bytes() == content


def test_command_leaves_a_backup_to_its_owner_whatever_the_group(small, tmp_path, monkeypatch):
    monkeypatch.setenv("ONECLICK_GROUP", str(os.getegid()))
    assert CliRunner().invoke(app.app, ["backup", str(tmp_path / "b"), "--home", str(small)]).exit_code == 0
    top = tmp_path / "b"
    assert {stat.S_IMODE(path.stat().st_mode) for path in (top, *top.rglob("*"))} == {0o600, 0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's files")
def test_what_another_user_leaves_beside_a_backup_removes_nothing_and_stops_nothing(small, tmp_path):
    """The folder may be one for everybody, as /tmp."""
    place = tmp_path / "everybody"
    place.mkdir()
    (place / ".mine.backup").mkdir()
    (place / ".mine.backup" / "kept").write_text("x")
    for name in (".mine.backup.lock", ".other.backup.lock"):
        (place / name).write_text("process 1\n")
        os.chown(place / name, 65534, 65534)
    (place / ".link.backup.lock").symlink_to(tmp_path / "nowhere")
    home_backup.backup(small, place / "b")
    assert (place / ".mine.backup" / "kept").exists()
    (place / ".c.backup.lock").write_text("")
    os.chown(place / ".c.backup.lock", 65534, 65534)  # they could hold it for ever
    with pytest.raises(BadInputError, match=r"\.c\.backup\.lock: this blocks one of our lock files, and is not ours"):
        home_backup.backup(small, place / "c")


def test_folder_that_looks_like_a_leftover_is_not_removed(small, tmp_path):
    (tmp_path / "b.part").mkdir()
    (tmp_path / "b.part" / "mine").write_text("x")
    home_backup.backup(small, tmp_path / "b")
    assert (tmp_path / "b.part" / "mine").exists()


BACKUP_KILLED = """
import os, signal, sys
from pathlib import Path
from oneclick_pipeline.orchestration.backup import home_backup as backup, copies, placing
copies.settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
backup.backup(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_killed_backup_is_removed_by_the_next_one_whatever_its_name(small, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", BACKUP_KILLED, str(small), str(tmp_path / "disk" / "monday")]
    assert subprocess.run(command, check=False, timeout=60).returncode == -9
    assert ".monday.backup" in [path.name for path in (tmp_path / "disk").iterdir()]
    home_backup.backup(small, tmp_path / "disk" / "tuesday")
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["tuesday"]
