"""`oneclick report`: the page of a month again, from its tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, Language, MonthOption  # noqa: TC001 - typer reads them when it runs
from oneclick_pipeline.home.paths import report_file


def report(
    month: MonthOption,
    home: HomeOption = Path("data"),
    language: Annotated[
        Language | None,
        typer.Option(help="Language of the page; that of the settings (report.language) by default.", show_default=False),
    ] = None,
) -> None:
    """Write the report of a month again, from the tables of its run.

    Nothing is recomputed. In the language of the settings it replaces [b]HOME/reports/MONTH.html[/b]; in the other one it is
    written beside it, as [b]MONTH.en.html[/b] or [b]MONTH.ru.html[/b].
    """
    from oneclick_pipeline.report import files
    from oneclick_pipeline.settings import Settings

    home = home.absolute()
    usual = Settings.load(home).report.language
    other = language.value if language is not None and language.value != usual else ""
    path = report_file(home, month, other)
    files.write(files.make(home, month, other or usual).html, path)
    terminal.echo(path)
