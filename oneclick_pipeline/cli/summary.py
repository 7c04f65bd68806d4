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
from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.contracts.segments import SEGMENTS
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.figures import figure
from oneclick_pipeline.home.paths import dagster_folder, every_table, mlflow_folder, offers_file, report_file, table_file
from oneclick_pipeline.terminal import markup, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from oneclick_pipeline.scores.meaning import Words

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
        called: What its figures are called.
        about: What the scores are about, one line per fact.
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
    called: Words
    about: tuple[tuple[str, str], ...]
    model: tuple[tuple[str, str], ...]
    plan: dict[str, Any]


def read(home: Path, month: str) -> Summary:
    """Read the summary of a month that has run."""
    import polars as pl

    from oneclick_pipeline import tracking
    from oneclick_pipeline.raw.export import rows
    from oneclick_pipeline.scores.meaning import WORDS
    from oneclick_pipeline.settings import Settings

    def table(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(table_file(home, name, month), glob=False)

    rejected = table("rejected_rows").unique(["file", "line"]).group_by("file").len().collect()
    corrections = table("corrections").group_by("rule").len().sort("rule").collect()
    segments = table("segment_profiles").collect()
    column = segments.get_column("meaning", default=None)
    meaning = None if column is None else column[0]  # None of earlier versions
    customers = table("customer_features").select(pl.len(), pl.col("regular").sum()).collect()
    return Summary(
        home=home,
        month=month,
        read={s.file: rows(table_file(home, s.file, month)) for s in SOURCES},
        quarantined=dict(rejected.iter_rows()),
        corrected=dict(corrections.iter_rows()),
        customers=int(customers.item(0, 0)),
        regular=int(customers.item(0, 1)),
        segments=segments,
        called=WORDS[meaning or FORECAST],
        about=_about(meaning, month, Settings.load(home).value.horizon_months),
        model=tracking.Tracking(home).champion_facts(),
        plan=table("plan_summary").collect().row(0, named=True),
    )


def _about(meaning: str | None, month: str, horizon: int) -> tuple[tuple[str, str], ...]:
    """What the scores are about, and how a store whose scores are no forecast gets one."""
    from oneclick_pipeline.scores.meaning import remedy, sentence

    about = (("p_decline", sentence(meaning, month, horizon)),)
    return (*about, ("For a forecast", remedy(month, horizon))) if meaning == RECOGNITION else about


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
    for name, text in (*summary.model, *summary.about):
        facts.add_row(name, markup(text))
    for name, text in _plan(summary.plan):
        facts.add_row(name, text)

    segments = Table(title="Segments", title_justify="left", header_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    segments.add_column("Segment")
    for name in ("Customers", "Mean p", summary.called.declines, "Profit", summary.called.at_risk):
        segments.add_column(name, justify="right", no_wrap=True)
    for row in summary.segments.iter_rows(named=True):
        segments.add_row(
            markup(row["segment_ru"]),
            figure(row["customers"]),
            "–" if row["mean_p_decline"] is None else f"{row['mean_p_decline']:.2f}",
            _declines(row),
            "–" if row["mean_profit"] is None else f"{row['mean_profit']:.2f}",
            "–" if row["value_at_risk"] is None else figure(row["value_at_risk"]),
            end_section=row["segment"] == SEGMENTS[-1].id,
        )
    note = Text(
        f"Mean p: mean p_decline. {summary.called.declines}: expected, with 95 % interval. {summary.called.at_risk}: "
        f"{summary.called.value.lower()}, p_decline x monthly profit x months of the horizon. Money in finance units.",
        "dim",
    )
    return Group(Text(), facts, Text(), segments, note, Text())


def _declines(row: dict[str, Any]) -> str:
    """The expected declines of a segment with their interval, as far as they are known."""
    declines, low, high = (row[f"expected_declines{end}"] for end in ("", "_low", "_high"))
    if declines is None:
        return "–"
    return _whole(declines) + ("" if low is None else f" ({_whole(low)}–{_whole(high)})")


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


def _whole(number: float) -> str:
    """A number of customers."""
    return figure(round(number))


def near(path: Path) -> str:
    """The path relative to the current folder, if that is shorter."""
    here = Path.cwd()
    return plain(path.relative_to(here) if path.is_relative_to(here) else path)
