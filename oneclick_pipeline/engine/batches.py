"""Tables of a month that are never in memory as a whole: batch by batch, or a column at a time, always in the order of the key.

The order of the rows in a file may be chance; sums of floats, and matrix products to their last bit, must not follow it.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from threadpoolctl import threadpool_limits

from oneclick_pipeline.contracts.schema import Table
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.threads import pool
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

_In = TypeVar("_In")
_Out = TypeVar("_Out")

ROWS = 125_000
"""Rows of a batch: enough for the work on them to outweigh its overhead, few enough for 100 MB per batch in progress."""


class Batches:
    """A table of a month as pandas, by its key: to iterate over its batches, to index for a column of all rows.

    A table without rows has one batch without rows, so that code that works batch by batch sees the columns.

    Args:
        table: Name of the table.
        path: Its Parquet file.
        columns: Columns of the batches, the key among them; all by default.
        rows: Rows of a batch.
    """

    def __init__(self, table: str, path: Path, columns: Sequence[str] | None = None, rows: int = ROWS) -> None:
        self.table, self.path, self._rows = table, path, rows
        self.columns = None if columns is None else list(columns)
        (self.key,) = TABLES[table].key

    def only(self, *columns: str) -> "Batches":
        """The same table with some of the columns, the key among them; nothing else is read."""
        return Batches(self.table, self.path, columns, self._rows)

    def __len__(self) -> int:
        """Rows of the table."""
        return files.rows(self.path)

    def __getitem__(self, column: str) -> "pd.Series":
        """A column of all rows; texts as categories."""
        texts = [column] if TABLES[self.table][column].kind == "str" else None
        values = self._read([column], texts).column(0)
        series: pd.Series = (values if self._order is None else values.take(self._order)).to_pandas()
        return series

    def __iter__(self) -> "Iterator[pd.DataFrame]":
        """The batches, each with an index from 0."""
        if not len(self) or self._order is not None:
            whole = self._read(self.columns)  # empty; or not ours, or of an older version: then all of it is in memory once
            for start in range(0, max(whole.num_rows, 1), self._rows):
                rows = slice(start, start + self._rows)
                yield (whole if self._order is None else whole.take(self._order[rows])).to_pandas()
        else:
            for batch in _of_rows(self._stored(), self._rows):
                yield batch.to_pandas()

    def _stored(self) -> "Iterator[pa.RecordBatch]":
        """The rows as they are stored, in batches of any size."""
        import pyarrow.parquet as pq

        for part in files.parts(self.path):
            yield from pq.ParquetFile(part).iter_batches(self._rows, columns=self.columns)

    def _read(self, columns: list[str] | None, texts: list[str] | None = None) -> "pa.Table":
        import pyarrow as pa
        import pyarrow.parquet as pq

        return pa.concat_tables(pq.ParquetFile(part, read_dictionary=texts).read(columns) for part in files.parts(self.path))

    def where(self, chosen: "Callable[[pd.DataFrame], pd.Series]") -> "pd.DataFrame":
        """The rows that are chosen of each batch, with an index from 0."""
        import pandas as pd

        return pd.concat([batch[chosen(batch)] for batch in self], ignore_index=True)

    @cached_property
    def _order(self) -> "NDArray[Any] | None":
        """Places of the rows by the key; None where the file is in that order."""
        import numpy as np

        ids = self._read([self.key]).column(0).to_numpy()
        return None if (ids[1:] >= ids[:-1]).all() else np.argsort(ids, kind="stable")

    def beside(self, *others: "Batches") -> "Beside":
        """The same customers with the columns of other tables beside theirs."""
        return Beside(self, *(Batches(o.table, o.path, o.columns, self._rows) for o in others))


def _of_rows(batches: "Iterable[pa.RecordBatch]", rows: int) -> "Iterator[pa.Table]":
    """The same rows in batches of so many."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    missing = rows
    for stored in batches:
        rest = stored
        while rest.num_rows:
            held.append(rest.slice(0, missing))
            missing, rest = missing - held[-1].num_rows, rest.slice(missing)
            if not missing:
                yield pa.Table.from_batches(held)
                held, missing = [], rows
    if held:
        yield pa.Table.from_batches(held)


class Beside:
    """Tables of the same customers side by side, as `Batches` are; of columns that several have, the first one's.

    Attributes:
        tables: The tables.

    Raises:
        BadInputError: If a table has other customers than the first.
    """

    def __init__(self, *tables: Batches) -> None:
        self.tables = tables
        self._key = tables[0].key
        for other in tables[1:]:
            if len(other) != len(tables[0]):
                raise differs(tables[0], other)

    def __getitem__(self, column: str) -> "pd.Series":
        """A column of all rows."""
        return next(t for t in self.tables if column in TABLES[t.table].names)[column]

    def __iter__(self) -> "Iterator[pd.DataFrame]":
        """The batches, each with an index from 0."""
        import pandas as pd

        for first, *rest in zip(*self.tables, strict=True):
            for other, batch in zip(self.tables[1:], rest, strict=True):
                if not first[self._key].equals(batch[self._key]):
                    raise differs(self.tables[0], other)
            columns: dict[str, pd.Series] = {}
            for batch in (first, *rest):
                columns = dict(batch.items()) | columns
            yield pd.DataFrame(columns)


def differs(first: Batches, other: Batches) -> BadInputError:
    """The error for a table with other customers than the first."""
    return BadInputError(
        f"{other.table} and {first.table} have different customers",
        file=str(other.path),
        remedy=f"materialize {other.table} of the month again",
    )


def in_order(function: Callable[[_In], _Out], batches: Iterable[_In], threads: int | None = None) -> Iterator[_Out]:
    """Apply a function to batches on several threads; the results in the order of the batches, only a few ahead.

    Args:
        function: What is applied. Whatever it calls of OpenMP works on one core: the threads have them all already.
        batches: What it is applied to.
        threads: Number of threads, one per core by default.
    """
    threads = threads or os.cpu_count() or 1
    ahead: deque[Future[_Out]] = deque()
    with threadpool_limits(limits=1), pool(threads) as executor:  # BLAS has one limit for all threads
        try:
            for batch in batches:
                ahead.append(executor.submit(function, batch))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


class OneMachine:
    """How an engine of one machine works on rows: batch by batch, on all its cores."""

    def map(
        self, rows: Batches | Beside, function: "Callable[[pd.DataFrame], _Out]", threads: int | None = None
    ) -> Iterator[_Out]:
        """See `Engine.map`."""
        return in_order(function, rows, threads)

    def apply(
        self,
        rows: Batches | Beside,
        function: "Callable[[pd.DataFrame], pd.DataFrame]",
        path: Path,
        table: Table,
        threads: int | None = None,
    ) -> None:
        """See `Engine.apply`."""
        files.write_batches(self.map(rows, function, threads), path, table)
