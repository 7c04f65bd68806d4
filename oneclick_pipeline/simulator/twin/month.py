"""A month of the twin as the store would export it: four CSV files, at any size, whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.draw import chunks
from oneclick_pipeline.simulator.twin.export import decoded, export_tables
from oneclick_pipeline.simulator.twin.quirks import BLOCKS, Quirks, draw_export

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from oneclick_pipeline.simulator.twin.profile import Profile


def write_month(
    profile: Profile,
    folder: Path,
    *,
    customers: int,
    seed: int,
    truth: Path | None = None,
    quirks: Quirks | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write market_file.csv, market_money.csv, market_time.csv and money.csv into `folder`.

    Memory does not grow with `customers`: chunks are drawn and put aside on disk by their place in the file (the
    file is sorted by class, ids follow the order), then written in that order. Everything happens in a hidden
    folder beside `folder`, which takes its name at the very end: a run that dies leaves nothing in place.

    Args:
        profile: The store.
        folder: Folder of the month, for example HOME/raw/2026-10; made by this function.
        customers: Rows of market_file.csv.
        seed: Same seed, size and quirks: same bytes.
        truth: Parquet file for the known truth, columns customer_id and p_decline; none is written without it.
            It must not be in `folder`: a store does not deliver it.
        quirks: What is wrong with the export; by default everything that is wrong with the real one.
        overwrite: Whether an existing month is replaced.
        progress: Called with steps done and steps in all (two per customer) after every chunk.

    Raises:
        BadInputError: If the month exists and `overwrite` is false, or there are no customers.
    """
    quirks = quirks or Quirks()
    with whole(folder, truth, overwrite=overwrite) as (out, truth_out), _beside(folder) as parts:
        for stop in _draw(profile, parts, customers, seed, quirks):
            _report(progress, stop, customers)
        for done in _write(profile, parts, out, truth_out, quirks):
            _report(progress, customers + done, customers)


@contextmanager
def whole(folder: Path, truth: Path | None, *, overwrite: bool) -> Iterator[tuple[Path, Path]]:
    """A hidden folder and a hidden file that become `folder` and `truth` when the block ends well, and never before.

    The file is written in any case; without `truth` it is thrown away.

    Raises:
        BadInputError: If either exists and `overwrite` is false, or `truth` is in `folder`.
    """
    if truth is not None and truth.is_relative_to(folder):
        raise BadInputError("the truth must not be in the month's folder", file=str(truth), remedy="choose a file elsewhere")
    for path in (folder, truth):
        if path is not None and path.exists() and not overwrite:
            raise BadInputError("this month exists already", file=str(path), remedy="choose another month, or allow overwriting")
    with _beside(folder) as work, _beside(truth or folder) as truth_work:
        out, truth_out = work / "out", truth_work / "truth.parquet"
        out.mkdir()
        yield out, truth_out
        if truth is not None:  # first, so that a month in place always has its truth
            truth_out.replace(truth)
        if folder.exists():
            folder.rename(work / "old")
        out.rename(folder)


def _report(progress: Callable[[int, int], None] | None, done: int, customers: int) -> None:
    if progress is not None:
        progress(done, 2 * customers)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A hidden working folder on the file system of `path`, gone afterwards whatever happens."""
    work = path.with_name(f".{path.name}-{uuid4().hex}")
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _draw(profile: Profile, parts: Path, customers: int, seed: int, quirks: Quirks) -> Iterator[int]:
    """Draw all customers into files named by block and chunk; yields how many are drawn."""
    for start, stop, rng in chunks(customers, seed):
        codes, marks = draw_export(profile, start, stop, rng, quirks)
        frame = pl.DataFrame({c.name: codes[:, k] for k, c in enumerate(profile.columns)} | marks)
        for (block,), part in frame.partition_by("block", as_dict=True).items():
            part.write_ipc(parts / f"{block}-{start:012}.arrow")
        yield stop


def _write(profile: Profile, parts: Path, out: Path, truth: Path, quirks: Quirks) -> Iterator[int]:
    """Turn the drawn parts, in the order of blocks and chunks, into the export and the truth; yields customers written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([("customer_id", pa.int64()), ("p_decline", pa.float64())])
    done = 0
    with ExitStack() as stack:
        files = {source.file: stack.enter_context((out / f"{source.file}.csv").open("wb")) for source in SOURCES}
        truths = stack.enter_context(pq.ParquetWriter(truth, schema))
        for block in range(len(BLOCKS)):
            for part in sorted(parts.glob(f"{block}-*.arrow")):
                frame = pl.read_ipc(part).with_row_index("id", quirks.first_id + done)
                for name, (table, style) in export_tables(decoded(profile, frame), quirks).items():
                    table.write_csv(files[name], include_header=not done, **style)
                truths.write_table(pa.table([frame["id"].to_numpy(), frame["truth"].to_numpy() / 1e6], schema=schema))
                part.unlink()
                done += len(frame)
                yield done
