"""Measure cost against size: the parse floor, our data path, the same path in plain pandas, the whole refresh.

    python -m benchmarks.scale [--customers N ...] [--plain-up-to N] [--out FILE.png]

- *floor*: Polars parses every column of the four exports, streaming, and writes nothing.
- *data path*: the Dagster job `prepare`: read, clean, quarantine, join, check every table, write. Whole process.
- *plain pandas*: `read_csv` four times, pivot, merge, one Parquet; nothing is checked. Whole process.
- *refresh*: the job `refresh`, from the exports to scores, reasons, segments, the plan of offers and the report, whole process
  and step by step; with a champion trained on 20,000 customers of another month, which is not measured.

All of a size are measured one after the other in one run, on months that the twin makes, ids shuffled.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.month import ONECLICK, Measured, machine, measure

LEARNT, MONTH = "2026-07", "2026-08"
TRAINED_ON = 20_000
WAYS = ("floor", "data path", "plain pandas", "refresh")

FLOOR = """
import sys, polars as pl
for path in sys.argv[1:]:
    delimiter = ";" if ";" in open(path, encoding="utf-8").readline() else ","
    pl.scan_csv(path, separator=delimiter, truncate_ragged_lines=True, ignore_errors=True).select(
        pl.all().null_count()
    ).collect(engine="streaming")
"""
PREPARE = """
import sys
from pathlib import Path
from oneclick_pipeline.definitions import build
from oneclick_pipeline.orchestration import execution as execute
home = Path(sys.argv[1])
done = execute.execute(build(str(home)).resolve_job_def("prepare"), sys.argv[2], home, lambda *_: None)
sys.exit(0 if done.success else "; ".join(done.errors))
"""
REFRESH = """
import json, sys, time
from pathlib import Path
from oneclick_pipeline.definitions import build
from oneclick_pipeline.orchestration import execution as execute
home, begun, spent = Path(sys.argv[1]), {}, {}
def progress(step, state):
    begun.setdefault(step, time.process_time())
    spent[step] = time.process_time() - begun[step]
done = execute.execute(build(str(home)).resolve_job_def("refresh"), sys.argv[2], home, progress)
Path(sys.argv[3]).write_text(json.dumps(spent))
sys.exit(0 if done.success else "; ".join(done.errors))
"""
PLAIN = """
import sys, pandas as pd
from pathlib import Path
from benchmarks.plain import load
load(Path(sys.argv[1])).to_parquet(sys.argv[2])
"""


@dataclass(frozen=True)
class Size:
    """What was measured at a size, by way; a way that was not measured is not there.

    Attributes:
        customers: Customers of the month.
        bytes: Size of the four exports.
        found: Whole processes, by way.
        steps: CPU seconds of every step of the refresh.
    """

    customers: int
    bytes: int
    found: dict[str, Measured]
    steps: dict[str, float]


def make_month(home: Path, month: str, customers: int) -> None:
    """Have the twin write the four exports of a month."""
    make = ["twin", "month", "--month", month, "--customers", str(customers), "--seed", "5", "--home", str(home)]
    subprocess.run([ONECLICK, *make], check=True, stdout=subprocess.DEVNULL)


def trained(home: Path, customers: int = TRAINED_ON) -> Path:
    """A home with a champion: cheap families, as a store of millions would choose them."""
    home.mkdir(parents=True)
    (home / "settings.yaml").write_text("model: {families: [logistic_regression, hist_gradient_boosting]}\n", encoding="utf-8")
    make_month(home, LEARNT, customers)
    subprocess.run([ONECLICK, "run", "--month", LEARNT, "--home", str(home)], check=False, stdout=subprocess.DEVNULL)
    return home


def at(customers: int, champion: Path, scratch: Path, plain_up_to: int) -> Size:
    """Measure all ways at one size."""
    home = scratch / f"home_{customers}"
    shutil.copytree(champion, home)
    make_month(home, MONTH, customers)
    raw = home / "raw" / MONTH
    files = sorted(str(path) for path in raw.glob("*.csv"))
    python = [sys.executable, "-c"]
    found = {"floor": measure([*python, FLOOR, *files])}
    found["data path"] = measure([*python, PREPARE, str(home), MONTH])
    if customers <= plain_up_to:
        found["plain pandas"] = measure([*python, PLAIN, str(raw), str(scratch / "plain.parquet")])
    steps = scratch / "steps.json"
    found["refresh"] = measure([*python, REFRESH, str(home), MONTH, str(steps)])
    size = sum(Path(file).stat().st_size for file in files)
    shutil.rmtree(home)
    print(f"{customers:,}: {found}", file=sys.stderr, flush=True)
    return Size(customers, size, found, json.loads(steps.read_text(encoding="utf-8")))


def table(sizes: list[Size]) -> str:
    """All that was measured, as Markdown."""
    lines = [
        "| customers | way | CPU s | wall s | peak MiB | CPU, times the floor | CPU s a million |",
        "|---|---|---|---|---|---|---|",
    ]
    for size in sizes:
        for way in WAYS:
            if way in size.found:
                m, floor = size.found[way], size.found["floor"].cpu
                lines.append(
                    f"| {size.customers:,} | {way} | {m.cpu:.1f} | {m.wall:.1f} | {m.memory:.0f} | {m.cpu / floor:.1f} | "
                    f"{m.cpu / size.customers * 1e6:.1f} |"
                )
    lines += ["", "| step of the refresh, CPU s | " + " | ".join(f"{size.customers:,}" for size in sizes) + " |"]
    lines.append("|---|" + "---|" * len(sizes))
    lines += [f"| {step} | " + " | ".join(f"{size.steps[step]:.1f}" for size in sizes) + " |" for step in sizes[0].steps]
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        grown = {way: last.found[way].cpu / first.found[way].cpu for way in WAYS if way in first.found and way in last.found}
        told = ", ".join(f"{way} {ratio:.1f}-fold" for way, ratio in grown.items())
        lines.append(f"\nFrom {first.customers:,} to {last.customers:,} customers CPU grows: {told}.")
    return "\n".join(lines)


def picture(sizes: list[Size], path: Path) -> None:
    """Cost against size, both on logarithmic scales."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (cpu, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for way in WAYS:
        known = [size for size in sizes if way in size.found]
        cpu.loglog([s.customers for s in known], [s.found[way].cpu for s in known], marker="o", label=way)
        memory.loglog([s.customers for s in known], [s.found[way].memory for s in known], marker="o")
    cpu.set(title="CPU seconds", xlabel="customers")
    memory.set(title="Peak memory, MiB", xlabel="customers")
    cpu.legend(frameon=False)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[100_000, 1_000_000], metavar="N", help="sizes")
    parser.add_argument("--plain-up-to", type=int, default=1_000_000, metavar="N", help="largest size for plain pandas")
    parser.add_argument("--out", type=Path, help="picture of cost against size, PNG")
    arguments = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        champion = trained(Path(folder) / "champion")
        sizes = [at(n, champion, Path(folder), arguments.plain_up_to) for n in sorted(arguments.customers)]
    print(table(sizes))
    print(f"\n{where}")
    if arguments.out:
        picture(sizes, arguments.out)


if __name__ == "__main__":
    main()
