"""Homes that tests run months in."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import polars as pl
from filelock import FileLock

from oneclick_pipeline.contracts.exports import RAW, SOURCES
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.definitions import build
from oneclick_pipeline.engine.content_digest import digest
from oneclick_pipeline.home.paths import raw_file, table_file
from oneclick_pipeline.orchestration import execution
from oneclick_pipeline.orchestration.assets import clean, features, raw
from oneclick_pipeline.orchestration.partitions import by_month, first_month
from oneclick_pipeline.orchestration.resources import Home, TableIO
from oneclick_pipeline.orchestration.runs import active
from oneclick_pipeline.raw.export import reopen
from oneclick_pipeline.tracking import MODEL, Tracking

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data" / "raw" / "2026-10"
MONTH = "2026-10"
QUICK = "model: {folds: 3, repeats: 1, inner_folds: 2, draws: 4, nested_draws: 4}\n"
FROM_RAW_TO_FEATURES = [name for name, table in TABLES.items() if table.stage in ("raw", "clean", "features")]


def new_home(home: Path, *, month: str = MONTH, settings: str = QUICK, texts: dict[str, str | bytes] | None = None) -> Path:
    """Make a home with one month: the sample, or the given content by file."""
    folder = home / "raw" / month
    folder.mkdir(parents=True)
    for source in SOURCES:
        path = folder / f"{source.file}.csv"
        if texts is None:
            shutil.copyfile(SAMPLE / path.name, path)
        elif source.file in texts:
            content = texts[source.file]
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if settings:
        (home / "settings.yaml").write_text(settings, encoding="utf-8")
    return home


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo what a run does to the environment of the process."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(home: Path, job: str = "retrain", *, month: str = MONTH, engine: str = "polars", spark_master: str = "", progress=None):
    """Run a job as the command does."""
    with environment_kept():
        graph = build(str(home), engine, spark_master)
        return execution.execute(graph.resolve_job_def(job), month, home, progress or (lambda *_: None))


def materialize(
    home: Path, *, selection=None, engine: str = "polars", spark_master="", month: str = MONTH, assets=None, instance=None
):
    """Run raw, clean and features (or `assets`) alone, without a Dagster instance on disk but `instance`; failures come back."""
    place = Home(path=str(home), engine=engine, spark_master=spark_master)
    with environment_kept():
        return dg.materialize(
            by_month(assets or [*raw.ASSETS, *clean.ASSETS, *features.ASSETS], first_month(home)),
            selection=selection,
            partition_key=month,
            instance=instance,
            resources={"home": place, "tables": TableIO(home=place)},
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def told(result) -> str:
    """What a run that failed says, a line a failed step."""
    messages = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.event_specific_data
            assert data.user_failure_data is not None, f"{event.step_key} ended with a traceback: {data.error}"
            messages.append(data.user_failure_data.description)
    return "\n".join(messages or [active.reason(event) for event in result.all_events if event.is_failure])


def table(home: Path, name: str, month: str = MONTH) -> pl.DataFrame:
    """A finished table; plain rows of a raw table lie in the export."""
    path = table_file(home, name, month)
    if name in RAW:
        return reopen(raw_file(home, month, name), path).lines().sort("line").collect()
    return pl.read_parquet(path, glob=False)


def digests(home: Path, names=tuple(TABLES), month: str = MONTH) -> dict[str, str]:
    """Digest of every finished table."""
    return {name: digest(path) for name in names if (path := table_file(home, name, month)).exists()}


def files(folder: Path) -> list[str]:
    """Everything below a folder that is no folder."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


@dataclass(frozen=True)
class Finished:
    """A home in which `retrain` of the sample has run, then `refresh`; nobody changes it.

    Attributes:
        home: The home.
        outcomes: By job, the fields of its `execute.Outcome`.
        progress: By job, what its progress callback was told.
        digests: By job, the digest of every table after it.
        versions: By job, Dagster's data version of every table after it.
        models: By job, the registered versions after it.
        elsewhere: What the runs left outside the home.
    """

    home: Path
    outcomes: dict[str, dict]
    progress: dict[str, list[list[str]]]
    digests: dict[str, dict[str, str]]
    versions: dict[str, dict[str, str]]
    models: dict[str, list[int]]
    elsewhere: dict[str, list[str]]


def finished(tmp_path_factory, worker: str) -> Finished:
    """The one finished home of the test session, whichever test process makes it first."""
    base = tmp_path_factory.getbasetemp()
    place = (base if worker == "master" else base.parent) / "finished"
    with FileLock(f"{place}.lock"):
        record = place / "record.json"
        if not record.exists():
            record.parent.mkdir()
            record.write_text(json.dumps(_run_both(place)), encoding="utf-8")
        return Finished(home=place / "around" / "home", **json.loads(record.read_text(encoding="utf-8")))


def _run_both(place: Path) -> dict[str, object]:
    """Run in a folder and with a folder for temporary files where everything left behind is seen."""
    cwd, temporary = place / "cwd", place / "tmp"
    cwd.mkdir()
    temporary.mkdir()
    home = new_home(place / "around" / "home")
    record = {name: {} for name in ("outcomes", "progress", "digests", "versions", "models")}
    here, usual = Path.cwd(), tempfile.tempdir
    os.chdir(cwd)
    tempfile.tempdir = str(temporary)
    try:
        for job in ("retrain", "refresh"):
            told = record["progress"][job] = []
            record["outcomes"][job] = asdict(
                run(home, job, progress=lambda *step_and_state, told=told: told.append(step_and_state))
            )
            record["digests"][job] = digests(home)
            record["versions"][job] = data_versions(home)
            record["models"][job] = [v.version for v in Tracking(home)._client().search_model_versions(f"name = '{MODEL}'")]
    finally:
        os.chdir(here)
        tempfile.tempdir = usual
    around = sorted(p.name for p in home.parent.iterdir())
    return record | {"elsewhere": {"cwd": files(cwd), "temporary": files(temporary), "around": around}}


@contextmanager
def instance_of(home: Path) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance of a home, as the pages open it."""
    with environment_kept():
        os.environ["DAGSTER_HOME"] = str(home / "dagster")
        with dg.DagsterInstance.get() as instance:
            yield instance


def data_versions(home: Path) -> dict[str, str]:
    """Dagster's data version of every table that was materialized in a home."""
    with instance_of(home) as instance:
        events = {name: instance.get_latest_materialization_event(dg.AssetKey(name)) for name in TABLES}
    return {name: e.asset_materialization.tags["dagster/data_version"] for name, e in events.items() if e is not None}
