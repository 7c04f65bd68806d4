"""What a training records in MLflow: runs, numbers, files, the model."""

from __future__ import annotations

import json
import time
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model import pictures
from oneclick_pipeline.model.card import card, label_rule
from oneclick_pipeline.model.example import invented_customers
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.tracking import versions
from oneclick_pipeline.tracking.trusted_types import TRUSTED_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from mlflow import MlflowClient

    from oneclick_pipeline.model.attribution import Explained
    from oneclick_pipeline.model.gates import Gate
    from oneclick_pipeline.model.results import FamilyResult, TrainedModel
    from oneclick_pipeline.stats import Interval
    from oneclick_pipeline.tracking.versions import Content

EXPERIMENT = "activity decline"
MODEL = "activity_decline"
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's pages open on traces of language models."""

CARD = "card.md"
OUT_OF_FOLD = "out_of_fold.parquet"
CONTRIBUTIONS = "effects.json"  # the name under which versions registered long ago keep them
SHAPLEY = "shapley.parquet"
BAND_ERRORS = "band_errors.json"
SLICES, OUT_OF_TIME = "slices.json", "out_of_time.json"
PICTURES = ("curves.png", "calibration.png", "families.png")
_REQUIREMENTS = ("numpy", "pandas", "scikit-learn", "scipy", "skops")


def facts(trained: TrainedModel, month: str) -> dict[str, str]:
    """Tags by which a run and a version can be found, and that say what they were trained on."""
    return {
        "month": month,
        "family": trained.family,
        "feature_months": ",".join(trained.feature_months),
        "label_months": ",".join(trained.label_months),
        "label_rule": label_rule(trained),
        "training_digest": trained.digest,
        "rows": str(trained.rows),
    }


def scores(trained: TrainedModel) -> dict[str, str]:
    """Tags of a version: its metrics with their intervals, so that versions can be compared where they are listed."""
    return {name: str(interval) for name, interval in trained.metrics.items()}


def page_tags(trained: TrainedModel) -> dict[str, str]:
    """Tags by which MLflow's pages describe the run of a training and show its tables."""
    return {"mlflow.note.content": card(trained), **_table_tag(_tables(trained))}


def experiment(client: MlflowClient, name: str, artifacts: str) -> str:
    """Id of one of our experiments: made where there is none, brought back where somebody has deleted it in the pages.

    Args:
        client: Of the home's database.
        name: Its name.
        artifacts: Address of the folder of all artifacts.
    """
    existing = client.get_experiment_by_name(name)
    if existing is None:
        return str(client.create_experiment(name, artifact_location=artifacts, tags=EXPERIMENT_TAGS))
    if existing.lifecycle_stage != "active":
        client.restore_experiment(existing.experiment_id)
    return str(existing.experiment_id)


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
    tables = {"cv_results.json": family.trials}
    own = tags | {
        "family": family.name,
        "rows": str(family.rows),
        "mlflow.parentRunId": parent,
        **_table_tag(tables),
    }
    run_id = client.create_run(experiment, run_name=family.label, tags=own).info.run_id
    _log_numbers(client, run_id, family.parameters, family.metrics, family.fold_scores)
    curves = pictures.png(pictures.curves(family.label, family.predictions, family.metrics))
    _log_files(client, run_id, {"curves.png": curves, **_as_json(tables)})
    client.set_terminated(run_id, "FINISHED")


def log_result(client: MlflowClient, run_id: str, trained: TrainedModel, explained: Explained) -> dict[str, bytes]:
    """Log what the whole procedure achieved and how the model was explained; nothing of a single customer.

    Returns:
        The files that were logged, by name.
    """
    _log_numbers(client, run_id, {"family": trained.family, **trained.parameters}, trained.metrics, trained.fold_scores)
    content = {
        CARD: card(trained).encode(),
        CONTRIBUTIONS: explained.contributions.to_json().encode(),
        BAND_ERRORS: trained.band_errors.to_json().encode(),
        "curves.png": pictures.png(
            pictures.curves(
                f"The whole procedure, including the choice of family: {trained.meaning}", trained.predictions, trained.metrics
            )
        ),
        "calibration.png": pictures.png(pictures.calibration(f"The whole procedure: {trained.meaning}", trained.predictions)),
        "families.png": pictures.png(pictures.comparison(trained)),
    } | _as_json(_tables(trained))
    _log_files(client, run_id, content)
    return content


def customer_tables(trained: TrainedModel, explained: Explained) -> dict[str, bytes]:
    """Tables of customers that a version needs again: who was predicted what out of fold, and the explained sample."""
    return {
        OUT_OF_FOLD: trained.out_of_fold.to_parquet(index=False),
        SHAPLEY: explained.sample.to_parquet(index=False),
    }


def log_gates(client: MlflowClient, run_id: str, results: Sequence[Gate], tags: dict[str, str]) -> None:
    """Log how a challenger did at its gates, in one transaction."""
    from mlflow.entities import Metric, RunTag

    now = int(time.time() * 1000)
    figures = {f"gate_{g.name}_{name}": value for g in results for name, value in g.figures.items() if not isinstance(value, str)}
    client.log_batch(
        run_id,
        metrics=[Metric(name, float(value), now, 0) for name, value in figures.items()],
        tags=[RunTag(name, text) for name, text in tags.items()],
    )


def _tables(trained: TrainedModel) -> dict[str, pd.DataFrame]:
    """Tables of a training by their file; empty ones say nothing and are left out."""
    tables = {SLICES: trained.slices, OUT_OF_TIME: trained.out_of_time}
    return {name: table for name, table in tables.items() if not table.empty}


def _as_json(tables: dict[str, pd.DataFrame]) -> dict[str, bytes]:
    return {name: table.to_json(orient="split", index=False).encode() for name, table in tables.items()}


def _table_tag(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """What `MlflowClient.log_table` notes, so that MLflow's pages show files as tables (and without its 0.1 s)."""
    return {"mlflow.loggedArtifacts": json.dumps([{"path": name, "type": "table"} for name in tables])} if tables else {}


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


def _log_files(client: MlflowClient, run_id: str, content: dict[str, bytes]) -> None:
    with TemporaryDirectory() as folder:
        for name, data in content.items():
            (Path(folder) / name).write_bytes(data)
        client.log_artifacts(run_id, folder)


def invented_example() -> dict[str, bytes]:
    """The files of a model that show what it takes, by name, as `log_model` writes them."""
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    with TemporaryDirectory() as folder:
        _save_example(Model(), invented_customers(), folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def log_model(client: MlflowClient, experiment: str, run_id: str, trained: TrainedModel) -> tuple[str, dict[str, Content]]:
    """Log the pipeline as MLflow's sklearn flavour in skops format; returns its address and every file of it.

    The steps of `mlflow.sklearn.log_model` less three: the current run, a trial serving of the example in a
    fresh scoring server, and guessing the requirements by loading the model again. What is left takes 0.5 CPU s (*measured*).
    The files are fingerprinted before they go where others may write.
    """
    import mlflow.sklearn
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, infer_signature

    example = invented_customers()
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
        content = versions.fingerprint(path)
        client.log_model_artifacts(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
    return logged.artifact_location, content
