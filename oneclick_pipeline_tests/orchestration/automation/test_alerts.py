"""What gives cause to an alert, told once, whoever sees it."""

import datetime as dt
import json
import shutil

import dagster as dg
import pytest

from oneclick_pipeline.definitions import build
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import execution
from oneclick_pipeline.orchestration.automation import alerts
from oneclick_pipeline.orchestration.automation.webhook import VARIABLE as WEBHOOK
from oneclick_pipeline.orchestration.checks import CHECKS, check, result
from oneclick_pipeline.orchestration.partitions import FIRST, months_from
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.automation.test_delivery import no_webhook, receiver
from oneclick_pipeline_tests.orchestration.homes import MONTH, environment_kept, new_home
from oneclick_pipeline_tests.orchestration.runs.test_active import STARTED, a_run, instance, left_behind

__all__ = ["instance", "no_webhook", "receiver"]

URL = "http://127.0.0.1:3000"
NOW = dt.datetime(2026, 12, 6, tzinfo=dt.UTC)


@pytest.fixture
def broken(tmp_path):
    """A home where half of the profits are none."""
    texts = export_text(8)
    texts["money"] = texts["money"].replace("1;1,25", "1;?").replace("2;2,25", "2;?").replace("3;3,25", "3;-")
    return new_home(tmp_path / "home", settings="", texts=texts)


def run(home, instance, job="prepare"):
    """Run a job as the pages do."""
    graph = build(str(home)).resolve_job_def(job)
    done = graph.execute_in_process(instance=instance, partition_key=MONTH, raise_on_error=False)
    return instance.get_run_by_id(done.run_id)


def refusing(instance, *, fails=False):
    """A run whose challenger has not passed one gate."""

    @dg.asset(partitions_def=months_from(FIRST), check_specs=CHECKS["activity_model"])
    def activity_model():
        for spec in CHECKS["activity_model"]:
            passed = spec.name != "calibrated"
            figures = "ECE 0.09 (at most 0.06)" if not passed else ""
            yield result("activity_model", check(spec.name, passed=passed, figures=figures))
        if fails:
            raise dg.Failure("no champion")
        yield dg.MaterializeResult()

    done = dg.materialize([activity_model], partition_key=MONTH, instance=instance, raise_on_error=False)
    return instance.get_run_by_id(done.run_id)


def look(home, instance, cursor=None):
    """One tick of the sensor: its cursor, and what it says."""
    with dg.build_sensor_context(instance=instance, cursor=cursor, resources={"home": Home(path=str(home))}) as context:
        result = alerts.alerts(context)
    return result.cursor, result.skip_reason.skip_message


def test_of_run_tells_month_asset_check_and_page(broken, instance):
    failed = run(broken, instance)
    (alert,) = alerts.of_run(instance, failed, URL)
    assert (alert.event, alert.month, alert.asset) == (f"run-{failed.run_id}", MONTH, "profit")
    assert alert.link == f"{URL}/runs/{failed.run_id}"
    rule = "rejected_share: More rows were rejected than the settings allow, or none are left"
    assert alert.reason.startswith("the run failed: clean: too many rows were rejected (limit …): …")
    assert alert.reason.endswith(f"; profit: {rule}")
    assert "0.375" not in alert.reason


def test_of_run_is_silent_where_all_is_well(tmp_path, instance):
    assert alerts.of_run(instance, run(new_home(tmp_path / "home", settings="", texts=export_text()), instance), URL) == []


def test_of_run_tells_a_refused_challenger_without_figures(instance):
    done = refusing(instance)
    (alert,) = alerts.of_run(instance, done, URL)
    assert (alert.event, alert.asset) == (f"refused-{done.run_id}", "activity_model")
    assert alert.reason.startswith(
        "the challenger was refused: calibrated: The challenger's expected calibration error is above the limit"
    )
    assert "0.09" not in alert.reason


def test_of_run_tells_both_where_the_run_failed_as_well(instance):
    failure, refused = alerts.of_run(instance, refusing(instance, fails=True), URL)
    assert failure.reason == "the run failed: activity_model: it cannot continue; the page says why"
    assert refused.event.startswith("refused-")


@pytest.mark.parametrize(
    ("now", "months"),
    [
        ((2026, 12, 5, 23), []),
        ((2026, 12, 6), ["2026-11"]),
        ((2027, 2, 5), ["2026-11", "2026-12"]),
        ((2026, 11, 6), []),
    ],
)
def test_missing_tells_months_after_the_newest_snapshot(broken, now, months):
    found = alerts.missing(broken, 5, dt.datetime(*now, tzinfo=dt.UTC), URL)
    assert [alert.month for alert in found] == months
    assert len({alert.event for alert in found}) == len(months)


@pytest.mark.parametrize(
    "name", ["2099-01", "2026-12", "2026-13", "２０２６-11", "٢٠٢٦-11", "2026-11 ", ".2026-11", "2026-11-part", "9999-99"]
)
def test_missing_is_not_silenced_by_a_folder_of_the_future_or_of_nonsense(broken, name):
    shutil.copytree(broken / "raw" / MONTH, broken / "raw" / name)
    assert [alert.month for alert in alerts.missing(broken, 5, NOW, URL)] == ["2026-11"]


def test_missing_is_not_silenced_by_a_file_or_a_link_that_leads_nowhere(broken):
    (broken / "raw" / "2026-11").write_text("a file")
    (broken / "raw" / "2026-12").symlink_to("2099-01")
    assert [alert.month for alert in alerts.missing(broken, 5, NOW, URL)] == ["2026-11"]
    (broken / "raw" / "2026-11").unlink()
    (broken / "raw" / "2026-11").symlink_to("nowhere")
    assert [alert.month for alert in alerts.missing(broken, 5, NOW, URL)] == ["2026-11"]


def test_missing_names_the_files_and_their_place(broken):
    (broken / "raw" / "2026-11").mkdir()
    (broken / "raw" / "2026-11" / "market_file.csv").write_text("id\n")
    (alert,) = alerts.missing(broken, 5, NOW, URL)
    assert "market_money.csv, market_time.csv, money.csv missing or empty in" in alert.reason
    assert str(broken / "raw" / "2026-11") in alert.reason


def test_missing_waits_for_nothing_in_a_home_that_has_not_begun(tmp_path):
    assert alerts.missing(tmp_path, 5, NOW, URL) == []


def test_sensor_tells_every_event_once(broken, instance, receiver, capsys):
    run(broken, instance)
    refusing(instance)
    left_behind(broken, a_run(instance, 7))
    capsys.readouterr()
    cursor, said = look(broken, instance)
    assert said == "there is nothing new to report"
    for again in (cursor, None):  # also where the cursor is lost
        look(broken, instance, again)
    told = {body["event"]: body for _, _, body in receiver.got}
    assert len(receiver.got) == len(told) == 3
    assert capsys.readouterr().err.count("ALERT ") == 3
    killed = next(body for body in told.values() if body["event"].endswith("0007"))
    assert killed["asset"] == "run"
    assert "was killed" in killed["reason"]


def test_sensor_tries_again_what_the_webhook_refused(broken, instance, receiver):
    run(broken, instance)
    receiver.answers = [500]
    cursor, said = look(broken, instance)
    assert said.endswith("the webhook at 127.0.0.1 answered 500")
    assert look(broken, instance, cursor)[1] == "there is nothing new to report"
    assert len(receiver.got) == 2


def test_sensor_works_where_the_settings_are_broken(broken, instance, capsys):
    (broken / "settings.yaml").write_text("alerts: {snapshot_day: never}\n")
    assert run(broken, instance).status is dg.DagsterRunStatus.FAILURE
    look(broken, instance)
    assert "snapshot_day" in capsys.readouterr().err.partition("ALERT")[2]


@pytest.mark.parametrize("name", ["settings.yaml", "catalogue.yaml"])
@pytest.mark.parametrize("text", ["a: &a [1]\nb: [*a]\n", "x: 2026-13-45\n", "[" * 5000, "x: {", "\x00", "5"])
def test_sensor_says_once_that_a_file_is_broken_and_goes_on(tmp_path, instance, receiver, capsys, name, text):
    home = new_home(tmp_path / "home", settings="", texts=export_text())
    (home / name).write_text(text)
    cursor, said = look(home, instance)
    assert name in said
    assert "What to do" in said
    assert name in look(home, instance, cursor)[1]
    ((_, _, body),) = receiver.got
    assert body["asset"] == name
    assert f"({name}, line " in body["reason"]
    assert capsys.readouterr().err.count("ALERT ") == 1
    (home / name).unlink()
    assert look(home, instance, cursor)[1] == "there is nothing new to report"
    assert len(receiver.got) == 1


def test_sensor_says_that_the_address_is_none_and_posts_once_it_is_one(broken, instance, receiver, capsys, monkeypatch):
    address = receiver.address
    run(broken, instance)
    capsys.readouterr()
    monkeypatch.setenv(WEBHOOK, "http://user:SECRET@a/")
    cursor, said = look(broken, instance)
    assert said.startswith("ONECLICK_WEBHOOK is not an http or https address")
    assert "SECRET" not in said + cursor
    assert capsys.readouterr().err.count("ALERT ") == 1
    monkeypatch.setenv(WEBHOOK, address)
    assert look(broken, instance, cursor)[1] == "there is nothing new to report"
    assert len(receiver.got) == 1


def test_sensor_reads_what_the_version_before_remembered(broken, instance, receiver):
    failed = run(broken, instance)
    look(broken, instance, json.dumps([failed.run_id]))
    assert receiver.got == []


def test_command_refuses_an_address_that_is_none_before_it_runs_anything(broken, monkeypatch):
    monkeypatch.setenv(WEBHOOK, "https://hooks.example.org/SECRET#x")
    with environment_kept(), pytest.raises(BadInputError, match=r"^ONECLICK_WEBHOOK is") as caught:
        execution.execute(build(str(broken)).resolve_job_def("prepare"), MONTH, broken, lambda *_: None)
    assert "SECRET" not in str(caught.value)
    assert not (broken / "dagster").exists()


def test_command_warns_of_an_address_that_is_not_encrypted(tmp_path, monkeypatch):
    monkeypatch.setenv(WEBHOOK, "http://hooks.example.org/SECRET")
    home = new_home(tmp_path / "home", settings="", texts=export_text())
    with environment_kept():
        outcome = execution.execute(build(str(home)).resolve_job_def("prepare"), MONTH, home, lambda *_: None)
    assert outcome.success
    assert outcome.warnings[0].startswith("the webhook at hooks.example.org is not encrypted")


def test_command_warns_of_a_variable_that_leads_mlflow_elsewhere(tmp_path, monkeypatch):
    home = new_home(tmp_path / "home", settings="", texts=export_text(8))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:SECRET@mlflow.example.org")
    with environment_kept():
        outcome = execution.execute(build(str(home)).resolve_job_def("prepare"), MONTH, home, lambda *_: None)
    (warning,) = [text for text in outcome.warnings if "MLFLOW" in text]
    assert warning.startswith("MLFLOW_TRACKING_URI is set, and ignored: runs and models are kept in the home's own MLflow")
    assert "SECRET" not in warning


def test_sensor_does_not_tell_a_run_at_work(broken, instance, capsys):
    a_run(instance, 1, STARTED)
    look(broken, instance)
    assert capsys.readouterr().err == ""


def test_command_posts_what_its_run_gives_cause_to(broken, receiver):
    receiver.answers = [500]
    with environment_kept():
        outcome = execution.execute(build(str(broken)).resolve_job_def("prepare"), MONTH, broken, lambda *_: None)
    assert not outcome.success
    ((_, _, body),) = receiver.got
    assert (body["event"], body["asset"]) == (f"run-{outcome.run_id}", "profit")
    assert outcome.warnings == (
        "an alert was not delivered: the webhook at 127.0.0.1 answered 500; the pages' daemon will try again",
    )


@pytest.mark.parametrize(("now", "alerts_of"), [((2027, 2, 6), 3), ((2027, 3, 6), 1), ((2126, 12, 6), 1)])
def test_missing_months_are_one_alert_where_they_are_many(broken, now, alerts_of):
    found = alerts.missing(broken, 5, dt.datetime(*now, tzinfo=dt.UTC), URL)
    assert len(found) == alerts_of
    assert ("is the clock right?" in found[0].reason) is (alerts_of == 1)
    assert "missing-2026-12" not in {alert.event for alert in found} or alerts_of > 1  # its own time will come
