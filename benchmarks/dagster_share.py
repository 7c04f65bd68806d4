"""Measure Dagster's own share: the job `refresh` on the sample, and the same asset functions called one after the other.

    python -m benchmarks.dagster_share [--customers N] [--runs K]

Both ways read the same tables, write the same tables, hold them against their contracts and compute the same checks and
pictures; called directly there is no run, no event, no database of runs. Every way is a process of its own, from the
start of Python to its end; the runs of the two alternate. Both must end with the same digests.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

from benchmarks.month import ONECLICK, Measured, machine, measure
from benchmarks.scale import MONTH, make_month, trained

if TYPE_CHECKING:
    import dagster as dg

MOST = 3.0
"""Seconds that Dagster may add."""


def directly(root: str, month: str) -> None:
    """Call the functions of the job's assets in their order, with a context that knows the month and nothing else."""
    from oneclick_pipeline.definitions import build

    graph = build(root)
    assets = {asset.node_def.name: asset for asset in graph.assets or [] if hasattr(asset, "node_def")}
    for node in graph.resolve_job_def("refresh").nodes_in_topological_order:
        if node.name in assets:
            call(assets[node.name], graph.resources, month)


def call(asset: dg.AssetsDefinition, resources: Any, month: str) -> None:
    """Load the inputs of an asset, call its function, publish its tables."""
    import dagster as dg

    from oneclick_pipeline.orchestration.assets.offers import Replan
    from oneclick_pipeline.orchestration.resources import Staged

    function = asset.op.compute_fn.decorated_fn
    types = get_type_hints(function)
    store = resources["tables"]
    given: dict[str, Any] = {"context": SimpleNamespace(partition_key=month), "home": store.home}
    for name, key in asset.keys_by_input_name.items():
        if name in types:
            mapping = asset.get_partition_mapping(key)
            asked = SimpleNamespace(
                asset_key=key,
                asset_partition_keys=months_of(mapping, month),
                dagster_type=SimpleNamespace(typing_type=types[name]),
            )
            given[name] = store.load_input(asked)
    if "config" in types:
        given["config"] = Replan()
    for found in function(**given):
        if isinstance(found, dg.Output) and isinstance(found.value, Staged):
            store.handle_output(SimpleNamespace(partition_key=month, add_output_metadata=lambda _: None), found.value)


def months_of(mapping: Any, month: str) -> list[str]:
    """The months that an asset of a month reads of another."""
    from oneclick_pipeline.home.months import add_months

    return [add_months(month, back) for back in range(getattr(mapping, "start_offset", 0), 1)]


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1300, metavar="N", help="customers of the month")
    parser.add_argument("--runs", type=int, default=3, metavar="K", help="runs of each way")
    parser.add_argument("--directly", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.directly:
        directly(arguments.directly, MONTH)
        return
    found: dict[str, list[Measured]] = {"with Dagster": [], "directly": []}
    with tempfile.TemporaryDirectory() as folder:
        champion = trained(Path(folder) / "champion", customers=arguments.customers)
        make_month(champion, MONTH, arguments.customers)
        made = []
        for number in range(arguments.runs):
            homes = {way: Path(folder) / f"{way}_{number}".replace(" ", "_") for way in found}
            for home in homes.values():
                shutil.copytree(champion, home)
            job = [ONECLICK, "run", "--job", "refresh", "--month", MONTH, "--home", str(homes["with Dagster"])]
            found["with Dagster"].append(measure(job))
            called = [sys.executable, "-m", "benchmarks.dagster_share", "--directly", str(homes["directly"])]
            found["directly"].append(measure(called))
            made.append([digests(home) for home in homes.values()])
    if any(ours != theirs for ours, theirs in made):
        sys.exit("the two ways did not make the same tables")
    print(f"{arguments.customers:,} customers, job refresh, {arguments.runs} alternating runs, medians\n")
    print("| | wall s | CPU s |\n|---|---|---|")
    medians = {
        way: (statistics.median(m.wall for m in runs), statistics.median(m.cpu for m in runs)) for way, runs in found.items()
    }
    for way, (wall, cpu) in medians.items():
        print(f"| {way} | {wall:.1f} | {cpu:.1f} |")
    (wall, cpu), (less_wall, less_cpu) = medians["with Dagster"], medians["directly"]
    print(f"| difference (at most {MOST:g}) | {wall - less_wall:.1f} | {cpu - less_cpu:.1f} |\n\n{machine()}")


def digests(home: Path) -> dict[str, str]:
    """Digest of every table of the month."""
    from oneclick_pipeline.engine.content_digest import digest

    found = sorted(home.glob(f"tables/*/*/{MONTH}.parquet"))
    return {path.parent.name: digest(path) for path in found}


if __name__ == "__main__":
    main()
