"""Expected declines and value at risk as `segment_profiles` holds them; nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline.contracts.segments import ALL
from oneclick_pipeline.report.frames import interval, rows, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from oneclick_pipeline.stats import Interval

    Totals = tuple[Interval | None, Interval | None]


def recorded(row: Mapping[str, Any], name: str) -> Interval | None:
    """A figure of a segment with its interval; None where it has none, or is of an earlier version, whose held chance alone."""
    return interval(row, name) if "meaning" in row else None


def totals(profiles: pd.DataFrame) -> Totals:
    """Expected declines and value at risk of all regular customers; None of earlier versions, which have no such row."""
    together = next((row for row in rows(profiles) if row["segment"] == ALL.id), {})
    return recorded(together, "expected_declines"), recorded(together, "value_at_risk")


def meaning(profiles: pd.DataFrame) -> str | None:
    """What the scores are about; None in tables of earlier versions."""
    return next((text(row, "meaning") for row in rows(profiles) if "meaning" in row), None)
