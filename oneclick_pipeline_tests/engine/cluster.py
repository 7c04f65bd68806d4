"""A real Spark cluster on this machine, from the pip distribution: a master and two workers, an executor each."""

from __future__ import annotations

import os
import re
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SECONDS = 300
_SHORT_LIVED = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # six JVMs on two cores, none of them lives long
_CONF = f"""\
spark.driver.extraJavaOptions    {_SHORT_LIVED}
spark.driver.memory              512m
spark.executor.extraJavaOptions  {_SHORT_LIVED}
spark.executor.cores             1
spark.executor.memory            512m
spark.sql.adaptive.enabled       false
spark.sql.shuffle.partitions     2
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster that runs.

    Attributes:
        master: Address of its master.
        workers: Its workers, also those that are dead.
        start_worker: Starts one more worker, and returns when the master knows it.
    """

    master: str
    workers: list[subprocess.Popen[bytes]]
    start_worker: Callable[[], None]

    def executors(self) -> list[psutil.Process]:
        """The executors that live."""
        children = [child for worker in self.workers if worker.poll() is None for child in psutil.Process(worker.pid).children()]
        return [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def wait(condition, what: str):
    """The value of the condition once it is true.

    Raises:
        TimeoutError: If it does not become true.
    """
    until = time.monotonic() + _SECONDS
    while not (value := condition()):
        if time.monotonic() > until:
            raise TimeoutError(what)
        time.sleep(0.05)
    return value


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster that keeps its configuration, its work and its logs in the folder."""
    distribution = Path(find_spec("pyspark").origin).parent
    (folder / "conf").mkdir(parents=True)
    (folder / "conf" / "spark-defaults.conf").write_text(_CONF, encoding="utf-8")
    environment = {
        **os.environ,
        "SPARK_HOME": str(distribution),
        "SPARK_CONF_DIR": str(folder / "conf"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_DAEMON_JAVA_OPTS": _SHORT_LIVED,
    }

    def start(role: str, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A daemon; `spark-class` becomes the Java process, so its pid is the daemon's."""
        with (folder / f"{name}.log").open("wb") as log:
            command = [distribution / "bin" / "spark-class", f"org.apache.spark.deploy.{role}", "--host", "127.0.0.1"]
            return subprocess.Popen([*command, *arguments], env=environment, stdout=log, stderr=log)

    def says(process: subprocess.Popen[bytes], name: str, pattern: str) -> str:
        """What a daemon's log says."""

        def said() -> re.Match[str] | None:
            assert process.poll() is None, (folder / f"{name}.log").read_text(encoding="utf-8")
            return re.search(pattern, (folder / f"{name}.log").read_text(encoding="utf-8"))

        return wait(said, f"{name} does not say {pattern}").group()

    with ExitStack() as stack:

        def running(*command: str) -> subprocess.Popen[bytes]:
            process = start(*command)
            stack.callback(process.wait, timeout=_SECONDS)
            stack.callback(process.terminate)
            return process

        master = running("master.Master", "master", "--port", "0", "--webui-port", "0")
        address = says(master, "master", r"spark://127\.0\.0\.1:\d+")
        workers: list[subprocess.Popen[bytes]] = []

        def start_worker() -> None:
            name = f"worker_{len(workers)}"
            work = ("--cores", "1", "--memory", "600m", "--webui-port", "0", "--work-dir", str(folder / name))
            workers.append(running("worker.Worker", name, *work, address))
            says(workers[-1], name, "Successfully registered with master")

        start_worker()
        start_worker()
        yield Cluster(address, workers, start_worker)
