"""Files of a home are its owner's alone, whatever the umask, or a group's as well."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.home.permissions import Access
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, new_home

CLI = "import sys; from oneclick_pipeline.cli.app import main; sys.exit(main())"
FOREIGN_GROUP = 4711


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id):
    return homes.finished(tmp_path_factory, worker_id)


@pytest.fixture(autouse=True)
def _no_group(monkeypatch):
    monkeypatch.delenv(permissions.GROUP, raising=False)


def modes(home):
    """Mode of every entry of a home, the home itself among them."""
    return {path: path.lstat().st_mode for path in [home, *home.rglob("*")] if not path.is_symlink()}


def wrong(home, file=0o600, folder=0o700):
    """Entries with another mode than they should have."""
    found = modes(home)
    assert len(found) > 1
    return {
        str(path.relative_to(home)): stat.filemode(mode)
        for path, mode in found.items()
        if stat.S_IMODE(mode) != (folder if stat.S_ISDIR(mode) else file)
    }


def open_home(home, **texts):
    """A home that everybody may read and write."""
    new_home(home, settings="", texts=export_text(8) | texts)
    for path in [home, *home.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    return home


def command(*arguments, umask=0o000, cwd=None, **variables):
    """Run a program under a umask; the whole environment but our own variables."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        umask=umask,
        cwd=cwd,
        env={k: v for k, v in os.environ.items() if not k.startswith("ONECLICK_")} | {k: str(v) for k, v in variables.items()},
        capture_output=True,
        check=False,
        timeout=600,
    )


def job(home, umask, **variables):
    """A job as somebody's own Dagster process runs it, which knows nothing of our command."""
    (home / "dagster").mkdir(mode=0o777, exist_ok=True)
    arguments = ["job", "execute", "-m", "oneclick_pipeline.definitions", "-j", "prepare", "--tags"]
    return command(
        *["-m", "dagster", *arguments, f'{{"dagster/partition": "{MONTH}"}}'],
        umask=umask,
        cwd=home.parent,
        ONECLICK_HOME=home,
        DAGSTER_HOME=home / "dagster",
        **variables,
    )


@given(st.integers(0, 0o7777), st.sampled_from([stat.S_IFREG, stat.S_IFDIR]), st.sampled_from([None, 0, 7]))
def test_mode_leaves_the_owner_what_it_may_and_others_nothing(mode, kind, group):
    made = Access(group).mode(kind | mode)
    assert made & stat.S_IRWXU == mode & stat.S_IRWXU
    assert not made & stat.S_IRWXO
    assert not made & stat.S_IWGRP
    assert group is not None or not made & stat.S_IRWXG
    assert Access(group).mode(kind | made) == made


@pytest.mark.parametrize("swapped", ["raw/export.csv", "raw"])
def test_link_that_takes_the_place_of_an_entry_meanwhile_is_not_followed(tmp_path, monkeypatch, swapped):
    """In a home that others may still write: what a link leads to is not the home's."""
    home, outside, fits = tmp_path / "home", tmp_path / "outside", Access.fits
    (home / "raw").mkdir(parents=True)
    outside.mkdir()
    for path in (home / "raw" / "export.csv", outside / "export.csv"):
        path.write_text("x")
    for path in (home / "raw" / "export.csv", outside / "export.csv", outside):
        path.chmod(0o777)
    target = outside if swapped == "raw" else outside / "export.csv"

    def swapping(self, found):
        if stat.S_ISREG(found.st_mode) and not (home / "moved").exists():
            (home / swapped).rename(home / "moved")
            (home / swapped).symlink_to(target)
        return fits(self, found)

    monkeypatch.setattr(Access, "fits", swapping)
    permissions.shut(home / "raw")
    assert (home / "moved").exists()
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in (outside, outside / "export.csv")] == ["0o777", "0o777"]
    moved = home / "moved" / "export.csv" if swapped == "raw" else home / "moved"
    assert stat.S_IMODE(moved.stat().st_mode) == 0o700  # the entry itself, wherever it went


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is in a group of its choice")
def test_file_with_another_name_outside_is_given_to_no_group(tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "raw").mkdir(parents=True)
    (tmp_path / "key").write_text("secret")
    (tmp_path / "key").chmod(0o640)
    (home / "raw" / "export.csv").hardlink_to(tmp_path / "key")
    before = (tmp_path / "key").stat().st_gid
    monkeypatch.setattr(os, "getgroups", lambda: [FOREIGN_GROUP])
    monkeypatch.setenv(permissions.GROUP, str(FOREIGN_GROUP))
    permissions.prepare(home)
    assert (home / "raw").stat().st_gid == FOREIGN_GROUP
    assert ((tmp_path / "key").stat().st_gid, stat.S_IMODE((tmp_path / "key").stat().st_mode)) == (before, 0o600)


def test_everything_of_a_home_that_was_run_is_its_owners(finished):
    assert wrong(finished.home) == {}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_job_of_a_dagster_process_of_somebody_else_leaves_nothing_open(tmp_path, umask):
    home = open_home(tmp_path / "home")
    done = job(home, umask)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert (home / "tables" / "clean" / "profit").exists()
    assert wrong(home) == {}


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_command_leaves_nothing_open(tmp_path, umask):
    home = tmp_path / "home"
    done = command("-c", CLI, "twin", "month", "--month", MONTH, "--customers", 50, "--home", home, umask=umask)
    assert done.returncode == 0, done.stderr
    assert wrong(home) == {}


def test_group_may_read_and_no_more(tmp_path, monkeypatch):
    group = os.getgroups()[-1] if os.getgroups() else os.getegid()
    monkeypatch.setenv(permissions.GROUP, str(group))
    home = open_home(tmp_path / "home")
    (home / "dagster").mkdir()
    done = job(home, 0o000, ONECLICK_GROUP=group)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    assert wrong(home, 0o640, 0o2750) == {}
    assert {path.lstat().st_gid for path in modes(home)} == {group}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may choose the groups of a process")
def test_group_other_than_the_first_is_inherited(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    script = (
        "from pathlib import Path; from oneclick_pipeline.home import permissions; "
        "home = Path('home'); permissions.prepare(home); "
        "(home / 'tables' / 'x').mkdir(parents=True); (home / 'tables' / 'x' / 'y').touch()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=os.environ | {permissions.GROUP: str(FOREIGN_GROUP)},
        extra_groups=[FOREIGN_GROUP],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert wrong(home, 0o640, 0o2750) == {}
    assert {path.lstat().st_gid for path in modes(home)} == {FOREIGN_GROUP}


@pytest.mark.parametrize("name", ["no-such-group", str(FOREIGN_GROUP), "9" * 30, "-1", "１２"])
def test_group_that_cannot_be_is_refused_before_a_file_is_made(tmp_path, monkeypatch, name):
    monkeypatch.setenv(permissions.GROUP, name)
    with pytest.raises(BadInputError, match=r"ONECLICK_GROUP.*What to do: name a group that the user is in") as caught:
        permissions.prepare(tmp_path / "home")
    assert caught.value.value == name
    assert list(tmp_path.iterdir()) == []


def test_command_refuses_such_a_group_plainly(tmp_path):
    done = command("-c", CLI, "doctor", "--home", tmp_path, ONECLICK_GROUP="no-such-group")
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: value 'no-such-group': the group named by ONECLICK_GROUP does not exist")


def test_home_of_an_earlier_version_is_shut_by_the_next_run(tmp_path):
    home = open_home(tmp_path / "home")
    prepare_instance(home)
    assert wrong(home) == {}
    (home / "raw" / MONTH / "money.csv").chmod(0o644)  # delivered again
    prepare_instance(home)
    assert wrong(home) == {}


def test_what_is_no_home_is_left_as_it_is(tmp_path):
    for name, mode, holds in (("shared", 0o1777, "raw"), ("other", 0o755, "documents")):
        folder = tmp_path / name
        (folder / holds).mkdir(parents=True)
        (folder / holds).chmod(0o755)
        folder.chmod(mode)
        permissions.prepare(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == mode
        assert stat.S_IMODE((folder / holds).stat().st_mode) == 0o755


def test_links_are_not_followed_and_other_files_not_touched(tmp_path):
    home, outside = open_home(tmp_path / "home"), tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (home / "tables").symlink_to(outside)
    (home / "raw" / "file").symlink_to(outside / "file")
    (home / "notes.txt").touch()
    permissions.prepare(home)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (outside, home / "raw" / "file")} == {0o755, 0o644}
    assert stat.S_IMODE((home / "notes.txt").stat().st_mode) == 0o644  # out of reach: the home is shut


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_belongs_to_somebody_else_is_left_and_does_not_stop_a_run(tmp_path):
    home = open_home(tmp_path / "home")
    file = home / "raw" / MONTH / "money.csv"
    os.chown(file, 65534, 65534)
    permissions.prepare(home)
    assert list(wrong(home)) == ["raw/2026-10/money.csv"]
    assert permissions.exposed(home).foreign == (f"{file} (user 65534)",)


def test_exposed_counts_everything_and_lists_some(tmp_path):
    home = open_home(tmp_path / "home")
    entries = len(modes(home))
    seen = permissions.exposed(home, listed=2)
    assert (seen.opened, len(seen.open), seen.foreigners, seen.shut) == (entries, 2, 0, False)
    home.chmod(0o700)
    assert (permissions.exposed(home).opened, permissions.exposed(home).shut) == (entries - 1, True)


def test_exposed_names_a_folder_above_in_which_everybody_may_rename(tmp_path):
    home = open_home(tmp_path / "above" / "home")
    (tmp_path / "above").chmod(0o777)
    assert permissions.exposed(home).parents == (tmp_path / "above",)
    (tmp_path / "above").chmod(0o1777)
    assert permissions.exposed(home).parents == ()


def test_command_of_the_remedy_shuts_a_home(tmp_path):
    home = open_home(tmp_path / "a home; true")
    for own in (Access(), Access(os.getegid())):
        subprocess.run(own.remedy(home), shell=True, check=True)  # noqa: S602 - what a user does
        found = [SimpleNamespace(st_mode=mode, st_gid=os.getegid()) for mode in modes(home).values()]
        assert not [one for one in found if own.open(one)]


@pytest.mark.soak
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_whole_run_backup_and_restore_leave_nothing_open(tmp_path, umask):
    home = open_home(tmp_path / "home")
    for file in (homes.SAMPLE).iterdir():
        shutil.copyfile(file, home / "raw" / MONTH / file.name)
    (home / "settings.yaml").write_text(homes.QUICK)
    for arguments in (
        ["run", "--month", MONTH, "--home", home],
        ["backup", tmp_path / "backup", "--home", home],
        ["restore", tmp_path / "backup", "--home", tmp_path / "again"],
    ):
        done = command("-c", CLI, *arguments, umask=umask)
        assert done.returncode == 0, done.stderr
    for folder in (home, tmp_path / "backup", tmp_path / "again"):
        assert wrong(folder) == {}
