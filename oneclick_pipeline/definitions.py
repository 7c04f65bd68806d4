"""The whole graph, on one screen."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from oneclick_pipeline.home import permissions
from oneclick_pipeline.orchestration.assets import (
    campaigns,
    clean,
    exploration,
    features,
    model,
    monitoring,
    offers,
    raw,
    report,
    scores,
    segments,
)
from oneclick_pipeline.orchestration.automation import alerts, jobs, pruning
from oneclick_pipeline.orchestration.automation.schedules import monthly_refresh
from oneclick_pipeline.orchestration.automation.sensors import new_snapshot, retrain_due
from oneclick_pipeline.orchestration.execution import events_logger
from oneclick_pipeline.orchestration.partitions import by_month, first_month
from oneclick_pipeline.orchestration.resources import Home, TableIO
from oneclick_pipeline.orchestration.runs.console import console

STAGES = (raw, clean, features, exploration, model, scores, segments, campaigns, offers, monitoring, report)
"""The stages of the graph, in the order in which a month passes through them."""


def build(home: str, engine: str = "polars", spark_master: str = "") -> dg.Definitions:
    """The graph over a home.

    Args:
        home: Folder that holds everything that is read and written.
        engine: `polars`, `pandas` or `spark`.
        spark_master: Address of the cluster for `spark`.

    Raises:
        BadInputError: See `permissions.access`.
    """
    permissions.restrict()  # a process that loads the graph writes files that only their owner can read
    first = first_month(Path(home).absolute())
    place = Home(path=home, engine=engine, spark_master=spark_master, first_month=first)
    return dg.Definitions(
        assets=by_month((asset for stage in STAGES for asset in stage.ASSETS), first),
        jobs=jobs.JOBS,
        schedules=[monthly_refresh],
        sensors=[new_snapshot, retrain_due, alerts.alerts, pruning.pruning_sensor],
        # The third holds what is no table, for nobody; Dagster's own would pickle it into a folder that a launch may choose.
        resources={"home": place, "tables": TableIO(home=place), "io_manager": dg.mem_io_manager},
        executor=dg.in_process_executor,  # a process per step costs five seconds of imports each
        loggers={"console": console, "events": events_logger},
    )


defs = build(
    os.environ.get("ONECLICK_HOME", "data"),
    os.environ.get("ONECLICK_ENGINE", "polars"),
    os.environ.get("ONECLICK_SPARK_MASTER", ""),
)
