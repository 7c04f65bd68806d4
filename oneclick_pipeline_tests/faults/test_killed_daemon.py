"""The daemon killed while it ticks, launches and watches runs, and the runs themselves: each month is run once, and each killed
run is marked failed and told of once.

The processes are those of `oneclick ui`, but for its pages; they only wait less, see `hurried`.
"""

import collections
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.orchestration.automation.webhook import VARIABLE
from oneclick_pipeline.orchestration.instance import configuration, prepare_instance
from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline.simulator.twin.panel import write_months
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.faults.homes import copied, visible
from oneclick_pipeline_tests.faults.killing import SEED, Process, month, run
from oneclick_pipeline_tests.orchestration.automation.test_delivery import Receiver
from oneclick_pipeline_tests.orchestration.homes import environment_kept, files, instance_of

FIRST, CUSTOMERS, LIFE_SECONDS, PATIENCE_SECONDS = "2025-01", 300, 3.0, 300
RUN_SECONDS = 8.0
"""Less than a run takes on any machine."""
FAILURE, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS


def daemon(workspace):
    """Dagster's daemon, which looks at its sensors several times a second."""
    from dagster._daemon import sensor
    from dagster._daemon.cli import run_command

    sensor.MIN_INTERVAL_LOOP_TIME = 0.2
    run_command(["-w", workspace])


class House:
    """A home, its code server, and the daemons that live and die."""

    def __init__(self, home, place, address, jobs):
        self.home, self.place, self.address, self.jobs = home, place, address, jobs
        self.socket, self.workspace, self.code = place / "code", place / "workspace.yaml", None
        self.workspace.write_text(servers._WORKSPACE.format(socket=self.socket))
        with environment_kept():
            folder = prepare_instance(home)
        (folder / "dagster.yaml").write_text(configuration() + "run_queue: {dequeue_interval_seconds: 1}\n")

    def start(self):
        """Start the code server, and wait until it listens."""
        self.socket.unlink(missing_ok=True)
        command = ["-m", "dagster", "api", "grpc", "-s", str(self.socket), "-m", "oneclick_pipeline_tests.faults.hurried"]
        variables = {
            "DAGSTER_HOME": str(self.home / "dagster"),
            "ONECLICK_HOME": str(self.home),
            "HURRIED_JOBS": self.jobs,
            VARIABLE: self.address,
        }
        with (self.place / "code.log").open("ab") as log:
            self.code = subprocess.Popen(
                [sys.executable, *command], env=os.environ | variables, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(lambda: servers._is_ready(str(self.socket)), self)

    def daemon(self):
        """Start a daemon."""
        return Process(daemon, self.workspace, DAGSTER_HOME=str(self.home / "dagster"))

    def runs(self):
        """The processes of runs: those that the code server has started."""
        return [process for process in psutil.Process(self.code.pid).children() if "spawn_main" in " ".join(process.cmdline())]

    def end(self):
        """Kill the code server and the runs that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self.code.pid, signal.SIGKILL)
        self.code.wait()


def wait_until(holds, house):
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        alive = house.code.poll() is None and time.monotonic() < end
        assert alive, (house.place / "code.log").read_text(errors="replace")[-5000:]
        time.sleep(0.2)  # between two looks at other processes


@contextmanager
def house(home, jobs):
    """A home with its code server and a webhook; yields both, and what the webhook got."""
    place = Path(tempfile.mkdtemp(prefix="oneclick-"))  # the path of a socket must be short
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        made = House(home, place, receiver.address, jobs)
        try:
            made.start()
            yield made, receiver
        finally:
            made.end()
            receiver.shutdown()
            thread.join()
            shutil.rmtree(place)


def kill_a_run(house):
    """Wait for a run, and kill its process at a random moment of its work."""
    wait_until(lambda: list((house.home / "locks").glob("run-*.lock")), house)
    runs = house.runs()
    psutil.wait_procs(runs, timeout=random.Random(SEED).uniform(0, RUN_SECONDS))  # noqa: S311 - a seed, no secret
    for process in runs:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def kill_all(house):
    """Kill the code server with its runs and start it again, as a machine that is switched off and on."""
    house.end()
    house.start()


def settled(instance, months):
    """Whether every month was begun and every run has ended."""
    runs = instance.get_runs()
    return {run.tags.get("dagster/partition") for run in runs}.issuperset(months) and all(run.is_finished for run in runs)


def live_and_die(house, kills, others, chance):
    """Kill so many daemons, and between them something else: by the number of the daemon, what."""
    for number in range(kills):
        process = house.daemon()
        if number in others:
            others[number](house)
        assert not process.ends_within(chance.uniform(0, LIFE_SECONDS))
        process.kill()
        assert process.end().killed


def deliver(home, months):
    """The exports of some months arrive."""
    last = add_months(FIRST, months - 1)
    write_months(
        Profile.load(None), home, first=FIRST, last=last, customers=CUSTOMERS, seed=1, overwrite=False, progress=lambda *_: None
    )
    return [add_months(FIRST, number) for number in range(months)]


def alerts_of_runs(receiver):
    """How often each alert of a run was received."""
    events = [body["event"] for _, _, body in receiver.got]
    return collections.Counter(event for event in events if event.startswith("run-"))


def lived(house, receiver, months, kills, others):
    """Daemons are killed, then one lives until all is settled. Returns the runs of the months."""
    chance = random.Random(SEED)  # noqa: S311 - a seed, no secret
    live_and_die(house, kills, others, chance)
    process = house.daemon()
    try:
        with instance_of(house.home) as instance:
            wait_until(lambda: settled(instance, months), house)
            runs = [run for run in instance.get_runs() if run.tags.get("dagster/partition") in months]
            failed = {f"run-{run.run_id}" for run in runs if run.status is FAILURE}
            wait_until(lambda: alerts_of_runs(receiver).keys() >= failed, house)
    finally:
        process.kill()
        process.end()
    assert sorted(run.tags["dagster/partition"] for run in runs) == months  # each month was asked for once
    assert {run.status for run in runs} <= {SUCCESS, FAILURE}
    assert alerts_of_runs(receiver).keys() == failed
    return runs


def test_month_is_run_once_however_often_the_daemon_is_killed(tmp_path):
    home = tmp_path / "home"
    months = deliver(home, 1)
    with house(home, "prepare") as (made, receiver):
        (only,) = lived(made, receiver, months, 3, {})
        assert only.status is SUCCESS
        assert not alerts_of_runs(receiver)
    visible(home, *months)
    assert files(home / "staging") == []


@pytest.mark.soak
def test_months_are_run_once_and_each_killed_run_is_told_once_whenever_the_daemon_is_killed(finished, tmp_path, capsys):
    home = copied(finished.home, tmp_path / "home")
    shutil.rmtree(home / "dagster")  # other runs are not asked for
    months = deliver(home, 3)
    others = {3: kill_a_run, 12: kill_all}
    with house(home, "") as (made, receiver):
        runs = lived(made, receiver, months, 50, others)
        told = alerts_of_runs(receiver)
        reasons = [body["reason"] for _, _, body in receiver.got]
        failed = [r.tags["dagster/partition"] for r in runs if r.status is FAILURE]
        with capsys.disabled():
            print(f"\n{len(months)} months, of which runs were killed or given up: {failed}; alerts: {reasons}")
        assert set(told.values()) == {1}
        for name in failed:  # what the alert says: run the month again
            end = run(month, home, "refresh", name)
            assert end.code == 0, end.output[-3000:]
    for name in months:
        visible(home, name)
        assert not ledger.handed_over(home, name)["customer_id"].duplicated().any()
    assert files(home / "staging") == []
    assert {*files(home / "ledger")} == {".lock", "2026-10.parquet", *(f"{name}.parquet" for name in months)}
    with instance_of(home) as instance:
        done = instance.get_runs(dg.RunsFilter(statuses=[SUCCESS]))
        assert sorted(r.tags["dagster/partition"] for r in done) == months
