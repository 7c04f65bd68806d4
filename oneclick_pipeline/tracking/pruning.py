"""What a home no longer needs of its models and MLflow's runs, and how it is deleted.

    HOME/mlflow/registered/pruning.json    versions whose deletion has begun, with the runs that made them

First the file is written, then the versions leave the registry in one transaction, then their files and runs go. So a version is
registered and whole, or not registered at all; what a killed process left of it is known by the file, and the next one
deletes it. Of a run the files go first and its rows last: what is left of one that was half deleted is chosen again.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import acceptance, evaluation, runs, versions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

FILE = "pruning.json"
_CONTENT = TypeAdapter(dict[int, str])
_PARENT = "mlflow.parentRunId"
_OURS = ("dagster_asset", "family")
"""Tags by which a run below another one is known as one that a training logged."""


def _table(name: str, *columns: str) -> sa.TableClause:
    return sa.table(name, *map(sa.column, columns))


_EXPERIMENTS = _table("experiments", "experiment_id", "name")
_RUNS = _table("runs", "run_uuid", "experiment_id", "artifact_uri")
_TAGS = _table("tags", "run_uuid", "key", "value")
_LOGGED = _table("logged_models", "model_id", "source_run_id", "artifact_location")
_VERSIONS = _table("model_versions", "name", "version", "run_id", "source")
_VERSION_TAGS = _table("model_version_tags", "name", "version")
_INPUTS = _table("inputs", "input_uuid", "source_type", "source_id", "destination_id")
_INPUT_TAGS = _table("input_tags", "input_uuid")
_DATASETS = _table("datasets", "dataset_uuid")


@dataclass(frozen=True)
class Pruned:
    """What was deleted: numbers of versions, and how many runs in MLflow, those of the versions among them."""

    versions: tuple[int, ...] = ()
    runs: int = 0


@dataclass(frozen=True)
class Months:
    """Months whose runs are kept even if they registered no model.

    Attributes:
        first: The first month of which all stay.
        also: Earlier ones.
    """

    first: str
    also: Collection[str] = ()

    def stays(self, month: str) -> bool:
        """Whether the runs of a month stay.

        >>> kept = Months("2026-01", {"2025-06"})
        >>> [kept.stays(month) for month in ("2025-06", "2025-07", "2026-01")]
        [True, False, True]
        """
        return month >= self.first or month in self.also


def superfluous(registered: Iterable[int], newest: int, stay: Collection[int]) -> list[int]:
    """Versions that are neither among the newest nor among those that stay.

    Args:
        registered: Numbers of all versions.
        newest: How many of the newest ones are kept.
        stay: Numbers of others that are kept.

    >>> superfluous([1, 2, 3, 4, 5], 2, {1})
    [2, 3]
    """
    return sorted(set(sorted(registered)[:-newest]) - set(stay))


class Pruning:
    """Deletes from MLflow's database and folders; the caller holds the lock of the registry.

    Args:
        folder: The folder `HOME/mlflow`.
        store: MLflow's store of runs over the database.
    """

    def __init__(self, folder: Path, store: SqlAlchemyStore) -> None:
        self._folder, self._store, self._engine = folder, store, store.engine
        self._file = folder / versions.FOLDER / FILE

    def __call__(self, going: Mapping[int, str], months: Months) -> Pruned:
        """Delete versions, and the runs of older months that registered no model; finish what another process has begun.

        Args:
            going: The run that made it, by number of the version.
            months: Which of the other runs stay.

        Raises:
            BadInputError: If an address leads out of the home, or the file of what was begun cannot be used.
        """
        going, deleted = self._begun() | self._alone(going), 0
        if going:
            versions.keep(self._folder, FILE, json.dumps(going).encode())
            self._unregister(going)
        for number, run in going.items():
            _remove(self._folder / versions.FOLDER / str(number))
            deleted += self._delete_run(run)
        self._file.unlink(missing_ok=True)
        needed = self._needed(sa.true())
        for run in self._without_version(months):
            deleted += 0 if self._ids(run) & needed else self._delete_run(run)
        return Pruned(tuple(sorted(going)), deleted)

    def _begun(self) -> dict[int, str]:
        """What another process has begun to delete; versions that are registered it has not begun with."""
        try:
            begun = _CONTENT.validate_json(versions.content(self._folder, self._file.relative_to(self._folder)))
        except FileNotFoundError:
            return {}
        except (ValidationError, OSError) as error:
            remedy = "find out who changed it, and remove it; what was partly deleted stays until you remove it, too"
            raise BadInputError(
                "the list of what is being deleted cannot be read", file=str(self._file), remedy=remedy
            ) from error
        registered = self._column(sa.select(_VERSIONS.c.version).where(_VERSIONS.c.name == runs.MODEL))
        return {number: run for number, run in begun.items() if number not in registered}

    def _alone(self, going: Mapping[int, str]) -> dict[int, str]:
        """Versions of whose run no other version was made, by whatever name: its files are the other one's, too."""
        own = (_VERSIONS.c.name == runs.MODEL) & _VERSIONS.c.version.in_(going)
        needed = self._needed(~own) if going else set()
        return {number: run for number, run in going.items() if not self._ids(run) & needed}

    def _needed(self, others: sa.ColumnElement[bool]) -> set[str]:
        """Ids of the runs and logged models that versions were made of; one made by an address alone names its id there."""
        with self._engine.connect() as connection:
            made = connection.execute(sa.select(_VERSIONS.c.run_id, _VERSIONS.c.source).where(others)).all()
        return {part for run, source in made for part in (run, *re.split("[/:]", source or "")) if part}

    def _ids(self, run: str) -> set[str]:
        """Ids of a run, of ours below it, and of the models that they logged."""
        family = {run, *self._below(run)}
        return family | self._column(sa.select(_LOGGED.c.model_id).where(_LOGGED.c.source_run_id.in_(family)))

    def _below(self, run: str) -> set[str]:
        """Our runs below a run: people may have put some of their own there, which stay."""
        parent, ours = _TAGS.alias(), _TAGS.alias()
        query = sa.select(parent.c.run_uuid).join(ours, ours.c.run_uuid == parent.c.run_uuid)
        return self._column(query.where(parent.c.key == _PARENT, parent.c.value == run, ours.c.key.in_(_OURS)))

    def _unregister(self, going: Collection[int]) -> None:
        with self._engine.begin() as connection:
            for table in (_VERSION_TAGS, _VERSIONS):
                connection.execute(sa.delete(table).where(table.c.name == runs.MODEL, table.c.version.in_(going)))

    def _without_version(self, months: Months) -> list[str]:
        """Runs of ours, of months that do not stay, that no version was made by, and that are no part of another one."""
        month, asset, parent = _TAGS.alias(), _TAGS.alias(), _TAGS.alias()
        ours = (_EXPERIMENTS.c.name == evaluation.REPORTS) | asset.c.value.is_not(None)  # people may log runs of their own
        query = (
            sa.select(_RUNS.c.run_uuid, month.c.value)
            .join(_EXPERIMENTS, _EXPERIMENTS.c.experiment_id == _RUNS.c.experiment_id)
            .join(month, _has(month, "month"))
            .outerjoin(asset, _has(asset, "dagster_asset"))
            .outerjoin(parent, _has(parent, _PARENT))
            .where(_EXPERIMENTS.c.name.in_([runs.EXPERIMENT, evaluation.REPORTS]), ours, parent.c.value.is_(None))
        )
        with self._engine.connect() as connection:
            return [run for run, value in connection.execute(query) if not months.stays(value)]

    def _delete_run(self, run: str) -> int:
        """Delete a run with those below it and the models that they logged; returns how many."""
        return sum(self._delete_one(one) for one in (*self._below(run), run))

    def _delete_one(self, run: str) -> int:
        logged = sa.select(_LOGGED.c.model_id, _LOGGED.c.artifact_location).where(_LOGGED.c.source_run_id == run)
        address = sa.select(_RUNS.c.artifact_uri).where(_RUNS.c.run_uuid == run)
        with self._engine.connect() as connection:
            models, addresses = connection.execute(logged).all(), connection.execute(address).all()
        for model, location in models:
            self._remove_artifacts(location, model)
            self._store._hard_delete_logged_model(model)  # type: ignore[no-untyped-call] # noqa: SLF001 - as `mlflow gc` does
        for (uri,) in addresses:
            self._remove_artifacts(uri, run)
            self._delete_inputs(run)
            self._store._hard_delete_run(run)  # type: ignore[no-untyped-call] # noqa: SLF001 - the same
        return len(addresses)

    def _delete_inputs(self, run: str) -> None:
        """The links from a run to its data and models, which MLflow leaves behind, and data that nothing is linked to then."""
        own = (_INPUTS.c.source_id == run) | (_INPUTS.c.destination_id == run)
        data = sa.select(_INPUTS.c.source_id).where(own, _INPUTS.c.source_type == "DATASET")
        with self._engine.begin() as connection:
            datasets = connection.execute(data).scalars().all()
            links = sa.select(_INPUTS.c.input_uuid).where(own)
            connection.execute(sa.delete(_INPUT_TAGS).where(_INPUT_TAGS.c.input_uuid.in_(links)))
            connection.execute(sa.delete(_INPUTS).where(own))
            used = sa.select(_INPUTS.c.source_id)
            unused = _DATASETS.c.dataset_uuid.in_(datasets) & _DATASETS.c.dataset_uuid.not_in(used)
            connection.execute(sa.delete(_DATASETS).where(unused))

    def _remove_artifacts(self, uri: str, owner: str) -> None:
        """Remove the files of a run or a model: MLflow names the folder `artifacts` in the folder that bears the owner's id."""
        place = self._folder / acceptance.below(self._folder, uri)
        _remove(place.parent if place.parent.name == owner else place)

    def _column(self, query: sa.Select[Any]) -> set[Any]:
        with self._engine.connect() as connection:
            return set(connection.execute(query).scalars())


def _has(tag: Any, key: str) -> sa.ColumnElement[bool]:  # noqa: ANN401 - an alias of the table of tags
    """Whether it is the tag of the run beside it under this key."""
    own: sa.ColumnElement[bool] = (tag.c.run_uuid == _RUNS.c.run_uuid) & (tag.c.key == key)
    return own


def _remove(folder: Path) -> None:
    """Remove a folder, if it is there."""
    if folder.exists():
        shutil.rmtree(folder)
