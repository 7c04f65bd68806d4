"""`oneclick twin`: months of a simulated store, and the profile that they are drawn from."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, MonthOption, whole
from oneclick_pipeline.home.paths import raw_folder, truth_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

app = typer.Typer(no_args_is_help=True, help="The twin: a simulator of the store with known truth.")

SeedOption = Annotated[int, typer.Option(parser=whole(0), metavar="INTEGER", help="The same seed gives the same bytes.")]
ProfileOption = Annotated[
    Path | None,
    typer.Option(help="Profile to draw from, made by [b]twin fit[/b]; the bundled one by default.", show_default=False),
]


@app.command("month")
def twin_month(
    month: MonthOption,
    customers: Annotated[int, typer.Option(parser=whole(1), metavar="INTEGER", help="How many customers.")] = 1300,
    seed: SeedOption = 1,
    home: HomeOption = Path("data"),
    profile: ProfileOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the month if it exists.")] = False,  # noqa: FBT002
) -> None:
    """Write a month's four exports into a home, in the store's format with all its quirks, and the truth beside them.

    The exports go to HOME/raw/MONTH/. HOME/twin/MONTH.parquet holds what a real store never knows: every customer's
    probability of declining. Any size; memory does not grow with it.
    """
    from oneclick_pipeline.simulator.twin.month import write_month
    from oneclick_pipeline.simulator.twin.profile import Profile

    home = home.absolute()
    folder = raw_folder(home, month)
    truth = truth_file(home, month)
    with _progress(f"twin {month}") as progress:
        write_month(
            Profile.load(profile),
            folder,
            customers=customers,
            seed=seed,
            truth=truth,
            overwrite=overwrite,
            progress=progress,
        )
    terminal.echo(f"{customers:,} customers in {folder}, their truth in {truth}")


@app.command("months")
def twin_months(
    first: Annotated[str, typer.Option("--from", help="First snapshot month, YYYY-MM.", show_default=False)],
    last: Annotated[str, typer.Option("--to", help="Last snapshot month, YYYY-MM.", show_default=False)],
    customers: Annotated[
        int, typer.Option(parser=whole(1), metavar="INTEGER", help="How many customers in the first month.")
    ] = 1300,
    seed: SeedOption = 1,
    home: HomeOption = Path("data"),
    profile: ProfileOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing months.")] = False,  # noqa: FBT002
) -> None:
    """Write months that follow one another: the same customers buy, drift, decline, leave, and others join.

    The class in a month's exports is what became of the customers of three months before. HOME/twin/MONTH.parquet
    holds the truth of a month: every customer's probability of declining in the three months after it, and whether
    they will. No one gets an offer.
    """
    from oneclick_pipeline.simulator.twin.panel import write_months
    from oneclick_pipeline.simulator.twin.profile import Profile

    home = home.absolute()
    with _progress(f"twin {first} to {last}") as progress:
        months = write_months(
            Profile.load(profile),
            home,
            first=first,
            last=last,
            customers=customers,
            seed=seed,
            overwrite=overwrite,
            progress=progress,
        )
    raw, truth = raw_folder(home, last).parent, truth_file(home, last).parent
    terminal.echo(f"{months} months, the first of {customers:,} customers, in {raw}, their truth in {truth}")


@app.command("fit")
def twin_fit(
    source: Annotated[Path, typer.Option("--from", help="Folder with the four exports of a month.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to write the profile.")] = Path("profile.json"),
) -> None:
    """Make a profile from a store's export: aggregated statistics only, no customer's row.

    The exports are cleaned by the same rules as in a run; rows that break them are left out.
    """
    from oneclick_pipeline.simulator.twin.fit import fit_exports

    fit_exports(source).save(out)
    terminal.echo(f"profile written to {out}")


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on the terminal, updated with the steps done and the total."""
    with Progress(transient=True, console=terminal.console()) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
