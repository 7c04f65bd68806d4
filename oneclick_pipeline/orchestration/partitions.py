"""The monthly partitions of a home's graph: one per snapshot month, which can be run once it has ended.

The graph begins with the home's oldest snapshot where that is older than 2024-01, so that a store can backfill its history, and
with 2024-01 otherwise: history that is delivered later finds its partitions there, and a table that was ever materialized keeps
its own. A process that loads the graph keeps its first month; it must be restarted once older snapshots have arrived, which
the sensor new_snapshot reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from oneclick_pipeline.home.paths import raw_months

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIRST = "2024-01"
"""First month of a graph over a home without older snapshots."""
_OLDEST = "1990-01"
"""A folder of an older month is a typing error, and would give the graph thousands of partitions."""


def first_month(home: Path) -> str:
    """The month that the graph over a home begins with."""
    return min((month for month in raw_months(home) if _OLDEST <= month < FIRST), default=FIRST)


def months_from(first: str) -> dg.MonthlyPartitionsDefinition:
    """The months of a graph that begins with this one."""
    return dg.MonthlyPartitionsDefinition(start_date=first, fmt="%Y-%m")


def by_month(
    assets: Iterable[dg.AssetsDefinition | dg.AssetSpec], first: str = FIRST
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The same assets, each with these months as its partitions."""
    months = months_from(first)
    return list(dg.map_asset_specs(lambda spec: spec.replace_attributes(partitions_def=months), assets))
