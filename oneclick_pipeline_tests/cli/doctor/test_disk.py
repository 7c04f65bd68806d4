"""Room and inodes for another month."""

import shutil

import pytest

from oneclick_pipeline.cli.doctor import disk
from oneclick_pipeline.machine import Left
from oneclick_pipeline_tests.orchestration.homes import MONTH


@pytest.mark.parametrize(("free", "state"), [(1, "problem"), (250 * 2**20, "warning"), (10 * 2**30, "ok")])
def test_disk(findings, home, monkeypatch, free, state):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 0, free))
    assert [s for s, _ in findings(home, "disk")] == [state]


def test_disk_without_inodes_is_a_problem_although_it_has_room(findings, home, monkeypatch):
    there = Left(read_only=False, free=2**40, files=7, room=0.9, inodes=0.0)
    monkeypatch.setattr(disk, "left", lambda _: there)
    assert [
        state
        for state, message in findings(home, "disk")
        if message.startswith("7 more files can be created, a month needs 1000")
    ] == ["problem"]


def test_what_a_month_needs_is_what_the_last_one_took(home):
    own = sum(path.stat().st_size for path in (home / "raw" / MONTH).iterdir())
    own += sum(path.stat().st_size for path in (home / "tables").rglob("*.parquet"))
    own += (home / "reports" / f"{MONTH}.html").stat().st_size
    own += sum(path.stat().st_size for path in (home / "exports").rglob("*") if path.is_file())
    assert disk.bytes_of(home, MONTH) == own
    assert disk.bytes_of(home, "2026-09") == 0
