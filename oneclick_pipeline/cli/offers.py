"""`oneclick offers`: the catalogue checked, other budgets tried, a month's plan written into the store's database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, MonthOption, amounts
from oneclick_pipeline.figures import figure

app = typer.Typer(no_args_is_help=True, help="The offers: check the catalogue, try other budgets, publish a month's plan.")


@app.command("check")
def offers_check(
    file: Annotated[Path | None, typer.Argument(help="A catalogue; that of the home by default.", show_default=False)] = None,
    home: HomeOption = Path("data"),
) -> None:
    """Check a catalogue of offers and show it. What is wrong is shown with line, field and value, and ends with code 1.

    The catalogue of a home is HOME/catalogue.yaml; if there is none, the bundled one is used.
    """
    from oneclick_pipeline.catalogue.reader import Catalogue

    catalogue = Catalogue.load(home.absolute()) if file is None else Catalogue.read(file)
    table = Table("Offer", "For whom", "Terms", box=SIMPLE_HEAD, header_style="bold", padding=(0, 2, 1, 0))
    for offer in catalogue.offers:
        terms = [f"cost {offer.cost:g}", f"effect {offer.effect_mean:+.3f} ± {offer.effect_sd:.3f}"]
        terms += [] if offer.capacity is None else [f"at most {offer.capacity:,} a month"]
        terms += [f"from {offer.valid_from}"] if offer.valid_from else []
        terms += [f"to {offer.valid_to}"] if offer.valid_to else []
        conditions = "\n".join(terminal.markup(condition) for condition in offer.conditions)
        table.add_row(f"{offer.id}\n{terminal.markup(offer.title_ru)}", conditions or "everybody", "\n".join(terms))
    out = terminal.console()
    out.print(table)
    out.print(
        f"{len(catalogue.offers)} offers in {terminal.markup(catalogue.file)}. "
        "Cost in finance units; effect on P(decline), expected."
    )


@app.command("what-if")
def offers_what_if(
    month: MonthOption,
    budget: Annotated[str, typer.Option(metavar="AMOUNTS", help="Budgets in finance units, separated by commas: 50,100,200.")],
    home: HomeOption = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, unrounded.")] = False,  # noqa: FBT002
) -> None:
    """Show what a month would be planned with other budgets. Nothing in the home is changed.

    Each line is what [b]oneclick run --replan[/b] would plan with that budget in the settings: the same scores, effects, worth,
    limits and draws, with the settings and the catalogue of today.
    """
    from oneclick_pipeline.orchestration.what_if import what_if

    points = what_if(home.absolute(), month, amounts(budget))
    if as_json:
        terminal.echo_json([vars(point) for point in points])
        return
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("Budget", "Offers", "Cost", "Expected gain", "95 % interval", "One more unit of budget brings"):
        table.add_column(name, justify="right")
    for one in points:
        ends = f"{figure(one.expected_gain_low)} to {figure(one.expected_gain_high)}"
        row = (one.budget, one.offers, one.cost, one.expected_gain, ends, one.price_of_budget)
        table.add_row(*map(figure, row))
    out = terminal.console()
    out.print(table)
    out.print(f"What {terminal.markup(month)} would be planned with each budget; money in finance units. Nothing was changed.")


@app.command("publish")
def offers_publish(
    month: MonthOption,
    database: Annotated[
        str,
        typer.Option(
            "--database",
            envvar="ONECLICK_DATABASE",
            help="sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME. The variable keeps a password out of the list of "
            "processes.",
            show_default=False,
        ),
    ],
    home: HomeOption = Path("data"),
) -> None:
    """Write what was published in a month, and its segments, into the store's database, PostgreSQL or SQLite.

    That is what the ledger holds: who got which offer, and who was held out. If the plan has changed since, that is
    reported, and the new plan is not published. The tables are [b]oneclick_offer_plan[/b] and
    [b]oneclick_customer_segments[/b], keyed by month and customer_id. It is one transaction: rows are inserted, updated, or
    deleted if the customer is no longer in it. Other months are left alone.
    """
    from oneclick_pipeline.orchestration import publication

    def waiting() -> None:
        terminal.error(f"A run works on {month}: waiting until it has ended.")

    result = publication.publish(home.absolute(), month, database, waiting)
    for name, rows in result.published.rows.items():
        terminal.echo(f"{name}  {rows:,} rows of {month}, {result.published.removed[name]:,} removed")
    terminal.echo(f"in {result.published.database}, as it went out (digest {result.digest})")
    if result.differing:
        terminal.error(
            f"warning: the current plan of {month} has changed: {result.differing:,} customers differ from the plan that went "
            f"out, which is published here. To send out the new plan instead: oneclick run --month {month} --replan"
        )
    if result.differing is None:
        terminal.error(f"warning: offer_plan of {month} no longer exists, so there is nothing to compare with")
