"""Apache Spark: an existing cluster holds the tables; this process only says what is to be done.

The home must be seen under the same path by this process and by the workers (a shared mount), and the Python of the
workers must have this package, in the same version: they score with it. Lines of exports are split by this process.
What the cluster gives a run (memory, cores, shuffle partitions) is Spark's own business: `spark-defaults.conf`.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

import narwhals as nw
from threadpoolctl import threadpool_limits

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import ROWS, Batches, Beside, differs
from oneclick_pipeline.engine.polars import PolarsEngine
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import permissions
from oneclick_pipeline.processes.group import SAFE_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from oneclick_pipeline.contracts.schema import Table

_Out = TypeVar("_Out")

_HERE = ("local", "spark://127.0.0.1:", "spark://localhost:")
_SECONDS_TO_ANSWER = 10


class SparkEngine:
    """Frames are plans; writing runs them on the cluster, one part file per task."""

    name = "spark"

    def __init__(self, master: str) -> None:
        """See `session`."""
        self._session = session(master)

    def scan(self, path: Path) -> nw.LazyFrame:
        """See `Engine.scan`."""
        literal = re.sub(r"([\\{}\[\]*?])", r"\\\1", str(path.absolute()))  # a path is not a pattern
        frame: nw.LazyFrame = nw.from_native(self._session.read.parquet(f"file://{literal}"))
        return frame

    def write(self, frame: nw.LazyFrame, path: Path, table: Table | None = None) -> None:
        """See `Engine.write`."""
        if table is not None:
            frame = files.conform(frame, table)
        parts = path.with_name(f"{path.name}.parts")
        shutil.rmtree(parts, ignore_errors=True)
        _put(frame, parts)
        files.gather(parts, path)

    def take(self, frame: pl.LazyFrame, path: Path) -> nw.LazyFrame:
        """See `Engine.take`; by way of a Parquet file, which this process writes batch by batch."""
        PolarsEngine().write(nw.from_native(frame), path)
        return self.scan(path)

    def compute(self, frame: nw.LazyFrame, path: Path) -> nw.LazyFrame:
        """See `Engine.compute`: a folder of Parquet files, written by the executors; the rows are never in memory."""
        _put(frame, path)
        return self.scan(path)

    def map(
        self,
        rows: Batches | Beside,
        function: Callable[[pd.DataFrame], _Out],
        threads: int | None = None,  # noqa: ARG002 # a task has one
    ) -> Iterator[_Out]:
        """See `Engine.map`: Arrow batches on the executors, what is made of each comes back as bytes."""
        import pyarrow as pa
        from pyspark import StorageLevel, cloudpickle

        def made(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for out in _alone(function, batches):
                yield pa.RecordBatch.from_pydict({"made": [cloudpickle.dumps(out)]})

        frame = self._rows(rows).mapInArrow(made, "made binary").persist(StorageLevel.DISK_ONLY)
        try:
            frame.count()  # all parts at once, on all executors; then they come one by one, and are never here together
            # only what our own function returned comes back, over the cluster's own connections
            for row in frame.toLocalIterator():
                yield cloudpickle.loads(row.made)
        finally:
            frame.unpersist()

    def apply(
        self,
        rows: Batches | Beside,
        function: Callable[[pd.DataFrame], pd.DataFrame],
        path: Path,
        table: Table,
        threads: int | None = None,  # noqa: ARG002 # a task has one
    ) -> None:
        """See `Engine.apply`."""
        plain = files.schema(table)

        def made(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for out in _alone(function, batches):
                yield from files.arrow(out, table).cast(plain).to_batches()

        schema = ", ".join(f"`{c.name}` {c.type.spark}" for c in table.columns)
        self.write(nw.from_native(self._rows(rows).mapInArrow(made, schema)), path)

    def _rows(self, rows: Batches | Beside) -> DataFrame:
        """Rows on the cluster, by their key: every part of them, and the parts one after the other.

        Raises:
            BadInputError: If a table has other customers than the first.
        """
        first, *others = rows.tables if isinstance(rows, Beside) else (rows,)
        frame = self._columns(first, ())
        for other in others:  # as many rows as the first, which `Beside` has made sure of
            beside = self._columns(other, frame.columns)
            if not frame.join(beside, on=first.key, how="left_anti").isEmpty():
                raise differs(first, other)
            frame = frame.join(beside, on=first.key)
        return frame.orderBy(first.key)

    def _columns(self, rows: Batches, known: Iterable[str]) -> DataFrame:
        """The columns that are asked for, without those that are known but for the key."""
        columns = rows.columns or TABLES[rows.table].names
        return self.scan(rows.path).to_native().select(*(c for c in columns if c == rows.key or c not in known))


def _alone(function: Callable[[pd.DataFrame], _Out], batches: Iterable[pa.RecordBatch]) -> Iterator[_Out]:
    """What a task makes of its batches, on its one core: more threads would share work by the size of a batch."""
    for batch in batches:
        with threadpool_limits(limits=1):
            out = function(batch.to_pandas())
        yield out


def _put(frame: nw.LazyFrame, folder: Path) -> None:
    """Have the executors write a frame, one part file per task."""
    frame.to_native().write.parquet(f"file://{folder.absolute()}", compression="zstd")


def session(master: str) -> SparkSession:
    """The session of this process with the cluster, made at first use.

    Args:
        master: `spark://HOST:PORT` of an existing standalone cluster, or any other master that Spark knows.

    Raises:
        BadInputError: If pyspark is not installed, or nothing answers at the address.
    """
    if find_spec("pyspark") is None:
        raise BadInputError("pyspark is not installed", remedy='install it: pip install "oneclick_pipeline[spark]"')
    _check_answers(master)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(master).appName("oneclick_pipeline")
    for name, value in _options(master).items():
        builder = builder.config(name, value)
    if master.startswith(_HERE):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # the Python of this machine's executors
    # pyspark 4.3 warns, again and again, of pandas 3, which we never hand to it: tables come and go as Arrow.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    made = builder.getOrCreate()
    if made.sparkContext.master != master:  # a process has one session
        made.stop()
        made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def _options(master: str) -> dict[str, str]:
    """What the results depend on; and, for a cluster on this machine, that no one else can reach the driver."""
    options = {
        "spark.sql.ansi.enabled": "true",  # a cast that fails is an error, as in the other engines
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS),
        # Spark gives files rights of its own making, by a umask of its own.
        "spark.hadoop.fs.permissions.umask-mode": f"{permissions.access().umask:03o}",
        f"spark.executorEnv.{SAFE_PATH}": "1",  # its executors import nothing from their current folder either
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    if master.startswith(_HERE):
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    return options


def _check_answers(master: str) -> None:
    """Refuse a standalone master that does not answer: Spark itself would try for a minute and end in a stack trace."""
    if not master:
        raise BadInputError("the engine spark needs a cluster", remedy="name it: --spark-master spark://HOST:PORT")
    if not master.startswith("spark://"):
        return
    for address in master.removeprefix("spark://").split(","):
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port.encode("ascii"))), timeout=_SECONDS_TO_ANSWER).close()
        except (OSError, ValueError):
            continue
        return
    raise BadInputError(
        "no Spark master answers there", value=master, remedy="give the address that the master's page shows, spark://HOST:PORT"
    )
