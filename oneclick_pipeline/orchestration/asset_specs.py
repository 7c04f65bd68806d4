"""The description of an asset on the Dagster pages: built from the contracts, so that it is written once."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.orchestration.checks import CHECKS

if TYPE_CHECKING:
    from types import ModuleType

    from oneclick_pipeline.contracts.schema import Table

ENGINEERS, SCIENTISTS, MARKETERS = "team:data-engineering", "team:data-science", "team:marketing"
OWNERS = {
    "raw": ENGINEERS,
    "clean": ENGINEERS,
    "features": ENGINEERS,
    "exploration": SCIENTISTS,
    "model": SCIENTISTS,
    "scores": SCIENTISTS,
    "segments": MARKETERS,
    "campaigns": SCIENTISTS,
    "offers": MARKETERS,
    "monitoring": SCIENTISTS,
    "report": MARKETERS,
}


def column_schema(table: Table) -> dg.TableSchema:
    """The contract of a table as Dagster shows it."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                type=c.kind,
                description=c.description + (f" ({c.unit})" if c.unit else ""),
                constraints=dg.TableColumnConstraints(
                    nullable=c.nullable, unique=table.key == (c.name,), other=[c.promise] if c.promise else []
                ),
                tags={"group": c.group} if c.group else {},
            )
            for c in table.columns
        ]
    )


_SOURCES = (".py", ".jinja", ".css")


def code_version(*modules: ModuleType) -> str:
    """Hash of the modules' source: an asset is stale exactly when its code has changed."""
    digest = hashlib.sha256()
    for module in modules:
        path = Path(str(module.__file__))
        package = [file for file in sorted(path.parent.iterdir()) if file.suffix in _SOURCES]
        for file in package if path.name == "__init__.py" else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def table_spec(name: str, code: str, kinds: set[str]) -> dict[str, Any]:
    """What `dagster.asset` and `dagster.AssetOut` both take to describe a table."""
    table = TABLES[name]
    return {
        "group_name": table.stage,
        "description": table.description + ".",
        "owners": [OWNERS[table.stage]],
        "kinds": kinds | {"parquet"},
        "code_version": code,
        "metadata": {"dagster/column_schema": column_schema(table)},
        "io_manager_key": "tables",
    }


def table_asset(name: str, code: str, kinds: set[str]) -> dict[str, Any]:
    """Everything that `dagster.asset` takes for a table of its own step."""
    return {"name": name, "check_specs": CHECKS.get(name, []), **table_spec(name, code, kinds)}


FRESH = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=40), warn_window=timedelta(days=35))
"""Scores and segments are made every month; five days' grace before a warning, ten before a failure."""
