"""What a run has made, for the terminal: read back from the home, so that it shows what is really there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.figures import figure
from oneclick_pipeline.home.paths import dagster_folder, every_table, mlflow_folder, offers_file, report_file, table_file
from oneclick_pipeline.terminal import markup, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

_LISTED = 20
_SHOWN = (
    "offer_plan",
    "plan_summary",
    "customer_scores",
    "customer_segments",
    "segment_profiles",
    "rejected_rows",
    "corrections",
)
_REMEDY = "correct the value in the export and run the month again; until then the row is left out"


@dataclass(frozen=True)
class Summary:
    """The figures of the month's tables and the champion.

    Attributes:
        home: The home.
        month: Snapshot month.
        read: Rows read by export.
        quarantined: Rejected rows by export.
        corrected: Corrections by rule.
        customers: Customers in customer_features.
        regular: Regular ones.
        segments: The table segment_profiles.
        model: What the champion says of itself, one line per fact.
        plan: The row of the table plan_summary.
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
    plan: dict[str, Any]


def read(home: Path, month: str) -> Summary:
    """Read the summary of a month that has run."""
    import polars as pl

    from oneclick_pipeline import tracking
    from oneclick_pipeline.raw.export import rows

    def table(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(table_file(home, name, month), glob=False)

    rejected = table("rejected_rows").unique(["file", "line"]).group_by("file").len().collect()
    corrections = table("corrections").group_by("rule").len().sort("rule").collect()
    customers = table("customer_features").select(pl.len(), pl.col("regular").sum()).collect()
    return Summary(
        home=home,
        month=month,
        read={s.file: rows(table_file(home, s.file, month)) for s in SOURCES},
        quarantined=dict(rejected.iter_rows()),
        corrected=dict(corrections.iter_rows()),
        customers=int(customers.item(0, 0)),
        regular=int(customers.item(0, 1)),
        segments=table("segment_profiles").collect(),
        model=tracking.Tracking(home).champion_facts(),
        plan=table("plan_summary").collect().row(0, named=True),
    )


def quarantined(home: Path, month: str) -> list[str]:
    """One message per rejected value, the first ones, and how many there are in all."""
    import polars as pl

    path = table_file(home, "rejected_rows", month)
    rows = pl.read_parquet(path, glob=False)
    messages = [
        str(BadInputError(row["rule"], f"{row['file']}.csv", row["line"], row["column"], row["value"], _REMEDY))
        for row in rows.sort("file", "line").head(_LISTED).iter_rows(named=True)
    ]
    if len(rows) > _LISTED:
        messages.append(f"and {len(rows) - _LISTED} more in {path}")
    return messages


def render(summary: Summary) -> Group:
    """The summary as tables for a terminal."""
    facts = Table.grid(padding=(0, 2))
    facts.add_row("Rows read", ", ".join(f"{file} {figure(n)}" for file, n in summary.read.items()))
    facts.add_row("Quarantined", ", ".join(f"{file} {figure(n)}" for file, n in sorted(summary.quarantined.items())) or "none")
    facts.add_row("Corrected", ", ".join(f"{markup(rule)} {figure(n)}" for rule, n in summary.corrected.items()) or "nothing")
    facts.add_row("Customers", f"{figure(summary.customers)}, of whom regular {figure(summary.regular)}")
    for name, text in summary.model:
        facts.add_row(name, markup(text))
    for name, text in _plan(summary.plan):
        facts.add_row(name, text)

    segments = Table(title="Segments", title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    segments.add_column("Segment")
    for name in ("Customers", "Mean p", "Will decline", "Profit", "At risk"):
        segments.add_column(name, justify="right", no_wrap=True)
    for row in summary.segments.iter_rows(named=True):
        declines, low, high = (_whole(row[f"expected_declines{end}"]) for end in ("", "_low", "_high"))
        is_forecast = row["expected_declines"] is not None
        segments.add_row(
            markup(row["segment_ru"]),
            figure(row["customers"]),
            f"{row['mean_p_decline']:.2f}" if is_forecast else "–",
            f"{declines} ({low}–{high})" if is_forecast else "–",
            "–" if row["mean_profit"] is None else f"{row['mean_profit']:.2f}",
            figure(row["value_at_risk"]),
        )
    note = Text("Mean p: mean p_decline. Will decline: expected, with 95 % interval. Money in finance units.", "dim")
    return Group(Text(), facts, Text(), segments, note, Text())


def _plan(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The plan as it is recorded: who gets what, what that costs and should bring, and what that rests on."""
    neither = plan["customers"] - plan["offers"] - plan["controls"]
    words = {name: figure(value) for name, value in plan.items()}
    yield (
        "Offers",
        "{offers} offered, {controls} held out, {neither} neither; cost {cost} of a budget of {budget}, expected gain "
        "{expected_gain} ({expected_gain_low} to {expected_gain_high}) finance units".format(**words, neither=figure(neither)),
    )
    effects = {"catalogue": "effects as the catalogue expects", "learned": "effects learned from campaigns"}[plan["effects"]]
    worth = (
        f"worth of a kept customer assumed, {plan['worth_share']:.0%} of the profit"
        if plan["worth"] == "assumed"
        else f"worth of a kept customer learned, {words['worth_mean']} on average"
    )
    yield "", f"{effects}; {worth} over {words['worth_months']} months"


def places(summary: Summary) -> list[str]:
    """Where the files of the month are, one per line: a path is never broken, however narrow the terminal is."""
    paths = {
        "monthly report": report_file(summary.home, summary.month),
        "offers for the CRM": offers_file(summary.home, summary.month),
        **{name: table_file(summary.home, name, summary.month) for name in _SHOWN},
        f"all {len(TABLES)} tables": every_table(summary.home, summary.month),
        "models": mlflow_folder(summary.home),
        "runs": dagster_folder(summary.home),
    }
    return [f"{name:<20}{near(path)}" for name, path in paths.items()]


def _whole(number: float | None) -> str:
    """A number of customers."""
    return "–" if number is None else figure(round(number))


def near(path: Path) -> str:
    """The path relative to the current folder, if that is shorter."""
    here = Path.cwd()
    return plain(path.relative_to(here) if path.is_relative_to(here) else path)
