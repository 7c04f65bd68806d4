"""The sensor that waits for whole files, and the monthly schedule."""

import datetime as dt
import os
import shutil

import dagster as dg
import pytest

from oneclick_pipeline.definitions import build
from oneclick_pipeline.orchestration.automation import content, new_snapshot
from oneclick_pipeline.orchestration.home import Home
from oneclick_pipeline.tables import SOURCES, table_file
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, new_home

TEXTS = export_text()


@pytest.fixture
def home(tmp_path):
    return new_home(tmp_path / "home", settings="", texts=TEXTS)


def look(home, cursor=None):
    """One tick of the sensor: run keys by month, the cursor for the next tick, why it was skipped."""
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": Home(path=str(home))})
        result = new_snapshot(context)
    requests = result.run_requests or []
    message = result.skip_reason.skip_message if result.skip_reason else None
    return {r.partition_key: r.run_key for r in requests}, result.cursor, message


def second_look(home):
    requested, cursor, _ = look(home)
    assert requested == {}
    return look(home, cursor)


def test_sensor_requests_a_month_on_the_second_look_at_the_same_files(home):
    requested, cursor, skipped = look(home)
    assert (requested, skipped) == ({}, f"waiting for the files of {MONTH} to stop changing")
    requested, _, skipped = look(home, cursor)
    assert requested == {MONTH: f"{MONTH}-{content(home / 'raw' / MONTH)}"}
    assert skipped is None


def test_sensor_skips_a_home_without_files(tmp_path):
    for home in (tmp_path, tmp_path / "absent"):
        assert second_look(home)[::2] == ({}, "no new snapshot")


@pytest.mark.parametrize("file", [s.file for s in SOURCES])
def test_sensor_waits_for_the_fourth_file(home, file):
    (home / "raw" / MONTH / f"{file}.csv").unlink()
    assert second_look(home)[::2] == ({}, "no new snapshot")


def test_sensor_waits_while_a_file_is_empty(home):
    (home / "raw" / MONTH / "money.csv").write_bytes(b"")
    assert second_look(home)[0] == {}


def test_sensor_waits_again_when_a_file_changed_between_looks(home):
    _, cursor, _ = look(home)
    with (home / "raw" / MONTH / "money.csv").open("a") as file:
        file.write("5;5,25\n")
    requested, cursor, skipped = look(home, cursor)
    assert (requested, skipped) == ({}, f"waiting for the files of {MONTH} to stop changing")
    assert look(home, cursor)[0].keys() == {MONTH}


def test_sensor_notices_a_change_that_keeps_the_size(home):
    _, cursor, _ = look(home)
    path = home / "raw" / MONTH / "money.csv"
    before = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace("1;1,25", "1;9,25"), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    assert look(home, cursor)[0] == {}


def test_run_key_follows_the_content_and_not_the_time(home):
    first = second_look(home)[0]
    path = home / "raw" / MONTH / "money.csv"
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 10**9))
    assert second_look(home)[0] == first
    path.write_text(path.read_text(encoding="utf-8").replace("1;1,25", "1;9,25"), encoding="utf-8")
    again = second_look(home)[0]
    assert again.keys() == first.keys()
    assert again != first


def test_run_key_tells_two_files_that_changed_places(home):
    folder = home / "raw" / MONTH
    before = content(folder)
    (folder / "money.csv").rename(folder / "x")
    (folder / "market_time.csv").rename(folder / "money.csv")
    (folder / "x").rename(folder / "market_time.csv")
    assert content(folder) != before


def test_sensor_leaves_a_month_alone_that_has_run(home):
    segments = table_file(home, "customer_segments", MONTH)
    segments.parent.mkdir(parents=True)
    segments.write_bytes(b"")
    newest = max(p.stat().st_mtime_ns for p in (home / "raw" / MONTH).iterdir())
    os.utime(segments, ns=(newest + 1, newest + 1))
    assert second_look(home)[0] == {}
    os.utime(home / "raw" / MONTH / "money.csv", ns=(newest + 2, newest + 2))
    assert second_look(home)[0].keys() == {MONTH}


def test_sensor_ignores_what_is_no_month_and_what_is_not_over(home):
    for name in ("notes", "2026-13", "2026-10 copy", "2999-01", "2023-12", ".2026-09-part"):
        shutil.copytree(home / "raw" / MONTH, home / "raw" / name)
    (home / "raw" / "2026-08").write_text("a file")
    assert second_look(home)[0].keys() == {MONTH}


def test_sensor_requests_every_month_that_came(home):
    shutil.copytree(home / "raw" / MONTH, home / "raw" / "2026-09")
    requested = second_look(home)[0]
    assert requested.keys() == {MONTH, "2026-09"}
    assert requested[MONTH][len(MONTH) :] == requested["2026-09"][len(MONTH) :]


def test_sensor_takes_the_same_month_again_only_under_the_same_key(home):
    requested, cursor, _ = second_look(home)
    assert look(home, cursor)[0] == requested


@pytest.mark.parametrize(
    ("now", "month"), [((2026, 11, 5, 6), "2026-10"), ((2026, 1, 5, 6), "2025-12"), ((2024, 3, 5, 6), "2024-02")]
)
def test_schedule_refreshes_the_month_before(tmp_path, now, month):
    defs = build(str(tmp_path))
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=dt.datetime(*now, tzinfo=dt.UTC),
            repository_def=defs.get_repository_def(),
        )
        (request,) = defs.resolve_schedule_def("monthly_refresh").evaluate_tick(context).run_requests
    assert request.partition_key == month
