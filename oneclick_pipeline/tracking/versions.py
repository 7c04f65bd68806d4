"""What a home itself knows of a registered version: the record that code believes.

    HOME/mlflow/registered/<version>/record.json          what was registered: facts, figures, SHA-256 of every file
    HOME/mlflow/registered/<version>/out_of_fold.parquet  tables of customers, which MLflow's pages have no need to show
    HOME/mlflow/registered/<version>/shapley.parquet
    HOME/mlflow/registered/chosen.json                    which version is champion, see `tracking.chosen`

MLflow's tags and files can be changed by anyone who reaches its port; nothing that its pages or its artifact proxy write comes
here. Tags are only for people. Before anything of a version is used, its files are checked against the record.

Nothing here needs MLflow, so that a fresh process can check a model without five seconds of imports.
"""

from __future__ import annotations

import hashlib
import os
import stat
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import write_once
from oneclick_pipeline.model import gates
from oneclick_pipeline.stats import Interval  # noqa: TC001 - pydantic reads the annotations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDER, RECORD = "registered", "record.json"
MODEL_FILE = "model.skops"
GATE, ALL_GATES, PROMOTED_BY = "gate.", "gates", "promoted_by"
"""Tags of how a version did at its gates, of all gates together, and of who made it the champion."""

INSTEAD = (
    "restore it from a backup, or choose another version: oneclick model list, then oneclick model promote; "
    "or train a new one: oneclick run --job retrain"
)
REMEDY = f"do not use this file and find out who changed it; {INSTEAD}"
_EXTRA = (
    "find out who put it there, and move it away (MLflow's own `registered_model_meta` comes from loading the model through "
    f"MLflow); or {INSTEAD}"
)


def _inside(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise ValueError("the path leads out of its folder")
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Content(_Strict):
    """What a file holds: its SHA-256 and its size in bytes."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Field(ge=0)]

    @classmethod
    def of(cls, content: bytes) -> Content:
        """The content of some bytes.

        >>> Content.of(b"").size
        0
        """
        return cls(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


class Kept(_Strict):
    """A file that was kept with a version: where, below `HOME/mlflow`, and what it holds."""

    path: RelativePath
    content: Content


class Family(_Strict):
    """How a family of models did: its name in code and for people, its metrics (see `model.METRICS`)."""

    name: str
    label: str
    metrics: dict[str, Interval]


class Version(_Strict):
    """A registered version of the model, as the record of the home says.

    Attributes:
        name: Name of the registered model.
        version: Its number.
        run_id: MLflow run that made it.
        created: When it was registered.
        tags: Facts by name: what it was trained on, how it did at its gates, who promoted it. MLflow's tags say the same, for
            people.
        metrics: Nested estimates of the whole procedure, see `model.METRICS`.
        families: Every family, the best log loss first.
        folder: Folder of the model, below `HOME/mlflow`.
        files: Every file of that folder, by its path in it.
        kept: Further files that are read again, by name.
    """

    name: str
    version: int
    run_id: str
    created: datetime
    tags: dict[str, str]
    metrics: dict[str, Interval]
    families: tuple[Family, ...]
    folder: RelativePath
    files: dict[RelativePath, Content]
    kept: dict[str, Kept]

    @property
    def feature_months(self) -> tuple[str, ...]:
        """Snapshot months on whose features it was trained."""
        return tuple(self.tags["feature_months"].split(","))

    @property
    def foretells_same_month(self) -> bool:
        """Whether it was trained on the class of the features' own month, for want of later ones."""
        return self.tags["feature_months"] == self.tags["label_months"]

    @property
    def meaning(self) -> str:
        """What its probabilities are about, see `contracts.scores.MEANING`."""
        return RECOGNITION if self.foretells_same_month else FORECAST

    @property
    def roc_auc(self) -> float | None:
        """Its ROC-AUC out of fold when it was trained, in three digits; None where it was not recorded."""
        text = self.tags.get("roc_auc")
        return None if text is None else float(text.split()[0])

    @property
    def has_gates(self) -> bool:
        """Whether all its gates were logged."""
        return ALL_GATES in self.tags

    @property
    def gates(self) -> dict[str, str]:
        """What its gates said, by name."""
        return {name: text for name in gates.GATES if (text := self.tags.get(GATE + name))}

    @property
    def failed_gates(self) -> tuple[str, ...]:
        """Names of the gates that it failed."""
        return tuple(name for name, text in self.gates.items() if not text.startswith("passed"))

    def tagged(self, tags: Mapping[str, str]) -> Version:
        """The same version with further tags."""
        return self.model_copy(update={"tags": {**self.tags, **tags}})


def record_file(mlflow: Path, version: int) -> Path:
    """Path of the record of a version.

    Args:
        mlflow: The folder `HOME/mlflow`.
        version: Number of the version.
    """
    return mlflow / FOLDER / str(version) / RECORD


def read(mlflow: Path, version: int) -> Version:
    """The record of a version.

    Raises:
        BadInputError: If there is none, or it cannot be used.
    """
    path = record_file(mlflow, version)
    try:
        record = Version.model_validate_json(_bytes(mlflow, path.relative_to(mlflow)))
    except FileNotFoundError as error:
        raise BadInputError(
            f"model version {version} has no record in this home: it was registered by older software, or by someone else",
            file=str(path),
            remedy=f"review it and accept it: oneclick model accept {version}; or {INSTEAD}",
        ) from error
    except (ValidationError, OSError) as error:
        raise BadInputError(
            f"the record of model version {version} is damaged",
            file=str(path),
            remedy="restore it from a backup; or move it away and review the version: "
            f"oneclick model accept {version}; or {INSTEAD}",
        ) from error
    if record.version != version or MODEL_FILE not in record.files:
        raise BadInputError(
            f"this is not the record of model version {version}", file=str(path), remedy="restore it from a backup"
        )
    return record


def write(mlflow: Path, version: Version, tables: Mapping[str, bytes] | None = None) -> None:
    """Write the record of a version, whole or not at all, readable by the owner alone.

    Args:
        mlflow: The folder `HOME/mlflow`.
        version: What to write.
        tables: Files that are kept beside the record, by name; they are there before it is.
    """
    number = str(version.version)
    for name, content in (tables or {}).items():
        keep(mlflow, f"{number}/{name}", content)
    keep(mlflow, f"{number}/{RECORD}", version.model_dump_json(indent=1).encode())


def keep(mlflow: Path, name: str, content: bytes) -> None:
    """Write a file of what the home itself knows, whole or not at all, readable by the owner alone.

    Args:
        mlflow: The folder `HOME/mlflow`.
        name: Its path below `registered`.
        content: What to write.
    """
    path = mlflow / FOLDER / name
    for place in (mlflow / FOLDER, path.parent):
        place.mkdir(mode=0o700, exist_ok=True)
    write_once.write(path, content, replace=True, mode=0o600)


def content(mlflow: Path, path: Path) -> bytes:
    """A regular file of the folder `HOME/mlflow`, by its path in it; no link is followed.

    Raises:
        OSError: If it is not there, or something else.
    """
    return _bytes(mlflow, path)


def beside(version: int, name: str, content: bytes) -> Kept:
    """A table that is kept beside the record of a version."""
    return Kept(path=f"{FOLDER}/{version}/{name}", content=Content.of(content))


def fingerprint(folder: Path) -> dict[str, Content]:
    """Every file of a folder by its path in it.

    Raises:
        BadInputError: If something in it is neither a file nor a folder with files.
    """
    files = {}
    for name in _entries(folder):
        try:
            files[name] = Content.of(_bytes(folder.parent, Path(folder.name, name)))
        except OSError as error:
            raise BadInputError("it is neither a file nor a folder", file=str(folder / name), remedy=_EXTRA) from error
    return files


def model_bytes(mlflow: Path, version: Version) -> bytes:
    """The model file of a version whose whole folder is the one that was registered: no file more, less or other, no link.

    Raises:
        BadInputError: If it is not.
    """
    folder = mlflow / version.folder
    entries = set(_entries(folder))
    for name in version.files:
        if name not in entries:
            raise missing_file(version.version, str(folder / name))
    for name in sorted(entries - set(version.files)):
        raise BadInputError(
            f"this was not registered with model version {version.version}", file=str(folder / name), remedy=_EXTRA
        )
    contents = {name: _checked(mlflow, version, f"{version.folder}/{name}", content) for name, content in version.files.items()}
    return contents[MODEL_FILE]


def kept_bytes(mlflow: Path, version: Version, name: str) -> bytes:
    """A file that was kept with a version, as it was registered.

    Raises:
        BadInputError: If it is gone or was changed.
    """
    kept = version.kept.get(name)
    if kept is None:
        raise missing_file(version.version, name)
    return _checked(mlflow, version, kept.path, kept.content)


def check(mlflow: Path, version: Version) -> None:
    """Check all files of a version.

    Raises:
        BadInputError: If one of them is not as it was registered.
    """
    model_bytes(mlflow, version)
    for name in version.kept:
        kept_bytes(mlflow, version, name)


def missing_file(version: int, what: str) -> BadInputError:
    """What to say where something that belongs to a version is not there any more."""
    return BadInputError(f"a file of model version {version} is missing", file=what, remedy=INSTEAD)


def changed(version: int, path: str) -> BadInputError:
    """What to say of a file that is not the one that was registered."""
    return BadInputError(f"the file of model version {version} is not the one that was registered", file=path, remedy=REMEDY)


def _entries(folder: Path) -> Iterator[str]:
    """Whatever is in a folder, by its path in it; folders only where they hold nothing."""
    for top, folders, names in os.walk(folder):
        links = [name for name in folders if (Path(top) / name).is_symlink()]  # not walked into
        if not folders and not names and Path(top) != folder:
            yield Path(top).relative_to(folder).as_posix()
        yield from ((Path(top) / name).relative_to(folder).as_posix() for name in (*links, *names))


def _checked(mlflow: Path, version: Version, path: str, content: Content) -> bytes:
    try:
        present = _bytes(mlflow, Path(path), content.size)
    except FileNotFoundError as error:
        raise missing_file(version.version, str(mlflow / path)) from error
    except OSError as error:  # a link, there or on the way; a folder; a pipe
        raise changed(version.version, str(mlflow / path)) from error
    if Content.of(present) != content:
        raise changed(version.version, str(mlflow / path))
    return present


def _bytes(root: Path, path: Path, size: int | None = None) -> bytes:
    """A regular file below a folder; no link is followed on the way but that of the first part, which is the owner's own.

    Args:
        root: The folder.
        path: The file, relative to it.
        size: Bytes to expect: a file that is larger is not read to its end.
    """
    first, *parts = path.parts
    at = os.open(root / first, os.O_RDONLY | (os.O_DIRECTORY if parts else os.O_NOFOLLOW | os.O_NONBLOCK))
    try:
        for place, part in enumerate(parts, start=1):
            kind = os.O_DIRECTORY if place < len(parts) else os.O_NONBLOCK  # a pipe without a writer would not open
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | kind, dir_fd=at)
            os.close(at)
            at = below
        if not stat.S_ISREG(os.fstat(at).st_mode):
            raise OSError(f"{root / path} is not a regular file")
        with os.fdopen(os.dup(at), "rb") as file:
            return file.read() if size is None else file.read(size + 1)
    finally:
        os.close(at)
