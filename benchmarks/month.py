"""Measure a month: `oneclick run` in a fresh home beside the same steps as a plain script.

    python -m benchmarks.month [--customers N ...] [--runs K]

Both are measured as whole processes, imports and all, as the kernel accounts for them: wall time, CPU time of the
process and its children, peak resident memory. The runs of the two alternate, so that a busy minute hits both.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

MONTH = "2026-10"
ONECLICK = str(Path(sys.executable).with_name("oneclick"))
HERE = Path(__file__).resolve().parents[1]
KIB_PER_MIB = 1024
COMPLETE = (0, 3)  # 3: the month is complete, rows were quarantined


@dataclass(frozen=True)
class Measured:
    """One process: seconds, seconds, MiB."""

    wall: float
    cpu: float
    memory: float


def measure(command: list[str]) -> Measured:
    """Run a command to its end and return what the kernel says of it."""
    with tempfile.TemporaryFile() as told:
        begin = time.monotonic()
        process = subprocess.Popen(command, cwd=HERE, stdout=told, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in COMPLETE:
            told.seek(0)
            sys.exit(f"{' '.join(command)} ended with code {process.returncode}:\n{told.read().decode()}")
    peak = usage.ru_maxrss / (KIB_PER_MIB if sys.platform != "darwin" else KIB_PER_MIB**2)
    return Measured(wall, usage.ru_utime + usage.ru_stime, peak)


def pipeline(raw: Path, scratch: Path) -> Measured:
    """`oneclick run` in a home that holds nothing but the four exports."""
    home = scratch / "home"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(raw, home / "raw" / MONTH)
    return measure([ONECLICK, "run", "--month", MONTH, "--home", str(home)])


def plain(raw: Path, scratch: Path) -> Measured:
    """The plain script."""
    return measure([sys.executable, "-m", "benchmarks.plain", str(raw), str(scratch / "plain")])


def row(name: str, unit: str, ours: list[float], theirs: list[float]) -> str:
    """One line of the table: min / median / max of both, and the ratio of the medians."""

    def spread(values: list[float]) -> str:
        return " / ".join(
            f"{v:.1f}" if v < KIB_PER_MIB / 10 else f"{v:.0f}" for v in (min(values), statistics.median(values), max(values))
        )

    ratio = statistics.median(ours) / statistics.median(theirs)
    return f"| {name}, {unit} | {spread(ours)} | {spread(theirs)} | {ratio:.2f} |"


def compare(customers: int, runs: int, scratch: Path) -> None:
    """Measure both on a made-up month of so many customers and print a table."""
    twin = scratch / f"twin_{customers}"
    make = ["twin", "month", "--month", MONTH, "--customers", str(customers), "--seed", "1", "--home", str(twin)]
    subprocess.run([ONECLICK, *make], check=True, stdout=subprocess.DEVNULL)
    raw, ours, theirs = twin / "raw" / MONTH, [], []
    for number in range(runs):
        ours.append(pipeline(raw, scratch))
        theirs.append(plain(raw, scratch))
        print(f"run {number + 1} of {runs}: {ours[-1]} {theirs[-1]}", file=sys.stderr, flush=True)
    print(f"\n{customers:,} customers, {runs} alternating runs, min / median / max\n")
    print("| | oneclick run | plain script | ratio of medians |\n|---|---|---|---|")
    for name, unit in (("wall", "s"), ("cpu", "s"), ("memory", "MiB")):
        label = {"wall": "Wall time", "cpu": "CPU time", "memory": "Peak memory"}[name]
        print(row(label, unit, [getattr(m, name) for m in ours], [getattr(m, name) for m in theirs]))


def machine() -> str:
    """Where and when the figures were taken, and what else the machine was doing."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{cores} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}, "
        f"{dt.datetime.now(dt.UTC).date()}; load averages before the first run: {load}"
    )


def main() -> None:
    """Parse the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[1300], metavar="N", help="sizes of the month (1300)")
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="runs of each (3)")
    arguments = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        for customers in arguments.customers:
            compare(customers, arguments.runs, Path(folder))
    print(f"\n{where}")


if __name__ == "__main__":
    main()
