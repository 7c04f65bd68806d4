"""What a training leaves in MLflow: runs, numbers, files, the model."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model.card import card, label_rule
from oneclick_pipeline.model.training_set import inputs

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

    from oneclick_pipeline.model.metrics import Interval
    from oneclick_pipeline.model.results import FamilyResult, TrainedModel

EXPERIMENT = "activity decline"
MODEL = "activity_decline"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's pages open on traces of language models."""

TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops' own list that a model file may hold. The list that MLflow stores beside a model is never
believed: whoever can change the file can change that list."""

MODEL_FILE = "model.skops"
OUT_OF_FOLD = "out_of_fold.parquet"
SHA256 = "model_sha256"
_TABLES = '[{"path": "cv_results.json", "type": "table"}]'
"""What `MlflowClient.log_table` notes, so that MLflow's pages show the file as a table (and without its 0.1 s)."""
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


def facts(trained: TrainedModel, month: str) -> dict[str, str]:
    """Tags by which a run and a version can be found, and by which it is known what they learnt from."""
    return {
        "month": month,
        "family": trained.family,
        "feature_months": ",".join(trained.feature_months),
        "label_months": ",".join(trained.label_months),
        "label_rule": label_rule(trained),
        "training_digest": trained.digest,
        "rows": str(trained.rows),
    }


def log_data(client: MlflowClient, run_id: str, training: pd.DataFrame, digest: str, month: str) -> None:
    """Name the training set, its columns and its digest as the run's input."""
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.pandas_dataset import from_pandas
    from mlflow.entities import DatasetInput, InputTag

    data = from_pandas(
        inputs(training).assign(declined=training["declined"].astype(float)),
        source=CodeDatasetSource(tags={"table": f"tables/model/training_set/{month}.parquet"}),
        targets="declined",
        name=f"training_set {month}",
        digest=digest,
    )
    client.log_inputs(run_id, [DatasetInput(data._to_mlflow_entity(), [InputTag("mlflow.data.context", "training")])])  # noqa: SLF001 - no public way without a current run


def log_family(client: MlflowClient, experiment: str, parent: str, family: FamilyResult, tags: dict[str, str]) -> None:
    """Log a family as a child run: parameters, metrics, folds, all its trials as a table, its curves."""
    from oneclick_pipeline.model import pictures

    own = tags | {
        "family": family.name,
        "rows": str(family.rows),
        "mlflow.parentRunId": parent,
        "mlflow.loggedArtifacts": _TABLES,
    }
    run_id = client.create_run(experiment, run_name=family.label, tags=own).info.run_id
    _log_numbers(client, run_id, family.parameters, family.metrics, family.fold_scores)
    files = {
        "curves.png": pictures.png(pictures.curves(family.label, family.predictions, family.metrics)),
        "cv_results.json": family.trials.to_json(orient="split", index=False).encode(),
    }
    _log_files(client, run_id, files)
    client.set_terminated(run_id, "FINISHED")


def log_result(client: MlflowClient, run_id: str, trained: TrainedModel) -> None:
    """Log what the whole procedure achieved, and who was predicted what out of fold."""
    from oneclick_pipeline.model import pictures

    _log_numbers(client, run_id, {"family": trained.family, **trained.parameters}, trained.metrics, trained.fold_scores)
    files = {
        "card.md": card(trained).encode(),
        "curves.png": pictures.png(
            pictures.curves("The whole procedure, choice of the family included", trained.predictions, trained.metrics)
        ),
        "families.png": pictures.png(pictures.comparison(trained)),
        OUT_OF_FOLD: trained.out_of_fold.to_parquet(index=False),
    }
    _log_files(client, run_id, files)


def _log_numbers(
    client: MlflowClient, run_id: str, parameters: dict[str, Any], metrics: dict[str, Interval], fold_scores: pd.DataFrame
) -> None:
    """Parameters, metrics with the ends of their intervals, and the folds' scores as steps, in one transaction."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    flat = {name: m.estimate for name, m in metrics.items()}
    flat |= {f"{name}_low": m.low for name, m in metrics.items()} | {f"{name}_high": m.high for name, m in metrics.items()}
    scores = fold_scores.drop(columns=["repeat", "fold"])
    by_fold = [Metric(f"fold_{name}", float(v), now, step) for name in scores for step, v in enumerate(scores[name])]
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(v), now, 0) for name, v in flat.items()] + by_fold,
        params=[Param(name, str(v)) for name, v in parameters.items()],
    )


def _log_files(client: MlflowClient, run_id: str, files: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        client.log_artifacts(run_id, folder)


def log_model(
    client: MlflowClient, experiment: str, run_id: str, trained: TrainedModel, training: pd.DataFrame
) -> tuple[str, str]:
    """Log the pipeline as MLflow's sklearn flavour in skops format; returns its address and its SHA-256.

    The steps of `mlflow.sklearn.log_model` less three: the current run, a trial serving of the example in a
    fresh scoring server, and guessing the requirements by loading the model again. What is left takes 0.5 CPU s (*measured*).
    """
    from importlib.metadata import version

    import mlflow.sklearn
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, infer_signature

    example = inputs(training).dropna().head(5)
    logged = client.create_logged_model(experiment, name=MODEL, source_run_id=run_id, model_type=trained.family)
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        mlflow.sklearn.save_model(
            trained.pipeline,
            str(path),
            mlflow_model=Model(
                run_id=run_id, model_id=logged.model_id, model_uuid=logged.model_id, artifact_path=logged.artifact_location
            ),
            serialization_format="skops",
            skops_trusted_types=list(TRUSTED_TYPES),
            signature=infer_signature(example, trained.pipeline.predict_proba(example)),
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in _REQUIREMENTS],
            pyfunc_predict_fn="predict_proba",
        )
        sha256 = hashlib.sha256((path / MODEL_FILE).read_bytes()).hexdigest()
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    return logged.artifact_location, sha256
