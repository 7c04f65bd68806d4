"""Measure how an old home does beside a new one: 60 months, 500 runs, 40 model versions against a year that was run once.

    python -m benchmarks.old_home [--runs K] [--keep FOLDER]

Both homes have a year of real months, run by `oneclick simulate`, so that every window that a month looks back over is full in
both. The old one has besides:

    months      files of real months under the names of earlier ones, back to 60; their ledgers are published by the real code
    runs        rows of Dagster's databases, databases of events and logs of real runs, copied under new ids, times and months
    versions    logged by `Tracking.log_training`, the real code path, from one small training

Months before the first one of the graph are in all folders and databases, but no pages offer to run them. Nothing is pruned
in the old home: settings `keep` are at their most. Every figure is of a whole process, old and new one after the other.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import json
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pandas as pd

from benchmarks.month import ONECLICK, Measured, machine, measure, row
from oneclick_pipeline import model
from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.home import permissions
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model import gates, train
from oneclick_pipeline.model.attribution import Explained
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.tracking import Tracking

FIRST, MONTHS, HISTORY = "2025-07", 13, 3
NEWEST = "2026-07"
"""The last of them; the exports of the three months after it are not made, but must be over."""
MONTHS_OLD, RUNS_OLD, VERSIONS_OLD = 60, 500, 40
QUICK = (
    "model: {families: [logistic_regression, decision_tree], folds: 3, repeats: 1, inner_folds: 2, draws: 2, nested_draws: 2}\n"
)
MOST = 1.5
"""How many times as long the old home may take."""
_DAYS, _ROOM = 30, 100_000_000
"""Days of a month; by how much the ids of real rows are moved up."""
_KEPT = "keep: {runs_months: 1200, model_versions: 10000}\n"


def lived(home: Path) -> None:
    """A home with a year of real months."""
    home.mkdir(parents=True)
    (home / "settings.yaml").write_text(QUICK + "offers: {budget: 9}\n", encoding="utf-8")
    span = ["--from", FIRST, "--months", str(MONTHS), "--history", str(HISTORY), "--retrain-every", "6"]
    subprocess.run([ONECLICK, "simulate", "--customers", "300", *span, "--home", str(home)], check=True, stdout=sys.stderr)


def aged(home: Path, target: Path) -> Path:
    """An old home made of a lived one."""
    shutil.copytree(home, target)
    Tracking(target).moved(home)
    with (target / "settings.yaml").open("a", encoding="utf-8") as file:
        file.write(_KEPT)
    _more_months(target)
    _more_runs(target)
    _more_versions(target)
    return target


def _sources() -> dict[str, str]:
    """Every month of the old home, oldest first, and the real one that it is: itself, or one with offers."""
    months = [add_months(NEWEST, 1 - MONTHS_OLD + k) for k in range(MONTHS_OLD)]
    first = add_months(FIRST, -HISTORY)
    return {m: m if m >= first else add_months(FIRST, k % MONTHS) for k, m in enumerate(months)}


def _more_months(home: Path) -> None:
    """The files of months that are not real."""
    for month, source in _sources().items():
        if month == source:
            continue
        for part in ("raw", "tables", "reports", "exports"):
            for path in sorted((home / part).rglob(f"{source}*")):
                new = path.with_name(path.name.replace(source, month))
                (shutil.copytree if path.is_dir() else shutil.copy2)(path, new)
        ledger.publish(home, month, pd.read_parquet(table_file(home, "offer_plan", source)))


class Databases:
    """Dagster's databases of a home, to which older runs are added below the real ones.

    Args:
        home: The home.
        runs: Its database of runs.
        index: Its database of the events of all runs.
    """

    def __init__(self, home: Path, runs: sqlite3.Connection, index: sqlite3.Connection) -> None:
        self._folder, self._runs, self._index = home / "dagster", runs, index
        self._next = {"runs": 1, "event_logs": 1}
        for base, table, columns in (
            (runs, "runs", ["id"]),
            (index, "event_logs", ["id"]),
            (index, "asset_event_tags", ["event_id"]),
            (index, "asset_check_executions", ["evaluation_event_storage_id", "materialization_event_storage_id"]),
        ):
            changes = ", ".join(f"{name} = {name} + {_ROOM}" for name in columns)
            base.execute(f"UPDATE {table} SET {changes}")  # noqa: S608 - our own words

    def add(self, run: str, month: str, real: str, back: int) -> None:
        """Copy a real run under a new id.

        Args:
            run: The real run.
            month: Month of the copy.
            real: Month of the real run.
            back: How many months earlier the copy was made.
        """
        words = {run: str(uuid4()), real: month}
        self._copy(self._runs, "runs", run, words, back)
        self._copy(self._runs, "run_tags", run, words, back)
        events = self._copy(self._index, "event_logs", run, words, back)
        for event, copied in events.items():
            self._copy(self._index, "asset_event_tags", event, words | {event: copied}, back, by="event_id")
        self._copy(self._index, "asset_check_executions", run, words | events, back)
        own = self._folder / "history" / "runs"
        shutil.copyfile(own / f"{run}.db", own / f"{words[run]}.db")
        with closing(sqlite3.connect(own / f"{words[run]}.db")) as base, base:
            for old, new in words.items():
                base.execute("UPDATE event_logs SET event = replace(event, ?, ?), run_id = ?", (old, new, words[run]))
        shutil.copytree(self._folder / "storage" / run, self._folder / "storage" / words[run])

    def _copy(
        self, base: sqlite3.Connection, table: str, key: object, words: dict, back: int, by: str = "run_id"
    ) -> dict[int, int]:
        """Copy the rows of a run; the new id of every old one."""
        names = [name for _, name, *_ in base.execute(f"PRAGMA table_info({table})")]
        ids: dict[int, int] = {}
        for line in base.execute(f"SELECT * FROM {table} WHERE {by} = ? ORDER BY id", (key,)).fetchall():  # noqa: S608
            values = {name: _changed(name, value, words, back) for name, value in zip(names, line, strict=True)}
            old, values["id"] = values["id"], self._next.get(table)
            if table in self._next:
                ids[old] = self._next[table]
                self._next[table] += 1
            base.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", list(values.values()))  # noqa: S608
        return ids


def _changed(name: str, value: object, words: dict, back: int) -> object:
    """What stands in the copy of a row."""
    if isinstance(value, str) and name.endswith("timestamp"):
        return str(dt.datetime.fromisoformat(value) - dt.timedelta(days=back * _DAYS))
    if isinstance(value, float) and name in ("start_time", "end_time"):
        return value - dt.timedelta(days=back * _DAYS).total_seconds()
    if isinstance(value, str):
        for old, new in words.items():
            value = value.replace(old, new) if isinstance(old, str) else value
        return value
    return words.get(value, value) if name.endswith(("event_id", "storage_id")) else value


def _more_runs(home: Path) -> None:
    """Older runs, as many as are missing, dealt to the months."""
    history = home / "dagster" / "history"
    with closing(sqlite3.connect(history / "runs.db")) as runs, closing(sqlite3.connect(history / "runs" / "index.db")) as index:
        real = {month: run for run, month in runs.execute("SELECT run_id, partition FROM runs ORDER BY id")}
        copies = RUNS_OLD - runs.execute("SELECT count(*) FROM runs").fetchone()[0]
        databases, sources = Databases(home, runs, index), list(_sources().items())
        for number in range(copies):  # the oldest first; a run of every month at least
            back = MONTHS_OLD - 1 - number * MONTHS_OLD // copies
            month, source = sources[MONTHS_OLD - 1 - back]
            databases.add(real[source], month, source, back)
        runs.commit()
        index.commit()


def _more_versions(home: Path) -> None:
    """Versions that were refused: logged and judged as a training logs them."""
    store, settings = Tracking(home), Settings.load(home)
    months = sorted(path.stem for path in table_file(home, "training_set", NEWEST).parent.glob("*.parquet"))
    training = pd.read_parquet(table_file(home, "training_set", months[-1]))
    trained = train(training, settings.model)
    explained = Explained(
        contributions=model.Contributions.from_json(store.contributions(store.require_champion())),
        sample=store.shapley(store.require_champion()),
    )
    failed = [gates.Gate(name, passed=False, figures={}, text="made for the benchmark") for name in gates.GATES]
    tags = {"dagster_asset": "activity_model", "dagster_run_id": str(uuid4()), "code_version": "benchmark"}
    for number in range(VERSIONS_OLD - len(store.versions())):
        month = add_months(NEWEST, -(number % MONTHS_OLD))
        store.log_gates(store.log_training(trained, training, explained, month=month, tags=tags), failed)


def started(home: Path) -> Measured:
    """`oneclick ui` until both pages answer, and an answer of Dagster's pages to what they ask of runs and assets."""
    command = [ONECLICK, "ui", "--home", str(home), "--dagster-port", str(free_port()), "--mlflow-port", str(free_port())]
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = iter(process.stdout.readline, "")
            address = next(line.split()[-1] for line in lines if line.startswith("Dagster"))
            wall = time.monotonic() - begin
            asked = time.monotonic()
            for word, query in QUERIES.items():
                if word not in (said := _ask(address, query)) or '"errors"' in said:
                    sys.exit(f"the pages do not answer: {said[:1000]}")
            return Measured(wall, time.monotonic() - asked, 0)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


QUERIES = {
    "results": "{ runsOrError(limit: 25) { ... on Runs { results { id status tags { key value } startTime endTime } } } }",
    "assetNodes": """{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId partition }
        partitionStats { numMaterialized numFailed } } }""",
}
"""What the pages of runs and of assets ask for."""


def _ask(address: str, query: str) -> str:
    """What the pages answer."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=120)
    with closing(connection):
        connection.request("POST", "/graphql", json.dumps({"query": query}), {"Content-Type": "application/json"})
        return connection.getresponse().read().decode()


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


COMMANDS = {
    "run --job refresh": ["run", "--job", "refresh", "--month", NEWEST],
    "run --job retrain": ["run", "--job", "retrain", "--month", NEWEST],
    "doctor": ["doctor"],
    "model list": ["model", "list"],
    "report": ["report", "--month", NEWEST],
}


def compare(old: Path, new: Path, runs: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of every command in both homes, one after the other; of `ui` until it answers, and of what its pages ask for."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for number in range(runs):
        for name, command in COMMANDS.items():
            for side, home in enumerate((old, new)):
                took = measure([ONECLICK, *command, "--home", str(home)])
                found.setdefault(f"{name}, wall", ([], []))[side].append(took.wall)
                found.setdefault(f"{name}, CPU", ([], []))[side].append(took.cpu)
        for side, home in enumerate((old, new)):
            took = started(home)
            found.setdefault("ui", ([], []))[side].append(took.wall)
            found.setdefault("pages of runs and assets", ([], []))[side].append(took.cpu)
        print(f"run {number + 1} of {runs}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Parse the arguments, make the homes, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="runs of each command in each home (3)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the homes there, or use those that are there")
    arguments = parser.parse_args()
    where = machine()
    permissions.restrict()
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.keep or Path(scratch)
        new, old = place / "new", place / "old"
        if not new.exists():
            lived(new)
        if not old.exists():
            aged(new, old)
        found = compare(old, new, arguments.runs)
    print(f"\n{MONTHS_OLD} months, {RUNS_OLD} runs, {VERSIONS_OLD} model versions")
    print(f"{arguments.runs} alternating runs, min / median / max\n")
    print("| | old home | new home | ratio of medians |\n|---|---|---|---|")
    for name, (ours, theirs) in found.items():
        print(row(name, "s", ours, theirs))
    print(f"\n{where}")


if __name__ == "__main__":
    main()
