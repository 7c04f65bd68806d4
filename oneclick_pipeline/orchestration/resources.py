"""The home: the folder that a run reads and writes, and the only way assets touch it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import dagster as dg
from pydantic import Field, PrivateAttr

from oneclick_pipeline import engine as engines
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.contracts.exports import RAW
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.home import permissions
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.home.paths import raw_file, staging_folder, table_file
from oneclick_pipeline.orchestration import partitions
from oneclick_pipeline.orchestration.failures import in_plain_words, read_by
from oneclick_pipeline.orchestration.run_settings import SettingsOfRun, given
from oneclick_pipeline.orchestration.runs import active, launches
from oneclick_pipeline.orchestration.step import Staged, Step, scratch_folder
from oneclick_pipeline.orchestration.table_months import Months
from oneclick_pipeline.raw.export import Export, reopen
from oneclick_pipeline.settings import Settings

if TYPE_CHECKING:
    import narwhals as nw
    import pandas as pd

_Made = TypeVar("_Made")


class Home(dg.ConfigurableResource):
    """The folder that holds everything a run reads or writes.

    Folder and engine are those of the process: Dagster leaves a dependency out of what a launch may configure.

    Attributes:
        path: The folder.
        engine: What holds the tables: polars, pandas or spark.
        spark_master: Address of the cluster for spark, as spark://HOST:PORT.
        first_month: First month of the graph that was loaded, see `partitions`.
        run_settings: Settings of one run.
    """

    # Dagster's types do not allow for defaults, which it accepts.
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
        """One run at a time works on a month; runs that were killed are distinguished from active ones, see `runs`."""
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
        """Months of the graph that have ended at a given time, oldest first."""
        return list(partitions.months_from(self.first_month).get_partition_keys(now))

    def settings(self) -> Settings:
        """Settings of the home, overridden by those of the run."""
        return Settings.load(self.root, given(self.run_settings))

    def catalogue(self) -> Catalogue:
        """The catalogue of the home: a run uses one, whatever happens to its file meanwhile."""
        return self.once("catalogue", "", lambda: Catalogue.load(self.root))

    def once(self, what: str, month: str, make: "Callable[[], _Made]") -> "_Made":
        """What several steps of a run use: read or worked out by the first of them that this process runs."""
        if (what, month) not in self._made:
            self._made[what, month] = make()
        made: _Made = self._made[what, month]
        return made

    def forget(self, what: str, month: str) -> None:
        """Free the memory of what no later step uses."""
        self._made.pop((what, month), None)

    def tables(self) -> engines.Engine:
        """The engine that holds the tables."""
        return engines.get(self.engine, self.spark_master)

    @contextmanager
    def step(self, context: dg.AssetExecutionContext) -> Iterator[Step]:
        """A scratch folder for one step; what is wrong with the input fails the step in plain words.

        Raises:
            dagster.Failure: With a message and no retries; see `failures.in_plain_words`.
        """
        with in_plain_words(self.root, read_by(context, self.root)), ExitStack() as stack:
            self._steps.callback(stack.close)
            folder = stack.enter_context(scratch_folder(staging_folder(self.root)))
            assets = [key.path[-1] for key in context.assets_def.keys]
            asset = assets[0] if len(assets) == 1 else ""
            yield Step(asset, check_month(context.partition_key), self.tables(), folder)


class TableIO(dg.ConfigurableIOManager):
    """Tables as Parquet files below HOME/tables; see `home.paths.table_file`."""

    home: dg.ResourceDependency[Home]

    def handle_output(self, context: dg.OutputContext, obj: Staged) -> None:
        """Move a staged table to its final path: either the old table or the new one is there, never a part."""
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
