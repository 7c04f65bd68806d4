"""A real Spark cluster on this machine, from the pip distribution: a master and a worker, which gives two executors."""

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
    from collections.abc import Iterator

_SECONDS = 300
_SHORT_LIVED = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"  # five JVMs on two cores, none of them lives long
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
    """A cluster that runs: the address of its master, and the pid of its worker."""

    master: str
    worker: int

    def executors(self) -> list[psutil.Process]:
        """The executors that the worker has started and that live."""
        return [child for child in psutil.Process(self.worker).children() if child.status() != psutil.STATUS_ZOMBIE]


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
        work = ("--cores", "2", "--memory", "1200m", "--webui-port", "0", "--work-dir", str(folder / "work"))
        worker = running("worker.Worker", "worker", *work, address)
        says(worker, "worker", "Successfully registered with master")
        yield Cluster(address, worker.pid)
