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
    from pathlib import Path

    from oneclick_pipeline.cli.doctor.home import Home
    from oneclick_pipeline.contracts.schema import Table

_SINCE_SUMMARY = ("plan_summary", "profit_curve")
"""Tables of a plan that earlier versions did not write."""


def look(home: Home) -> Iterator[Finding]:
    """Whether the newest month is complete, and as its run wrote it."""
    import polars as pl
    import pyarrow as pa

    from oneclick_pipeline.engine.content_digest import digest
    from oneclick_pipeline.engine.verification import verify

    if not home.months:
        yield Finding("last month", WARNING, "no month has been run yet", "run one: oneclick run --month YYYY-MM")
        return
    month = home.months[-1]
    again = f"oneclick run --job refresh --month {month}"
    tables = {name: path for name in TABLES if (path := home.table(name, month))}
    older = {name: lacking for name, path in tables.items() if (lacking := _lacking(path, TABLES[name]))}
    missing = [name for name in TABLES if name not in tables and TABLES[name].stage != "model"]
    unknown = [name for name in missing if older and name in _SINCE_SUMMARY]
    if shown := {name: older[name] for name in older if TABLES[name].stage != "model"}:
        what = [f"{name} lacks {', '.join(columns)}" for name, columns in shown.items()]
        what += [f"there is no {name}" for name in unknown]
        message = f"an earlier version ran {month}: {'; '.join(what)}. What it did not record is shown as unknown"
        yield Finding("last month", WARNING, message, f"nothing; or run it again: {again}")
    if missing := [name for name in missing if name not in unknown]:
        yield Finding("last month", PROBLEM, f"{month} is incomplete, it lacks {', '.join(missing)}", f"run it: {again}")
    try:
        digests = {name: digest(path) if name in older else verify(path, TABLES[name]) for name, path in tables.items()}
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:  # a file that is no Parquet
        raise BadInputError(
            f"a table of {month} cannot be read: {str(error).splitlines()[0]}", remedy=f"run it: {again}"
        ) from error
    written = {} if month in home.health.ahead else home.health.digests  # an older database knows older tables
    changed = [name for name, one in digests.items() if written.get(name, one) != one]
    if changed:
        yield Finding("last month", PROBLEM, f"{month}: changed since its run: {', '.join(changed)}", f"run it: {again}")
    exports = [path for name in RAW for path in raw_files(home.path, month, name)]
    last = min((tables[name].stat().st_mtime_ns for name in RAW if name in tables), default=0)
    newer = [path.name for path in exports if path.exists() and path.stat().st_mtime_ns > last]
    if newer:
        yield Finding(
            "last month", WARNING, f"{month}: exports that arrived after its run: {', '.join(newer)}", f"run it: {again}"
        )
    if not (shown or missing or changed or newer):
        yield Finding("last month", OK, f"{month} is complete: {len(tables)} tables, contracts and digests hold")


def _lacking(path: Path, table: Table) -> list[str]:
    """Columns of a table that are not in its file, as in one that an earlier version wrote; none of one that cannot be read."""
    import pyarrow as pa

    from oneclick_pipeline.engine.files import columns

    try:
        there = columns(path)
    except (pa.ArrowException, OSError, IndexError):
        return []  # `verify` says what is wrong with it
    return [name for name in table.names if name not in there]
