"""`oneclick run`: a month, from the four exports to the plan of offers."""

from __future__ import annotations

import itertools
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.control import Control
from rich.segment import ControlType

from oneclick_pipeline import terminal
from oneclick_pipeline.cli import summary
from oneclick_pipeline.cli.options import FAILED, QUARANTINED, HomeOption, MonthOption
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month
from oneclick_pipeline.home.paths import raw_months, table_file

if TYPE_CHECKING:
    from dagster import JobDefinition
    from rich.console import Console

    from oneclick_pipeline.orchestration.execution import Outcome

_HISTORY = "prepare"
"""The job of months that are only learned from."""


class Job(StrEnum):
    """Jobs of the graph."""

    retrain = "retrain"
    refresh = "refresh"


class EngineName(StrEnum):
    """Engines that can hold the tables."""

    polars = "polars"
    pandas = "pandas"
    spark = "spark"


def run(
    month: MonthOption,
    home: HomeOption = Path("data"),
    engine: Annotated[EngineName, typer.Option(help="The table engine; all give the same result.")] = EngineName.polars,
    spark_master: Annotated[
        str,
        typer.Option(
            "--spark-master",
            envvar="ONECLICK_SPARK_MASTER",
            metavar="URL",
            help="For --engine spark: address of an existing cluster, spark://HOST:PORT. Its workers must see the home "
            "under the same path.",
            show_default=False,
        ),
    ] = "",
    job: Annotated[
        Job, typer.Option(help="[b]retrain[/b]: everything, with a new model. [b]refresh[/b]: new scores from the champion.")
    ] = Job.retrain,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MONTH",
            help="Read the earlier months from this one on first, as history that the model learns from; those that were read "
            "before, or have no exports, are left as they are.",
            show_default=False,
        ),
    ] = None,
    replan: Annotated[bool, typer.Option("--replan", help="Replace offers that were already published for the month.")] = False,  # noqa: FBT002
) -> None:
    """Run a month: four exports in, scored and segmented customers and a plan of offers out.

    It is the same Dagster job that the pages show, run in this process; its run, checks and metadata are there
    when you open them with [b]oneclick ui[/b].

    Exit code: 0 all is well; 1 the run failed, and the message says what to do; 3 the month is complete, but rows of
    the exports were quarantined: each is named, with what to do about it.
    """
    out = terminal.console()
    out.print(f"[b]{job.value}[/b] of {terminal.markup(month)} in {terminal.markup(home)}  [dim](loading)[/dim]")
    from oneclick_pipeline.definitions import build
    from oneclick_pipeline.orchestration import execution

    home = home.absolute()
    execution.check_runnable(home, month)
    graph, errors = build(str(home), engine.value, spark_master), terminal.console(stderr=True, soft_wrap=True)
    for earlier in _history(home, first, month, errors):
        out.print(f"[b]{_HISTORY}[/b] of {terminal.markup(earlier)}")
        _execute(graph.resolve_job_def(_HISTORY), earlier, home, out, errors)
    outcome, progress = _execute(graph.resolve_job_def(job.value), month, home, out, errors, replan=replan)
    finished = summary.read(home, month)
    out.print(summary.render(finished))
    done = f"Done in {progress.elapsed:.0f} s. Open next: oneclick ui --home {summary.near(home)}"
    for line in (*summary.places(finished), "", done):
        out.print(terminal.markup(line), soft_wrap=True)
    if outcome.pruned:
        out.print(terminal.markup(outcome.pruned), soft_wrap=True)
    if quarantined := summary.quarantined(home, month):
        for message in quarantined:
            errors.print(f"[yellow]quarantined:[/yellow] {terminal.markup(message)}")
        raise typer.Exit(QUARANTINED)


def _history(home: Path, first: str | None, month: str, errors: Console) -> list[str]:
    """The months from `first` to the one before `month` that have exports and were not read yet.

    Raises:
        BadInputError: If `first` is no month, or not before `month`.
    """
    if first is None:
        return []
    if check_month(first) >= month:
        raise BadInputError(f"--from {first} is not before --month {month}", remedy="name an earlier month, or leave --from out")
    delivered = sorted(m for m in raw_months(home) if first <= m < month)
    oldest = delivered[0] if delivered else month
    if oldest > first:
        errors.print(f"[yellow]warning:[/yellow] no exports before {terminal.markup(oldest)}: the history begins there")
    span = itertools.takewhile(lambda m: m < month, (add_months(oldest, n) for n in itertools.count()))
    if missing := [m for m in span if m not in delivered]:
        errors.print(f"[yellow]warning:[/yellow] no exports of {terminal.markup(', '.join(missing))}: the history has a gap")
    return [m for m in delivered if not table_file(home, "customer_features", m).exists()]


def _execute(
    job: JobDefinition, month: str, home: Path, out: Console, errors: Console, *, replan: bool = False
) -> tuple[Outcome, _Progress]:
    """Run a job for a month with progress and warnings; if it fails, say why and leave."""
    from oneclick_pipeline.orchestration import execution

    progress = _Progress(out, execution.steps(job))
    outcome = execution.execute(job, month, home, progress, replan=replan)
    for message in outcome.warnings:
        errors.print(f"[yellow]warning:[/yellow] {terminal.markup(message)}")
    if outcome.success:
        return outcome, progress
    for message in outcome.errors:
        # Further lines are indented: text of the data among them cannot pass for a message of its own.
        errors.print("[red]error:[/red] " + "\n       ".join(map(terminal.markup, message.splitlines())))
    if progress.waiting:
        errors.print(f"not run: {terminal.markup(', '.join(progress.waiting))}")
    errors.print(
        f"The run is kept as {outcome.run_id}; `oneclick ui --home {terminal.markup(home)}` shows it. "
        "The tables of failed steps are as before, except for rejected_rows and corrections, which list the problems."
    )
    raise typer.Exit(FAILED)


class _Progress:
    """One line per step: its number, its duration, the total time."""

    def __init__(self, console: Console, steps: list[str]) -> None:
        self._console, self._total, self.waiting = console, len(steps), steps
        self._begin = self._step = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begin

    def __call__(self, step: str, state: str) -> None:
        """Report what a step does, or that another run works on the month."""
        if state == "waiting":
            self._console.print(f"  another run works on {step}: waiting until it has ended")
            return
        if state == "start":
            self._step = time.monotonic()
            self.waiting = [name for name in self.waiting if name != step]
            if self._console.is_terminal:
                self._console.print(f"  {self._number}/{self._total}  {step} …", end="")
                self._console.control(Control(ControlType.CARRIAGE_RETURN))
            return
        mark = {"success": "[green]✓[/green]", "failure": "[red]✗[/red]"}[state]
        seconds = time.monotonic() - self._step
        self._console.print(f"  {self._number}/{self._total}  {mark} {step:<20} {seconds:6.1f} s   {self.elapsed:6.1f} s in all")

    @property
    def _number(self) -> str:
        return f"{self._total - len(self.waiting):>2}"
