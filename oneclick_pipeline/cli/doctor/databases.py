"""Whether the tables of Dagster and MLflow are of the installed versions, and in which database they are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING, Finding
from oneclick_pipeline.home.paths import dagster_folder, mlflow_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.cli.doctor.home import Home


def dagster(home: Home) -> Iterator[Finding]:
    """Whether the tables of runs and events are of the installed Dagster."""
    old = [name for name, (current, head) in home.health.schemas.items() if current != head]
    if old:
        remedy = f"make a backup, then: DAGSTER_HOME={dagster_folder(home.path)} dagster instance migrate"
        yield Finding("dagster", PROBLEM, f"the tables of {', '.join(old)} are from another version of Dagster", remedy)
    else:
        yield Finding("dagster", OK, f"runs and events in {'PostgreSQL' if home.is_team else 'SQLite'}, schema current")


def mlflow(home: Home) -> Iterator[Finding]:
    """Whether there are models, where, and whether their tables are of the installed MLflow."""
    from oneclick_pipeline.tracking import ignored_variables

    if warning := ignored_variables(os.environ):
        yield Finding("mlflow", WARNING, warning, "unset it, so that no one looks for them elsewhere")
    store = home.store
    if not store.exists():
        yield Finding("mlflow", WARNING, "no model has been trained yet", "train one: oneclick run --job retrain --month YYYY-MM")
        return
    current, head = store.schema()
    if current != head:
        remedy = "make a backup, then upgrade MLflow's tables as deploy/README.md says"
        yield Finding("mlflow", PROBLEM, f"MLflow's tables are at version {current}, but {head} is needed", remedy)
    else:
        yield Finding("mlflow", OK, f"models in {'PostgreSQL' if home.is_team else 'SQLite'}, schema current")
    if home.is_team and mlflow_database(home.path).exists():
        remedy = "delete it, or move it away, once its models are no longer needed"
        yield Finding("mlflow", WARNING, f"{mlflow_database(home.path)} holds models that are not used: PostgreSQL is", remedy)
