"""pandas on Arrow types: whole tables in memory, for those who debug in pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.engine.files import conform

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.tables import Table


class PandasEngine:
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
            frame = conform(frame, table)
        table_of_columns = frame.collect().to_arrow().select(frame.collect_schema().names())  # without pandas' index
        pq.write_table(table_of_columns.replace_schema_metadata(None), path, compression="zstd", compression_level=1)
