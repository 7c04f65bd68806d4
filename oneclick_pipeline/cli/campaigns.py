"""`oneclick campaigns`: what the offers of a campaign from elsewhere changed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.campaigns.outcomes_csv_offers import CONTROL
from oneclick_pipeline.cli.options import QUARANTINED, HomeOption
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file

app = typer.Typer(no_args_is_help=True, help="Campaigns: the effects of offers.")

_RATIO = re.compile(r"[0-9]{1,12}(\.[0-9]{0,12})?")


@app.command("import")
def campaigns_import(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="CSV with customer_id, offer_id (or [b]control[/b]), outcomes, <outcome>_before."),
    ],
    ratio: Annotated[
        list[str] | None,
        typer.Option(
            "--ratio",
            metavar="OFFER=NUMBER",
            help="How many customers were meant to get the offer for each control; may be repeated for other offers.",
            show_default=False,
        ),
    ] = None,
    equal_split: Annotated[  # noqa: FBT002
        bool, typer.Option("--equal-split", help="All groups were meant to be the same size: --ratio OFFER=1 for every offer.")
    ] = False,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write everything as JSON, too; - writes it to standard output instead of the table."
        ),
    ] = None,
    month: Annotated[
        str | None,
        typer.Option("--month", help="Refuse customers who are not in this snapshot month of the home.", show_default=False),
    ] = None,
    home: HomeOption = Path("data"),
) -> None:
    """Estimate what the offers of a campaign from elsewhere changed, with 95 % intervals.

    Every offer is compared with the controls on every numeric column, adjusted for [b]<outcome>_before[/b] where it is
    there (CUPED), as the pipeline's own campaigns are. Where the groups' sizes are not as meant (--ratio, --equal-split),
    the split is broken and no figures are given. Rows that break a rule are named and left out.

    Exit code: 0 all rows were used; 1 nothing can be read, and the message says what to do; 3 rows were left out.
    """
    from oneclick_pipeline.campaigns import outcomes_csv, outcomes_csv_effects
    from oneclick_pipeline.settings import Settings

    home = home.absolute()
    customers = None
    if month is not None:
        import polars as pl

        path = table_file(home, "customer_features", month)
        if not path.exists():
            raise BadInputError(
                "this home has no run of the month", file=str(path), remedy="run the month first, or leave out --month"
            )
        customers = pl.read_parquet(path, columns=["customer_id"], glob=False)["customer_id"].to_list()
    settings = Settings.load(home)
    campaign = outcomes_csv.read(file, known=customers, written=settings.formats.campaign)
    ratios = {offer: 1.0 for offer in campaign.sizes if offer != CONTROL and equal_split} | _ratios(ratio or [])
    table = outcomes_csv_effects.estimates(campaign, settings.campaigns, ratios)
    if json_file is not None:
        _write(json_file, terminal.as_json(outcomes_csv_effects.as_json(campaign, table)))
    if json_file != "-":
        terminal.console().print(outcomes_csv_effects.render(campaign, table))
    errors = terminal.console(stderr=True, soft_wrap=True)
    for column, reason in campaign.ignored.items():
        errors.print(f"[yellow]warning:[/yellow] column «{terminal.markup(column)}» is not used: {terminal.markup(reason)}")
    for message in outcomes_csv_effects.messages(campaign):
        errors.print(f"[yellow]left out:[/yellow] {terminal.markup(message)}")
    if campaign.rejected:
        raise typer.Exit(QUARANTINED)


def _ratios(texts: list[str]) -> dict[str, float]:
    """Ratios as they were given, OFFER=NUMBER."""
    ratios = {}
    for text in texts:
        offer, _, number = text.rpartition("=")
        if not _RATIO.fullmatch(number):
            raise typer.BadParameter(f"{text!r} is not OFFER=NUMBER", param_hint="--ratio")
        ratios[offer] = float(number)
    return ratios


def _write(file: str, text: str) -> None:
    """Write a text to a file, or to the standard output."""
    if file == "-":
        sys.stdout.write(text + "\n")
        return
    try:
        Path(file).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInputError(
            "it cannot be written", file=file, value=str(error), remedy="give a file in a folder that exists"
        ) from error
