"""The `oneclick` command."""

from __future__ import annotations

import json
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from rich.console import Console

    from oneclick_pipeline.tracking import Tracking

FAILED, QUARANTINED = 1, 3

app = typer.Typer(
    name="oneclick",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""The monthly retention engine of the online store «В один клик».

    A home (--home, [b]data[/b] by default) holds everything: the four CSV exports of every month below
    [b]raw/YYYY-MM/[/b], the tables below [b]tables/[/b], the models below [b]mlflow/[/b], the runs below [b]dagster/[/b].
    Another home is another, independent world.

    [b]Begin with[/b]  oneclick run --month 2026-10   then   oneclick ui
    """,
)
twin_app = typer.Typer(no_args_is_help=True, help="The twin: a simulator of the store with known truth.")
app.add_typer(twin_app, name="twin")
model_app = typer.Typer(no_args_is_help=True, help="The registered models: list them, choose the champion, go back.")
app.add_typer(model_app, name="model")

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="ONECLICK_HOME", help="Folder that everything is read from and written to.")
]
MonthOption = Annotated[str, typer.Option("--month", help="Snapshot month, YYYY-MM.", show_default=False)]


class Job(StrEnum):
    """Jobs of the graph."""

    retrain = "retrain"
    refresh = "refresh"


class EngineName(StrEnum):
    """Engines that can hold the tables."""

    polars = "polars"
    pandas = "pandas"


class Language(StrEnum):
    """Languages of what marketers read."""

    ru = "ru"
    en = "en"


@app.command()
def run(
    month: MonthOption,
    home: HomeOption = Path("data"),
    engine: Annotated[EngineName, typer.Option(help="What holds the tables; both give the same.")] = EngineName.polars,
    job: Annotated[
        Job, typer.Option(help="[b]retrain[/b]: everything, with a new model. [b]refresh[/b]: new scores from the champion.")
    ] = Job.retrain,
) -> None:
    """Run a month: four exports in, scored and segmented customers out.

    It is the same Dagster job that the pages show, run in this process; its run, checks and metadata are there
    when you open them with [b]oneclick ui[/b].

    Exit code: 0 all is well; 1 the run failed, and the message says what to do; 3 the month is complete, but rows of
    the exports were quarantined: each is named, with what to do about it.
    """
    from rich.console import Console

    out = Console(highlight=False)
    out.print(f"[b]{job.value}[/b] of {month} in {home}  [dim](loading)[/dim]")
    from oneclick_pipeline import summary
    from oneclick_pipeline.definitions import build
    from oneclick_pipeline.orchestration import execute

    home = home.absolute()
    execute.check_runnable(month)
    graph = build(str(home), engine.value).resolve_job_def(job.value)
    progress = _Progress(out, execute.steps(graph))
    outcome = execute.execute(graph, month, home, progress)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    if not outcome.success:
        for message in outcome.errors:
            errors.print(f"[red]error:[/red] {_escape(message)}")
        if progress.waiting:
            errors.print(f"not run: {', '.join(progress.waiting)}")
        errors.print(
            f"The run is kept as {outcome.run_id}; `oneclick ui --home {home}` shows it. "
            "The tables of failed steps are as before, but for rejected_rows and corrections, which say what was found."
        )
        raise typer.Exit(FAILED)
    for message in outcome.warnings:
        errors.print(f"[yellow]warning:[/yellow] {_escape(message)}")
    out.print(summary.render(summary.read(home, month), progress.elapsed))
    if quarantined := summary.quarantined(home, month):
        for message in quarantined:
            errors.print(f"[yellow]quarantined:[/yellow] {_escape(message)}")
        raise typer.Exit(QUARANTINED)


class _Progress:
    """A line a step: how many of how many, how long, how long in all."""

    def __init__(self, console: Console, steps: list[str]) -> None:
        self._console, self._total, self.waiting = console, len(steps), steps
        self._begin = self._step = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self._begin

    def __call__(self, step: str, state: str) -> None:
        """Tell what a step does."""
        if state == "start":
            self._step = time.monotonic()
            self.waiting = [name for name in self.waiting if name != step]
            if self._console.is_terminal:
                self._console.print(f"  {self._number}/{self._total}  {step} …", end="\r")
            return
        mark = {"success": "[green]✓[/green]", "failure": "[red]✗[/red]"}[state]
        seconds = time.monotonic() - self._step
        self._console.print(f"  {self._number}/{self._total}  {mark} {step:<20} {seconds:6.1f} s   {self.elapsed:6.1f} s in all")

    @property
    def _number(self) -> str:
        return f"{self._total - len(self.waiting):>2}"


@app.command()
def ui(
    home: HomeOption = Path("data"),
    dagster_port: Annotated[int, typer.Option(help="Port of the Dagster pages.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Port of the MLflow pages.")] = 5000,
) -> None:
    """Start the pages: Dagster with its daemon (schedules and sensors tick), and MLflow. Ctrl-C ends both.

    Both listen on this machine only.
    """
    import signal

    from oneclick_pipeline import tracking
    from oneclick_pipeline.orchestration import servers

    home = home.absolute()
    # A shell that starts us in the background has us ignore Ctrl-C, and our children would inherit that.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)
    store = tracking.Tracking(home)
    with servers.serve(home, dagster_port, mlflow_port, store.prepare()) as (dagster, mlflow):
        typer.echo(f"\nDagster  {dagster}\nMLflow   {mlflow}{store.page()}\nCtrl-C ends both.")
        try:
            signal.pause()
        except KeyboardInterrupt:
            typer.echo("Stopping.")


@app.command()
def score(
    customer: Annotated[
        int | None, typer.Option(min=0, help="The store's number of a customer of the month.", show_default=False)
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="JSON with a customer's features, or a list of such; - reads the standard input."
        ),
    ] = None,
    month: Annotated[
        str | None, typer.Option("--month", help="Snapshot month, YYYY-MM; the newest by default.", show_default=False)
    ] = None,
    language: Annotated[Language, typer.Option(help="Language of the reasons.")] = Language.ru,
    home: HomeOption = Path("data"),
) -> None:
    """Score one customer with the champion: p_decline and the three strongest reasons.

    [b]--customer[/b] says what customer_scores of the month says, out-of-fold probability included. [b]--json[/b] takes
    features by name, as docs/tables.md describes them, and writes JSON; features that are absent or null are filled
    by the model and listed as missing.
    """
    if (customer is None) == (json_file is None):
        raise typer.BadParameter("give either --customer or --json")
    if json_file is not None and month is not None:
        raise typer.BadParameter("--month goes with --customer: --json brings its own features")
    from oneclick_pipeline import serving
    from oneclick_pipeline.settings import Settings

    home = home.absolute()
    if customer is not None:
        horizon = Settings.load(home).value.horizon_months
        for line in _told(serving.score_customer(home, customer, month=month, horizon_months=horizon), language.value):
            typer.echo(line)
        return
    records, listed = serving.read_records(*_text(json_file or "-"))
    scored = serving.score_records(home, records)
    typer.echo(json.dumps(scored if listed else scored[0], ensure_ascii=False, indent=2))


def _text(file: str) -> tuple[str, str]:
    """Content of a file, or of the standard input, and its name for messages."""
    name = "standard input" if file == "-" else file
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode("utf-8-sig"), name
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError("it cannot be read", file=name, value=str(error), remedy="give a JSON file in UTF-8") from error


def _told(scored: dict[str, Any], language: str) -> list[str]:
    """The score of a customer, a line a fact."""
    known = scored["p_decline"] is not None
    lines = [
        f"customer       {scored['customer_id']}, {scored['month']}",
        f"p_decline      {scored['p_decline']:.3f}" if known else "p_decline      unknown: the customer is not in market_file",
        f"value at risk  {scored['value_at_risk']:.2f} finance units" if scored["value_at_risk"] is not None else "",
        f"basis          {scored['score_basis']}",
        f"model          {scored['model_name']} version {scored['model_version']}",
        *(f"reason {k}       {r[language]} ({r['effect']:+.2f} log-odds)" for k, r in enumerate(scored["reasons"], start=1)),
    ]
    return [line for line in lines if line]


@twin_app.command("month")
def twin_month(
    month: MonthOption,
    customers: Annotated[int, typer.Option(min=1, help="How many customers.")] = 1300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    home: HomeOption = Path("data"),
    profile: Annotated[
        Path | None,
        typer.Option(help="Profile to draw from, made by [b]twin fit[/b]; the bundled one by default.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the month if it is there.")] = False,  # noqa: FBT002
) -> None:
    """Write a month's four exports into a home, in the store's format with all its quirks, and the truth beside them.

    The exports go to HOME/raw/MONTH/. HOME/twin/MONTH.parquet holds what a real store never knows: every customer's
    probability of declining. Any size; memory does not grow with it.
    """
    from rich.progress import Progress

    from oneclick_pipeline.tables import raw_file
    from oneclick_pipeline.twin.month import write_month
    from oneclick_pipeline.twin.profile import Profile

    home = home.absolute()
    folder = raw_file(home, month, "market_file").parent
    truth = home / "twin" / f"{month}.parquet"
    with Progress(transient=True) as bar:
        task = bar.add_task(f"twin {month}", total=None)
        write_month(
            Profile.load(profile),
            folder,
            customers=customers,
            seed=seed,
            truth=truth,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(f"{customers:,} customers in {folder}, their truth in {truth}")


@twin_app.command("months")
def twin_months(
    first: Annotated[str, typer.Option("--from", help="First snapshot month, YYYY-MM.", show_default=False)],
    last: Annotated[str, typer.Option("--to", help="Last snapshot month, YYYY-MM.", show_default=False)],
    customers: Annotated[int, typer.Option(min=1, help="How many customers in the first month.")] = 1300,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 1,
    home: HomeOption = Path("data"),
    profile: Annotated[
        Path | None,
        typer.Option(help="Profile to draw from, made by [b]twin fit[/b]; the bundled one by default.", show_default=False),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace months that are there.")] = False,  # noqa: FBT002
) -> None:
    """Write months that follow one another: the same customers buy, drift, decline, leave, and others join.

    The class in a month's exports is what became of the customers of three months before. HOME/twin/MONTH.parquet
    holds the truth of a month: every customer's probability of declining in the three months after it, and whether
    they will. Nobody gets an offer.
    """
    from rich.progress import Progress

    from oneclick_pipeline.twin.panel import write_months
    from oneclick_pipeline.twin.profile import Profile

    home = home.absolute()
    with Progress(transient=True) as bar:
        task = bar.add_task(f"twin {first} to {last}", total=None)
        months = write_months(
            Profile.load(profile),
            home,
            first=first,
            last=last,
            customers=customers,
            seed=seed,
            overwrite=overwrite,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    typer.echo(f"{months} months, the first of {customers:,} customers, in {home / 'raw'}, their truth in {home / 'twin'}")


@twin_app.command("fit")
def twin_fit(
    source: Annotated[Path, typer.Option("--from", help="Folder with the four exports of a month.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where to write the profile.")] = Path("profile.json"),
) -> None:
    """Make a profile from a store's export: aggregated statistics only, no customer's row.

    The exports are cleaned by the same rules as in a run; rows that break them are left out.
    """
    import tempfile

    from oneclick_pipeline import engine, features, raw
    from oneclick_pipeline.clean import clean
    from oneclick_pipeline.settings import Settings
    from oneclick_pipeline.tables import SOURCES
    from oneclick_pipeline.twin.fit import fit

    with tempfile.TemporaryDirectory() as scratch:
        tables = {}
        for table in SOURCES:
            frame, _ = raw.read(source / f"{table.file}.csv", table.file, Path(scratch))
            cleaned = clean(frame, table, Settings().cleaning)
            path = Path(scratch) / f"{table.name}.parquet"
            engine.get("polars").write(cleaned.table, path, table)
            tables[table.name] = engine.get("polars").scan(path)
        profile = fit(features.customer_features(**tables).collect().to_pandas())
    profile.save(out)
    typer.echo(f"profile written to {out}")


@model_app.command("list")
def model_list(home: HomeOption = Path("data")) -> None:
    """List the registered versions, newest first: how good they are, which gates they failed, which one scores."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    store = _registry(home)
    aliases = store.aliases()
    table = Table(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    for name in ("Version", "Alias", "Month", "Family", "ROC-AUC", "Log loss", "Gates", "Created", "Run"):
        table.add_column(name, overflow="fold", justify="right" if name == "Version" else "left")
    for version in store.versions():
        gates = f"{len(version.gates)} passed" if version.judged else "not judged"
        table.add_row(
            str(version.version),
            ", ".join(sorted(alias for alias, number in aliases.items() if number == version.version)),
            version.tags["month"],
            version.tags["family"],
            version.tags["roc_auc"],
            version.tags["log_loss"],
            f"failed: {', '.join(version.failed_gates)}" if version.failed_gates else gates,
            f"{version.created:%Y-%m-%d %H:%M}",
            version.run_id[:8],
        )
    Console(highlight=False).print(table)


@model_app.command("promote")
def model_promote(
    number: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number of the version, as in [b]model list[/b].")],
    home: HomeOption = Path("data"),
    force: Annotated[bool, typer.Option("--force", help="Promote it although it failed a gate.")] = False,  # noqa: FBT002
) -> None:
    """Make a version the champion by hand; the old champion is kept as [b]previous[/b].

    The version is loaded first. One that failed a gate, or was never judged, is refused unless you say --force.
    Scores change with the next run of a month: [b]oneclick run --job refresh[/b].
    """
    store = _registry(home)
    store.load(store.version(number))
    champion = store.promote(number, by="hand", force=force)
    typer.echo(f"{champion.name} version {champion.version} is champion")


@model_app.command("rollback")
def model_rollback(home: HomeOption = Path("data")) -> None:
    """Make the previous champion champion again; the champion becomes the previous one, so a second rollback undoes the first."""
    store = _registry(home)
    champion = store.rollback()
    typer.echo(f"{champion.name} version {champion.version} is champion again")


def _registry(home: Path) -> Tracking:
    """The models of a home; none are made in a home that has none.

    Raises:
        BadInputError: If there are none.
    """
    from oneclick_pipeline.tracking import Tracking

    store = Tracking(home.absolute())
    if not store.exists() or not store.versions():
        raise BadInputError(f"no models yet in {store.folder}", remedy="run retrain first: oneclick run --job retrain")
    return store


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def main() -> None:
    """Entry point: input that cannot be used ends with its message and code 1, not with a traceback."""
    try:
        app()
    except BadInputError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(FAILED)
