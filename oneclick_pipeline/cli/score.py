"""`oneclick score`: one customer, or a few, scored by the champion."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, Language, whole
from oneclick_pipeline.contracts.scores import FORECAST
from oneclick_pipeline.errors import BadInputError


def score(
    customer: Annotated[
        int | None,
        typer.Option(parser=whole(0), metavar="INTEGER", help="The store's number of the customer.", show_default=False),
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="JSON with one customer's features, or a list of them; - reads standard input."
        ),
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", help="Snapshot month, YYYY-MM; the newest by default.", show_default=False)
    ] = None,
    language: Annotated[Language, typer.Option(help="Language of the reasons.")] = Language.ru,
    home: HomeOption = Path("data"),
) -> None:
    """Score one customer with the champion: p_decline and the three strongest reasons.

    [b]--customer[/b] shows what customer_scores of the month holds, out-of-fold probability included. [b]--json[/b] takes
    features by name, as docs/tables.md describes them, and writes JSON; features that are absent or null are filled
    by the model and listed as missing.
    """
    if (customer is None) == (json_file is None):
        raise typer.BadParameter("give either --customer or --json")
    if json_file is not None and month is not None:
        raise typer.BadParameter("--month goes with --customer: --json brings its own features")
    from oneclick_pipeline import serving
    from oneclick_pipeline.scores.meaning import sentence
    from oneclick_pipeline.settings import Settings

    home = home.absolute()
    if customer is not None:
        horizon = Settings.load(home).value.horizon_months
        scored = serving.score_customer(home, customer, month=month, horizon_months=horizon)
        terminal.echo(*_lines(scored, language.value, sentence(scored["meaning"], scored["month"], horizon)))
        return
    records, listed = serving.read_records(*_text(json_file or "-"))
    predictions = serving.score_records(home, records)
    terminal.echo_json(predictions if listed else predictions[0])


def _text(file: str) -> tuple[str, str]:
    """Content of a file, or of the standard input, and its name for messages."""
    name = "standard input" if file == "-" else file
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8-sig"), name
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError("it cannot be read", file=name, value=str(error), remedy="give a JSON file in UTF-8") from error


def _lines(scored: dict[str, Any], language: str, meaning: str) -> list[str]:
    """The score of a customer, one line per fact."""
    p_decline = scored["p_decline"]
    forecast = scored["meaning"] == FORECAST  # in a recognition nothing is known to be at risk
    name, unit = ("value at risk", "") if forecast else ("profit x p", ": profit of the horizon x p_decline")
    lines = [
        f"customer       {scored['customer_id']}, {scored['month']}",
        f"p_decline      {'unknown: the customer is not in market_file' if p_decline is None else format(p_decline, '.3f')}",
        f"meaning        {meaning}",
        f"{name:<13}  {scored['value_at_risk']:.2f} finance units{unit}" if scored["value_at_risk"] is not None else "",
        f"basis          {scored['score_basis']}",
        f"model          {scored['model_name']} version {scored['model_version']}",
        *(f"reason {k}       {r[language]} ({r['effect']:+.2f} log-odds)" for k, r in enumerate(scored["reasons"], start=1)),
    ]
    return [line for line in lines if line]
