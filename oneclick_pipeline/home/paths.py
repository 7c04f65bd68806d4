"""Where everything of a home lies. No other module spells a path of a home.

HOME/settings.yaml  HOME/catalogue.yaml            the store's own, and optional
HOME/raw/<month>/<export>.csv                      snapshots as they are delivered
HOME/tables/<stage>/<table>/<month>.parquet        what runs make
HOME/reports/<month>.html
HOME/ledger/<month>.parquet                        what was published
HOME/exports/<month>/offers.csv
HOME/mlflow/  HOME/dagster/                        models and runs, with their databases
HOME/alerts/<channel>/<event>.json                 alerts that have arrived
HOME/locks/  HOME/staging/                         who is at work, and scratch folders
HOME/twin/                                         the truth of a simulated store
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.home.months import check_month, is_month

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS, CATALOGUE, DAGSTER_CONFIG, MLFLOW_DATABASE = "settings.yaml", "catalogue.yaml", "dagster.yaml", "mlflow.db"
STAGING = "staging"
MONTHLY = ("raw", "tables", "reports", "exports")
"""Folders whose files belong to a month: what is delivered, and what a run makes of it."""
LASTING = ("ledger", "mlflow", "dagster")
"""Folders that every month adds to."""
PARTS = (*MONTHLY, *LASTING, "campaigns", "alerts", "twin", STAGING, "locks", SETTINGS, CATALOGUE)
"""What may stand in a home and is ours."""


def settings_file(home: Path) -> Path:
    """The store's settings; defaults hold where there is none."""
    return home / SETTINGS


def catalogue_file(home: Path) -> Path:
    """The store's catalogue of offers; the bundled one holds where there is none."""
    return home / CATALOGUE


def raw_folder(home: Path, month: str) -> Path:
    """Where the four exports of a month are delivered."""
    return home / "raw" / check_month(month)


def raw_file(home: Path, month: str, file: str) -> Path:
    """Where the export `file` (for example `market_file`) of a month is delivered."""
    return raw_folder(home, month) / f"{file}.csv"


def raw_months(home: Path) -> list[str]:
    """Months that have a folder of exports, oldest first; whatever else lies in HOME/raw is left alone."""
    return sorted(path.name for path in (home / "raw").glob("*") if is_month(path.name) and os.path.isdir(path))  # noqa: PTH112 - never raises


def table_folder(home: Path, table: str) -> Path:
    """Where the months of a table stand."""
    return home / "tables" / TABLES[table].stage / table


def table_file(home: Path, table: str, month: str) -> Path:
    """Where the table of a month stands once it is whole."""
    return table_folder(home, table) / f"{check_month(month)}.parquet"


def every_table(home: Path, month: str) -> Path:
    """Where the tables of a month stand, as people are shown it."""
    return home / "tables" / "<stage>" / "<table>" / f"{month}.parquet"


def report_file(home: Path, month: str, language: str = "") -> Path:
    """Where the report of a month stands; one in another language than that of the settings beside it."""
    return home / "reports" / f"{check_month(month)}{language and '.'}{language}.html"


def ledger_folder(home: Path) -> Path:
    """Where the months of the ledger stand."""
    return home / "ledger"


def ledger_file(home: Path, month: str) -> Path:
    """Where the ledger of a month stands."""
    return ledger_folder(home) / f"{check_month(month)}.parquet"


def offers_file(home: Path, month: str) -> Path:
    """Where the offers file of a month stands, for the CRM."""
    return home / "exports" / check_month(month) / "offers.csv"


def mlflow_folder(home: Path) -> Path:
    """Where MLflow keeps models, runs and artifacts."""
    return home / "mlflow"


def mlflow_artifacts(home: Path) -> Path:
    """Where MLflow keeps the files of models and runs."""
    return mlflow_folder(home) / "artifacts"


def mlflow_database(home: Path) -> Path:
    """MLflow's SQLite database; none where `ONECLICK_POSTGRES` is set."""
    return mlflow_folder(home) / MLFLOW_DATABASE


def dagster_folder(home: Path) -> Path:
    """Where Dagster's instance is configured and keeps its runs."""
    return home / "dagster"


def dagster_config(home: Path) -> Path:
    """The configuration of Dagster's instance."""
    return dagster_folder(home) / DAGSTER_CONFIG


def alerts_folder(home: Path) -> Path:
    """What remembers which alerts have arrived, a folder per channel."""
    return home / "alerts"


def locks_folder(home: Path) -> Path:
    """Locks of months, runs, and of the whole home."""
    return home / "locks"


def staging_folder(home: Path) -> Path:
    """Scratch folders of steps that are at work."""
    return home / STAGING


def truth_file(home: Path, month: str) -> Path:
    """The true probabilities of a simulated month."""
    return home / "twin" / f"{check_month(month)}.parquet"


def true_effects_file(home: Path, month: str) -> Path:
    """The true effects of every offer on every customer of a simulated month."""
    return home / "twin" / "effects" / f"{check_month(month)}.parquet"


def simulation_folder(home: Path) -> Path:
    """Tables and picture of a simulated year."""
    return home / "twin" / "year"
