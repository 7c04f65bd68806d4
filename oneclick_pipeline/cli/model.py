"""`oneclick model`: the registered versions, and which of them scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from oneclick_pipeline import terminal
from oneclick_pipeline.cli.options import HomeOption, whole
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from oneclick_pipeline.tracking import Tracking
    from oneclick_pipeline.tracking.acceptance import Candidate

app = typer.Typer(no_args_is_help=True, help="The registered models: list them, choose the champion, go back.")


@app.command("accept")
def model_accept(
    numbers: Annotated[
        list[int], typer.Argument(metavar="VERSION...", min=1, help="Numbers of versions, as in [b]model list[/b].")
    ],
    home: HomeOption = Path("data"),
    yes: Annotated[bool, typer.Option("--yes", help="Accept without asking.")] = False,  # noqa: FBT002
) -> None:
    """Accept versions that have no record in the home, as those that older versions of this software registered.

    What MLflow says of a version, and every file of it, is shown first. Files whose SHA-256 was kept as a tag must agree with
    it, the others are accepted as they are now: anyone who could reach MLflow's port may have changed both. Tables of customers
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


@app.command("list")
def model_list(home: HomeOption = Path("data")) -> None:
    """List the registered versions, newest first: how good they are, which gates they failed, which one scores."""
    store = _registry(home)
    aliases = store.aliases()
    table = Table("Version", "Model", "How good", box=SIMPLE_HEAD, header_style="bold", padding=(0, 2, 1, 0))
    registered = store.registered()
    for version in registered.values():
        if isinstance(version, BadInputError):
            continue
        tags = {name: terminal.markup(text) for name, text in version.tags.items()}
        own_aliases = [alias for alias, number in sorted(aliases.items()) if number == version.version]
        gates = f"{len(version.gates)} gates passed" if version.has_gates else "not evaluated"
        made = f"made {version.created:%Y-%m-%d %H:%M}\nrun {version.run_id[:8]}"
        table.add_row(
            "\n".join([str(version.version), *map(terminal.markup, own_aliases)]),
            f"{tags['family']}\nof {tags['month']}\n{made}",
            f"{version.meaning}\nROC-AUC  {tags['roc_auc']}\nlog loss {tags['log_loss']}\n"
            + (f"failed: {', '.join(version.failed_gates)}" if version.failed_gates else gates),
        )
    out = terminal.console()
    out.print(table)
    for number, error in registered.items():
        if isinstance(error, BadInputError):
            out.print(f"[yellow]not to be used:[/yellow] version {number}: {terminal.markup(error)}", soft_wrap=True)


@app.command("promote")
def model_promote(
    number: Annotated[
        int, typer.Argument(metavar="VERSION", parser=whole(1), help="Number of the version, as in [b]model list[/b].")
    ],
    home: HomeOption = Path("data"),
    force: Annotated[bool, typer.Option("--force", help="Promote it although it failed a gate.")] = False,  # noqa: FBT002
) -> None:
    """Make a version the champion; the old champion is kept as [b]previous[/b].

    The version is loaded first. One that failed a gate, or was never evaluated, is refused without --force.
    Scores change with the next run of a month: [b]oneclick run --job refresh[/b].
    """
    store = _registry(home)
    store.load(store.version(number))
    champion = store.promote(number, by="hand", force=force)
    terminal.echo(f"{champion.name} version {champion.version} is champion")


@app.command("rollback")
def model_rollback(home: HomeOption = Path("data")) -> None:
    """Make the previous champion champion again; the champion becomes the previous one, so a second rollback undoes the first."""
    store = _registry(home)
    champion = store.rollback()
    terminal.echo(f"{champion.name} version {champion.version} is champion again")


def _lines(candidate: Candidate) -> Iterator[str]:
    from oneclick_pipeline.tracking.acceptance import CUSTOMERS, EXAMPLES

    version = candidate.version
    yield f"version   {version.version}, run {version.run_id}, made {version.created:%Y-%m-%d %H:%M} UTC"
    for name in ("month", "family", "feature_months", "label_months", "rows", "roc_auc", "log_loss", "gates", "promoted_by"):
        yield f"{name:<15} {version.tags.get(name, '(not tagged)')}"
    yield f"{'aliases':<15} {', '.join(candidate.aliases) or '(none)'}"
    yield from (f"{name}: {text}" for name, text in version.gates.items())
    contents = version.files | {name: kept.content for name, kept in version.kept.items()}
    yield f"folder    {version.folder}"
    for name, content in sorted(contents.items()):
        hashed = "as its tag says" if name in candidate.agreed else "no hash was kept"
        fate = "; customers: it is moved out of the artifacts" if name in CUSTOMERS else ""
        fate = "; an example: it is replaced by an invented one" if name in EXAMPLES else fate
        yield f"  {content.sha256}  {content.size:>10,}  {name} ({hashed}){fate}"


def _registry(home: Path) -> Tracking:
    """The models of a home; none are made in a home that has none.

    Raises:
        BadInputError: If there are none.
    """
    from oneclick_pipeline.tracking import Tracking

    store = Tracking(home.absolute())
    if not store.exists() or (not store.aliases() and not store.registered()):
        raise BadInputError(f"no models yet in {store.folder}", remedy="run retrain first: oneclick run --job retrain")
    return store
