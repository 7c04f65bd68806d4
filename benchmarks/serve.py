"""Measure `oneclick serve`: how long an answer takes over loopback, for one customer and for batches.

    python -m benchmarks.serve [--home HOME] [--requests N]

Without a home it makes one: a month of 20,000 customers of the twin, and a champion trained on it. The server is a process of
its own; one client asks it, one request after the other, over one connection that is kept.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.month import ONECLICK, machine
from benchmarks.scale import trained
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.home.paths import table_file

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = (1, 100, 1_000)


@contextmanager
def served(home: Path) -> Iterator[http.client.HTTPConnection]:
    """A connection to a server of a home."""
    command = [ONECLICK, "serve", "--home", str(home), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline().split("127.0.0.1:")[1].split("/")[0])
            yield http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        finally:
            server.terminate()


def customers(home: Path) -> list[dict[str, object]]:
    """Features of customers of the newest month."""
    folder = table_file(home, "customer_features", "2000-01").parent
    table = pd.read_parquet(sorted(folder.glob("*.parquet"))[-1], columns=list(FEATURE_NAMES)).head(10_000)
    return table.astype(object).where(table.notna(), None).to_dict("records")


def latencies(connection: http.client.HTTPConnection, rows: list[dict[str, object]], size: int, requests: int) -> np.ndarray:
    """Milliseconds of every request, from before it is sent until its answer is read."""
    taken = []
    for number in range(requests + 5):
        first = number * size % max(len(rows) - size, 1)
        body = json.dumps({"dataframe_records": rows[first : first + size]})
        begin = time.perf_counter()
        connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
        taken.append((time.perf_counter() - begin) * 1000)
        if answer.status != http.client.OK:
            raise RuntimeError(content.decode())
    return np.array(taken[5:])  # the first ones load what is loaded on first use


def main() -> None:
    """Parse the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a home with a champion and a month (one is made)")
    parser.add_argument(
        "--requests", type=int, default=300, metavar="N", help="requests of one customer; of batches a tenth (300)"
    )
    arguments = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as scratch:
        home = arguments.home or trained(Path(scratch) / "home")
        rows = customers(home)
        print("| customers | p50, ms | p95, ms | p99, ms | requests |\n|---|---|---|---|---|")
        with served(home) as connection:
            for size in SIZES:
                requests = arguments.requests if size == 1 else max(arguments.requests // 10, 1)
                p50, p95, p99 = np.percentile(latencies(connection, rows, size, requests), [50, 95, 99])
                print(f"| {size:,} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {requests} |", flush=True)
            connection.request("GET", "/version")
            print(f"\n{connection.getresponse().read().decode()}\n{where}")


if __name__ == "__main__":
    main()
