"""What cleaning produces beside the typed tables: rows that were rejected, values that were corrected."""

from __future__ import annotations

from oneclick_pipeline.contracts.exports import FILE, LINE
from oneclick_pipeline.contracts.schema import Column, Table, vocabulary

REJECTED_ROWS = Table(
    "rejected_rows",
    "clean",
    "One row per broken rule of a rejected input line; a line that breaks several has several rows",
    (
        FILE,
        LINE,
        Column("column", "str", "Header of the column in the export; empty where the whole line is broken", nullable=True),
        Column("value", "str", "Value as delivered, without surrounding blanks (cut after 200 characters)", nullable=True),
        Column("rule", "str", "Rule that the value breaks"),
    ),
)

CORRECTIONS = Table(
    "corrections",
    "clean",
    "One row per value or header that was changed, and per line that was dropped as an exact copy",
    (
        FILE,
        LINE,
        Column("column", "str", "Header of the column in the export; empty for a dropped copy", nullable=True),
        Column("old", "str", "Value as delivered", nullable=True),
        Column("new", "str", "Value that replaced it; empty for a marker of a missing value", nullable=True),
        Column("rule", "str", "Why", values=vocabulary("spelling", "missing_marker", "exact_duplicate", "outlier")),
    ),
)
