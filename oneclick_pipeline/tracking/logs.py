"""MLflow without noise."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

from oneclick_pipeline.databases import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Import or call MLflow without telemetry, hints, progress messages, and warnings about MLflow's own code.

    MLflow 3.17 uses what SQLAlchemy 2.1 and pandas 3.1 deprecate; its users can do nothing about it. Warnings
    that arise anywhere else are heard as ever. The variables are read when MLflow is imported.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_DISABLE_AGENT_HINT", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    if postgres.given() is None:
        # SQLite opens a file that it may not write for reading alone; a pool would keep that after the disk can be written again
        os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"mlflow\.")
        yield
