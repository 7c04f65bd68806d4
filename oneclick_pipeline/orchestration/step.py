"""One step of a run: it works in a scratch folder of its own, and publishes whole tables with their checks, or none.

Nothing is written to a final path. A table moves to it, whole and in one rename, after its contract and its blocking checks have
passed; see `resources.TableIO`.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import dagster as dg
import narwhals as nw

from oneclick_pipeline import engine as engines
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.engine.polars import PolarsEngine
from oneclick_pipeline.engine.verification import verify
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.figures import rounded
from oneclick_pipeline.home import locks
from oneclick_pipeline.orchestration.checks import Check, is_blocking, result
from oneclick_pipeline.raw import facts
from oneclick_pipeline.raw.export import Export

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Staged:
    """A table written and validated in the scratch folder, not yet visible.

    Attributes:
        table: Its name.
        path: Parquet file, or folder of them, in the scratch folder.
        rows: Number of rows.
        digest: Hash of the content.
    """

    table: str
    path: Path
    rows: int
    digest: str


@dataclass
class Step:
    """A running step.

    Attributes:
        asset: What it makes; a step that makes several tables names each where it stages and checks it.
        month: Snapshot month.
        engine: What holds its tables.
        folder: Its scratch folder.
    """

    asset: str
    month: str
    engine: engines.Engine
    folder: Path
    _scratches: int = field(default=0)

    def take(self, export: Export) -> nw.LazyFrame:
        """The raw table of an export, in the engine."""
        return self.engine.take(export.lines(), self._scratch())

    def compute(self, frame: nw.LazyFrame) -> nw.LazyFrame:
        """Compute a frame once, in the scratch folder, and return it ready to be read several times."""
        return self.engine.compute(frame, self._scratch())

    def _scratch(self) -> Path:
        self._scratches += 1
        return self.folder / f"scratch_{self._scratches}"

    def stage(self, frame: "nw.LazyFrame | pd.DataFrame", table: str = "") -> Staged:
        """Write a table into the scratch folder and check it against its contract.

        Args:
            frame: Its rows.
            table: Its name, where the step makes several.

        Raises:
            BadInputError: If it breaks the contract.
        """
        name = table or self.asset
        if isinstance(frame, nw.LazyFrame):
            self.engine.write(frame, self._path(name), TABLES[name])
        else:
            engines.get("pandas").write(nw.from_native(frame, eager_only=True).lazy(), self._path(name), TABLES[name])
        return self._verified(name)

    def stage_export(self, export: Export) -> Staged:
        """Write the raw table of an export: the rows that are not plain, and where the plain ones are."""
        frame, metadata = nw.from_native(export.odd_rows), {facts.KEY: export.facts.to_json()}
        PolarsEngine().write(frame, self._path(self.asset), TABLES[self.asset], metadata=metadata)
        return self._verified(self.asset)

    def stage_batches(
        self, frames: "Iterable[pd.DataFrame]", metadata: Mapping[str, str] | None = None, table: str = ""
    ) -> Staged:
        """The same for a table that comes batch by batch; no batch stays in memory once it is written.

        Args:
            frames: Its rows.
            table: Its name, where the step makes several.
            metadata: What else is kept in the file, see `files.read_metadata`.

        Raises:
            BadInputError: If it breaks the contract.
        """
        name = table or self.asset
        files.write_batches(frames, self._path(name), TABLES[name], metadata)
        return self._verified(name)

    def apply(self, rows: Batches, function: "Callable[[pd.DataFrame], pd.DataFrame]", threads: int | None = None) -> Staged:
        """The same for a table that a function makes of the rows of another; see `Engine.apply`.

        Raises:
            BadInputError: If it breaks the contract.
        """
        self.engine.apply(rows, function, self._path(self.asset), TABLES[self.asset], threads)
        return self._verified(self.asset)

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.parquet"

    def _verified(self, table: str) -> Staged:
        path = self._path(table)
        digest = verify(path, TABLES[table])
        return Staged(table, path, files.rows(path), digest)

    def report(self, checks: Iterable[Check], why: str = "") -> Iterator[dg.AssetCheckResult]:
        """Report checks; a blocking one that has failed ends the step.

        Args:
            checks: Their results.
            why: The message in that case; by default that of the checks.

        Raises:
            dagster.Failure: If a blocking check has failed.
        """
        results = [result(one.table or self.asset, one) for one in checks]
        yield from results
        if failed := [one for one in results if is_blocking(one)]:
            raise dg.Failure(why or "; ".join(f"{one.check_name}: {one.description}" for one in failed), allow_retries=False)

    def publish(
        self,
        staged: Staged,
        checks: Iterable[Check] = (),
        metadata: Mapping[str, Any] | None = None,
        data_version: str | None = None,
        why: str = "",
    ) -> Iterator[dg.AssetCheckResult | dg.Output[Staged]]:
        """Report the checks, then publish the table, unless a blocking check has failed.

        Args:
            staged: The table.
            checks: Results of its checks.
            metadata: What its page shows.
            data_version: Version of the data, the table's digest by default.
            why: See `report`.

        Raises:
            dagster.Failure: If a blocking check has failed. The table is not published.
        """
        yield from self.report(checks, why)
        yield _output(staged, "result", metadata or {}, data_version)

    def publish_all(
        self, staged: Sequence[Staged], checks: Iterable[Check], metadata: Mapping[str, Mapping[str, Any]], why: str = ""
    ) -> Iterator[dg.AssetCheckResult | dg.Output[Staged]]:
        """The same for several tables, each with the metadata under its name."""
        yield from self.report(checks, why)
        for table in staged:
            yield _output(table, table.table, metadata.get(table.table, {}))

    def materialized(self, metadata: Mapping[str, Any], data_version: str | None = None) -> dg.MaterializeResult[Any]:
        """The publication of an asset that is not a table."""
        version = None if data_version is None else dg.DataVersion(data_version)
        return dg.MaterializeResult(data_version=version, metadata=_rounded(metadata))


def _output(staged: Staged, name: str, metadata: Mapping[str, Any], data_version: str | None = None) -> dg.Output[Staged]:
    return dg.Output(
        staged,
        output_name=name,
        data_version=dg.DataVersion(data_version or staged.digest),
        metadata=_rounded(metadata),
    )


def _rounded(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: rounded(value) for name, value in metadata.items()}


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder that vanishes with the step, or, if the step is killed, with the next one.

    A step holds the lock of its folder from before the folder exists until after it is gone; see `locks`.
    """
    folder = parent / f"step-{uuid4().hex}"
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(folder.with_suffix(".lock")))
            folder.mkdir()
        except OSError as error:
            remedy = "choose another --home, or fix its permissions"
            raise BadInputError(f"the home cannot be written: {error.strerror}", file=str(parent), remedy=remedy) from error
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for left in locks.abandoned(parent, "step-*.lock"):
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
        yield folder
