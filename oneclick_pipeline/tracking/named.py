"""Which model versions the tables of a home name.

MLflow's database counts the versions. One that was restored from an older backup would give a number to another model than the
one that scored a month, so the tables are asked as well: see `registry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.tables import TABLES, is_month, table_file

if TYPE_CHECKING:
    from pathlib import Path

COLUMN = "model_version"
_TABLES = tuple(name for name, table in TABLES.items() if COLUMN in table.names)


def named(home: Path) -> dict[int, list[str]]:
    """Where each version is named, as `customer_scores of 2026-10`; a table that cannot be read names none.

    Args:
        home: The home.
    """
    places: dict[int, list[str]] = {}
    for name in _TABLES:
        for path in sorted(table_file(home, name, "2000-01").parent.glob("*.parquet")):
            for version in _versions(path) if is_month(path.stem) else ():
                places.setdefault(version, []).append(f"{name} of {path.stem}")
    return dict(sorted(places.items()))


def _versions(path: Path) -> list[int]:
    import polars as pl

    try:
        column = pl.scan_parquet(path, glob=False).select(pl.col(COLUMN).unique()).collect()[COLUMN]
    except (pl.exceptions.PolarsError, OSError):  # damaged: whoever needs the table says so
        return []
    return [int(version) for version in column.drop_nulls()]
