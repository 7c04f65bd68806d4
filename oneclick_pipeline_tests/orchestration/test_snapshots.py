"""Which months have come, and which were run."""

import os
import shutil

import pytest

from oneclick_pipeline.orchestration import snapshots
from oneclick_pipeline.tables import table_file
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.homes import FROM_RAW_TO_FEATURES, MONTH, materialize, new_home


@pytest.fixture
def home(tmp_path):
    return new_home(tmp_path / "home", settings="", texts=export_text())


def test_delivered_lists_months_and_nothing_else(home):
    for name in ("notes", "2026-13", "2026-08 copy", "2025-12"):
        (home / "raw" / name).mkdir()
    assert snapshots.delivered(home) == ["2025-12", MONTH]
    assert snapshots.delivered(home / "absent") == []


def test_absent_names_files_that_are_missing_or_empty(home):
    folder = home / "raw" / MONTH
    assert snapshots.absent(home, MONTH) == []
    (folder / "money.csv").write_bytes(b"")
    (folder / "market_time.csv").unlink()
    (folder / "market_time.csv").mkdir()
    assert snapshots.absent(home, MONTH) == ["market_time.csv", "money.csv"]
    assert snapshots.state(home, MONTH) is None


def test_content_tells_two_files_that_changed_places(home):
    folder, before = home / "raw" / MONTH, snapshots.content(home, MONTH)
    (folder / "money.csv").rename(folder / "x")
    (folder / "market_time.csv").rename(folder / "money.csv")
    (folder / "x").rename(folder / "market_time.csv")
    assert snapshots.content(home, MONTH) != before
    assert sorted(snapshots.content(home, MONTH)) == sorted(before)


def test_already_run_goes_by_content_and_not_by_time(home):
    segments = table_file(home, "customer_segments", MONTH)
    hashes = snapshots.content(home, MONTH)
    assert not snapshots.already_run(home, MONTH, hashes)
    assert materialize(home, selection=FROM_RAW_TO_FEATURES[:4]).success
    assert not snapshots.already_run(home, MONTH, hashes)
    segments.parent.mkdir(parents=True)
    shutil.copyfile(home / "raw" / MONTH / "money.csv", segments)
    assert snapshots.already_run(home, MONTH, hashes)
    for file in (home / "raw" / MONTH).iterdir():
        os.utime(file, ns=(10**18 * 4, 10**18 * 4))  # delivered by a machine whose clock is fast
    assert snapshots.already_run(home, MONTH, snapshots.content(home, MONTH))
    file = home / "raw" / MONTH / "money.csv"
    file.write_bytes(file.read_bytes() + b"\n")
    os.utime(file, ns=(1, 1))  # and corrected by one whose clock is slow
    assert not snapshots.already_run(home, MONTH, snapshots.content(home, MONTH))


def test_already_run_is_not_so_where_segments_are_older_than_the_raw_tables(home):
    segments = table_file(home, "customer_segments", MONTH)
    assert materialize(home, selection=FROM_RAW_TO_FEATURES[:4]).success
    segments.parent.mkdir(parents=True)
    segments.write_bytes(b"")
    os.utime(segments, ns=(1, 1))  # a run with the same exports began, and failed half way
    assert not snapshots.already_run(home, MONTH, snapshots.content(home, MONTH))
