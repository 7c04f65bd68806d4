"""A file has its name when it is whole and on disk, and takes the place of another only where that is asked."""

import os

import pytest

from oneclick_pipeline.home import write_once


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_is_written_whole_and_over_another_only_if_asked(tmp_path):
    path = tmp_path / "new" / "offers.csv"
    write_once.write(path, b"first")
    with pytest.raises(FileExistsError):
        write_once.write(path, b"second")
    assert (path.read_bytes(), names(path.parent)) == (b"first", ["offers.csv"])
    write_once.write(path, b"second", replace=True, mode=0o600)
    assert (path.read_bytes(), names(path.parent), path.stat().st_mode & 0o777) == (b"second", ["offers.csv"], 0o600)


@pytest.mark.parametrize("dies_at", [1, 2])
def test_process_that_dies_leaves_the_old_file_or_the_new_one(tmp_path, monkeypatch, dies_at):
    path = tmp_path / "2026-10.parquet"
    path.write_bytes(b"old")
    (tmp_path / f".{path.name}.1.part").write_bytes(b"of a process that was killed")
    settled = []

    def dying(descriptor):
        settled.append(descriptor)
        if len(settled) == dies_at:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", dying)
        with pytest.raises(KeyboardInterrupt):
            write_once.write(path, b"new", replace=True)
    assert (path.read_bytes(), names(tmp_path)) == (b"old" if dies_at == 1 else b"new", [path.name])


def test_old_files_are_kept_under_numbers_and_none_twice(tmp_path):
    path, kept = tmp_path / "2026-10.parquet", []
    for content in (b"a", b"b", b"a"):
        path.write_bytes(content)
        kept.append(write_once.keep(path).name)
    assert kept == ["2026-10.replaced-1.parquet", "2026-10.replaced-2.parquet", "2026-10.replaced-1.parquet"]
    assert (tmp_path / kept[1]).read_bytes() == b"b"
