"""Engines behind one face: who holds the tables while the stages work on them.

Stages write table work once, in Narwhals; an engine decides what lies underneath. Every engine writes the
same Parquet, so `digest` of a table is the same whichever made it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from oneclick_pipeline.engine.files import digest, validate
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

    import narwhals as nw

    from oneclick_pipeline.tables import Table

__all__ = ["ENGINES", "Engine", "digest", "get", "validate"]

ENGINES = ("polars", "pandas")


class Engine(Protocol):
    """What an engine can do."""

    name: str

    def scan(self, path: Path) -> nw.LazyFrame:
        """Open a Parquet file; nothing is read before it is needed."""
        ...

    def write(self, frame: nw.LazyFrame, path: Path, table: Table | None = None) -> None:
        """Compute the frame and write it to `path`, with the columns and types of `table` if one is given."""
        ...


def get(name: str) -> Engine:
    """The engine called `name`.

    Raises:
        BadInputError: If there is none.
    """
    if name == "polars":
        from oneclick_pipeline.engine.polars import PolarsEngine

        return PolarsEngine()
    if name == "pandas":
        from oneclick_pipeline.engine.pandas import PandasEngine

        return PandasEngine()
    raise BadInputError(f"there is no engine {name!r}", remedy=f"choose one of {', '.join(ENGINES)}")
