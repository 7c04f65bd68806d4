"""The newest month: whether its tables are all there, keep their contracts, and are those that its run wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.contracts.exports import RAW
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import raw_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.cli.doctor.home import Home


def look(home: Home) -> Iterator[Finding]:
    """Whether the newest month is complete, and as its run wrote it."""
    import polars as pl
    import pyarrow as pa

    from oneclick_pipeline.engine.verification import verify

    if not home.months:
        yield Finding("last month", WARNING, "no month has been run yet", "run one: oneclick run --month YYYY-MM")
        return
    month = home.months[-1]
    again = f"oneclick run --job refresh --month {month}"
    tables = {name: path for name in TABLES if (path := home.table(name, month))}
    missing = [name for name in TABLES if name not in tables and TABLES[name].stage != "model"]
    if missing:
        yield Finding("last month", PROBLEM, f"{month} is incomplete, it lacks {', '.join(missing)}", f"run it: {again}")
    try:
        digests = {name: verify(path, TABLES[name]) for name, path in tables.items()}
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:  # a file that is no Parquet
        raise BadInputError(
            f"a table of {month} cannot be read: {str(error).splitlines()[0]}", remedy=f"run it: {again}"
        ) from error
    written = {} if month in home.health.ahead else home.health.digests  # an older database knows older tables
    changed = [name for name, digest in digests.items() if written.get(name, digest) != digest]
    if changed:
        yield Finding("last month", PROBLEM, f"{month}: changed since its run: {', '.join(changed)}", f"run it: {again}")
    exports = [path for name in RAW for path in raw_files(home.path, month, name)]
    last = min((tables[name].stat().st_mtime_ns for name in RAW if name in tables), default=0)
    newer = [path.name for path in exports if path.exists() and path.stat().st_mtime_ns > last]
    if newer:
        yield Finding(
            "last month", WARNING, f"{month}: exports that arrived after its run: {', '.join(newer)}", f"run it: {again}"
        )
    if not (missing or changed or newer):
        yield Finding("last month", OK, f"{month} is complete: {len(tables)} tables, contracts and digests hold")
