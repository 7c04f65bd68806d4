"""Tables as Parquet files: their form, their contract, their digest. The same for every engine.

A table is one file. One that a cluster wrote and that is large is a folder of part files in its place; Polars,
pandas and Spark read either by the same path.
"""

from __future__ import annotations

import base64
import os
import shutil
from typing import TYPE_CHECKING, Any

import narwhals as nw

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Column, Table


_ONE_FILE_BYTES = 64 << 20
_TICK_NS = 1_000_000


def dtype(column: Column) -> nw.dtypes.DType:
    """The type of a column's values, whatever the engine."""
    kind: nw.dtypes.DType = getattr(nw, column.type.polars)()
    return kind


def conform(frame: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """The columns of `table`, in its order and types."""
    return frame.select(nw.col(c.name).cast(dtype(c)) for c in table.columns)


def write_batches(frames: Iterable[pd.DataFrame], path: Path, table: Table, metadata: Mapping[str, str] | None = None) -> None:
    """Write the columns of `table`, in its order and types, frame by frame; no frame makes an empty table.

    Texts may be categories: they are written as the texts they denote, and cost next to nothing. `metadata` is kept in the
    file, beside the rows.
    """
    import pyarrow.parquet as pq

    # without Arrow's own schema in the file, which would make the readers' texts categories, too
    with pq.ParquetWriter(path, _with_dictionaries(table), compression="zstd", compression_level=1, store_schema=False) as writer:
        for frame in frames:
            writer.write_table(arrow(frame, table), row_group_size=max(len(frame), 1))
        writer.add_key_value_metadata(dict(metadata or {}))


def read_metadata(path: Path, key: str) -> str:
    """What `write_batches` kept under a key in a file; empty where there is none."""
    import pyarrow.parquet as pq

    kept: dict[bytes, bytes] = pq.read_metadata(path).metadata or {}
    return kept.get(key.encode(), b"").decode()


def arrow(frame: pd.DataFrame, table: Table) -> pa.Table:
    """The columns of `table`, in its order and types; texts as dictionaries.

    Raises:
        KeyError: If the frame lacks one.
    """
    import pyarrow as pa

    types = _with_dictionaries(table)
    return pa.Table.from_arrays([_arrow(frame[field.name], field.type) for field in types], schema=types)


def read_as_texts(table: Table) -> dict[str, str]:
    """Metadata for a Parquet file of the table: whatever was written as categories is read as texts."""
    import pyarrow as pa

    types = schema(table, pa.large_string()).serialize().to_pybytes()
    return {"ARROW:schema": base64.b64encode(types).decode()}  # where Arrow and Polars keep what Parquet has no type for


def schema(table: Table, texts: pa.DataType | None = None) -> pa.Schema:
    """Arrow's types of the columns, with another one for texts where it is given."""
    import pyarrow as pa

    types = {c.name: texts if texts and c.kind == "str" else pa.type_for_alias(c.type.arrow) for c in table.columns}
    return pa.schema(list(types.items()))


def _with_dictionaries(table: Table) -> pa.Schema:
    """Arrow's types of the columns, texts as dictionaries."""
    import pyarrow as pa

    return schema(table, pa.dictionary(pa.int32(), pa.large_string()))


def _arrow(values: pd.Series, kind: pa.DataType) -> pa.Array:
    """A column in its type; NaN counts as missing."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    if not pa.types.is_dictionary(kind):
        return pa.array(values, kind, from_pandas=True)
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return pa.array(values, pa.large_string(), from_pandas=True).dictionary_encode()
    codes = values.cat.codes.to_numpy(dtype=np.int32)
    words = pa.array(values.cat.categories, pa.large_string())
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), words)


def parts(path: Path) -> list[Path]:
    """The Parquet files that a table consists of: itself, or those of its folder."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def columns(path: Path) -> set[str]:
    """The columns of a table as it is stored: an older version's may lack some."""
    import pyarrow.parquet as pq

    return set(pq.read_schema(parts(path)[0]).names)


def gather(folder: Path, path: Path) -> None:
    """Make a table of the part files that a cluster wrote: one file, or, of a large one, the folder.

    Args:
        folder: What the cluster wrote; it is gone afterwards.
        path: Where the table goes, in the same file system; nothing may be there.
    """
    import pyarrow.parquet as pq

    files = parts(folder)
    if sum(part.stat().st_size for part in files) > _ONE_FILE_BYTES:
        for other in set(folder.iterdir()) - set(files):  # checksums and the mark of success
            other.unlink()
        folder.rename(path)
        return
    schema = pq.read_schema(files[0]).remove_metadata()
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as out:
        for part in files:
            for batch in pq.ParquetFile(part).iter_batches():
                out.write_batch(batch.replace_schema_metadata(None))
    shutil.rmtree(folder)


def stands_twice(numbers: NDArray[Any]) -> bool:
    """Whether a number appears twice: to sort them takes a quarter of the time of a set of them."""
    import numpy as np

    ordered = np.sort(numbers)
    return bool((ordered[1:] == ordered[:-1]).any())


def date_after(path: Path, others: Iterable[Path]) -> None:
    """Date a table later than the existing ones, whatever the clock says: it may have been set back.

    Args:
        path: The table, in a scratch folder.
        others: Tables of the same month, there or not.
    """
    newest = max((other.stat().st_mtime_ns for other in others if other.exists()), default=0)
    if newest >= path.stat().st_mtime_ns:
        os.utime(path, ns=(newest + _TICK_NS, newest + _TICK_NS))


def publish(path: Path, target: Path) -> None:
    """Move a table to its final path: either the old one or the new one is there, never a part.

    Between two folders there is neither for a moment: a folder takes a place only when it is free.

    Args:
        path: The table, in a scratch folder of the same file system.
        target: Its final path.
    """
    for part in parts(path):
        with part.open("rb") as file:  # on disk before its name is, should the power fail
            os.fsync(file.fileno())
    if target.exists() and (path.is_dir() or target.is_dir()):
        target.rename(path.with_name(f"{path.name}.before"))  # goes with the scratch folder
    path.replace(target)


def rows(path: Path) -> int:
    """Number of rows of a table, from the footers of its files."""
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(part).num_rows) for part in parts(path))
