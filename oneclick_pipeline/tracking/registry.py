"""One home's MLflow: its database, its registry, who is champion, which file may be loaded.

    HOME/mlflow/mlflow.db     runs and registry (SQLite)
    HOME/mlflow/artifacts/    everything that is a file

Only `MlflowClient` with an explicit address is used, never MLflow's global tracking address, current run or
autologging: a process may work on several homes, and nothing it does here outlives the call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.card import card
from oneclick_pipeline.tracking import runs
from oneclick_pipeline.tracking.quiet import quiet_mlflow

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from oneclick_pipeline.model.results import TrainedModel

CHAMPION = "champion"


@dataclass(frozen=True)
class Version:
    """A registered version of the model.

    Attributes:
        name: Name of the registered model.
        version: Its number.
        run_id: MLflow run that made it.
        feature_months: Snapshot months on whose features it was trained.
        tags: All its tags.
    """

    name: str
    version: int
    run_id: str
    feature_months: tuple[str, ...]
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tracking:
    """MLflow of one home.

    Attributes:
        home: The home; everything is written below `home/mlflow`.
    """

    home: Path

    @property
    def folder(self) -> Path:
        """Where everything lies, absolute."""
        return self.home.absolute() / "mlflow"

    @property
    def uri(self) -> str:
        """Address of the database, for `mlflow server --backend-store-uri` and for clients."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def prepare(self) -> str:
        """Make sure that the database exists, and return its address.

        The first call migrates an empty one (some seconds) beside its final place and renames it, under a lock:
        processes that come first together make one database, and one that is killed leaves none.
        """
        database = self.folder / "mlflow.db"
        if not database.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                if not database.exists():
                    _migrate(self.folder / "mlflow.db.new", self.folder / "artifacts")
                    (self.folder / "mlflow.db.new").replace(database)
        return self.uri

    def log_training(self, trained: TrainedModel, training: pd.DataFrame, *, month: str, tags: dict[str, str]) -> Version:
        """Log a training as a run with a child a family, and register its model. The champion stays who it is.

        The run is marked FINISHED as the very last step, so a run that was killed can be told by its status.

        Args:
            trained: What `model.train` returned.
            training: The training set it was given.
            month: Snapshot month for which the model is made.
            tags: Further tags of run and version, for example the Dagster run and the code version.

        Returns:
            The new version.
        """
        client = self._client()
        experiment = self._experiment(client)
        tags = tags | runs.facts(trained, month)
        run = client.create_run(experiment, run_name=f"retrain {month}", tags=tags | {"mlflow.note.content": card(trained)})
        run_id = run.info.run_id
        try:
            runs.log_data(client, run_id, training, trained.digest, month)
            for family in trained.families:
                runs.log_family(client, experiment, run_id, family, tags)
            runs.log_result(client, run_id, trained)
            with quiet_mlflow():
                source, sha256 = runs.log_model(client, experiment, run_id, trained, training)
            version = client.create_model_version(
                runs.MODEL, source, run_id, tags | {runs.SHA256: sha256}, description=card(trained)
            )
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
        return _version(version)

    def promote(self, version: int) -> None:
        """Make a version the champion: from now on it is the one that scores."""
        self._client().set_registered_model_alias(runs.MODEL, CHAMPION, str(version))

    def champion(self) -> Version | None:
        """The version that scores; None where no model was promoted yet."""
        models = self._client().search_registered_models(filter_string=f"name = '{runs.MODEL}'")
        number = models[0].aliases.get(CHAMPION) if models else None
        return None if number is None else self.version(int(number))

    def require_champion(self) -> Version:
        """The version that scores.

        Raises:
            BadInputError: If there is none.
        """
        champion = self.champion()
        if champion is None:
            raise BadInputError(f"no champion model yet in {self.folder}", remedy="run retrain first: oneclick run --job retrain")
        return champion

    def version(self, number: int) -> Version:
        """A registered version by its number."""
        return _version(self._client().get_model_version(runs.MODEL, str(number)))

    def load(self, version: Version) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """The fitted pipeline of a version.

        Raises:
            BadInputError: If the file is gone, is not the one that was registered, or holds types that we do not trust.
        """
        import skops.io

        path = self._model_folder(version) / runs.MODEL_FILE
        remedy = "do not use this file; restore it from a backup, or run retrain and find out who changed it"
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != version.tags.get(runs.SHA256):
            raise BadInputError(
                f"the file of model version {version.version} is not the one that was registered", file=str(path), remedy=remedy
            )
        foreign = set(skops.io.get_untrusted_types(data=content)) - set(runs.TRUSTED_TYPES)
        if foreign:
            raise BadInputError(
                f"model version {version.version} holds types that are not trusted: {', '.join(sorted(foreign))}",
                file=str(path),
                remedy=remedy,
            )
        return skops.io.loads(content, trusted=list(runs.TRUSTED_TYPES))

    def out_of_fold(self, version: Version) -> pd.DataFrame:
        """feature_month, customer_id, p_decline of the customers on whom a version was trained."""
        import pandas as pd

        return pd.read_parquet(_local(self._client().get_run(version.run_id).info.artifact_uri) / runs.OUT_OF_FOLD)

    def picture(self, version: Version, name: str) -> bytes:
        """A picture that was logged with a version: `curves.png` or `families.png`."""
        return (_local(self._client().get_run(version.run_id).info.artifact_uri) / name).read_bytes()

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
        metrics = self._client().get_run(champion.run_id).data.metrics

        def interval(name: str) -> str:
            return f"{metrics[name]:.3f} (95 % interval {metrics[f'{name}_low']:.3f} to {metrics[f'{name}_high']:.3f})"

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

            return MlflowClient(tracking_uri=uri, registry_uri=uri)

    def _lock(self) -> Any:  # noqa: ANN401 - the class differs between systems
        from filelock import FileLock

        return FileLock(self.folder / ".lock")

    def _experiment(self, client: MlflowClient) -> str:
        """Id of the experiment; it and the registered model are made by whoever needs them first."""
        with self._lock():
            if not client.search_registered_models(filter_string=f"name = '{runs.MODEL}'"):
                client.create_registered_model(runs.MODEL, description="P(a regular customer's purchasing activity declines)")
            found = client.get_experiment_by_name(runs.EXPERIMENT)
            if found is not None:
                return str(found.experiment_id)
            return str(
                client.create_experiment(
                    runs.EXPERIMENT, artifact_location=(self.folder / "artifacts").as_uri(), tags=runs.EXPERIMENT_TAGS
                )
            )

    def _model_folder(self, version: Version) -> Path:
        return _local(self._client().get_model_version(runs.MODEL, str(version.version)).source)


def _migrate(database: Path, artifacts: Path) -> None:
    database.unlink(missing_ok=True)  # of a process that was killed
    with quiet_mlflow():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(f"sqlite:///{database}", artifacts.as_uri()).engine.dispose()  # type: ignore[no-untyped-call]


def _version(version: ModelVersion) -> Version:
    tags = dict(version.tags)
    return Version(version.name, int(version.version), str(version.run_id), tuple(tags["feature_months"].split(",")), tags)


def _local(uri: str | None) -> Path:
    """Path of an artifact address; all of ours are files."""
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    return Path(url2pathname(urlparse(str(uri)).path))
