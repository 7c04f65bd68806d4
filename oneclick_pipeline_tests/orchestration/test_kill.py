"""Killed at bad moments and run again: the same tables as an undisturbed run, and never a part of one at its place.

See also faults/test_kills.py, which kills at fifty random moments.
"""

import os
import signal
import subprocess
import sys
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oneclick_pipeline.tracking import MODEL, Tracking
from oneclick_pipeline_tests.orchestration.homes import (
    FROM_RAW_TO_FEATURES,
    MONTH,
    digests,
    files,
    materialize,
    new_home,
    run,
)

RUN = "import sys; from oneclick_pipeline.cli.app import main; sys.exit(main())"


class Watcher(threading.Thread):
    """Reads every table that stands at its final path, over and over; keeps what could not be read whole."""

    def __init__(self, home):
        super().__init__(daemon=True)
        self.home, self.broken, self.read, self.logging = home, [], set(), threading.Event()
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(0.02):
            for path in (self.home / "tables").rglob("*"):
                if path.is_dir():
                    continue
                try:
                    pq.read_table(path, memory_map=False)
                    self.read.add(path.parent.name)
                except (OSError, pa.ArrowException) as error:
                    self.broken.append(f"{path}: {error}")
            if next((self.home / "mlflow" / "artifacts").rglob("*.png"), None):
                self.logging.set()


def run_until(home, step, moment=None):
    """Start the command and kill it and its children once `step` is done, and, if given, `moment` has come."""
    watcher = Watcher(home)
    watcher.start()
    with subprocess.Popen(
        [sys.executable, "-c", RUN, "run", "--month", MONTH, "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            seen = any(f" {step} " in line for line in process.stdout)
            arrived = moment is None or moment(watcher).wait(timeout=120)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
    watcher.stopped.set()
    watcher.join()
    assert seen, f"the run ended before {step} was done"
    assert arrived
    return watcher


def test_run_after_a_kill_makes_the_tables_of_an_undisturbed_one(tmp_path):
    undisturbed, home = new_home(tmp_path / "undisturbed"), new_home(tmp_path / "home")
    assert materialize(undisturbed).success
    killed = run_until(home, "money")
    assert killed.broken == []
    assert "money" in killed.read | {name.split("/")[1] for name in files(home / "tables")}
    assert materialize(home).success
    assert digests(home, FROM_RAW_TO_FEATURES) == digests(undisturbed)
    assert list((home / "staging").iterdir()) == []


@pytest.mark.soak
def test_run_after_two_kills_ends_as_an_undisturbed_one(tmp_path, finished):  # one test: every part needs the runs before it
    home = new_home(tmp_path / "home")
    in_clean = run_until(home, "money")
    left = files(home / "tables")
    assert f"raw/money/{MONTH}.parquet" in left
    assert not [name for name in left if name.startswith(("features", "exploration", "model"))]
    in_model = run_until(home, "training_set", lambda watcher: watcher.logging)
    assert in_clean.broken + in_model.broken == []
    assert {"market_file", "customers", "customer_features", "correlations", "training_set"} <= in_model.read
    tracking = Tracking(home)
    assert tracking.champion() is None

    outcome = run(home)
    assert outcome.errors == ()
    assert digests(home) == finished.digests["retrain"]
    assert list((home / "staging").iterdir()) == []
    assert not [name for name in files(home / "mlflow") if name.endswith(".new")]
    assert [v.version for v in tracking._client().search_model_versions(f"name = '{MODEL}'")] == [1]
    assert tracking.require_champion().tags["dagster_run_id"] == outcome.run_id
    other = Tracking(finished.home).require_champion()  # a second home is a second world
    assert other.tags["dagster_run_id"] == finished.outcomes["retrain"]["run_id"]
