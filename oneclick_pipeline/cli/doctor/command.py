"""`oneclick doctor`: the command."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.doctor.finding import OK, PROBLEM, WARNING
from oneclick_pipeline.cli.options import FAILED, HomeOption


def doctor(
    home: HomeOption = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Write the findings as JSON.")] = False,  # noqa: FBT002
) -> None:
    """Check a home and say what to do: versions, paths, databases, disk, champion, the last month, runs, the daemon.

    Nothing is changed. Exit code: 0 no problem (there may be warnings); 1 a problem.
    """
    from oneclick_pipeline.cli.doctor.checks import examine

    findings = examine(home.absolute())
    if as_json:
        terminal.echo_json([asdict(finding) for finding in findings])
    else:
        out, colours = terminal.console(soft_wrap=True), {OK: "green", WARNING: "yellow", PROBLEM: "red"}
        for finding in findings:
            remedy = f". What to do: {finding.remedy}" if finding.remedy else ""
            message = terminal.markup(finding.message + remedy)
            out.print(f"[{colours[finding.state]}]{finding.state:<8}[/]{finding.check:<12}{message}")
    if any(finding.state == PROBLEM for finding in findings):
        raise typer.Exit(FAILED)
