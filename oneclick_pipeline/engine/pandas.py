"""pandas on Arrow types: whole tables in memory, for those who debug in pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import OneMachine

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl
    import pyarrow as pa

    from oneclick_pipeline.contracts.schema import Table


class PandasEngine(OneMachine):
    """Frames are in memory; Arrow types keep integers with gaps integers."""

    name = "pandas"

    def scan(self, path: Path) -> nw.LazyFrame:
        """See `Engine.scan`."""
        import pandas as pd

        return nw.from_native(pd.read_parquet(path, dtype_backend="pyarrow"), eager_only=True).lazy()

    def write(self, frame: nw.LazyFrame, path: Path, table: Table | None = None) -> None:
        """See `Engine.write`."""
        import pyarrow.parquet as pq

        if table is not None:
            frame = files.conform(frame, table)
        table_of_columns = frame.collect().to_arrow().select(frame.collect_schema().names())  # without pandas' index
        pq.write_table(table_of_columns.replace_schema_metadata(None), path, compression="zstd", compression_level=1)

    def take(self, frame: pl.LazyFrame, path: Path) -> nw.LazyFrame:  # noqa: ARG002 # it is in memory
        """See `Engine.take`."""
        return _held(frame.collect(engine="streaming").to_arrow())

    def compute(self, frame: nw.LazyFrame, path: Path) -> nw.LazyFrame:  # noqa: ARG002 # it is in memory
        """See `Engine.compute`."""
        return frame.collect().lazy()


def _held(table: pa.Table) -> nw.LazyFrame:
    """An Arrow table as pandas holds it."""
    import pandas as pd

    held: nw.LazyFrame = nw.from_native(table.to_pandas(types_mapper=pd.ArrowDtype), eager_only=True).lazy()
    return held
