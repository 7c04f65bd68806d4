"""`oneclick simulate`: a year of the twin under our policy and others."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import whole
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, is_over, newest_month
from oneclick_pipeline.home.paths import simulation_folder

if TYPE_CHECKING:
    from collections.abc import Callable

_MEASURED = 20_000
"""Customers, at least, on whom the true worth is measured."""


def simulate(
    customers: Annotated[
        int, typer.Option(parser=whole(1), metavar="INTEGER", help="How many customers in the first month.")
    ] = 20_000,
    months: Annotated[int, typer.Option(parser=whole(1, 60), metavar="INTEGER", help="How many months with offers.")] = 12,
    seed: Annotated[
        int, typer.Option(parser=whole(0), metavar="INTEGER", help="The same seed gives every policy the same luck.")
    ] = 1,
    home: Annotated[
        Path, typer.Option("--home", help="Folder in which the year is played; it must not hold these months.")
    ] = Path("data/simulated"),
    fast: Annotated[  # noqa: FBT002
        bool, typer.Option("--fast", help="Run the stages' functions in memory, with the true scores, instead of the graph.")
    ] = False,
    first: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="First snapshot month with offers, YYYY-MM; all months must have ended. By default the last of them is the "
            "newest "
            "month that has ended.",
            show_default=False,
        ),
    ] = None,
    history: Annotated[
        int, typer.Option(parser=whole(0, 60), metavar="INTEGER", help="Months before it, without offers: the store's history.")
    ] = 6,
    world: Annotated[
        str,
        typer.Option(help="What offers truly do: twin (one truth for all seeds), or catalogue_right (drawn from the catalogue)."),
    ] = "twin",
    retrain_every: Annotated[
        int,
        typer.Option(parser=whole(1), metavar="INTEGER", help="Months between trainings; the first month always trains a model."),
    ] = 3,
) -> None:
    """Play a year of the twin with offers, and compare what policies earn with the same luck.

    Ours runs every month through the real graph; nobody (no offers), random, risk x profit and the oracle, which knows the
    true effects, play the same year without it. The three months after the last offers count, too. HOME/settings.yaml and
    HOME/catalogue.yaml apply; every policy has the budget of the settings.

    Tables and the picture go to HOME/twin/year/ (gains: what every month's plan expected, and what it truly gained), the true
    effects of every offer on every customer to HOME/twin/effects/.
    """
    from oneclick_pipeline.simulator.year import our_policy, policies, report
    from oneclick_pipeline.simulator.year.play import open_year, play
    from oneclick_pipeline.simulator.year.worth import Worth

    home = home.absolute()
    first = first or add_months(newest_month(datetime.now(UTC)), 1 - months)
    year = open_year(home, customers=customers, months=months, first=first, seed=seed, history=history, world=world)
    with Progress(transient=True, console=terminal.console()) as bar:
        ours = (
            our_policy.FastPolicy()
            if fast
            else our_policy.FullPolicy(home, _runner(home, year.last, bar.console.print), retrain_every=retrain_every)
        )
        everyone: dict[str, Any] = {
            report.NOBODY: policies.nobody,
            "random": policies.random,
            "risk_profit": policies.risk_profit,
        }
        task = bar.add_task("worth of a customer", total=year.span * (len(everyone) + 2))
        longest = max(year.span, year.settings.value.worth_months)
        worth = Worth(year.profile, customers=max(customers, _MEASURED), seed=seed + 1, months=longest)
        everyone |= {report.ORACLE: policies.oracle(worth), report.OURS: ours}
        plays = {}
        for name, policy in everyone.items():
            bar.update(task, description=name)
            plays[name] = play(year, policy, lambda _: bar.advance(task), ours.watch if policy is ours else None)
    result = report.report(plays, ours, worth)
    path = report.write(simulation_folder(home), result, ours.beliefs)
    out = terminal.console()
    out.print(report.render(result))
    for line in report.lines(result, our_policy.no_longer_planned(ours.given), year.settings.offers.control_share):
        out.print(terminal.markup(line))
    out.print(f"tables and picture in {terminal.markup(path.parent)}, the picture is {path.name}", soft_wrap=True)


def _runner(home: Path, last: str, say: Callable[[str], None]) -> Callable[[str, str], None]:
    """A function that runs a job for a month over a home.

    Raises:
        BadInputError: If the last month is not over yet.
    """
    from oneclick_pipeline.definitions import build
    from oneclick_pipeline.orchestration import execution

    if not is_over(last, datetime.now(UTC)):
        remedy = "choose an earlier --from or fewer --months: a month can be run once it has ended"
        raise BadInputError(f"the month {last} has not ended", remedy=remedy)

    def run_month(job: str, month: str) -> None:
        begin = time.monotonic()
        graph = build(str(home))  # again: its first month follows from the snapshots that are there
        outcome = execution.execute(graph.resolve_job_def(job), month, home, lambda *_: None)
        if not outcome.success:
            raise BadInputError(
                f"{job} of {month} failed: {'; '.join(outcome.errors)}",
                file=str(home),
                remedy=f"see the run {outcome.run_id} with: oneclick ui --home {home}",
            )
        say(f"{month}  {job}  {time.monotonic() - begin:.0f} s")

    return run_month
