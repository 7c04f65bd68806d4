"""Hash of a table's content: the same for the same rows in any order, from any engine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from oneclick_pipeline.engine.files import rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl

_BATCH_ROWS = 500_000


class Digest:
    """Sums over the rows, batch by batch: the same for the same rows in any order.

    One hash of 64 bits per row; its sum and the sum of its squares, modulo 2**64, with the row count and the columns.
    """

    def __init__(self) -> None:
        self._sum, self._squares, self._rows = 0, 0, 0
        self._columns: list[object] = []

    def add(self, batch: pl.DataFrame) -> None:
        """Count a batch in."""
        hashes = batch.hash_rows().to_numpy()
        self._sum += int(hashes.sum(dtype="uint64"))
        self._squares += int((hashes * hashes).sum(dtype="uint64"))
        self._rows += len(batch)
        self._columns = list(batch.schema.items())

    def text(self) -> str:
        """The digest of all that was counted in."""
        content = self._columns, self._rows, self._sum % 2**64, self._squares % 2**64
        return hashlib.sha256(repr(content).encode()).hexdigest()[:32]


def batches(path: Path) -> Iterator[pl.DataFrame]:
    """The table in batches of rows, at least one."""
    import polars as pl

    for start in range(0, max(rows(path), 1), _BATCH_ROWS):
        yield pl.scan_parquet(path, glob=False).slice(start, _BATCH_ROWS).collect()


def digest(path: Path) -> str:
    """Hash of a table's content: the same for the same rows in any order, from any engine."""
    digest_of_rows = Digest()
    for batch in batches(path):
        digest_of_rows.add(batch)
    return digest_of_rows.text()
