"""Homes to break: copies that share nothing with the home they were copied from."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import polars as pl

from oneclick_pipeline.contracts.exports import RAW
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine.verification import damage
from oneclick_pipeline.home.paths import ledger_file, offers_file, table_file
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
from oneclick_pipeline_tests.orchestration import homes

if TYPE_CHECKING:
    from pathlib import Path

FAST = (
    "model: {families: [logistic_regression, decision_tree], folds: 3, repeats: 1, inner_folds: 2, draws: 2, nested_draws: 2}\n"
)
"""Settings of a training that takes seconds."""

CLEAN = ("customers", "revenue", "site_minutes", "profit", "rejected_rows", "corrections")
STAGES = (raw, clean, features, exploration, model, scores, segments, campaigns, offers, monitoring, report)
ASSETS = [asset for stage in STAGES for asset in stage.ASSETS]
_ADDRESSES = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}


def copied(home: Path, target: Path) -> Path:
    """A copy of a home; MLflow keeps whole addresses of its files, so they are changed to those of the copy."""
    shutil.copytree(home, target)
    with closing(database(target)) as connection, connection:
        for table, columns in _ADDRESSES.items():
            for column in columns:
                change = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608 - our own names
                connection.execute(change, (f"{home.as_uri()}/", f"{target.as_uri()}/"))
    return target


def database(home: Path, **options) -> sqlite3.Connection:
    """MLflow's database of a home."""
    return sqlite3.connect(home / "mlflow" / "mlflow.db", **options)


def materialize(home: Path, *names: str, month: str = homes.MONTH):
    """Run some assets of the graph alone."""
    return homes.materialize(home, assets=ASSETS, selection=list(names), month=month)


def refused(home: Path, *names: str, month: str = homes.MONTH) -> str:
    """What assets say that must fail in plain words, and change no table of theirs."""
    tables = {name: path for name in names if name in TABLES and (path := table_file(home, name, month)).is_file()}
    before = {name: path.read_bytes() for name, path in tables.items()}
    result = materialize(home, *names, month=month)
    assert not result.success
    message = homes.told(result)
    assert "What to do: " in message
    assert homes.files(home / "staging") == []
    assert {name: path.read_bytes() for name, path in tables.items()} == before
    return message


def visible(home: Path, month: str = homes.MONTH) -> dict[str, pl.DataFrame]:
    """Everything that a reader of a month may see, which must be whole: equal for equal months."""
    there = [name for name in TABLES if table_file(home, name, month).exists()]
    assert [why for name in there if (why := damage(table_file(home, name, month)))] == []
    found = {name: _rows(home, name, month) for name in there}
    if ledger_file(home, month).exists():
        found["ledger"] = pl.read_parquet(ledger_file(home, month)).drop("model_version", strict=False)
    if offers_file(home, month).exists():
        found["export"] = pl.DataFrame({"bytes": [offers_file(home, month).read_bytes()]})
    return found


def _rows(home: Path, name: str, month: str) -> pl.DataFrame:
    """A table without the number of the model, which counts the retrains, in the order of its key."""
    found = homes.table(home, name, month).drop("model_version", strict=False)
    return found.sort("line") if name in RAW else found.sort([c for c in TABLES[name].key if c in found] or found.columns)
