"""Which model versions the tables of a home name.

MLflow's database counts the versions. One that was restored from an older backup would give a number to another model than the
one that scored a month, so the tables are asked as well: see `registry`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import is_month
from oneclick_pipeline.home.paths import table_folder

if TYPE_CHECKING:
    from pathlib import Path

COLUMN = "model_version"
_TABLES = tuple(name for name, table in TABLES.items() if COLUMN in table.names)


def references(home: Path) -> dict[int, list[str]]:
    """Where each version is named, as `customer_scores of 2026-10`; a table that cannot be read names none.

    Args:
        home: The home.
    """
    places: dict[int, list[str]] = {}
    for name in _TABLES:
        for path in sorted(table_folder(home, name).glob("*.parquet")):
            with suppress(BadInputError):  # damaged: the reader that needs the table reports it
                for version in versions_in(path) if is_month(path.stem) else ():
                    places.setdefault(version, []).append(f"{name} of {path.stem}")
    return dict(sorted(places.items()))


def versions_in(table: Path) -> set[int]:
    """The versions that a table names, or a ledger; none where it has no such column.

    Args:
        table: Its Parquet file, or the folder of them.

    Raises:
        BadInputError: If it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers: set[int] = set()
    for part in files.parts(table):
        try:
            file = pq.ParquetFile(part)
            if COLUMN in file.schema_arrow.names:
                numbers |= set(file.read([COLUMN]).column(0).cast(pa.int64()).unique().drop_null().to_pylist())
        except (pa.ArrowException, OSError) as error:
            remedy = "restore it from a backup, or run its month again; until then no model version is pruned"
            raise BadInputError("the model to which it refers cannot be read", file=str(part), remedy=remedy) from error
    return numbers
