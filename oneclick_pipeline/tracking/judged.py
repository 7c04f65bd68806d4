"""What was found out about a model when it was trained, read back for people; and where their report is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.model.metrics import METRICS, Interval
from oneclick_pipeline.tracking import runs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd
    from mlflow import MlflowClient

    from oneclick_pipeline.tracking.registry import Version

REPORTS = "monthly reports"
"""Experiment of the reports of months in which no model was trained."""


@dataclass(frozen=True)
class Family:
    """How a family of models did: its name for people, whether it was chosen, its metrics (see `model.METRICS`)."""

    label: str
    chosen: bool
    metrics: dict[str, Interval]


@dataclass(frozen=True)
class Judged:
    """A version of the model and how good it is.

    Attributes:
        version: Its number.
        month: Snapshot month for which it was trained.
        family: Family of the model.
        feature_months: Snapshot months of the features it learnt from.
        same_month: Whether it learnt the class of the features' own month, for want of later ones.
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


def judged(client: MlflowClient, version: Version, folder: Path, out_of_fold: pd.DataFrame) -> Judged:
    """Read back what the training of a version left.

    Args:
        client: Of the home's database.
        version: The version.
        folder: The artifacts of its run.
        out_of_fold: See `Judged`.
    """
    run = client.get_run(version.run_id)
    children = client.search_runs(
        [run.info.experiment_id], filter_string=f"tags.`mlflow.parentRunId` = '{version.run_id}'", order_by=["metrics.log_loss"]
    )
    families = tuple(
        Family(c.info.run_name, c.data.tags["family"] == version.tags["family"], _intervals(c.data.metrics)) for c in children
    )
    return Judged(
        version=version.version,
        month=version.tags["month"],
        family=next((f.label for f in families if f.chosen), version.tags["family"]),
        feature_months=version.feature_months,
        same_month=version.foretells_same_month,
        rows=int(version.tags["rows"]),
        metrics=_intervals(run.data.metrics),
        families=families,
        slices=_table(folder / "slices.json"),
        out_of_time=_table(folder / "out_of_time.json"),
        failed_gates=version.failed_gates,
        out_of_fold=out_of_fold,
    )


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
    found = client.get_experiment_by_name(REPORTS)
    if found is None:
        experiment = client.create_experiment(REPORTS, artifact_location=artifacts, tags=runs.EXPERIMENT_TAGS)
    else:
        experiment = found.experiment_id
    earlier = client.search_runs([experiment], filter_string=f"tags.month = '{month}'", max_results=1)
    if earlier:
        return str(earlier[0].info.run_id)
    run_id = str(client.create_run(experiment, run_name=f"report {month}", tags={"month": month}).info.run_id)
    client.set_terminated(run_id, "FINISHED")
    return run_id


def _intervals(metrics: Mapping[str, float]) -> dict[str, Interval]:
    return {name: Interval(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"]) for name in METRICS if name in metrics}


def _table(path: Path) -> pd.DataFrame:
    """A table as it was logged; without rows where there is none."""
    import pandas as pd

    if not path.exists():
        return pd.DataFrame()
    return pd.DataFrame(**json.loads(path.read_text(encoding="utf-8")))
