"""One home's MLflow: trainings are logged, versions are opened, old ones are deleted.

HOME/mlflow/mlflow.db     runs and registry, see `tracking.database`
HOME/mlflow/artifacts/    everything that is a file
HOME/mlflow/registered/   the trusted records of the registered versions, see `tracking.versions`
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model import BandErrors
from oneclick_pipeline.model.card import card
from oneclick_pipeline.model.standing import Champion, standing
from oneclick_pipeline.scores.meaning import WORDS
from oneclick_pipeline.tracking import acceptance, evaluation, files, isolated, pruning, runs, versions
from oneclick_pipeline.tracking import aliases as choices
from oneclick_pipeline.tracking.logs import quiet_mlflow
from oneclick_pipeline.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from oneclick_pipeline.tracking.trusted_types import load
from oneclick_pipeline.tracking.versions import Family, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import pandas as pd
    from mlflow import MlflowClient

    from oneclick_pipeline.model import gates
    from oneclick_pipeline.model.attribution import Explained
    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.model.standing import Standing
    from oneclick_pipeline.settings import Model


class Tracking(Registry):
    """MLflow of one home."""

    def log_training(
        self, trained: TrainedModel, training: pd.DataFrame, explained: Explained, *, month: str, tags: dict[str, str]
    ) -> Version:
        """Log a training as a run with one child per family, and register its model as the challenger.

        The champion is not changed. The run is marked FINISHED as the very last step, so a run that was killed can be
        recognised by its status.

        Args:
            trained: What `model.train` returned.
            training: The training set it was given.
            explained: Its contributions and the Shapley values of a sample, as `model.explain` returns them.
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
            artifacts = acceptance.below(self.folder, run.info.artifact_uri)
            kept = {n: versions.Kept(path=f"{artifacts}/{n}", content=versions.Content.of(c)) for n, c in logged.items()}
            record = Version(
                name=runs.MODEL,
                version=number,
                run_id=run_id,
                created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
                tags=tags,
                metrics=trained.metrics,
                families=tuple(Family(name=f.name, label=f.label, metrics=f.metrics) for f in trained.families),
                folder=acceptance.below(self.folder, source),
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

    def _experiment(self, client: MlflowClient) -> str:
        """Id of the experiment; it and the registered model are created at first use."""
        with self._lock():
            if not client.search_registered_models(filter_string=f"name = '{runs.MODEL}'"):
                client.create_registered_model(runs.MODEL, description="P(a regular customer's purchasing activity declines)")
            return runs.experiment(client, runs.EXPERIMENT, (self.folder / "artifacts").as_uri())

    def standing(self, trained: TrainedModel, training: pd.DataFrame, settings: Model) -> Standing | None:
        """How the champion does on a challenger's training set, see `model.standing`; None where there is no champion.

        Raises:
            BadInputError: If a file of the champion is gone, or not the one that was registered.
        """
        champion = self.champion()
        if champion is None:
            return None
        pipeline = self.load(champion)  # even if its predictions are not asked for: a version that cannot score is not champion
        return standing(
            trained,
            training,
            Champion(
                champion.version,
                champion.tags["family"],
                champion.metrics["roc_auc"].estimate,
                pipeline,
                self.out_of_fold(champion),
                evaluation.training_rows(self.home, champion, settings.max_rows),
            ),
            settings,
        )

    def reopen(self, version: Version, rows: pd.DataFrame) -> gates.Reopened:
        """Have a fresh process load a version from the registry and predict some rows."""
        return isolated.reopen(self.home.absolute(), version.version, rows)

    def log_gates(self, version: Version, results: Sequence[gates.Gate]) -> Version:
        """Record how a version did at every gate, and tag it and its run with that; numbers become metrics of the run.

        The record comes last: a version that has the tag `gates` there was tried at every gate.

        Returns:
            The version with its new tags.
        """
        client = self._client()
        failed = [gate.name for gate in results if not gate.passed]
        tags = {versions.GATE + gate.name: str(gate) for gate in results}
        tags |= {versions.ALL_GATES: f"failed: {', '.join(failed)}" if failed else "passed"}
        runs.log_gates(client, version.run_id, results, tags)
        for name, text in tags.items():
            client.set_model_version_tag(version.name, str(version.version), name, text)
        with self._lock():
            versions.write(self.folder, self.version(version.version).tagged(tags))
        return self.version(version.version)

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
            stay = {*self.aliases().values(), *(number for both in choices.read(self.folder).values() for number in both)}
            stay |= {number for number, version in each.items() if not isinstance(version, Version)}
            going = pruning.superfluous(each, newest, stay)
            going = pruning.superfluous(each, newest, {*stay, *named()}) if going else []
            with quiet_mlflow(), postgres.plain_words():
                return pruning.Pruning(self.folder, self._store())({n: self.version(n).run_id for n in going}, months)

    def candidate(self, number: int) -> acceptance.Candidate:
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
        return replace(acceptance.candidate(self._client(), self.folder, registered), aliases=aliases)

    def accept(self, candidate: acceptance.Candidate) -> Version:
        """Write the record of a version that was looked over; what it shows of customers goes out of MLflow's sight.

        If it has the alias champion or previous, and no version was chosen for that yet, the person's choice counts now.
        """
        with self._lock():
            with quiet_mlflow():
                accepted = acceptance.accept(self.folder, candidate)
            number, chosen = accepted.version, choices.read(self.folder)
            given = {alias: [number] for alias in candidate.aliases if alias in (CHAMPION, PREVIOUS) and alias not in chosen}
            if given:
                choices.write(self.folder, chosen | given)
        return self.version(number)

    def load(self, version: Version) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """The fitted pipeline of a version.

        Raises:
            BadInputError: If a file of it is gone or is not the one that was registered, or it holds types that we do not trust.
        """
        return load(self.folder, version)

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
        return evaluation.parquet(self._kept(version, runs.OUT_OF_FOLD))

    def contributions(self, version: Version) -> str:
        """The contributions that were logged with a version, as JSON."""
        return self._kept(version, runs.CONTRIBUTIONS).decode()

    def band_errors(self, version: Version) -> BandErrors | None:
        """The model's own error as it was logged with a version; None where an earlier version of this software logged it."""
        return BandErrors.from_json(self._kept(version, runs.BAND_ERRORS).decode()) if runs.BAND_ERRORS in version.kept else None

    def shapley(self, version: Version) -> pd.DataFrame:
        """The Shapley values of a sample that were logged with a version."""
        return evaluation.parquet(self._kept(version, runs.SHAPLEY))

    def picture(self, version: Version, name: str) -> bytes:
        """A picture that was logged with a version: `curves.png`, `calibration.png` or `families.png`."""
        return self._kept(version, name)

    def evaluation(self, number: int) -> evaluation.Evaluation:
        """How well a version performed when it was trained.

        Raises:
            BadInputError: If there is no such version, or what belongs to it is gone.
        """
        return evaluation.read(self.folder, self.version(number))

    def log_report(self, report: Path, month: str) -> str:
        """Keep a month's report with the run that trained the champion, or, if that was another month, with one of its own.

        Returns:
            Id of the run that holds it.
        """
        client, champion = self._client(), self.champion()
        trained = champion.run_id if champion is not None and champion.tags["month"] == month else None
        with self._lock():
            return evaluation.log_report(client, (self.folder / "artifacts").as_uri(), report, month, trained)

    def run_path(self, run_id: str) -> str:
        """Path of a run in MLflow's pages, to put behind their address."""
        return f"/#/experiments/{self._client().get_run(run_id).info.experiment_id}/runs/{run_id}"

    def page(self) -> str:
        """Path of the experiment in MLflow's pages; of the home page where nothing was logged yet."""
        experiment = self._client().get_experiment_by_name(runs.EXPERIMENT)
        return f"/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning" if experiment is not None else "/"

    def champion_facts(self) -> tuple[tuple[str, str], ...]:
        """What the terminal shows of the champion, as lines of name and text.

        Raises:
            BadInputError: If there is no champion.
        """
        champion = self.require_champion()

        def interval(name: str) -> str:
            metric = champion.metrics[name]
            return f"{metric.estimate:.3f} (95 % interval {metric.low:.3f} to {metric.high:.3f})"

        return (
            ("ROC-AUC", f"{interval('roc_auc')} {WORDS[champion.meaning].quality}"),
            ("Log loss", interval("log_loss")),
            ("Model", f"{champion.name} version {champion.version}, alias {CHAMPION}, {champion.tags['family']}"),
            ("Trained on", f"{', '.join(champion.feature_months)}; label: {champion.tags['label_rule']}"),
        )

    def _kept(self, version: Version, name: str) -> bytes:
        return versions.kept_bytes(self.folder, version, name)
