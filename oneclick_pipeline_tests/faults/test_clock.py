"""The clock set forward and back under Dagster's daemon: no month is lost or run twice, no alert floods or falls silent.

The clock is our own seam, and not libfaketime: under its version 0.9.10 `time.sleep` of Python 3.11 fails. Dagster's own
sensors and schedules are asked here, on the home's own databases; their runs are queued and not worked on. The process of
the daemon under such a clock is in `orchestration/automation/test_daemon.py`.
"""

import datetime as dt
import json
import logging
import os
import shutil
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import freeze_time
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration
from dagster._scheduler.scheduler import launch_scheduled_runs

from oneclick_pipeline.orchestration.automation import alerts, clock, sensors
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, new_home

NEXT = "2026-11"
RIGHT = dt.datetime(2026, 11, 28, 10, tzinfo=dt.UTC)
AHEAD = RIGHT + dt.timedelta(days=400)
DECEMBER = dt.datetime(2026, 12, 7, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1, seconds=1)


class Daemon:
    """The sensors of a home, asked as Dagster's daemon asks them, by a clock that a test sets."""

    def __init__(self, home, workspace, monkeypatch):
        self.home, self.workspace, self.now = home, workspace, RIGHT
        ours = SimpleNamespace(now=lambda _: self.now, fromisoformat=dt.datetime.fromisoformat)
        for module in (sensors, alerts):
            monkeypatch.setattr(module, "datetime", ours)

    @property
    def instance(self):
        return self.workspace.instance

    def look(self, now, times=1):
        """Ask all sensors whose time has come, again after each minute."""
        self.now = now
        for _ in range(times):
            with freeze_time(self.now):
                for error in execute_sensor_iteration(self.workspace, logging.getLogger("test"), None, None):
                    assert error is None, error
            self.now += MINUTE

    def schedule(self, now):
        """Ask the schedules."""
        with freeze_time(now):
            assert not any(launch_scheduled_runs(self.workspace, logging.getLogger("test"), now, {}))

    def set_back(self, now):
        """What the daemon does once it has noticed."""
        with freeze_time(now):
            assert {"alerts", "new_snapshot"} <= set(clock.forget_future(self.instance, now.timestamp()))

    def months_run(self):
        """Month of every run that was requested; those that were are ended."""
        runs = self.instance.get_runs()
        for run in runs:
            if not run.is_finished:
                self.instance.report_run_canceled(run)
        return sorted(run.tags["dagster/partition"] for run in runs)

    def alerts(self):
        return sorted(path.stem for path in (self.home / "alerts" / "stderr").glob("*.json"))


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    home = new_home(tmp_path / "home", settings="", texts=export_text())
    with environment_kept():
        monkeypatch.setenv("DAGSTER_HOME", str(prepare_instance(home)))
        graph = tmp_path / "graph.py"
        graph.write_text(f"from oneclick_pipeline.definitions import build\ndefs = build({str(home)!r})\n")
        target = LoadableTargetOrigin(python_file=str(graph), attribute="defs")
        place = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(target, location_name="oneclick"))
        with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, place) as workspace:
            yield Daemon(home, workspace, monkeypatch)


def deliver(home, month):
    shutil.copytree(home / "raw" / MONTH, home / "raw" / month)


@pytest.mark.soak
def test_clock_set_forward_and_back_loses_no_month_and_runs_none_twice(daemon):
    daemon.look(RIGHT, times=3)
    assert daemon.months_run() == [MONTH]
    daemon.look(AHEAD, times=3)
    daemon.set_back(RIGHT)
    deliver(daemon.home, NEXT)
    daemon.look(RIGHT + MINUTE, times=3)
    assert daemon.months_run() == [MONTH]  # the other is not over
    daemon.look(DECEMBER, times=3)
    assert daemon.months_run() == [MONTH, NEXT]
    before_october = RIGHT - dt.timedelta(days=60)
    daemon.set_back(before_october)
    daemon.look(before_october + MINUTE, times=3)
    daemon.look(DECEMBER, times=3)
    assert daemon.months_run() == [MONTH, NEXT]


def test_sensors_are_silent_until_the_future_is_forgotten(daemon):
    """What Dagster does by itself: without this nothing would start for 400 days."""
    daemon.look(AHEAD)
    ticks = len(all_ticks(daemon))
    daemon.look(RIGHT)
    assert len(all_ticks(daemon)) == ticks
    daemon.set_back(RIGHT)
    daemon.look(RIGHT + MINUTE)
    assert len(all_ticks(daemon)) > ticks


def test_schedule_is_not_silent_until_a_clock_that_was_ahead_is_right(daemon):
    def times():
        ticks = [tick for tick in all_ticks(daemon) if tick.instigator_name == "monthly_refresh"]
        return {f"{dt.datetime.fromtimestamp(tick.timestamp, dt.UTC):%Y-%m-%d}" for tick in ticks}

    daemon.schedule(RIGHT)
    daemon.schedule(AHEAD)
    assert times() == {"2027-12-05"}
    daemon.schedule(DECEMBER)
    assert times() == {"2027-12-05"}  # Dagster by itself
    with freeze_time(RIGHT):
        assert clock.forget_future(daemon.instance, RIGHT.timestamp()) == ["monthly_refresh"]
        assert clock.forget_future(daemon.instance, RIGHT.timestamp()) == []
    daemon.schedule(RIGHT + MINUTE)
    daemon.schedule(DECEMBER)
    assert times() == {"2026-11-28", "2026-12-05"}


def all_ticks(daemon):
    states = daemon.instance.all_instigator_state()
    return [tick for s in states for tick in daemon.instance.get_ticks(s.instigator_origin_id, s.selector_id)]


@pytest.mark.soak
def test_alerts_neither_flood_nor_fall_silent(daemon):
    daemon.look(RIGHT)
    assert daemon.alerts() == []
    daemon.look(AHEAD, times=3)
    assert daemon.alerts() == ["missing-2026-11-2027-11"]
    text = json.loads((daemon.home / "alerts" / "stderr" / "missing-2026-11-2027-11.json").read_text())["reason"]
    assert "the exports of 13 months, 2026-11 to 2027-11, have not arrived; is the clock right? It says 2028-01-02" in text
    daemon.set_back(RIGHT)
    daemon.look(RIGHT + MINUTE, times=2)
    daemon.look(DECEMBER, times=3)
    assert f"missing-{NEXT}" in daemon.alerts()


def test_alert_of_a_time_that_has_not_come_is_sent_again_when_it_comes(daemon, capsys):
    daemon.look(DECEMBER)  # ahead by nine days
    arrived = daemon.home / "alerts" / "stderr" / f"missing-{NEXT}.json"
    set_times(arrived, DECEMBER)
    daemon.set_back(RIGHT)
    daemon.look(RIGHT + MINUTE)
    assert not arrived.exists()
    daemon.look(DECEMBER)
    assert arrived.exists()
    assert capsys.readouterr().err.count(f"ALERT {NEXT} snapshot") == 2


def set_times(path, when):
    os.utime(path, (when.timestamp(), when.timestamp()))
