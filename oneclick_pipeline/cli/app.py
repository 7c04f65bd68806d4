"""The `oneclick` command."""

from __future__ import annotations

import os
import re
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oneclick_pipeline import terminal
from oneclick_pipeline.cli import streams
from oneclick_pipeline.cli.accept import accept
from oneclick_pipeline.cli.doctor import doctor
from oneclick_pipeline.cli.options import Given, HomeOption, whole
from oneclick_pipeline.cli.report import report
from oneclick_pipeline.cli.serve import serve
from oneclick_pipeline.errors import BadInputError, of_the_machine
from oneclick_pipeline.home import permissions
from oneclick_pipeline.home.months import is_over
from oneclick_pipeline.home.paths import raw_file, raw_folder, simulation_folder, truth_file
from oneclick_pipeline.processes.group import SAFE_PATH, Group, leave

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from oneclick_pipeline.tracking import Tracking

FAILED, QUARANTINED = 1, 3
_RATIO = re.compile(r"[0-9]{1,12}(\.[0-9]{0,12})?")

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
campaigns_app = typer.Typer(no_args_is_help=True, help="Campaigns: what offers changed.")
app.add_typer(campaigns_app, name="campaigns")
offers_app = typer.Typer(no_args_is_help=True, help="The offers: check the catalogue, hand a month's plan over.")
app.add_typer(offers_app, name="offers")
app.command("report")(report)
app.command("doctor")(doctor)
app.command("serve")(serve)
model_app.command("accept")(accept)

MonthOption = Annotated[str, typer.Option("--month", help="Snapshot month, YYYY-MM.", show_default=False)]


class Job(StrEnum):
    """Jobs of the graph."""

    retrain = "retrain"
    refresh = "refresh"


class EngineName(StrEnum):
    """Engines that can hold the tables."""

    polars = "polars"
    pandas = "pandas"
    spark = "spark"


class Language(StrEnum):
    """Languages of what marketers read."""

    ru = "ru"
    en = "en"


@app.command()
def run(
    month: MonthOption,
    home: HomeOption = Path("data"),
    engine: Annotated[EngineName, typer.Option(help="What holds the tables; all give the same.")] = EngineName.polars,
    spark_master: Annotated[
        str,
        typer.Option(
            "--spark-master",
            envvar="ONECLICK_SPARK_MASTER",
            metavar="URL",
            help="For --engine spark: address of an existing cluster, spark://HOST:PORT. Its workers must see the home "
            "under the same path.",
            show_default=False,
        ),
    ] = "",
    job: Annotated[
        Job, typer.Option(help="[b]retrain[/b]: everything, with a new model. [b]refresh[/b]: new scores from the champion.")
    ] = Job.retrain,
    replan: Annotated[bool, typer.Option("--replan", help="Replace the offers of a month that were published before.")] = False,  # noqa: FBT002
) -> None:
    """Run a month: four exports in, scored and segmented customers and a plan of offers out.

    It is the same Dagster job that the pages show, run in this process; its run, checks and metadata are there
    when you open them with [b]oneclick ui[/b].

    Exit code: 0 all is well; 1 the run failed, and the message says what to do; 3 the month is complete, but rows of
    the exports were quarantined: each is named, with what to do about it.
    """
    out = terminal.console()
    out.print(f"[b]{job.value}[/b] of {terminal.markup(month)} in {terminal.markup(home)}  [dim](loading)[/dim]")
    from oneclick_pipeline.cli import summary
    from oneclick_pipeline.definitions import build
    from oneclick_pipeline.orchestration import execution

    home = home.absolute()
    execution.check_runnable(home, month)
    graph = build(str(home), engine.value, spark_master).resolve_job_def(job.value)
    progress = _Progress(out, execution.steps(graph))
    outcome = execution.execute(graph, month, home, progress, replan=replan)
    errors = terminal.console(stderr=True, soft_wrap=True)
    for message in outcome.warnings:
        errors.print(f"[yellow]warning:[/yellow] {terminal.markup(message)}")
    if not outcome.success:
        for message in outcome.errors:
            # Further lines are indented: text of the data among them cannot pass for a message of its own.
            errors.print("[red]error:[/red] " + "\n       ".join(map(terminal.markup, message.splitlines())))
        if progress.waiting:
            errors.print(f"not run: {terminal.markup(', '.join(progress.waiting))}")
        errors.print(
            f"The run is kept as {outcome.run_id}; `oneclick ui --home {terminal.markup(home)}` shows it. "
            "The tables of failed steps are as before, but for rejected_rows and corrections, which say what was found."
        )
        raise typer.Exit(FAILED)
    out.print(summary.render(summary.read(home, month, outcome.expected_gain), progress.elapsed))
    if outcome.pruned:
        out.print(terminal.markup(outcome.pruned), soft_wrap=True)
    if quarantined := summary.quarantined(home, month):
        for message in quarantined:
            errors.print(f"[yellow]quarantined:[/yellow] {terminal.markup(message)}")
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
        """Tell what a step does, or that the month is waited for."""
        if state == "waiting":
            self._console.print(f"  another run works on {step}: waiting until it has ended")
            return
        if state == "start":
            self._step = time.monotonic()
            self.waiting = [name for name in self.waiting if name != step]
            if self._console.is_terminal:
                from rich.control import Control
                from rich.segment import ControlType

                self._console.print(f"  {self._number}/{self._total}  {step} …", end="")
                self._console.control(Control(ControlType.CARRIAGE_RETURN))
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
    dagster_port: Annotated[
        int, typer.Option(parser=whole(0, 65535), metavar="INTEGER", help="Port of the Dagster pages.")
    ] = 3000,
    mlflow_port: Annotated[int, typer.Option(parser=whole(0, 65535), metavar="INTEGER", help="Port of the MLflow pages.")] = 5000,
) -> None:
    """Start the pages: Dagster with its daemon (schedules and sensors tick), and MLflow. Ctrl-C ends both.

    Both listen on this machine only. If one of their programs ends by itself, so does the command, with code 1: without it
    nothing would start, and no alert would go out.
    """
    home = home.absolute()
    with Group() as group:
        group.end_on_signals()  # before what takes seconds to import
        from oneclick_pipeline import tracking
        from oneclick_pipeline.orchestration.automation import webhook
        from oneclick_pipeline.orchestration.pages import servers

        if (there := webhook.given()) is not None and there.warning:
            terminal.error(f"warning: {there.warning}")
        with servers.serve(home, dagster_port, mlflow_port, group) as (dagster, mlflow):
            page = f"{mlflow}{tracking.Tracking(home).page()}"
            terminal.echo("", f"Dagster  {dagster}", f"MLflow   {page}", "Ctrl-C ends both.")
            try:
                group.wait()
            except KeyboardInterrupt:
                terminal.echo("Stopping.")


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to make; it must not be there.")],
    home: HomeOption = Path("data"),
) -> None:
    """Copy a home and its database into a folder: files and databases that belong together. No run may be at work.

    Links are followed: the backup holds what they lead to. Only its owner can read it.
    """
    from oneclick_pipeline.orchestration.backup import home_backup as backups

    made = backups.backup(home.absolute(), folder.absolute())
    for name in made.get("left_out", []):
        terminal.error(f"left out, as no backup can hold it: {name}")
    terminal.echo(f"{len(made['files']):,} files of {home} in {folder}")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that [b]oneclick backup[/b] made.")],
    home: HomeOption = Path("data"),
) -> None:
    """Bring a backup back into an empty home, and into an empty database where it has one. Every file is checked first."""
    from oneclick_pipeline.orchestration.backup import home_backup as backups

    made = backups.restore(folder.absolute(), home.absolute())
    permissions.prepare(home)  # the same
    terminal.echo(f"{len(made['files']):,} files of {made['made']} in {home}. Look it over: oneclick doctor --home {home}")


@app.command()
def score(
    customer: Annotated[
        int | None,
        typer.Option(
            parser=whole(0), metavar="INTEGER", help="The store's number of a customer of the month.", show_default=False
        ),
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
        terminal.echo(*_told(serving.score_customer(home, customer, month=month, horizon_months=horizon), language.value))
        return
    records, listed = serving.read_records(*_text(json_file or "-"))
    scored = serving.score_records(home, records)
    terminal.echo_json(scored if listed else scored[0])


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


@app.command()
def simulate(
    customers: Annotated[
        int, typer.Option(parser=whole(1), metavar="INTEGER", help="How many customers in the first month.")
    ] = 20_000,
    months: Annotated[int, typer.Option(parser=whole(1, 60), metavar="INTEGER", help="How many months with offers.")] = 12,
    seed: Annotated[int, typer.Option(parser=whole(0), metavar="INTEGER", help="Same seed, same luck for all policies.")] = 1,
    home: Annotated[
        Path, typer.Option("--home", help="Folder that the year is lived in; not one that holds these months.")
    ] = Path("data/simulated"),
    fast: Annotated[  # noqa: FBT002
        bool, typer.Option("--fast", help="The stages' functions with true scores, in memory, in place of the graph.")
    ] = False,
    first: Annotated[
        str, typer.Option("--from", help="First snapshot month with offers, YYYY-MM; all months must be over.")
    ] = "2024-06",
    history: Annotated[
        int, typer.Option(parser=whole(0, 60), metavar="INTEGER", help="Months before it, without offers: the store's history.")
    ] = 6,
    retrain_every: Annotated[
        int, typer.Option(parser=whole(1), metavar="INTEGER", help="A model is trained in the first month and every so many.")
    ] = 3,
) -> None:
    """Live a year of the twin with offers, and compare what policies earn with the same luck.

    Ours runs every month through the real graph; nobody, random, risk x profit and the oracle, which knows the true effects,
    live the same year without it. The three months after the last offers count, too. HOME/settings.yaml and
    HOME/catalogue.yaml hold; without settings the budget is 0.03 finance units a customer and month, and is written there.

    Tables and the picture go to HOME/twin/year/, the true effects of every offer on every customer to HOME/twin/effects/.
    """
    from rich.progress import Progress

    from oneclick_pipeline.simulator.year import ours, policies, report
    from oneclick_pipeline.simulator.year.play import open_year, play
    from oneclick_pipeline.simulator.year.worth import Worth

    home = home.absolute()
    year = open_year(home, customers=customers, months=months, first=first, seed=seed, history=history)
    with Progress(transient=True, console=terminal.console()) as bar:
        mine = ours.Fast() if fast else ours.Full(home, _runner(home, year.last, bar.console.print), retrain_every=retrain_every)
        everyone: dict[str, Any] = {
            report.NOBODY: policies.nobody,
            "random": policies.random,
            "risk_profit": policies.risk_profit,
        }
        task = bar.add_task("worth of a customer", total=year.span * (len(everyone) + 2))
        worth = Worth(year.profile, customers=customers, seed=seed + 1, months=year.span)
        everyone |= {report.ORACLE: policies.oracle(worth), report.OURS: mine}
        plays = {}
        for name, policy in everyone.items():
            bar.update(task, description=name)
            plays[name] = play(year, policy, lambda _: bar.advance(task), mine.watch if policy is mine else None)
    found = report.report(plays, mine)
    path = report.write(simulation_folder(home), found, mine.beliefs)
    out = terminal.console()
    out.print(report.render(found))
    for line in report.lines(found, ours.no_longer_planned(mine.given), year.settings.offers.control_share):
        out.print(terminal.markup(line))
    out.print(f"tables and picture in {terminal.markup(path.parent)}, the picture is {path.name}", soft_wrap=True)


def _runner(home: Path, last: str, tell: Callable[[str], None]) -> Callable[[str, str], None]:
    """What runs a job for a month over a home.

    Raises:
        BadInputError: If the last month is not over yet.
    """
    from oneclick_pipeline.definitions import build
    from oneclick_pipeline.orchestration import execution

    if not is_over(last, datetime.now(UTC)):
        remedy = "choose an earlier --from or fewer --months: a month can be run once it is over"
        raise BadInputError(f"the month {last} is not over", remedy=remedy)

    def run_month(job: str, month: str) -> None:
        begin = time.monotonic()
        graph = build(str(home))  # anew: its first month follows from the snapshots that are there
        outcome = execution.execute(graph.resolve_job_def(job), month, home, lambda *_: None)
        if not outcome.success:
            raise BadInputError(
                f"{job} of {month} failed: {'; '.join(outcome.errors)}",
                file=str(home),
                remedy=f"see the run {outcome.run_id} with: oneclick ui --home {home}",
            )
        tell(f"{month}  {job}  {time.monotonic() - begin:.0f} s")

    return run_month


@twin_app.command("month")
def twin_month(
    month: MonthOption,
    customers: Annotated[int, typer.Option(parser=whole(1), metavar="INTEGER", help="How many customers.")] = 1300,
    seed: Annotated[int, typer.Option(parser=whole(0), metavar="INTEGER", help="The same seed gives the same bytes.")] = 1,
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

    from oneclick_pipeline.simulator.twin.month import write_month
    from oneclick_pipeline.simulator.twin.profile import Profile

    home = home.absolute()
    folder = raw_file(home, month, "market_file").parent
    truth = truth_file(home, month)
    with Progress(transient=True, console=terminal.console()) as bar:
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
    terminal.echo(f"{customers:,} customers in {folder}, their truth in {truth}")


@twin_app.command("months")
def twin_months(
    first: Annotated[str, typer.Option("--from", help="First snapshot month, YYYY-MM.", show_default=False)],
    last: Annotated[str, typer.Option("--to", help="Last snapshot month, YYYY-MM.", show_default=False)],
    customers: Annotated[
        int, typer.Option(parser=whole(1), metavar="INTEGER", help="How many customers in the first month.")
    ] = 1300,
    seed: Annotated[int, typer.Option(parser=whole(0), metavar="INTEGER", help="The same seed gives the same bytes.")] = 1,
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

    from oneclick_pipeline.simulator.twin.panel import write_months
    from oneclick_pipeline.simulator.twin.profile import Profile

    home = home.absolute()
    with Progress(transient=True, console=terminal.console()) as bar:
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
    raw, truth = raw_folder(home, last).parent, truth_file(home, last).parent
    terminal.echo(f"{months} months, the first of {customers:,} customers, in {raw}, their truth in {truth}")


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
    from oneclick_pipeline.contracts.exports import SOURCES
    from oneclick_pipeline.settings import Settings
    from oneclick_pipeline.simulator.twin.fit import fit

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
    terminal.echo(f"profile written to {out}")


@model_app.command("list")
def model_list(home: HomeOption = Path("data")) -> None:
    """List the registered versions, newest first: how good they are, which gates they failed, which one scores."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    store = _registry(home)
    aliases = store.aliases()
    table = Table("Version", "Model", "How good", box=SIMPLE_HEAD, header_style="bold", padding=(0, 2, 1, 0))
    registered = store.registered()
    for version in registered.values():
        if isinstance(version, BadInputError):
            continue
        tags = {name: terminal.markup(text) for name, text in version.tags.items()}
        known_as = [alias for alias, number in sorted(aliases.items()) if number == version.version]
        gates = f"{len(version.gates)} gates passed" if version.judged else "not judged"
        made = f"made {version.created:%Y-%m-%d %H:%M}\nrun {version.run_id[:8]}"
        table.add_row(
            "\n".join([str(version.version), *map(terminal.markup, known_as)]),
            f"{tags['family']}\nof {tags['month']}\n{made}",
            f"ROC-AUC  {tags['roc_auc']}\nlog loss {tags['log_loss']}\n"
            + (f"failed: {', '.join(version.failed_gates)}" if version.failed_gates else gates),
        )
    out = terminal.console()
    out.print(table)
    for number, error in registered.items():
        if isinstance(error, BadInputError):
            out.print(f"[yellow]not to be used:[/yellow] version {number}: {terminal.markup(error)}", soft_wrap=True)


@model_app.command("promote")
def model_promote(
    number: Annotated[
        int, typer.Argument(metavar="VERSION", parser=whole(1), help="Number of the version, as in [b]model list[/b].")
    ],
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
    terminal.echo(f"{champion.name} version {champion.version} is champion")


@model_app.command("rollback")
def model_rollback(home: HomeOption = Path("data")) -> None:
    """Make the previous champion champion again; the champion becomes the previous one, so a second rollback undoes the first."""
    store = _registry(home)
    champion = store.rollback()
    terminal.echo(f"{champion.name} version {champion.version} is champion again")


@offers_app.command("check")
def offers_check(
    file: Annotated[Path | None, typer.Argument(help="A catalogue; the one of the home by default.", show_default=False)] = None,
    home: HomeOption = Path("data"),
) -> None:
    """Check a catalogue of offers and show it. What is wrong is told with line, field and value, and ends with code 1.

    The catalogue of a home is HOME/catalogue.yaml; where there is none, the bundled one serves.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

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


@offers_app.command("publish")
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
    """Write what was handed over in a month, and its segments, into the store's database, PostgreSQL or SQLite.

    That is what the ledger holds: who got which offer, and who was held out. If the plan has become another one since, it is
    said so, and not published. The tables are [b]oneclick_offer_plan[/b] and [b]oneclick_customer_segments[/b], keyed by
    month and customer_id. It is one transaction: rows are inserted, updated, or deleted where the customer is in it no
    longer. Other months stay.
    """
    from oneclick_pipeline.orchestration import publication

    def waiting() -> None:
        terminal.error(f"A run works on {month}: waiting until it has ended.")

    result = publication.publish(home.absolute(), month, database, waiting)
    for name, rows in result.published.rows.items():
        terminal.echo(f"{name}  {rows:,} rows of {month}, {result.published.removed[name]:,} removed")
    terminal.echo(f"in {result.published.database}, as it was handed over (digest {result.digest})")
    if result.differing:
        terminal.error(
            f"warning: today's plan of {month} has become another: {result.differing:,} customers differ from what was handed "
            f"over, which is published here. To hand the new plan over in its place: oneclick run --month {month} --replan"
        )
    if result.differing is None:
        terminal.error(f"warning: there is no offer_plan of {month} any more to compare with")


@campaigns_app.command("import")
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
            help="How many customers were meant to get the offer for every control; may be given for every offer.",
            show_default=False,
        ),
    ] = None,
    equal_split: Annotated[  # noqa: FBT002
        bool, typer.Option("--equal-split", help="All groups were meant to be of one size: --ratio OFFER=1 for every offer.")
    ] = False,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write all as JSON as well; - writes it to the standard output, and no table."
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
    from oneclick_pipeline.campaigns import outcomes_csv
    from oneclick_pipeline.home.paths import table_file
    from oneclick_pipeline.settings import Settings

    home = home.absolute()
    known = None
    if month is not None:
        import polars as pl

        path = table_file(home, "customer_features", month)
        if not path.exists():
            raise BadInputError("the month was not run in this home", file=str(path), remedy="run it first, or leave out --month")
        known = pl.read_parquet(path, columns=["customer_id"], glob=False)["customer_id"].to_list()
    campaign = outcomes_csv.read(file, known=known)
    ratios = {offer: 1.0 for offer in campaign.sizes if offer != outcomes_csv.CONTROL and equal_split} | _ratios(ratio or [])
    table = outcomes_csv.estimates(campaign, Settings.load(home).campaigns, ratios)
    if json_file is not None:
        _write(json_file, terminal.as_json(outcomes_csv.as_json(campaign, table)))
    if json_file != "-":
        terminal.console().print(outcomes_csv.render(campaign, table))
    errors = terminal.console(stderr=True, soft_wrap=True)
    for column, reason in campaign.ignored.items():
        errors.print(f"[yellow]warning:[/yellow] column «{terminal.markup(column)}» is not used: {terminal.markup(reason)}")
    for message in outcomes_csv.messages(campaign):
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


def main() -> None:
    """Entry point: input and machines that are of no use end with their message and code 1."""
    streams.install()
    terminal.guard()
    os.environ[SAFE_PATH] = "1"  # for whatever this process starts
    try:
        permissions.restrict()
        app()
    except Exception as error:
        told = of_the_machine(error, Given.home) or error
        if not isinstance(told, BadInputError):
            raise
        terminal.error(f"error: {told}")
        sys.exit(FAILED)
    finally:
        if Group.ended:
            leave()
