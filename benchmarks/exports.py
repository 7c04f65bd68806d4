"""Measure what reading and cleaning a month costs in this checkout, beside another one.

    python -m benchmarks.exports [--customers N] [--against CHECKOUT] [--runs K]

The twin writes one month in the store's usual format: UTF-8, few quotes, plain numbers. The assets of the stages raw and clean
are run in it, in a fresh home and a process of its own each time; the checkouts alternate, so that a busy minute hits both.
CPU seconds are those of user and system, child processes included, by step; the other checkout needs no environment of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.month import HERE, MONTH, ONECLICK, machine

STEPS = {"market_file": "raw", "market_money": "raw", "market_time": "raw", "money": "raw", "clean": "clean"}
PREPARE = """
import json, resource, sys
from pathlib import Path
import oneclick_pipeline
from oneclick_pipeline.definitions import build
from oneclick_pipeline.orchestration import execution as execute
assert Path(oneclick_pipeline.__file__).is_relative_to(Path.cwd()), oneclick_pipeline.__file__
home, begun, spent = Path(sys.argv[1]), {}, {}
def seconds():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
def progress(step, state):
    begun.setdefault(step, seconds())
    spent[step] = seconds() - begun[step]
done = execute.execute(build(str(home)).resolve_job_def("prepare"), sys.argv[2], home, progress)
Path(sys.argv[3]).write_text(json.dumps(spent))
sys.exit(0 if done.success else "; ".join(done.errors))
"""


def spent(checkout: Path, raw: Path, scratch: Path) -> dict[str, float]:
    """CPU seconds of the stages raw and clean, by stage and together."""
    home, steps = scratch / "home", scratch / "steps.json"
    shutil.copytree(raw, home / "raw" / MONTH, copy_function=os.link)
    command = [sys.executable, "-c", PREPARE, str(home), MONTH, str(steps)]
    subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(home)
    by_step = json.loads(steps.read_text(encoding="utf-8"))
    stages = {stage: sum(by_step[step] for step, of in STEPS.items() if of == stage) for stage in ("raw", "clean")}
    return stages | {"raw and clean": sum(stages.values())}


def table(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> str:
    """Minimum, median and maximum of both, and the ratios of the medians and of the minima, as Markdown."""

    def spread(values: list[float]) -> str:
        return " / ".join(f"{v:.2f}" for v in (min(values), statistics.median(values), max(values)))

    lines = ["| CPU, s | this checkout | the other | ratio of medians | of minima |", "|---|---|---|---|---|"]
    for stage in ours[0]:
        here, there = [run[stage] for run in ours], [run[stage] for run in theirs]
        ratios = [f"{of(here) / of(there):.2f}" if there else "" for of in (statistics.median, min)]
        lines.append(f"| {stage} | {spread(here)} | {spread(there) if there else ''} | {' | '.join(ratios)} |")
    return "\n".join(lines)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000, metavar="N", help="size of the month (1,000,000)")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout of the project")
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="runs of each (3)")
    arguments = parser.parse_args()
    where, ours, theirs = machine(), [], []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        make = ["twin", "month", "--month", MONTH, "--customers", str(arguments.customers), "--seed", "1", "--home", folder]
        subprocess.run([ONECLICK, *make], check=True, stdout=subprocess.DEVNULL)
        raw = scratch / "raw" / MONTH
        for number in range(arguments.runs):
            ours.append(spent(HERE, raw, scratch))
            theirs += [spent(arguments.against.resolve(), raw, scratch)] if arguments.against else []
            print(f"run {number + 1} of {arguments.runs}: {ours[-1]} {theirs[-1:]}", file=sys.stderr, flush=True)
    print(f"{arguments.customers:,} customers, {arguments.runs} runs of each in turn, min / median / max\n")
    print(table(ours, theirs))
    print(f"\n{where}")


if __name__ == "__main__":
    main()
