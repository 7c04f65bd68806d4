"""Runs and a daemon that are silent."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._daemon.types import DaemonHeartbeat

from oneclick_pipeline.cli.doctor import runs
from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline_tests.orchestration.homes import MONTH, instance_of


def test_run_that_hangs(findings, tmp_path):
    prepare_instance(tmp_path)
    with instance_of(tmp_path) as instance:
        run = dg.DagsterRun(job_name="retrain", status=dg.DagsterRunStatus.STARTING, tags={"dagster/partition": MONTH})
        instance.add_run(run)
        instance.report_engine_event("begun", run)
    assert findings(tmp_path, "runs") == [("ok", "1 at work, 0 waiting")]
    ((state, message),) = findings(tmp_path, "runs", datetime.now(UTC) + timedelta(hours=5))
    assert state == "warning"
    assert message.startswith(f"retrain of {MONTH} ({run.run_id}) has been silent for 5 hours")


def test_daemon_that_fell_silent(findings, tmp_path, monkeypatch):
    prepare_instance(tmp_path)
    now = datetime.now(UTC)
    with instance_of(tmp_path) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp(), "SENSOR", None))
    assert findings(tmp_path, "daemon", now + timedelta(seconds=9)) == [("ok", "last sign of life 9 s ago")]
    assert findings(tmp_path, "daemon", now + timedelta(hours=1))[0][0] == "warning"
    examined = Home(tmp_path, now + timedelta(hours=1))
    assert examined.health.heartbeat is not None
    monkeypatch.setenv("ONECLICK_POSTGRES", "postgresql://u:p@h/n")  # a team relies on it
    assert next(runs.daemon(examined)).state == "problem"


def test_daemon_whose_time_is_yet_to_come(findings, tmp_path):
    prepare_instance(tmp_path)
    now = datetime.now(UTC)
    with instance_of(tmp_path) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp(), "SENSOR", None))
    ((state, message),) = findings(tmp_path, "daemon", now - timedelta(days=400))
    assert state == "warning"
    assert "which is in the future: the clock has been set back since set the clock right; start it" in message
    assert findings(tmp_path, "daemon", now - timedelta(seconds=9)) == [("ok", "last sign of life 0 s ago")]
