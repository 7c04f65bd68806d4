"""What a run has made, for the terminal: read back from the home, so that it says what is really there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.tables import SOURCES, TABLES, table_file

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl
    from rich.console import Group

_LISTED = 20
_REMEDY = "correct the value in the export and run the month again; until then the row is left out"


@dataclass(frozen=True)
class Summary:
    """What the month's tables and the champion say.

    Attributes:
        home: The home.
        month: Snapshot month.
        read: Rows read by export.
        quarantined: Rejected rows by export.
        corrected: Corrections by rule.
        customers: Customers in customer_features.
        regular: Regular ones.
        segments: The table segment_profiles.
        model: What the champion says of itself, a line each.
    """

    home: Path
    month: str
    read: dict[str, int]
    quarantined: dict[str, int]
    corrected: dict[str, int]
    customers: int
    regular: int
    segments: pl.DataFrame
    model: tuple[tuple[str, str], ...]


def read(home: Path, month: str) -> Summary:
    """Read the summary of a month that has run."""
    import polars as pl

    from oneclick_pipeline import tracking

    def table(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(table_file(home, name, month), glob=False)

    rejected = table("rejected_rows").unique(["file", "line"]).group_by("file").len().collect()
    corrections = table("corrections").group_by("rule").len().sort("rule").collect()
    customers = table("customer_features").select(pl.len(), pl.col("regular").sum()).collect()
    return Summary(
        home=home,
        month=month,
        read={s.file: int(table(s.file).select(pl.len()).collect().item()) for s in SOURCES},
        quarantined=dict(rejected.iter_rows()),
        corrected=dict(corrections.iter_rows()),
        customers=int(customers.item(0, 0)),
        regular=int(customers.item(0, 1)),
        segments=table("segment_profiles").collect(),
        model=tracking.Tracking(home).describe_champion(),
    )


def quarantined(home: Path, month: str) -> list[str]:
    """One message a rejected value, the first ones, and how many there are in all."""
    import polars as pl

    from oneclick_pipeline.errors import BadInputError

    path = table_file(home, "rejected_rows", month)
    rows = pl.read_parquet(path, glob=False)
    messages = [
        str(BadInputError(row["rule"], f"{row['file']}.csv", row["line"], row["column"], row["value"], _REMEDY))
        for row in rows.sort("file", "line").head(_LISTED).iter_rows(named=True)
    ]
    if len(rows) > _LISTED:
        messages.append(f"and {len(rows) - _LISTED} more in {path}")
    return messages


def render(summary: Summary, seconds: float) -> Group:
    """The summary as tables for a terminal."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    facts.add_row("Rows read", ", ".join(f"{file} {n:,}" for file, n in summary.read.items()))
    facts.add_row("Quarantined", ", ".join(f"{file} {n:,}" for file, n in sorted(summary.quarantined.items())) or "none")
    facts.add_row("Corrected", ", ".join(f"{rule} {n:,}" for rule, n in summary.corrected.items()) or "nothing")
    facts.add_row("Customers", f"{summary.customers:,}, of whom regular {summary.regular:,}")
    for name, text in summary.model:
        facts.add_row(name, text)

    segments = Table(title="Segments", title_justify="left", header_style="bold")
    for name, justify in (
        ("Segment", "left"), ("Customers", "right"), ("Mean p_decline", "right"), ("Expected declines, 95 %", "right"),
        ("Mean profit", "right"), ("Value at risk", "right"),
    ):  # fmt: skip
        segments.add_column(name, justify="left" if justify == "left" else "right")
    for row in summary.segments.iter_rows(named=True):
        interval = (
            f"{row['expected_declines']:.0f}  [{row['expected_declines_low']:.0f}, {row['expected_declines_high']:.0f}]"
            if row["expected_declines"] is not None
            else "–"
        )
        segments.add_row(
            f"{row['segment_ru']} ({row['segment']})",
            f"{row['customers']:,}",
            "–" if row["mean_p_decline"] is None else f"{row['mean_p_decline']:.2f}",
            Text(interval),
            "–" if row["mean_profit"] is None else f"{row['mean_profit']:.2f}",
            f"{row['value_at_risk']:,.1f}",
        )

    outputs = Table.grid(padding=(0, 2))
    tables = summary.home / "tables"
    for name in ("customer_scores", "customer_segments", "segment_profiles", "rejected_rows", "corrections"):
        outputs.add_row(name, str(table_file(summary.home, name, summary.month)))
    outputs.add_row("all tables", str(tables / "<stage>" / "<table>" / f"{summary.month}.parquet") + f"  ({len(TABLES)} tables)")
    outputs.add_row("models, runs", f"{summary.home / 'mlflow'}, {summary.home / 'dagster'}")

    end = Text(
        f"\nDone in {seconds:.0f} s. Open next: make ui (or oneclick ui --home {summary.home}) for the graph and the models."
    )
    return Group(Text(), facts, Text(), segments, Text(), outputs, end)
