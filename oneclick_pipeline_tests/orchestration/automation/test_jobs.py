"""The sensor that waits for whole files, and the monthly schedule."""

import datetime as dt
import os
import shutil

import dagster as dg
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.definitions import build
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.automation import jobs, snapshots
from oneclick_pipeline.orchestration.automation.sensors import new_snapshot, retrain_due
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, new_home

TEXTS = export_text()
STARTED = dg.DagsterRunStatus.STARTED


@pytest.fixture
def home(tmp_path):
    return new_home(tmp_path / "home", settings="", texts=TEXTS)


def tick_of(instance, home, cursor=None):
    """What the sensor answers."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": Home(path=str(home))}) as context:
        return new_snapshot(context)


def look(home, cursor=None, runs=()):
    """One tick of the sensor: run keys by month, the cursor for the next tick, why it was skipped."""
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        for run in runs:
            instance.add_run(run)
        result = tick_of(instance, home, cursor)
    requests = result.run_requests or []
    message = result.skip_reason.skip_message if result.skip_reason else None
    assert {r.job_name for r in requests} <= {"retrain"}  # there is no model in these homes
    return {r.partition_key: r.run_key for r in requests}, result.cursor, message


def second_look(home):
    requested, cursor, _ = look(home)
    assert requested == {}
    return look(home, cursor)


def test_sensor_requests_a_month_on_the_second_look_at_the_same_files(home):
    requested, cursor, skipped = look(home)
    assert (requested, skipped) == ({}, f"waiting for the files of {MONTH} to stop changing")
    requested, _, skipped = look(home, cursor)
    assert requested.keys() == {MONTH}
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


def test_sensor_ignores_what_is_no_month_and_what_is_not_over(home):
    for name in ("notes", "2026-13", "2026-10 copy", "2999-01", "2023-12", ".2026-09-part"):
        shutil.copytree(home / "raw" / MONTH, home / "raw" / name)
    (home / "raw" / "2026-08").write_text("a file")
    assert second_look(home)[0].keys() == {MONTH}


def test_sensor_requests_one_month_after_another(home):
    shutil.copytree(home / "raw" / MONTH, home / "raw" / "2026-09")
    first, cursor, _ = second_look(home)
    assert first.keys() == {"2026-09"}
    busy = dg.DagsterRun(
        "retrain", run_id="1", status=STARTED, tags={"dagster/sensor_name": "new_snapshot", "dagster/partition": "2026-09"}
    )
    requested, cursor, skipped = look(home, cursor, [busy])
    assert (requested, skipped) == ({}, f"{MONTH} waits: a run of 2026-09 is in progress")
    others = [dg.DagsterRun("retrain", run_id="2", status=STARTED), busy.with_status(dg.DagsterRunStatus.FAILURE)]
    second, cursor, _ = look(home, cursor, others)
    assert second.keys() == {MONTH}
    assert second[MONTH][len(MONTH) :] == first["2026-09"][len("2026-09") :]
    assert look(home, cursor)[::2] == ({}, "no new snapshot")


def test_sensor_takes_the_same_month_again_only_if_its_content_changes(home):
    requested, cursor, _ = second_look(home)
    path = home / "raw" / MONTH / "money.csv"
    times = path.stat()
    os.utime(path, ns=(1, 1))
    _, cursor, _ = look(home, cursor)
    assert look(home, cursor)[0] == requested  # under the same key, which Dagster knows
    path.write_text(path.read_text(encoding="utf-8").replace("1;1,25", "1;9,25"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns - 10**12))  # a correction that looks older than what it corrects
    _, cursor, _ = look(home, cursor)
    corrected = look(home, cursor)[0]
    assert corrected.keys() == {MONTH}
    assert corrected != requested


def test_sensor_leaves_alone_what_has_run(finished):
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        first = tick_of(instance, finished.home)
        second = tick_of(instance, finished.home, first.cursor)
    assert first.run_requests == second.run_requests == []
    assert second.skip_reason.skip_message == "no new snapshot"


def test_sensor_refreshes_a_corrected_snapshot_with_the_champion(finished, tmp_path):
    home = shutil.copytree(finished.home, tmp_path / "home")
    file = home / "raw" / MONTH / "money.csv"
    file.write_bytes(file.read_bytes().rstrip() + b"\n\n")
    os.utime(file, ns=(1, 1))
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        first = tick_of(instance, home)
        second = tick_of(instance, home, first.cursor)
    assert [(r.job_name, r.partition_key) for r in second.run_requests] == [("refresh", MONTH)]


def tick(home, now):
    """One tick of the monthly schedule."""
    defs = build(str(home))
    with (
        environment_kept(),
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=dt.datetime(*now, tzinfo=dt.UTC),
            repository_def=defs.get_repository_def(),
            resources={"home": Home(path=str(home))},
        ) as context,
    ):
        return defs.resolve_schedule_def("monthly_refresh").evaluate_tick(context)


def test_schedule_refreshes_the_month_before(finished):
    (request,) = tick(finished.home, (2026, 11, 5, 6)).run_requests
    assert request.partition_key == MONTH


@pytest.mark.parametrize(("now", "month"), [((2026, 1, 5, 6), "2025-12"), ((2024, 3, 5, 6), "2024-02")])
def test_schedule_skips_a_month_that_has_not_come(tmp_path, now, month):
    skipped = tick(tmp_path, now)
    assert skipped.run_requests == []
    assert skipped.skip_message.startswith(f"the snapshot of {month} is incomplete: market_file.csv, market_money.csv")


def test_schedule_skips_a_home_without_a_model(home):
    assert tick(home, (2026, 11, 5, 6)).skip_message == "no model scores yet: new_snapshot starts the first training"


def retrain_look(home):
    """Why one tick of `retrain_due` starts nothing."""
    with (
        environment_kept(),
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"home": Home(path=str(home))}) as context,
    ):
        return retrain_due(context).skip_reason.skip_message


BROKEN = ["a: &a [1]\nb: [*a]\n", "x: 2026-13-45\n", "[" * 5000, "x: {", "\x00", "5"]


@pytest.mark.parametrize("name", ["settings.yaml", "catalogue.yaml"])
@pytest.mark.parametrize("text", BROKEN)
def test_sensor_waits_while_a_file_is_broken_and_goes_on_when_it_is_not(home, name, text):
    _, cursor, _ = look(home)
    (home / name).write_text(text)
    requested, cursor, skipped = look(home, cursor)
    assert requested == {}
    assert skipped.startswith(f"{MONTH} waits: {home / name}, line ")
    (home / name).unlink()
    assert look(home, cursor)[0].keys() == {MONTH}


@pytest.mark.parametrize("name", ["settings.yaml", "catalogue.yaml"])
def test_schedule_and_retrain_say_that_a_file_is_broken(finished, tmp_path, name):
    home = shutil.copytree(finished.home, tmp_path / "home")
    (home / name).write_text("x: {")
    assert tick(home, (2026, 11, 5, 6)).skip_message.startswith(f"{MONTH} is not refreshed: {home / name}, line 1")
    assert retrain_look(home).startswith(f"no retrain is started: {home / name}, line 1")
    (home / name).unlink()
    assert [r.partition_key for r in tick(home, (2026, 11, 5, 6)).run_requests] == [MONTH]


@pytest.mark.parametrize("name", ["settings.yaml", "catalogue.yaml"])
def test_graph_loads_whatever_the_files_hold(tmp_path, name):
    (tmp_path / name).write_text("a: &a [1]\nb: [*a]\n")
    assert {job.name for job in build(str(tmp_path)).get_repository_def().get_all_jobs()} >= {"retrain", "refresh", "prepare"}


def test_retrain_looks_at_months_that_are_over_and_at_nothing_else(finished, tmp_path):
    home = shutil.copytree(finished.home, tmp_path / "home")
    drift = table_file(home, "drift", MONTH)
    for name in ("2099-01", "2026-13", "２０２６-11", "9999-12", f"{dt.datetime.now(dt.UTC):%Y-%m}"):
        (home / "raw" / name).mkdir()
        shutil.copyfile(drift, drift.with_stem(name))
    assert retrain_look(home) == f"version 1 was already trained on {MONTH} or later"


def test_sensor_is_not_held_up_by_an_export_that_cannot_be_read(home, monkeypatch):
    shutil.copytree(home / "raw" / MONTH, home / "raw" / "2026-09")
    known = snapshots.content
    monkeypatch.setattr(snapshots, "content", lambda root, month: None if month == "2026-09" else known(root, month))
    requested, cursor, _ = second_look(home)
    assert requested.keys() == {MONTH}
    monkeypatch.undo()
    assert look(home, cursor)[0].keys() == {"2026-09"}


def replaced(home, number):
    """Another delivery of a month."""
    path = home / "raw" / MONTH / "money.csv"
    path.with_suffix(".new").write_text(f"{TEXTS['money']}{number};5,25\n", encoding="utf-8")
    path.with_suffix(".new").replace(path)


def test_files_that_never_rest_start_nothing_and_are_run_once_they_do(home):
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        cursor = None
        for number in range(100, 120):
            replaced(home, number)
            result = tick_of(instance, home, cursor)
            cursor = result.cursor
            assert result.run_requests == []
            assert result.skip_reason.skip_message == f"waiting for the files of {MONTH} to stop changing"
        assert [r.partition_key for r in tick_of(instance, home, cursor).run_requests] == [MONTH]
    assert len(cursor) < 500


def test_files_that_rest_for_two_looks_only_start_fewer_and_fewer_runs(home):
    with environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        cursor, requests, numbers = None, 0, iter(range(100, 1000))
        for looks in [2] * 4 + [3] * 3 + [5] * 2 + [9]:
            replaced(home, next(numbers))
            for _ in range(looks):
                result = tick_of(instance, home, cursor)
                cursor, requests = result.cursor, requests + len(result.run_requests)
        assert requests == 5  # of ten deliveries
        replaced(home, next(numbers))
        looks = 0
        while not (result := tick_of(instance, home, cursor)).run_requests:
            cursor, looks = result.cursor, looks + 1
        assert looks == 16


def test_exports_that_were_put_back_while_their_run_failed_are_run_again_once(home):
    first, cursor, _ = second_look(home)
    (key,) = first.values()
    tags = {"dagster/run_key": key, "dagster/partition": MONTH, "dagster/sensor_name": "new_snapshot"}
    run = dg.DagsterRun("retrain", run_id="1", status=STARTED, tags=tags)
    path = home / "raw" / MONTH / "money.csv"
    content = path.read_bytes()
    replaced(home, 100)
    _, cursor, _ = look(home, cursor, [run])
    path.write_bytes(content)
    failed = run.with_status(dg.DagsterRunStatus.FAILURE)
    _, cursor, _ = look(home, cursor, [failed])
    again, cursor, _ = look(home, cursor, [failed])
    assert again[MONTH].startswith(f"{key}-")
    assert look(home, cursor, [failed])[0] == {}
    succeeded = run.with_status(dg.DagsterRunStatus.SUCCESS)
    assert second_look_with(home, [succeeded]) == first  # Dagster knows it, and starts none


def second_look_with(home, runs):
    _, cursor, _ = look(home, None, runs)
    return look(home, cursor, runs)[0]


def test_sensor_remembers_a_month_through_a_time_at_which_it_is_not_over(home, monkeypatch):
    class Before(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 10, 15, tzinfo=tz)

    requested, cursor, _ = second_look(home)
    assert requested.keys() == {MONTH}
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "datetime", Before)
        none, cursor, said = look(home, cursor)
        assert (none, said) == ({}, "no new snapshot")
    assert look(home, cursor)[0] == {}
