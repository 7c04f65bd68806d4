"""Runs that meet: on one month, on two months of one home, and after a correction."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import pytest
from filelock import FileLock

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.automation import snapshots
from oneclick_pipeline.orchestration.instance import prepare_instance
from oneclick_pipeline.raw.facts import read_facts
from oneclick_pipeline.tracking import Tracking
from oneclick_pipeline_tests.orchestration.homes import MONTH, SAMPLE, digests, files, instance_of, new_home, run
from oneclick_pipeline_tests.orchestration.test_kill import RUN

EARLIER = "2026-09"
NOT_OF_THE_MODEL = ["rejected_rows", "corrections", "customer_features", "data_profile", "correlations", "training_set"]


def start(home, month, job="retrain"):
    command = [sys.executable, "-c", RUN, "run", "--month", month, "--job", job, "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ends(*processes):
    """Output of every process, which must end well."""
    told = [process.communicate(timeout=500) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), told
    return [output for output, _ in told]


def exports_read(home):
    """SHA-256 of the exports that the raw tables were made of; most rows lie in the export, so the table's digest has none."""
    return {source.file: read_facts(table_file(home, source.file, MONTH)).sha256 for source in SOURCES}


def statuses(home):
    with instance_of(home) as instance:
        return [run.status for run in instance.get_runs()]


@pytest.mark.soak
def test_two_runs_of_a_month_at_once_are_one_after_the_other(tmp_path, finished):
    home = new_home(tmp_path / "home")
    first = start(home, MONTH)
    next(line for line in first.stdout if "market_file" in line)
    (told,) = ends(start(home, MONTH))
    ends(first)
    assert f"another run works on {MONTH}: waiting until it has ended" in told
    assert digests(home, NOT_OF_THE_MODEL) == {name: finished.digests["retrain"][name] for name in NOT_OF_THE_MODEL}
    store = Tracking(home)
    assert [version.version for version in store.versions()] == [2, 1]  # each run trained, none twice
    assert store.require_champion().version == 2
    assert ledger.published_months(home) == [MONTH]
    assert statuses(home) == [dg.DagsterRunStatus.SUCCESS] * 2
    assert files(home / "staging") == []
    assert files(home / "locks") == [f"{MONTH}.lock", "whole.lock"]  # of no run, of no step


def test_two_processes_make_the_databases_of_dagster_once(tmp_path):
    code = (
        "import sys; from pathlib import Path; from oneclick_pipeline.orchestration.instance import prepare_instance; "
        "prepare_instance(Path(sys.argv[1]))"
    )
    racers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [racer.communicate(timeout=120)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0], errors
    assert (tmp_path / "dagster" / "history" / "runs.db").exists()


def test_configuration_is_written_by_one_process_at_a_time(tmp_path):
    (tmp_path / "dagster").mkdir()
    with ThreadPoolExecutor() as pool:
        with FileLock(tmp_path / "dagster" / ".lock"):
            preparing = pool.submit(prepare_instance, tmp_path)
            with pytest.raises(TimeoutError):
                preparing.result(timeout=1)
            assert not (tmp_path / "dagster" / "dagster.yaml").exists()
        preparing.result(timeout=60)
    assert (tmp_path / "dagster" / "dagster.yaml").exists()


@pytest.mark.soak
def test_two_months_at_once_make_what_they_make_alone(tmp_path, finished):
    home = new_home(tmp_path / "home")
    shutil.copytree(SAMPLE, home / "raw" / EARLIER)
    together = [start(home, month) for month in (MONTH, EARLIER)]
    told = ends(*together)
    assert not any("waiting" in text for text in told)
    names = [name for name in NOT_OF_THE_MODEL if name != "training_set"]
    for month in (MONTH, EARLIER):
        assert digests(home, names, month).keys() == set(names)
    assert digests(home, names) == {name: finished.digests["retrain"][name] for name in names}
    assert ledger.published_months(home) == [EARLIER, MONTH]
    assert sorted(version.version for version in Tracking(home).versions()) == [1, 2]
    assert statuses(home) == [dg.DagsterRunStatus.SUCCESS] * 2


@pytest.mark.soak
def test_corrected_snapshot_is_computed_anew_and_the_published_plan_stands(tmp_path, finished):
    home = shutil.copytree(finished.home, tmp_path / "home")
    published = {name: (home / name).read_bytes() for name in files(home) if name.startswith(("ledger/", "exports/"))}
    assert len(published) >= 2
    before, read_before = digests(home), exports_read(home)
    money = home / "raw" / MONTH / "money.csv"  # not the features: whoever was trained on keeps the score out of fold
    header, *lines = money.read_text(encoding="utf-8").splitlines()
    parts = [line.partition(";") for line in lines]
    doubled = [f"{customer};{2 * float(profit.replace(',', '.'))}".replace(".", ",") for customer, _, profit in parts[:400]]
    money.write_text("\n".join([header, *doubled, *lines[400:]]) + "\n", encoding="utf-8")
    assert not snapshots.already_run(home, MONTH, snapshots.content(home, MONTH))

    outcome = run(home, "refresh")

    assert outcome.errors == ()
    assert any(
        w.startswith("offers_export: What was published is an earlier plan, not that of this run") for w in outcome.warnings
    )
    after = digests(home)
    changed = {name for name, was in before.items() if after[name] != was}
    assert {"profit", "customer_features", "customer_scores", "offer_plan"} <= changed
    assert not {"customers", "revenue", "site_minutes"} & changed
    assert {name for name, was in read_before.items() if exports_read(home)[name] != was} == {"money"}
    assert {name: (home / name).read_bytes() for name in published} == published
    assert snapshots.already_run(home, MONTH, snapshots.content(home, MONTH))
