"""`oneclick model accept`: accept versions that have no record in the home."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption  # noqa: TC001 - typer reads it when it runs
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.tracking.unrecorded import Candidate


def accept(
    numbers: Annotated[
        list[int], typer.Argument(metavar="VERSION...", min=1, help="Numbers of versions, as in [b]model list[/b].")
    ],
    home: HomeOption = Path("data"),
    yes: Annotated[bool, typer.Option("--yes", help="Accept without a question.")] = False,  # noqa: FBT002
) -> None:
    """Accept versions that have no record in the home, as those that older versions of this software registered.

    What MLflow says of a version, and every file of it, is shown first. Files whose SHA-256 was kept as a tag must agree with
    it, the others are accepted as they are now: anybody who could reach MLflow's port may have changed both. Tables of customers
    are then moved out of the artifacts, and the example of the model, which was a customer, is replaced by an invented one.
    """
    from oneclick_pipeline.tracking import Tracking

    store = Tracking(home.absolute())
    if not store.exists():
        raise BadInputError(f"no models yet in {store.folder}", remedy="run retrain first: oneclick run --job retrain")
    for number in numbers:
        candidate = store.candidate(number)
        terminal.echo(*_lines(candidate))
        if not yes:
            typer.confirm(f"Accept version {number} as it is now?", abort=True)
        store.accept(candidate)
        terminal.echo(f"version {number} is accepted: its record is in {store.folder / 'registered' / str(number)}")


def _lines(candidate: Candidate) -> Iterator[str]:
    from oneclick_pipeline.tracking.unrecorded import CUSTOMERS, EXAMPLES

    version = candidate.version
    yield f"version   {version.version}, run {version.run_id}, made {version.created:%Y-%m-%d %H:%M} UTC"
    for name in ("month", "family", "feature_months", "label_months", "rows", "roc_auc", "log_loss", "gates", "promoted_by"):
        yield f"{name:<15} {version.tags.get(name, '(not tagged)')}"
    yield f"{'aliases':<15} {', '.join(candidate.aliases) or '(none)'}"
    yield from (f"{name}: {text}" for name, text in version.gates.items())
    contents = version.files | {name: kept.content for name, kept in version.kept.items()}
    yield f"folder    {version.folder}"
    for name, content in sorted(contents.items()):
        known = "as its tag says" if name in candidate.agreed else "no hash was kept"
        shown = "; customers: it is moved out of the artifacts" if name in CUSTOMERS else ""
        shown = "; an example: it is replaced by an invented one" if name in EXAMPLES else shown
        yield f"  {content.sha256}  {content.size:>10,}  {name} ({known}){shown}"
