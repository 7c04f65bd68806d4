"""The home: the folder that a run reads and writes, and the only way assets touch it.

Nothing is written to a final path. A step works in a scratch folder of its own below `HOME/staging`, and a
table moves to its final path, whole and in one rename, after its contract and its blocking checks have passed.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar
from uuid import uuid4

import dagster as dg
import narwhals as nw
from pydantic import Field, PrivateAttr

from oneclick_pipeline import engine as engines
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.contracts.exports import RAW
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.engine.polars import PolarsEngine
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import locks, permissions
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import raw_file, staging_folder, table_file
from oneclick_pipeline.orchestration import partitions
from oneclick_pipeline.orchestration.checks import failed_blocking
from oneclick_pipeline.orchestration.failures import in_plain_words, read_by
from oneclick_pipeline.orchestration.run_settings import SettingsOfRun, given
from oneclick_pipeline.orchestration.runs import active, launches
from oneclick_pipeline.raw import facts
from oneclick_pipeline.raw.export import Export, reopen
from oneclick_pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

_Made = TypeVar("_Made")


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
    """One step of a run at work: its month, its engine, its scratch folder."""

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

    def stage(self, table: str, frame: "nw.LazyFrame | pd.DataFrame") -> Staged:
        """Write a table into the scratch folder and hold it against its contract.

        Raises:
            BadInputError: If it breaks the contract.
        """
        path = self.folder / f"{table}.parquet"
        if isinstance(frame, nw.LazyFrame):
            self.engine.write(frame, path, TABLES[table])
        else:
            engines.get("pandas").write(nw.from_native(frame, eager_only=True).lazy(), path, TABLES[table])
        return self._verified(table, path)

    def _verified(self, table: str, path: Path) -> Staged:
        digest = files.verify(path, TABLES[table])
        return Staged(table, path, files.rows(path), digest)

    def stage_export(self, export: Export) -> Staged:
        """Write the raw table of an export: the rows that are not plain, and where the plain ones lie."""
        table = export.facts.file
        path = self.folder / f"{table}.parquet"
        frame = nw.from_native(export.odd_rows)
        PolarsEngine().write(frame, path, TABLES[table], metadata={facts.KEY: export.facts.to_json()})
        return self._verified(table, path)

    def stage_batches(self, table: str, frames: "Iterable[pd.DataFrame]", metadata: Mapping[str, str] | None = None) -> Staged:
        """The same for a table that comes batch by batch; no batch stays in memory once it is written.

        Args:
            table: Its name.
            frames: Its rows.
            metadata: What else is kept in the file, see `files.read_metadata`.

        Raises:
            BadInputError: If it breaks the contract.
        """
        path = self.folder / f"{table}.parquet"
        files.write_batches(frames, path, TABLES[table], metadata)
        return self._verified(table, path)

    def apply(
        self, table: str, rows: Batches, function: "Callable[[pd.DataFrame], pd.DataFrame]", threads: int | None = None
    ) -> Staged:
        """The same for a table that a function makes of the rows of another; see `Engine.apply`.

        Raises:
            BadInputError: If it breaks the contract.
        """
        path = self.folder / f"{table}.parquet"
        self.engine.apply(rows, function, path, TABLES[table], threads)
        return self._verified(table, path)

    def publish(
        self,
        *staged: Staged,
        checks: Sequence[dg.AssetCheckResult] = (),
        metadata: Mapping[str, Mapping[str, Any]] | None = None,
        data_version: str | None = None,
        why: str = "",
    ) -> Iterator[dg.AssetCheckResult | dg.Output[Staged]]:
        """Report the checks, then publish the tables, unless a blocking check has failed.

        Args:
            staged: Tables; each becomes the output of its name.
            checks: Results of all checks.
            metadata: Metadata of each table by its name.
            data_version: Version of the data, the table's digest by default.
            why: What to tell when a blocking check has failed.

        Raises:
            dagster.Failure: If a blocking check has failed. No table is published.
        """
        yield from checks
        if failed := failed_blocking(checks):
            names = ", ".join(str(c.check_name) for c in failed)
            raise dg.Failure(why or f"blocking checks failed: {names}", allow_retries=False)
        for table in staged:
            yield dg.Output(
                table,
                output_name=table.table if len(staged) > 1 else "result",
                data_version=dg.DataVersion(data_version or table.digest),
                metadata=(metadata or {}).get(table.table),
            )


class Home(dg.ConfigurableResource):
    """The folder that everything a run reads or writes lies under.

    Folder and engine are those of the process: Dagster leaves a dependency out of what a launch may configure.

    Attributes:
        path: The folder.
        engine: Who holds the tables: polars, pandas or spark.
        spark_master: Address of the cluster for spark, as spark://HOST:PORT.
        first_month: First month of the graph that was loaded, see `partitions`.
        run_settings: Settings of one run.
    """

    # Dagster's types say nothing of defaults, which it takes.
    path: dg.ResourceDependency[str] = "data"  # type: ignore[assignment]
    engine: dg.ResourceDependency[str] = "polars"  # type: ignore[assignment]
    spark_master: dg.ResourceDependency[str] = ""  # type: ignore[assignment]
    first_month: dg.ResourceDependency[str] = partitions.FIRST  # type: ignore[assignment]
    run_settings: SettingsOfRun = Field(default=SettingsOfRun(), description=SettingsOfRun.__doc__)
    _steps: ExitStack = PrivateAttr(default_factory=ExitStack)
    """Scratch folders of this run's steps. Where Dagster cannot write its own databases it drops a step between two of its
    events, and the step's own clean-up waits for the garbage collector: so the end of the run cleans up as well."""

    _made: dict[tuple[str, str], Any] = PrivateAttr(default_factory=dict)
    """What `once` made; it lives as long as the run."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """One run at a time works on a month; runs that were killed are told apart from those at work, see `runs`."""
        if context.run is None or context.instance is None:  # a sensor looks at the home, and runs nothing
            yield self
            return
        with ExitStack() as stack:
            with in_plain_words(self.root):
                launches.check_config(context.run.run_config)
                permissions.prepare(self.root)
                stack.enter_context(active.at_work(self.root, context.run, context.instance))
            stack.enter_context(self._steps)
            stack.callback(self._made.clear)
            yield self

    @property
    def root(self) -> Path:
        """The folder, absolute."""
        return Path(self.path).absolute()

    def months(self, now: datetime) -> list[str]:
        """Months of the graph that are over at a time, oldest first."""
        return list(partitions.months_from(self.first_month).get_partition_keys(now))

    def settings(self) -> Settings:
        """Settings of the home, and those that the run has of its own."""
        return Settings.load(self.root, given(self.run_settings))

    def catalogue(self) -> Catalogue:
        """The catalogue of the home: a run goes by one, whatever happens to its file meanwhile."""
        return self.once("catalogue", "", lambda: Catalogue.load(self.root))

    def once(self, what: str, month: str, make: "Callable[[], _Made]") -> "_Made":
        """What several steps of a run use: read or worked out by the first of them that this process runs."""
        if (what, month) not in self._made:
            self._made[what, month] = make()
        made: _Made = self._made[what, month]
        return made

    def forget(self, what: str, month: str) -> None:
        """Give back the memory of what no later step uses."""
        self._made.pop((what, month), None)

    def tables(self) -> engines.Engine:
        """The engine that holds the tables."""
        return engines.get(self.engine, self.spark_master)

    @contextmanager
    def step(self, context: dg.AssetExecutionContext) -> Iterator[Step]:
        """A scratch folder for one step; what is wrong with the input fails the step in plain words.

        Raises:
            dagster.Failure: With a message and no retries; see `troubles.in_plain_words`.
        """
        with in_plain_words(self.root, read_by(context, self.root)), ExitStack() as stack:
            self._steps.callback(stack.close)
            folder = stack.enter_context(_scratch_folder(staging_folder(self.root)))
            yield Step(check_month(context.partition_key), self.tables(), folder)


@contextmanager
def _scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder that vanishes with the step, or, if the step is killed, with the next one.

    A step holds the lock of its folder from before the folder exists until after it is gone; see `locks`.
    """
    folder = parent / f"step-{uuid4().hex}"
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.held(folder.with_suffix(".lock")))
            folder.mkdir()
        except OSError as error:
            remedy = "choose another --home, or mend its permissions"
            raise BadInputError(f"the home cannot be written: {error.strerror}", file=str(parent), remedy=remedy) from error
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for left in locks.abandoned(parent, "step-*.lock"):
            shutil.rmtree(left.with_suffix(""), ignore_errors=True)
        yield folder


class Months(Mapping[str, "pd.DataFrame"]):
    """A table over several months, as pandas; a month is read when it is asked for, and one without a file is not in it.

    Args:
        table: Name of the table.
        paths: Its Parquet file by month.
        columns: Columns to read; all by default.
        chosen: Which rows of a batch to keep; all by default.
    """

    def __init__(
        self,
        table: str,
        paths: Mapping[str, Path],
        columns: Sequence[str] | None = None,
        chosen: "Callable[[pd.DataFrame], pd.Series] | None" = None,
    ) -> None:
        self._table, self._paths, self._columns, self._chosen = table, paths, columns, chosen

    def only(self, *columns: str) -> "Months":
        """The same months with some of the columns, the key among them; nothing else is read."""
        return Months(self._table, self._paths, columns, self._chosen)

    def where(self, chosen: "Callable[[pd.DataFrame], pd.Series]") -> "Months":
        """The same months with the rows that are chosen of each batch; the others are in memory a batch at a time."""
        return Months(self._table, self._paths, self._columns, chosen)

    def of(self, customers: "pd.Series") -> "Months":
        """The same months with these customers only."""
        import pandas as pd

        wanted = pd.Index(customers.unique())
        return self.where(lambda rows: rows["customer_id"].isin(wanted))

    def sample(self, customers: int, seed: int) -> "Months":
        """About so many customers of the largest month at most, drawn by their number: the same ones in every month."""
        import pandas as pd

        share = customers / max((files.rows(path) for path in self._paths.values()), default=customers)
        if share >= 1:
            return self
        limit = int(share * 2**64)
        return self.where(lambda rows: pd.util.hash_pandas_object(rows["customer_id"] ^ seed, index=False) < limit)

    def batches(self, month: str) -> Batches:
        """A month batch by batch."""
        return Batches(self._table, self._paths[month], self._columns)

    def __getitem__(self, month: str) -> "pd.DataFrame":
        """Read a month."""
        import pandas as pd

        if self._chosen is not None:
            return self.batches(month).where(self._chosen)
        frame = pd.read_parquet(self._paths[month], columns=None if self._columns is None else list(self._columns))
        # The order of the rows in the file is chance; sums of floats, and samples, must not follow it.
        return frame.sort_values(list(TABLES[self._table].key), ignore_index=True)

    def __contains__(self, month: object) -> bool:
        """Whether the month is there; the inherited test would read it."""
        return month in self._paths

    def __iter__(self) -> Iterator[str]:
        """The months, oldest first."""
        return iter(sorted(self._paths))

    def __len__(self) -> int:
        """How many months there are."""
        return len(self._paths)


class TableIO(dg.ConfigurableIOManager):
    """Tables as Parquet files below HOME/tables; see `home.paths.table_file`."""

    home: dg.ResourceDependency[Home]

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Move a staged table to its final path: there is the old table or the new one, never a part."""
        target = table_file(self.home.root, obj.table, context.partition_key)
        with in_plain_words(self.home.root):
            target.parent.mkdir(parents=True, exist_ok=True)
            files.date_after(obj.path, [table_file(self.home.root, name, context.partition_key) for name in TABLES])
            files.publish(obj.path, target)
        context.add_output_metadata({"dagster/row_count": obj.rows, "path": dg.MetadataValue.path(target), "digest": obj.digest})

    def load_input(self, context: dg.InputContext) -> "nw.LazyFrame | pd.DataFrame | Batches | Months | Export":
        """The table of the month: as pandas where the asset asks for `pd.DataFrame` or `Batches`, else in the engine.

        An asset that asks for `Months` gets its window of months, of which the last one must be there. A raw table is
        the export as it was read (`Export`), to be verified before and after use.
        """
        name, months = context.asset_key.path[-1], context.asset_partition_keys
        paths = {month: table_file(self.home.root, name, month) for month in months}
        month = max(months)
        if not paths[month].exists():
            raise dg.Failure(
                f"{paths[month]}: the table is missing. What to do: materialize {context.asset_key.to_user_string()} "
                f"for {month} first",
                allow_retries=False,
            )
        with in_plain_words(self.home.root, paths.values()):
            return self._opened(name, month, paths, context.dagster_type.typing_type)

    def _opened(
        self, name: str, month: str, paths: dict[str, Path], wanted: type
    ) -> "nw.LazyFrame | pd.DataFrame | Batches | Months | Export":
        if wanted is Months:
            return Months(name, {m: path for m, path in paths.items() if path.exists()})
        if wanted is Batches:
            return Batches(name, paths[month])
        if wanted.__module__.startswith("pandas"):
            return Months(name, paths)[month]
        if name in RAW:
            return reopen(raw_file(self.home.root, month, name), paths[month])
        return self.home.tables().scan(paths[month])
