"""How well a model performed when it was trained, read back for people; and where their report is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.model.training_set import digest, in_canonical_order, sample
from oneclick_pipeline.tracking import runs, versions

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from mlflow import MlflowClient

    from oneclick_pipeline.stats import Interval
    from oneclick_pipeline.tracking.versions import Version

REPORTS = "monthly reports"
"""Experiment of the reports of months in which no model was trained."""


@dataclass(frozen=True)
class Family:
    """How a family of models did: its name for people, whether it was chosen, its metrics (see `model.METRICS`)."""

    label: str
    chosen: bool
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Evaluation:
    """A version of the model and how good it is.

    Attributes:
        version: Its number.
        month: Snapshot month for which it was trained.
        family: Family of the model.
        feature_months: Snapshot months of the features it was trained on.
        same_month: Whether it was trained on the class of the features' own month, for want of later ones.
        rows: Customers trained on.
        metrics: Nested estimates of the whole procedure, see `model.METRICS`.
        families: Every family, the best log loss first.
        slices: See `model.slices`; empty where none was stored.
        out_of_time: See `model.out_of_time`; empty where there were too few months.
        failed_gates: Gates that it failed.
        out_of_fold: feature_month, customer_id, p_decline of those it was trained on.
    """

    version: int
    month: str
    family: str
    feature_months: tuple[str, ...]
    same_month: bool
    rows: int
    metrics: dict[str, Interval]
    families: tuple[Family, ...]
    slices: pd.DataFrame
    out_of_time: pd.DataFrame
    failed_gates: tuple[str, ...]
    out_of_fold: pd.DataFrame

    @property
    def meaning(self) -> str:
        """What its probabilities are about, see `contracts.scores.MEANING`."""
        return RECOGNITION if self.same_month else FORECAST


def read(mlflow: Path, version: Version) -> Evaluation:
    """Read back what the training of a version left.

    Args:
        mlflow: The folder `HOME/mlflow`.
        version: The version.

    Raises:
        BadInputError: If a file of it is gone or was changed.
    """
    own = version.tags["family"]
    return Evaluation(
        version=version.version,
        month=version.tags["month"],
        family=next((f.label for f in version.families if f.name == own), own),
        feature_months=version.feature_months,
        same_month=version.foretells_same_month,
        rows=int(version.tags["rows"]),
        metrics=version.metrics,
        families=tuple(Family(f.label, f.name == own, f.metrics) for f in version.families),
        slices=_table(mlflow, version, runs.SLICES),
        out_of_time=_table(mlflow, version, runs.OUT_OF_TIME),
        failed_gates=version.failed_gates,
        out_of_fold=parquet(versions.kept_bytes(mlflow, version, runs.OUT_OF_FOLD)),
    )


def training_rows(home: Path, version: Version, max_rows: int) -> pd.DataFrame | None:
    """The rows that a version was trained on; None where the table of its month is gone, or is no longer that one.

    Args:
        home: The home.
        version: The version.
        max_rows: Rows of which training takes a sample.
    """
    import pandas as pd
    from pyarrow import ArrowException

    try:
        table = pd.read_parquet(table_file(home, "training_set", version.tags["month"]))
        rows = sample(in_canonical_order(table), max_rows)
        return rows if digest(rows) == version.tags["training_digest"] else None
    except (OSError, ArrowException, KeyError, BadInputError):  # not there, damaged, or with other features
        return None


def parquet(content: bytes) -> pd.DataFrame:
    """The table in the bytes of a Parquet file."""
    import pandas as pd

    return pd.read_parquet(BytesIO(content))


def log_report(client: MlflowClient, artifacts: str, report: Path, month: str, trained: str | None) -> str:
    """Keep a report: with the run of the training, or, where none was of its month, with a run of its own.

    Args:
        client: Of the home's database.
        artifacts: Address of the folder of all artifacts.
        report: The page.
        month: Its snapshot month.
        trained: Run of the training of this month's model; None where it is of another month.

    Returns:
        Id of the run that holds it.
    """
    run_id = trained or _run_of(client, artifacts, month)
    client.log_artifact(run_id, str(report), "report")
    return run_id


def _run_of(client: MlflowClient, artifacts: str, month: str) -> str:
    """The month's own run in the experiment of the reports, made where there is none."""
    experiment = runs.experiment(client, REPORTS, artifacts)
    earlier = client.search_runs([experiment], filter_string=f"tags.month = '{month}'", max_results=1)
    if earlier:
        return str(earlier[0].info.run_id)
    run_id = str(client.create_run(experiment, run_name=f"report {month}", tags={"month": month}).info.run_id)
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _table(mlflow: Path, version: Version, name: str) -> pd.DataFrame:
    """A table as it was logged; without rows where there is none."""
    import pandas as pd

    if name not in version.kept:
        return pd.DataFrame()
    return pd.DataFrame(**json.loads(versions.kept_bytes(mlflow, version, name)))
