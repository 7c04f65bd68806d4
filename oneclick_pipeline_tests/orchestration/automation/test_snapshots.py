"""Which months have come, and which were run."""

import datetime as dt
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.automation import snapshots
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


NOW = dt.datetime(2026, 11, 15, tzinfo=dt.UTC)


@example("2026-12", NOW)
@example("2026-11", NOW)
@example("0000-10", NOW)
@example("２０２６-09", NOW)
@given(
    st.from_regex(r"[0-9٠-٩０-９]{4}-[0-9٠-٩０-９]{2}[ \n]?", fullmatch=True) | st.text(max_size=8),
    st.datetimes(timezones=st.just(dt.UTC)),
)
def test_folder_is_a_month_that_is_over_or_nothing(name, now):
    """Whatever lies in HOME/raw: what is listed can be parsed, is written as we write it, and has ended."""
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        return
    with TemporaryDirectory() as folder:
        (Path(folder) / "raw" / name).mkdir(parents=True)
        for found in snapshots.delivered(Path(folder), now):
            month = dt.date(int(found[:4]), int(found[5:]), 1)
            assert found == f"{month.year:04}-{month.month:02}" == name
            assert (month.year, month.month) < (now.year, now.month)


def test_delivered_leaves_alone_what_is_no_month_that_has_ended(home):
    for name in (
        "2099-01",
        "2026-11",
        "2026-13",
        "2026-00",
        "２０２６-09",
        "٢٠٢٦-09",
        "2026-09 ",
        "2026-09\n",
        ".2026-09",
        "2026-9",
    ):
        shutil.copytree(home / "raw" / MONTH, home / "raw" / name)
    (home / "raw" / "2026-08").write_text("a file")
    (home / "raw" / "2026-07").symlink_to("nowhere")
    (home / "raw" / "2026-06").symlink_to("2026-06")
    (home / "raw" / "2026-05").symlink_to("2026-08")
    assert snapshots.delivered(home, NOW) == [MONTH]
    shutil.rmtree(home / "raw")
    (home / "raw").write_text("a file")
    assert snapshots.delivered(home, NOW) == []


def test_export_that_cannot_be_looked_at_or_read_is_absent_or_has_no_content(home, monkeypatch):
    file = home / "raw" / MONTH / "money.csv"
    file.unlink()
    for make in (os.mkfifo, lambda p: p.symlink_to("nowhere"), lambda p: p.symlink_to("money.csv")):
        make(file)
        assert snapshots.absent(home, MONTH) == ["money.csv"]
        assert snapshots.state(home, MONTH) is None
        file.unlink()
    assert snapshots.content(home, MONTH) is None

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "stat", refuse)  # root may enter every folder
    assert len(snapshots.absent(home, MONTH)) == 4


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


def test_clock_that_is_set_back_during_a_run_has_no_month_run_twice(home):
    hashes = snapshots.content(home, MONTH)
    assert materialize(home, selection=FROM_RAW_TO_FEATURES[:4]).success
    for table in ("market_file", "money"):
        os.utime(table_file(home, table, MONTH), (4_000_000_000, 4_000_000_000))  # made before the clock was set back
    assert materialize(home, selection=FROM_RAW_TO_FEATURES[4:]).success
    segments, last = table_file(home, "customer_segments", MONTH), table_file(home, "customer_features", MONTH)
    segments.parent.mkdir(parents=True)
    shutil.copy2(last, segments)
    assert snapshots.already_run(home, MONTH, hashes)


def test_run_that_failed_half_way_by_a_clock_that_was_set_back_is_not_taken_for_a_whole_one(home):
    segments = table_file(home, "customer_segments", MONTH)
    segments.parent.mkdir(parents=True)
    segments.write_bytes(b"")
    os.utime(segments, (4_000_000_000, 4_000_000_000))  # of the run before, when the clock was ahead
    assert materialize(home, selection=FROM_RAW_TO_FEATURES[:4]).success
    assert not snapshots.already_run(home, MONTH, snapshots.content(home, MONTH))
