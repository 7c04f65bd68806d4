"""Tables as Parquet files: their form, their contract, their digest. The same for every engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.tables import Table

DTYPES = {"int": nw.Int64, "float": nw.Float64, "bool": nw.Boolean, "str": nw.String}

_BATCH_ROWS = 500_000


def conform(frame: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """The columns of `table`, in its order and types."""
    return frame.select(nw.col(c.name).cast(DTYPES[c.kind]()) for c in table.columns)


def digest(path: Path) -> str:
    """Hash of a table's content: the same for the same rows in any order, from any engine.

    The sum, modulo 2**64, of a hash of every row, with the row count and the columns.
    """
    import polars as pl

    frame = pl.scan_parquet(path, glob=False)
    schema = frame.collect_schema()
    # 128 bits from two seeds: a sum of 64-bit hashes alone would be weak for hundreds of millions of rows.
    rows = pl.struct(pl.all())
    sums = frame.select(
        pl.len().alias("rows"),
        *(rows.hash(seed).reinterpret(signed=False).sum().alias(f"sum_{seed}") for seed in (1, 2)),
    ).collect(engine="streaming")
    text = repr((list(schema.items()), sums.row(0)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def rows(path: Path) -> int:
    """Number of rows of a Parquet file, from its footer."""
    import pyarrow.parquet as pq

    return int(pq.read_metadata(path).num_rows)


def validate(path: Path, table: Table) -> None:
    """Hold a written table against its contract, batch by batch, and its key over the whole.

    Raises:
        BadInputError: If a value breaks the contract. That is an error of the pipeline, not of its input:
            the table is not published.
    """
    import pandera.errors
    import polars as pl

    contract = table.contract()
    remedy = "this is an error of the pipeline: please report it with this message"
    for start in range(0, rows(path), _BATCH_ROWS):
        frame = pl.scan_parquet(path, glob=False).slice(start, _BATCH_ROWS).collect()
        try:
            contract.validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as error:
            cases = error.failure_cases.select("column", "check", "failure_case").head(3)
            raise BadInputError(f"{table.name} breaks its contract: {cases.rows()}", file=str(path), remedy=remedy) from error
    if table.key:
        keys = pl.scan_parquet(path, glob=False).group_by(table.key).len()
        twice = keys.filter(pl.col("len") > 1).select(pl.len()).collect(engine="streaming").item()
        if twice:
            raise BadInputError(f"{table.name}: {twice} keys {table.key} stand twice", file=str(path), remedy=remedy)
