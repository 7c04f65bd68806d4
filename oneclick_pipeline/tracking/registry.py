"""One home's MLflow: its database, its registry, who is champion, which file may be loaded.

    HOME/mlflow/mlflow.db     runs and registry (SQLite); with ONECLICK_POSTGRES the schema `mlflow` of that database instead
    HOME/mlflow/artifacts/    everything that is a file
    HOME/mlflow/registered/   what code believes of the registered versions, see `tracking.versions`

Only `MlflowClient` with an explicit address is used, never MLflow's global tracking address, current run or
autologging: a process may work on several homes, and nothing it does here outlives the call.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from oneclick_pipeline.databases import copies as database_copies
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import MLFLOW_DATABASE, mlflow_artifacts, mlflow_folder
from oneclick_pipeline.model import gates, predict
from oneclick_pipeline.model.card import card
from oneclick_pipeline.tracking import aliases as chosen
from oneclick_pipeline.tracking import evaluation as judging
from oneclick_pipeline.tracking import files, isolated, pruning, references, runs, unrecorded, versions
from oneclick_pipeline.tracking.logs import quiet_mlflow
from oneclick_pipeline.tracking.versions import Family, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    import sqlalchemy as sa
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from oneclick_pipeline.model.contributions import Explained
    from oneclick_pipeline.model.results import TrainedModel

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
"""Aliases: the version that scores, the newest one that wants to, the one that scored before."""

_LIST = "oneclick model list"
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
"""Tables and columns of MLflow with addresses of files."""
_MOVING_SECONDS, _STEPS = 60.0, 100_000
"""Seconds in which all addresses must be changed; steps of SQLite between looks at the clock."""
_DATABASE, _NEW = MLFLOW_DATABASE, f"{MLFLOW_DATABASE}.new"


ELSEWHERE = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
"""Variables by which MLflow's own programs keep runs and models elsewhere; a home keeps its own, whatever they say."""


def ignored(variables: Mapping[str, str]) -> str:
    """That variables which would lead MLflow elsewhere lead nobody here; empty where none is set. They may hold a password.

    >>> ignored({"MLFLOW_TRACKING_URI": "https://me:secret@mlflow.example.org"})
    "MLFLOW_TRACKING_URI is set, and not followed: runs and models are kept in the home's own MLflow"
    """
    names = [name for name in ELSEWHERE if variables.get(name)]
    verb = "are" if len(names) > 1 else "is"
    return (
        f"{' and '.join(names)} {verb} set, and not followed: runs and models are kept in the home's own MLflow" if names else ""
    )


@dataclass(frozen=True)
class Tracking:
    """MLflow of one home.

    Attributes:
        home: The home; everything is written below `home/mlflow`.
        copies: For a reader who must not change anything: a folder that takes a copy of the database.
    """

    home: Path
    copies: Path | None = None

    @property
    def folder(self) -> Path:
        """Where everything lies, absolute."""
        return mlflow_folder(self.home.absolute())

    @property
    def uri(self) -> str:
        """Address of the database, for `MLFLOW_BACKEND_STORE_URI` and for clients; it may hold a password."""
        url = self._postgres()
        if url is not None:
            return postgres.text(postgres.in_schema(url, postgres.MLFLOW_SCHEMA))
        return f"sqlite:///{(self.copies or self.folder) / _DATABASE}"

    def _postgres(self) -> sa.URL | None:
        """The database of the team, for a reader without the right to write; None where there is none."""
        url = postgres.given()
        return url if url is None or self.copies is None else postgres.read_only(url)

    def exists(self) -> bool:
        """Whether the home has a database; asking makes none.

        Raises:
            BadInputError: If PostgreSQL was asked for and does not answer.
        """
        url = self._postgres()
        if url is None:
            return (self.folder / _DATABASE).exists()
        with postgres.connected(url) as connection:
            return postgres.has_schema(connection, postgres.MLFLOW_SCHEMA)

    def prepare(self) -> str:
        """Make sure that the database exists, and return its address.

        The first call migrates an empty one (some seconds) under a name of its own and renames it, under a lock:
        processes that come first together make one database, and one that is killed leaves none.

        Raises:
            BadInputError: If PostgreSQL was asked for and does not answer, or holds the models of another home; if the home had a
                database, and only its files are left.
        """
        url = postgres.given()
        if self.copies is not None:
            if url is None and not (self.copies / _DATABASE).exists():
                database_copies.copy(self.folder / _DATABASE, self.copies / _DATABASE)
        elif url is not None:
            _prepare_postgres(url, self.folder)
        elif not self.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                if not self.exists():
                    self._refuse_orphans()
                    (self.folder / _NEW).unlink(missing_ok=True)  # of a process that was killed
                    _migrate(f"sqlite:///{self.folder / _NEW}", self.folder)
                    (self.folder / _NEW).replace(self.folder / _DATABASE)
        return self.uri

    def schema(self) -> tuple[str, str]:
        """Version of the database's schema, and the version that the installed MLflow has."""
        import sqlalchemy as sa

        with quiet_mlflow(), postgres.plain_words():
            from mlflow.store.db import utils

            engine = sa.create_engine(self.prepare() if self.copies else self.uri, poolclass=sa.NullPool)
            current, head = utils._get_schema_version(engine), utils._get_latest_schema_revision()  # type: ignore[no-untyped-call] # noqa: SLF001
            return str(current), str(head)  # there is no public way

    def moved(self, old: Path, new: Path | None = None) -> None:
        """Change the addresses that MLflow keeps in full, in a database that was brought here from another home.

        Args:
            old: The path that the home had.
            new: The path that it will have; by default the one that it has.

        Raises:
            sqlalchemy.exc.DatabaseError: If it is no database of MLflow, or does not come to an end.
        """
        import sqlalchemy as sa

        new = new or self.home.absolute()
        if old == new or not self.exists():
            return
        before, after = (mlflow_artifacts(home).as_uri() for home in (old, new))
        with sa.create_engine(self.uri, poolclass=sa.NullPool).begin() as connection:
            _limit(connection)
            for name, column in _ADDRESSES:
                table = sa.table(name, sa.column(column))
                changed = sa.func.replace(table.c[column], before, after)
                connection.execute(
                    sa.update(table).where(table.c[column].startswith(before, autoescape=True)).values({column: changed})
                )

    def _refuse_orphans(self) -> None:
        """Make no new database beside the files of one that is gone: it would count versions from 1 again.

        Raises:
            BadInputError: If there are such files.
        """
        artifacts = mlflow_artifacts(self.home)
        if any(path.is_file() for path in artifacts.rglob("*")):
            raise BadInputError(
                "the database is gone, and the models that it knew are still there",
                file=str(self.folder / _DATABASE),
                remedy=f"put its backup in its place; or move {self.folder} away and run retrain, to begin without them",
            )

    def log_training(
        self, trained: TrainedModel, training: pd.DataFrame, explained: Explained, *, month: str, tags: dict[str, str]
    ) -> Version:
        """Log a training as a run with a child a family, and register its model as the challenger.

        The champion stays who it is. The run is marked FINISHED as the very last step, so a run that was killed can be
        told by its status.

        Args:
            trained: What `model.train` returned.
            training: The training set it was given.
            explained: Its effects and the Shapley values of a sample, as `model.effects` returns them.
            month: Snapshot month for which the model is made.
            tags: Further tags of run and version, for example the Dagster run and the code version.

        Returns:
            The new version.
        """
        client = self._client()
        experiment = self._experiment(client)
        tags = tags | runs.facts(trained, month)
        run = client.create_run(experiment, run_name=f"retrain {month}", tags=tags | runs.page_tags(trained))
        run_id = run.info.run_id
        try:
            runs.log_data(client, run_id, training, trained.digest, month)
            for family in trained.families:
                runs.log_family(client, experiment, run_id, family, tags)
            logged = runs.log_result(client, run_id, trained, explained)
            with quiet_mlflow():
                source, content = runs.log_model(client, experiment, run_id, trained)
            tags |= runs.scores(trained)
            version = self._registered_anew(client, source, run_id, tags, card(trained))
            number, tables = int(version.version), runs.customer_tables(trained, explained)
            artifacts = unrecorded.below(self.folder, run.info.artifact_uri)
            kept = {n: versions.Kept(path=f"{artifacts}/{n}", content=versions.Content.of(c)) for n, c in logged.items()}
            record = Version(
                name=runs.MODEL,
                version=number,
                run_id=run_id,
                created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                tags=tags,
                metrics=trained.metrics,
                families=tuple(Family(name=f.name, label=f.label, metrics=f.metrics) for f in trained.families),
                folder=unrecorded.below(self.folder, source),
                files=content,
                kept=kept | {name: versions.beside(number, name, table) for name, table in tables.items()},
            )
            with self._lock():
                versions.write(self.folder, record, tables)
            client.set_registered_model_alias(runs.MODEL, CHALLENGER, version.version)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
        return record

    def standing(self, trained: TrainedModel, training: pd.DataFrame) -> gates.Standing | None:
        """How the champion does on a challenger's training set, see `gates.standing`; None where there is no champion.

        Raises:
            BadInputError: If a file of the champion is gone, or not the one that was registered.
        """
        champion = self.champion()
        if champion is None:
            return None
        pipeline = self.load(champion)  # even if its predictions are not asked for: who cannot score is no champion
        return gates.standing(
            trained.out_of_fold,
            training,
            self.out_of_fold(champion),
            lambda rows: predict(pipeline, rows),
            version=champion.version,
            roc_auc=champion.metrics["roc_auc"].estimate,
        )

    def reopen(self, version: Version, rows: pd.DataFrame) -> gates.Reopened:
        """Have a fresh process load a version from the registry and predict some rows."""
        return isolated.reopen(self.home.absolute(), version.version, rows)

    def log_gates(self, version: Version, judged: Sequence[gates.Gate]) -> Version:
        """Record how a version did at every gate, and tag it and its run with that; numbers become metrics of the run.

        The record comes last: a version that has the tag `gates` there was judged at every gate.

        Returns:
            The version with its new tags.
        """
        client = self._client()
        failed = [gate.name for gate in judged if not gate.passed]
        tags = {versions.GATE + gate.name: str(gate) for gate in judged}
        tags |= {versions.JUDGED: f"failed: {', '.join(failed)}" if failed else "passed"}
        runs.log_gates(client, version.run_id, judged, tags)
        for name, text in tags.items():
            client.set_model_version_tag(version.name, str(version.version), name, text)
        with self._lock():
            versions.write(self.folder, self.version(version.version).tagged(tags))
        return self.version(version.version)

    def promote(self, number: int, *, by: str = "gates", force: bool = False) -> Version:
        """Make a version the champion: from now on it is the one that scores. The old one is kept as `previous`.

        Args:
            number: The version.
            by: Who decided, for the tag `promoted_by`.
            force: Promote it although it failed a gate, or was never judged.

        Returns:
            The new champion.

        Raises:
            BadInputError: If there is no such version, a file of it is not the one that was registered, or, without
                `force`, it has not passed all gates.
        """
        client = self._client()
        with self._lock():  # from before it is looked at: it must not be pruned meanwhile
            version = self.version(number)
            if not force:
                _require_passed(version)
            self.check(version)
            aliases = self.aliases()
            self._promoted(version, by)
            old = self._chosen(aliases, CHAMPION)
            self._choose(number, self._chosen(aliases, PREVIOUS) if old == number else old)
            if aliases.get(CHALLENGER) == number:
                client.delete_registered_model_alias(runs.MODEL, CHALLENGER)
        return self.version(number)

    def rollback(self) -> Version:
        """Make the previous champion champion again, and the champion the previous one.

        Returns:
            The champion that is back.

        Raises:
            BadInputError: If there is no previous champion, or a file of it is not the one that was registered.
        """
        with self._lock():  # from before they are looked at: another may promote or prune meanwhile
            aliases = self.aliases()
            champion, previous = aliases.get(CHAMPION), aliases.get(PREVIOUS)
            if champion is None or previous in (None, champion):
                raise BadInputError(
                    "there is no previous champion to go back to", remedy=f"choose a version: {_LIST}, oneclick model promote"
                )
            back = self.version(int(previous))
            _require_promoted(back, PREVIOUS)
            self._require_chosen(PREVIOUS, back.version)
            self._require_chosen(CHAMPION, champion)
            self.check(back)
            self._promoted(back, "rollback")
            self._choose(back.version, champion)
        return self.version(back.version)

    def prune(self, newest: int, months: pruning.Months, named: Callable[[], Collection[int]]) -> pruning.Pruned:
        """Delete old versions with their runs and files, and older runs that registered no model.

        What has an alias, or has it by our own choice, stays, and what has no record: a person is to look at it. No run may be at
        work on the home: it may rest on a version that nothing names yet.

        Args:
            newest: How many of the newest versions stay.
            months: Of which months runs that registered no model stay.
            named: Asked for further versions that stay, if any would go.

        Returns:
            What was deleted.

        Raises:
            BadInputError: See `pruning.Pruning`; what `named` raises.
        """
        if not self.exists():
            return pruning.Pruned()
        with self._lock():
            each = self.registered()
            stay = {*self.aliases().values(), *(number for both in chosen.read(self.folder).values() for number in both)}
            stay |= {number for number, version in each.items() if not isinstance(version, Version)}
            going = pruning.superfluous(each, newest, stay)
            going = pruning.superfluous(each, newest, {*stay, *named()}) if going else []
            with quiet_mlflow(), postgres.plain_words():
                return pruning.Pruning(self.folder, self._store())({n: self.version(n).run_id for n in going}, months)

    def _store(self) -> SqlAlchemyStore:
        """MLflow's store of runs, for what its client does not offer."""
        from mlflow import MlflowClient

        store = MlflowClient(tracking_uri=self.prepare())._tracking_client.store  # noqa: SLF001
        return cast("SqlAlchemyStore", store)

    def aliases(self) -> dict[str, int]:
        """Version by alias; empty where nothing was registered yet."""
        models = self._client().search_registered_models(filter_string=f"name = '{runs.MODEL}'")
        return {alias: int(number) for alias, number in models[0].aliases.items()} if models else {}

    def versions(self) -> tuple[Version, ...]:
        """All registered versions that have a record, newest first; of the others `unusable` tells."""
        return tuple(version for version in self.registered().values() if isinstance(version, Version))

    def unusable(self) -> dict[int, BadInputError]:
        """Why registered versions cannot be used, by number: they have no record, or a damaged one."""
        return {number: error for number, error in self.registered().items() if isinstance(error, BadInputError)}

    def registered(self) -> dict[int, Version | BadInputError]:
        """Every registered version by its number, newest first, or why it cannot be used: what `versions` and `unusable` tell."""
        registered = self._client().search_model_versions(f"name = '{runs.MODEL}'", order_by=["version_number DESC"])
        each: dict[int, Version | BadInputError] = {}
        for version in registered:
            try:
                each[int(version.version)] = self._recorded(version)
            except BadInputError as error:
                each[int(version.version)] = error
        return each

    def champion(self) -> Version | None:
        """The version that scores; None where no model was promoted yet.

        Raises:
            BadInputError: If it has no record, or has its alias by other means than `promote` and `rollback`.
        """
        number = self.aliases().get(CHAMPION)
        if number is None:
            return None
        champion = self.version(number)
        _require_promoted(champion, CHAMPION)
        self._require_chosen(CHAMPION, number)
        return champion

    def require_champion(self) -> Version:
        """The version that scores.

        Raises:
            BadInputError: If there is none.
        """
        champion = self.champion()
        if champion is None:
            remedy = "run retrain first: oneclick run --job retrain; or make a version of oneclick model list the champion"
            raise BadInputError(f"no champion model yet in {self.folder}", remedy=remedy)
        return champion

    def version(self, number: int) -> Version:
        """A registered version by its number.

        Raises:
            BadInputError: If there is none, or it has no record.
        """
        return self._recorded(self._registered(number))

    def candidate(self, number: int) -> unrecorded.Candidate:
        """A version without a record, to be looked over and, with `accept`, given one.

        Raises:
            BadInputError: If there is no such version, it has a record, or its files are not those whose hashes were kept.
        """
        registered = self._registered(number)
        path = versions.record_file(self.folder, number)
        if path.exists():
            self.check(self.version(number))
            raise BadInputError(f"model version {number} has a record, and its files agree with it", file=str(path))
        aliases = tuple(sorted(alias for alias, version in self.aliases().items() if version == number))
        return replace(unrecorded.candidate(self._client(), self.folder, registered), aliases=aliases)

    def accept(self, candidate: unrecorded.Candidate) -> Version:
        """Write the record of a version that was looked over; what it shows of customers goes out of MLflow's sight.

        If it has the alias champion or previous, and nobody was chosen for that yet, it has it by the person's choice now.
        """
        with self._lock():
            with quiet_mlflow():
                accepted = unrecorded.accept(self.folder, candidate)
            number, known = accepted.version, chosen.read(self.folder)
            given = {alias: [number] for alias in candidate.aliases if alias in (CHAMPION, PREVIOUS) and alias not in known}
            if given:
                chosen.write(self.folder, known | given)
        return self.version(number)

    def check(self, version: Version) -> None:
        """Check every file of a version: its whole model folder, and what was kept beside.

        Raises:
            BadInputError: If one is gone, was changed, or came in.
        """
        versions.check(self.folder, version)

    def load(self, version: Version) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """The fitted pipeline of a version.

        Raises:
            BadInputError: If a file of it is gone or is not the one that was registered, or it holds types that we do not trust.
        """
        return files.load(self.folder, version)

    def shipped(self, version: Version) -> files.Shipped:
        """The fitted pipeline of a version as bytes, for the processes of a cluster; called, it predicts.

        Raises:
            BadInputError: See `load`.
        """
        return files.shipped(self.folder, version)

    def out_of_fold(self, version: Version) -> pd.DataFrame:
        """feature_month, customer_id, p_decline of the customers on whom a version was trained.

        Raises:
            BadInputError: If the file is gone or is not the one that was registered; the same for all files of a version.
        """
        return judging.parquet(self._kept(version, runs.OUT_OF_FOLD))

    def effects(self, version: Version) -> str:
        """The effects that were logged with a version, as JSON."""
        return self._kept(version, runs.EFFECTS).decode()

    def shapley(self, version: Version) -> pd.DataFrame:
        """The Shapley values of a sample that were logged with a version."""
        return judging.parquet(self._kept(version, runs.SHAPLEY))

    def picture(self, version: Version, name: str) -> bytes:
        """A picture that was logged with a version: `curves.png`, `calibration.png` or `families.png`."""
        return self._kept(version, name)

    def judged(self, number: int) -> judging.Judged:
        """What was found out about a version when it was trained.

        Raises:
            BadInputError: If there is no such version, or what belongs to it is gone.
        """
        return judging.judged(self.folder, self.version(number))

    def log_report(self, report: Path, month: str) -> str:
        """Keep a month's report with the run that trained the champion, or, if that was another month, with one of its own.

        Returns:
            Id of the run that holds it.
        """
        client, champion = self._client(), self.champion()
        trained = champion.run_id if champion is not None and champion.tags["month"] == month else None
        with self._lock():
            return judging.log_report(client, (self.folder / "artifacts").as_uri(), report, month, trained)

    def run_path(self, run_id: str) -> str:
        """Path of a run in MLflow's pages, to put behind their address."""
        return f"/#/experiments/{self._client().get_run(run_id).info.experiment_id}/runs/{run_id}"

    def page(self) -> str:
        """Path of the experiment in MLflow's pages; of the home page where nothing was logged yet."""
        found = self._client().get_experiment_by_name(runs.EXPERIMENT)
        return f"/#/experiments/{found.experiment_id}/runs?workflowType=machine_learning" if found is not None else "/"

    def describe_champion(self) -> tuple[tuple[str, str], ...]:
        """What a person wants to know of the champion, as lines of name and text.

        Raises:
            BadInputError: If there is no champion.
        """
        champion = self.require_champion()

        def interval(name: str) -> str:
            metric = champion.metrics[name]
            return f"{metric.estimate:.3f} (95 % interval {metric.low:.3f} to {metric.high:.3f})"

        return (
            ("ROC-AUC", interval("roc_auc")),
            ("Log loss", interval("log_loss")),
            ("Model", f"{champion.name} version {champion.version}, alias {CHAMPION}, {champion.tags['family']}"),
            ("Trained on", f"{', '.join(champion.feature_months)}; label: {champion.tags['label_rule']}"),
        )

    def _client(self) -> MlflowClient:
        uri = self.prepare()
        with quiet_mlflow():
            from mlflow import MlflowClient

            logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it logs it raises as well, for us to say
            return cast("MlflowClient", _Plain(MlflowClient(tracking_uri=uri, registry_uri=uri)))

    def _lock(self) -> Any:  # noqa: ANN401 - the class differs between systems
        from filelock import FileLock

        return FileLock(self.folder / ".lock")

    def _experiment(self, client: MlflowClient) -> str:
        """Id of the experiment; it and the registered model are made by whoever needs them first."""
        with self._lock():
            if not client.search_registered_models(filter_string=f"name = '{runs.MODEL}'"):
                client.create_registered_model(runs.MODEL, description="P(a regular customer's purchasing activity declines)")
            return runs.experiment(client, runs.EXPERIMENT, (self.folder / "artifacts").as_uri())

    def _model_file(self, version: Version) -> Path:
        return self.folder / version.folder / versions.MODEL_FILE

    def _kept(self, version: Version, name: str) -> bytes:
        return versions.kept_bytes(self.folder, version, name)

    def _promoted(self, version: Version, by: str) -> None:
        """Record who made a version the champion, and tag it for people; the caller holds the lock."""
        self._client().set_model_version_tag(version.name, str(version.version), versions.PROMOTED_BY, by)
        versions.write(self.folder, version.tagged({versions.PROMOTED_BY: by}))

    def _chosen(self, aliases: Mapping[str, int], alias: str) -> int | None:
        """The version that has an alias by our own choice; by MLflow's word alone in a home in which none was chosen yet.

        None where MLflow does not know that version: its database is older than the choice.
        """
        known = chosen.read(self.folder).get(alias)
        if known is None or aliases.get(alias) in known:
            return aliases.get(alias)
        return known[-1] if self._is_known(known[-1]) else None

    def _require_chosen(self, alias: str, number: int) -> None:
        """Follow an alias only to the version that oneclick gave it to.

        Raises:
            BadInputError: If that is another one, or one that MLflow does not know.
        """
        known = chosen.read(self.folder).get(alias)
        if known and number not in known and not self._is_known(known[-1]):
            raise BadInputError(
                f"MLflow does not know model version {known[-1]}, to which oneclick gave the alias {alias}: its database is "
                "older than this home, or somebody deleted the version",
                remedy="put a backup of the database in its place that is as new as the home; or go on with a version that it "
                f"knows: oneclick model list, oneclick model promote {number}",
            )
        chosen.require(self.folder, alias, number)

    def _is_known(self, number: int) -> bool:
        """Whether MLflow knows a version."""
        return any(int(version.version) == number for version in self._client().search_model_versions(f"name = '{runs.MODEL}'"))

    def _registered_anew(self, client: MlflowClient, source: str, run_id: str, tags: dict[str, str], about: str) -> ModelVersion:
        """Register a model, under a number that this home has given to no other.

        MLflow counts on from its newest version. Where its database is older than the home, that number is one by which tables,
        plans and records mean another model; it is used up as one of a version that was deleted.
        """
        places = references.references(self.home)
        while True:
            version = client.create_model_version(runs.MODEL, source, run_id, tags, description=about)
            number = int(version.version)
            if number not in places and not versions.record_file(self.folder, number).exists():
                return version
            client.delete_model_version(runs.MODEL, version.version)

    def _choose(self, champion: int, previous: int | None) -> None:
        """Give the aliases to these versions; the caller holds the lock.

        Whoever is killed in between has the old champion, maybe twice, and loses no model: both choices stand until the end.
        """
        client, aliases = self._client(), self.aliases()
        after = {CHAMPION: champion} | ({} if previous is None else {PREVIOUS: previous})
        choices = {alias: dict.fromkeys((self._chosen(aliases, alias), number)) for alias, number in after.items()}
        chosen.write(self.folder, {alias: [n for n in both if n is not None] for alias, both in choices.items()})
        for alias in (PREVIOUS, CHAMPION):
            if alias in after:
                client.set_registered_model_alias(runs.MODEL, alias, str(after[alias]))
        chosen.write(self.folder, {alias: [number] for alias, number in after.items()})

    def _registered(self, number: int) -> ModelVersion:
        client = self._client()
        from mlflow.exceptions import MlflowException

        try:
            return client.get_model_version(runs.MODEL, str(number))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise BadInputError(f"there is no model version {number}", remedy=f"see {_LIST}") from error

    def _recorded(self, registered: ModelVersion) -> Version:
        """The record of a version of MLflow's registry."""
        version = versions.read(self.folder, int(registered.version))
        if (version.name, version.run_id) != (registered.name, registered.run_id):
            raise BadInputError(
                f"the record of model version {version.version} is of another run than MLflow names",
                file=str(versions.record_file(self.folder, version.version)),
                value=str(registered.run_id),
                remedy=f"find out who registered another model under this number; {versions.INSTEAD}",
            )
        return version


class _Plain:
    """A client whose methods tell in plain words that PostgreSQL went away."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the method of the client
        return postgres.plain_words()(getattr(self._client, name))


def _migrate(uri: str, folder: Path) -> None:
    with quiet_mlflow():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(uri, (folder / "artifacts").as_uri()).engine.dispose()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8)  # a process asks hundreds of times
def _prepare_postgres(url: sa.URL, folder: Path) -> None:
    """Make sure that the schema exists and is of this home."""
    import sqlalchemy as sa

    new = f"{postgres.MLFLOW_SCHEMA}_new"
    folder.mkdir(parents=True, exist_ok=True)  # of the locks of this home
    with postgres.locked(url) as connection:
        try:
            if not postgres.has_schema(connection, postgres.MLFLOW_SCHEMA):
                connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {new} CASCADE"))  # of a process that was killed
                connection.execute(sa.schema.CreateSchema(new))
                _migrate(postgres.text(postgres.in_schema(url, new)), folder)
                connection.execute(sa.text(f"ALTER SCHEMA {new} RENAME TO {postgres.MLFLOW_SCHEMA}"))
            first = sa.text(f"SELECT artifact_location FROM {postgres.MLFLOW_SCHEMA}.experiments WHERE experiment_id = 0")  # noqa: S608 - a constant
            owner = files.local(connection.execute(first).scalar_one()).parent.parent
        except sa.exc.ProgrammingError as error:  # no right to make a schema, or one of somebody else
            raise postgres.unreachable(url, error) from None
    if owner != folder:
        raise BadInputError(
            f"PostgreSQL at {postgres.shown(url)} holds the models of another home, {owner.parent}",
            value=str(folder.parent),
            remedy=f"give this home a database of its own, or unset {postgres.VARIABLE} to keep its runs and models in the home",
        )


def _limit(connection: sa.Connection) -> None:
    """Give up statements that do not end: a database that somebody else made may have triggers that run for ever."""
    end, driver = time.monotonic() + _MOVING_SECONDS, connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)


def _require_passed(version: Version) -> None:
    remedy = f"look at its gates with {_LIST}; to promote it all the same: oneclick model promote {version.version} --force"
    if not version.judged:
        raise BadInputError(f"model version {version.version} was not judged: its retrain did not come to an end", remedy=remedy)
    if version.failed_gates:
        told = "; ".join(f"{name} {version.gates[name]}" for name in version.failed_gates)
        raise BadInputError(f"model version {version.version} has not passed all gates: {told}", remedy=remedy)


def _require_promoted(version: Version, alias: str) -> None:
    if versions.PROMOTED_BY not in version.tags:
        raise BadInputError(
            f"model version {version.version} has the alias {alias}, and oneclick never made it the champion",
            remedy=f"find out who set the alias; then look at {_LIST}, and choose: oneclick model promote N",
        )
