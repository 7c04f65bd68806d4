"""Whether a table keeps its contract, and whether its files can be read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine.content_digest import Digest, batches
from oneclick_pipeline.engine.files import parts, stands_twice
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table


def damage(path: Path) -> str | None:
    """Why a table cannot be read from its first row to its last; None if it can, or is not there.

    A value that was changed on the disk, can be read, and is legal, is not noticed: the digest, which Dagster keeps, shows it.

    Args:
        path: The table, `table/month.parquet`.
    """
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return None
    if not parts(path):
        return "the folder holds no table"
    try:
        for part in parts(path):  # pyarrow first, then Polars: either may be content with what the other refuses
            for _ in pq.ParquetFile(part).iter_batches():
                pass
        verify(path, TABLES[path.parent.name])
    except BadInputError as error:
        return error.problem
    except (OSError, ValueError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return str(error).splitlines()[0]
    return None


def damaged(path: Path, why: str) -> BadInputError:
    """The error for a table, `table/month.parquet`, that cannot be read."""
    return BadInputError(
        "the table is damaged and cannot be read",
        file=str(path),
        value=why,
        remedy=f"materialize {path.parent.name} again for {path.stem}, or run that month again",
    )


@contextmanager
def whole(paths: Iterable[Path]) -> Iterator[None]:
    """Look for a damaged table where a block that reads some has failed: a reader's own error seldom names the file.

    Args:
        paths: The tables, `table/month.parquet`; checked when the block fails.

    Raises:
        BadInputError: If one of them cannot be read; whatever the block raised if all can.
    """
    try:
        yield
    except BadInputError:
        raise
    except Exception as error:
        for path in paths:
            if why := damage(path):
                raise damaged(path, why) from error
        raise


def verify(path: Path, table: Table) -> str:
    """Check a written table against its contract, batch by batch, and its key over the whole; return its digest.

    Raises:
        BadInputError: If a value breaks the contract. That is a bug in the pipeline, not an error in its input:
            the table is not published.
    """
    import pandera.errors
    import polars as pl

    contract, rows_digest, keys = table.contract(), Digest(), []
    remedy = "this is a bug in the pipeline: please report it with this message"
    for batch in batches(path):
        try:
            contract.validate(batch, lazy=True)
        except pandera.errors.SchemaErrors as error:
            cases = error.failure_cases.select("column", "check", "failure_case").head(3)
            raise BadInputError(f"{table.name} breaks its contract: {cases.rows()}", file=str(path), remedy=remedy) from error
        rows_digest.add(batch)
        if table.key:
            keys.append(batch[table.key[0]] if len(table.key) == 1 else batch.select(table.key).hash_rows())
    if keys and stands_twice(pl.concat(keys).to_numpy()):  # different hashes: different keys
        twice = pl.scan_parquet(path, glob=False).group_by(table.key).len().filter(pl.col("len") > 1)
        if n := twice.select(pl.len()).collect(engine="streaming").item():
            raise BadInputError(f"{table.name}: {n} keys {table.key} appear twice", file=str(path), remedy=remedy)
    return rows_digest.text()
