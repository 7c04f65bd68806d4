"""Where every file of a home is. No other module builds a path of a home.

HOME/settings.yaml  HOME/catalogue.yaml            the store's own, optional
HOME/raw/<month>/<export>.csv                      snapshots as they are delivered; also .csv.gz, .csv.zip, .zip
HOME/tables/<stage>/<table>/<month>.parquet        what runs make
HOME/reports/<month>.html
HOME/ledger/<month>.parquet                        what was published
HOME/exports/<month>/offers.csv
HOME/mlflow/  HOME/dagster/                        models and runs, with their databases
HOME/alerts/<channel>/<event>.json                 alerts that have been delivered
HOME/locks/  HOME/staging/                         locks, and scratch folders
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
RAW_ENDINGS = (".csv", ".csv.gz", ".csv.zip", ".zip")
"""An export may be delivered under any of these names; its content decides how it is read."""
STAGING = "staging"
MONTHLY = ("raw", "tables", "reports", "exports")
"""Folders whose files belong to a month: what is delivered, and what a run makes of it."""
LASTING = ("ledger", "mlflow", "dagster")
"""Folders that every month adds to."""
PARTS = (*MONTHLY, *LASTING, "campaigns", "alerts", "twin", STAGING, "locks", SETTINGS, CATALOGUE)
"""The entries of a home that are ours."""


def settings_file(home: Path) -> Path:
    """The store's settings; without the file, defaults apply."""
    return home / SETTINGS


def catalogue_file(home: Path) -> Path:
    """The store's catalogue of offers; without the file, the bundled one applies."""
    return home / CATALOGUE


def raw_folder(home: Path, month: str) -> Path:
    """Where the four exports of a month are delivered."""
    return home / "raw" / check_month(month)


def raw_files(home: Path, month: str, file: str) -> list[Path]:
    """The files of a month that are there under the name of the export `file` (for example `market_file`)."""
    paths = [raw_folder(home, month) / f"{file}{ending}" for ending in RAW_ENDINGS]
    return [path for path in paths if os.path.lexists(path)]  # never raises


def raw_file(home: Path, month: str, file: str) -> Path:
    """Where the export `file` of a month is; where it is expected, if it has not been delivered."""
    return next(iter(raw_files(home, month, file)), raw_folder(home, month) / f"{file}{RAW_ENDINGS[0]}")


def raw_months(home: Path) -> list[str]:
    """Months that have a folder of exports, oldest first; anything else in HOME/raw is ignored."""
    return sorted(path.name for path in (home / "raw").glob("*") if is_month(path.name) and os.path.isdir(path))  # noqa: PTH112 - never raises


def table_folder(home: Path, table: str) -> Path:
    """Folder with the months of a table."""
    return home / "tables" / TABLES[table].stage / table


def table_file(home: Path, table: str, month: str) -> Path:
    """File of the table of a month once it is complete."""
    return table_folder(home, table) / f"{check_month(month)}.parquet"


def every_table(home: Path, month: str) -> Path:
    """Pattern of the tables of a month, to show to people."""
    return home / "tables" / "<stage>" / "<table>" / f"{month}.parquet"


def table_before(home: Path, table: str, month: str) -> Path | None:
    """File of the table of the nearest earlier month that has one; None where no month has."""
    files = (path for path in table_folder(home, table).glob("*.parquet") if is_month(path.stem) and path.stem < month)
    return max(files, key=lambda path: path.stem, default=None)


def report_file(home: Path, month: str, language: str = "") -> Path:
    """File of the report of a month; one in another language than that of the settings is beside it."""
    return home / "reports" / f"{check_month(month)}{language and '.'}{language}.html"


def ledger_folder(home: Path) -> Path:
    """Folder with the months of the ledger."""
    return home / "ledger"


def ledger_file(home: Path, month: str) -> Path:
    """File of the ledger of a month."""
    return ledger_folder(home) / f"{check_month(month)}.parquet"


def offers_file(home: Path, month: str) -> Path:
    """The offers file of a month, for the CRM."""
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
    """The record of alerts that have been delivered, one folder per channel."""
    return home / "alerts"


def locks_folder(home: Path) -> Path:
    """Locks of months, runs, and of the whole home."""
    return home / "locks"


def staging_folder(home: Path) -> Path:
    """Scratch folders of running steps."""
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
