"""A version that has no record in the home: what MLflow says about it, to be reviewed and accepted by a person.

Older versions of this software kept hashes as tags of the version. Where there are such tags, the files must agree with them;
what had none is accepted as it is now, and the person is shown which files those are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import write_once
from oneclick_pipeline.model.metrics import METRICS
from oneclick_pipeline.stats import Interval
from oneclick_pipeline.tracking import files, runs, versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_HASHES = {
    versions.MODEL_FILE: "model_sha256",
    runs.OUT_OF_FOLD: "out_of_fold_sha256",
    runs.SHAPLEY: "shapley_sha256",
    runs.CONTRIBUTIONS: "effects_sha256",
}
"""Files and the tags in which older versions of this software kept their hashes."""

CUSTOMERS = (runs.OUT_OF_FOLD, runs.SHAPLEY)
"""Tables of customers, which older versions of this software put among the artifacts."""
EXAMPLES = ("input_example.json", "serving_input_example.json")
"""Files of a model with an example, which was a customer of the store then."""

_OURS = {
    "MLmodel",
    "conda.yaml",
    "input_example.json",
    "python_env.yaml",
    "requirements.txt",
    "serving_input_example.json",
    versions.MODEL_FILE,
}
"""Files that this software puts into the folder of a model."""


@dataclass(frozen=True)
class Candidate:
    """A version that may be accepted.

    Attributes:
        version: The record that would be written.
        agreed: Files that agree with the hash that was kept as a tag.
        unknown: Files of which no hash was kept.
        aliases: Aliases that it has in MLflow.
    """

    version: versions.Version
    agreed: tuple[str, ...]
    unknown: tuple[str, ...]
    aliases: tuple[str, ...] = ()


def candidate(client: MlflowClient, mlflow: Path, registered: ModelVersion) -> Candidate:
    """What MLflow says about a version, and its current files.

    Args:
        client: Of the home's database.
        mlflow: The folder `HOME/mlflow`.
        registered: The version.

    Raises:
        BadInputError: If a file is gone, is not the one whose hash was kept, or is none of ours.
    """
    number, tags = int(registered.version), dict(registered.tags)
    run = client.get_run(str(registered.run_id))
    folder, artifacts = below(mlflow, registered.source), below(mlflow, run.info.artifact_uri)
    content = versions.fingerprint(mlflow / folder)
    if foreign := sorted(set(content) - _OURS):
        raise BadInputError(
            f"this is not a file of model version {number}",
            file=str(mlflow / folder / foreign[0]),
            remedy="find out who put it there, and move it away; then try again",
        )
    if absent := sorted({versions.MODEL_FILE, "MLmodel"} - set(content)):
        raise versions.missing_file(number, str(mlflow / folder / absent[0]))
    _require_plain(mlflow / folder / "MLmodel")
    tables = (runs.OUT_OF_FOLD, runs.SHAPLEY, runs.CONTRIBUTIONS, runs.BAND_ERRORS, runs.SLICES, runs.OUT_OF_TIME)
    names = (runs.CARD, *tables, *runs.PICTURES)
    there = versions.fingerprint(mlflow / artifacts)
    kept = {name: versions.Kept(path=f"{artifacts}/{name}", content=there[name]) for name in names if name in there}
    present = {versions.MODEL_FILE: content[versions.MODEL_FILE]} | {name: file.content for name, file in kept.items()}
    for name, tag in _HASHES.items():
        if name not in present:
            raise versions.missing_file(number, str(mlflow / artifacts / name))
        if tags.get(tag, present[name].sha256) != present[name].sha256:
            raise versions.changed(number, str(mlflow / (folder if name == versions.MODEL_FILE else artifacts) / name))
    agreed = tuple(name for name, tag in _HASHES.items() if tag in tags)
    record = versions.Version(
        name=registered.name,
        version=number,
        run_id=str(registered.run_id),
        created=datetime.fromtimestamp(registered.creation_timestamp / 1000, UTC),
        tags={name: text for name, text in tags.items() if name not in _HASHES.values()},
        metrics=_intervals(run.data.metrics),
        families=_families(client, run.info.experiment_id, str(registered.run_id)),
        folder=folder,
        files=content,
        kept=kept,
    )
    return Candidate(record, agreed, tuple(sorted({*content, *kept} - set(agreed))))


def accept(mlflow: Path, looked_over: Candidate) -> versions.Version:
    """Write the record of a version; customers' data is removed from the artifacts first.

    Tables of customers are kept beside the record, and the example is replaced by an invented one.

    Args:
        mlflow: The folder `HOME/mlflow`.
        looked_over: What a person has accepted.

    Returns:
        The version as it was recorded.

    Raises:
        BadInputError: If a file is no longer the one that was reviewed.
    """
    old = looked_over.version
    versions.check(mlflow, old)
    tables = {name: versions.kept_bytes(mlflow, old, name) for name in CUSTOMERS}
    folder = mlflow / old.folder
    invented = {name: text for name, text in runs.invented_example().items() if name in old.files}
    for name, text in invented.items():
        write_once.write(folder / name, text, replace=True, mode=0o600)
    files_now = old.files | {name: versions.Content.of(text) for name, text in invented.items()}
    kept = old.kept | {name: versions.beside(old.version, name, table) for name, table in tables.items()}
    version = old.model_copy(update={"files": files_now, "kept": kept})
    versions.write(mlflow, version, tables)
    for name in CUSTOMERS:
        (mlflow / old.kept[name].path).unlink()
    return version


def below(mlflow: Path, uri: str | None) -> str:
    """Path of an artifact address below `HOME/mlflow`.

    Raises:
        BadInputError: If it lies elsewhere.
    """
    path, artifacts = files.local(uri).resolve(), (mlflow / "artifacts").resolve()
    if not path.is_relative_to(artifacts) or path == artifacts:
        raise BadInputError(
            "MLflow refers to a folder outside this home",
            file=str(path),
            remedy="move the home back to where it was created; or bring it here with oneclick backup and oneclick restore",
        )
    return Path("artifacts", path.relative_to(artifacts)).as_posix()


def _require_plain(path: Path) -> None:
    """Accept no model that brings code of its own, or that MLflow would open by anything but scikit-learn's flavour."""
    try:
        described = yaml.safe_load(path.read_bytes())
        flavour = described["flavors"]["python_function"]
        plain = flavour["loader_module"] == "mlflow.sklearn" and not flavour.get("code")
        plain = plain and set(described["flavors"]) == {"python_function", "sklearn"}
        plain = plain and not described["flavors"]["sklearn"].get("code")
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        plain = False
    if not plain:
        raise BadInputError(
            "this does not describe a model that this software made",
            file=str(path),
            remedy="do not use it and find out who changed it",
        )


def _families(client: MlflowClient, experiment: str, run_id: str) -> tuple[versions.Family, ...]:
    children = client.search_runs(
        [experiment], filter_string=f"tags.`mlflow.parentRunId` = '{run_id}'", order_by=["metrics.log_loss"]
    )
    return tuple(
        versions.Family(name=c.data.tags["family"], label=str(c.info.run_name), metrics=_intervals(c.data.metrics))
        for c in children
    )


def _intervals(metrics: Mapping[str, float]) -> dict[str, Interval]:
    return {name: Interval(metrics[name], metrics[f"{name}_low"], metrics[f"{name}_high"]) for name in METRICS if name in metrics}
