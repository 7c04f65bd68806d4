"""Where everything of a home lies. No other module spells a path of a home.

HOME/raw/<month>/<file>.csv
HOME/tables/<stage>/<table>/<month>.parquet
HOME/reports/<month>.html
HOME/mlflow/  HOME/dagster/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.home.months import check_month

if TYPE_CHECKING:
    from pathlib import Path


def raw_file(home: Path, month: str, file: str) -> Path:
    """Where the export `file` (for example `market_file`) of a month is delivered."""
    return home / "raw" / check_month(month) / f"{file}.csv"


def table_file(home: Path, table: str, month: str) -> Path:
    """Where the table of a month stands once it is whole."""
    return home / "tables" / TABLES[table].stage / table / f"{check_month(month)}.parquet"


def report_file(home: Path, month: str, language: str = "") -> Path:
    """Where the report of a month stands; one in another language than that of the settings beside it."""
    return home / "reports" / f"{check_month(month)}{language and '.'}{language}.html"
