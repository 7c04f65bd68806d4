import os

import pytest

from oneclick_pipeline.machine import Left, is_short_of_memory, left


@pytest.mark.parametrize(
    ("free", "files", "is_full"),
    [(64 << 10, 16, False), (64 << 10, None, False), ((64 << 10) - 1, 16, True), (1 << 40, 15, True)],
)
def test_file_system_is_full_without_a_few_pages_or_a_few_files(free, files, is_full):
    assert Left(read_only=False, free=free, files=files, room=0.5, inodes=0.5).is_full == is_full


@pytest.mark.parametrize(
    ("room", "inodes", "lacks"),
    [(0.9, 0.0, True), (0.3, 0.01, True), (0.0, 0.0, False), (0.01, 0.6, False), (0.5, 1.0, False), (0.02, 0.02, False)],
)
def test_what_is_scarcer_is_what_is_short(room, inodes, lacks):
    assert Left(read_only=False, free=1, files=1, room=room, inodes=inodes).lacks_inodes == lacks


def test_place_that_is_not_there_has_what_its_first_parent_has(tmp_path):
    found = left(tmp_path / "a" / "b" / "c")
    assert found is not None
    assert found.free > 0
    assert (found.read_only, found.room) == (False, pytest.approx(left(tmp_path).room, abs=0.05))


def test_file_system_that_counts_no_inodes_lacks_none(tmp_path, monkeypatch):
    uncounted = os.statvfs_result((4096, 4096, 1000, 500, 500, 0, 0, 0, os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: uncounted)
    assert left(tmp_path) == Left(read_only=True, free=500 * 4096, files=None, room=0.5, inodes=1.0)


def test_system_that_cannot_say_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "statvfs")
    assert left(tmp_path) is None


def test_process_without_a_limit_is_not_short_of_memory_and_one_at_its_limit_is(monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert not is_short_of_memory()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 50, 1 << 50))
    assert not is_short_of_memory()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64 << 20, 64 << 20))
    assert is_short_of_memory()
