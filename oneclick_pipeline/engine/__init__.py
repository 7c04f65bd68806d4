"""Engines behind one interface: what holds the tables while the stages work on them.

In: a lazy Narwhals frame, or the path of a table. Out: Parquet files, the same whichever engine wrote them, so that their
digest is the same too. Stages write table work once; `get` chooses the engine. Open this file first: `Engine` is what each
of them can do.

    polars.py          lazy, streaming, the default
    pandas.py          whole tables in memory
    spark.py           an existing cluster
    files.py           tables as Parquet files: form, publication
    content_digest.py  the hash of a table's content
    verification.py    a table checked against its contract, and damaged files
    batches.py         tables that are never held whole
    threads.py         threads that each work on one core
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from oneclick_pipeline.engine.pandas import PandasEngine
from oneclick_pipeline.engine.polars import PolarsEngine
from oneclick_pipeline.engine.spark import SparkEngine
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import narwhals as nw
    import pandas as pd
    import polars as pl

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.engine.batches import Batches, Beside

    _Out = TypeVar("_Out")

__all__ = ["ENGINES", "Engine", "get"]

ENGINES = ("polars", "pandas", "spark")


class Engine(Protocol):
    """What an engine can do."""

    name: str

    def scan(self, path: Path) -> nw.LazyFrame:
        """Open a table: a Parquet file, or a folder of them; nothing is read before it is needed."""
        ...

    def write(self, frame: nw.LazyFrame, path: Path, table: Table | None = None) -> None:
        """Compute the frame and write it to `path`, with the columns and types of `table` if one is given."""
        ...

    def take(self, frame: pl.LazyFrame, path: Path) -> nw.LazyFrame:
        """Take over a frame of Polars, which reads the exports for every engine; `path` is free for a scratch file."""
        ...

    def compute(self, frame: nw.LazyFrame, path: Path) -> nw.LazyFrame:
        """Compute a frame once and return it ready to be read several times; `path` is free for a scratch file."""
        ...

    def map(self, rows: Batches | Beside, function: Callable[[pd.DataFrame], _Out], threads: int | None = None) -> Iterator[_Out]:
        """What `function` makes of batches of rows, in the order of their key; a cluster makes it where its memory is.

        Args:
            rows: Rows of a table, or of several side by side.
            function: What it makes of a row must not depend on the others of its batch. It travels to a cluster.
            threads: On how many threads of this machine it may run; all cores by default.
        """
        ...

    def apply(
        self,
        rows: Batches | Beside,
        function: Callable[[pd.DataFrame], pd.DataFrame],
        path: Path,
        table: Table,
        threads: int | None = None,
    ) -> None:
        """Write to `path` the rows of `table` that `function` makes of batches of rows; see `map`."""
        ...


def get(name: str, spark_master: str = "") -> Engine:
    """The engine called `name`.

    Args:
        name: One of `ENGINES`.
        spark_master: Address of the cluster for `spark`, as `spark://HOST:PORT`.

    Raises:
        BadInputError: If there is none, or its cluster cannot be had.
    """
    if name == "polars":
        return PolarsEngine()
    if name == "pandas":
        return PandasEngine()
    if name == "spark":
        return SparkEngine(spark_master)
    raise BadInputError(f"the engine {name!r} does not exist", remedy=f"choose one of {', '.join(ENGINES)}")
