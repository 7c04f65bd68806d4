"""Polars: lazy, streaming, the default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.engine.files import conform

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.tables import Table


class PolarsEngine:
    """Frames are plans; writing runs them batch by batch."""

    name = "polars"

    def scan(self, path: Path) -> nw.LazyFrame:
        """See `Engine.scan`."""
        import polars as pl

        return nw.from_native(pl.scan_parquet(path, glob=False))

    def write(self, frame: nw.LazyFrame, path: Path, table: Table | None = None) -> None:
        """See `Engine.write`."""
        if table is not None:
            frame = conform(frame, table)
        # Level 1 costs a fifth of the default's time and a tenth more space.
        frame.to_native().sink_parquet(path, compression="zstd", compression_level=1, mkdir=False)
