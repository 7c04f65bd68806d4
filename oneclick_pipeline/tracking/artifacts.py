"""Artifacts as MLflow's pages may see them: files of the home's own folder, to read.

MLflow goes where the database says that the files of a run or a version are, and follows links there. Whoever can write either
could show any file of the server's user in the pages, or have the server fetch one from another machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

if TYPE_CHECKING:
    from mlflow.entities import FileInfo


def restrict(folder: Path) -> None:
    """Let this process reach artifacts below a folder only, and only to read. It cannot be undone: it is for the pages' server.

    Args:
        folder: The folder with all artifacts of the home.
    """

    def local(uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> ArtifactRepository:  # noqa: ARG001 - MLflow's signature
        return _ReadOnly(uri, folder.resolve())

    def elsewhere(uri: str, **_: object) -> NoReturn:
        raise _denied(f"artifacts that are not in the home's folder are not shown: {uri.partition(':')[0]}")

    for scheme in list(_artifact_repository_registry.get_registered_artifact_repositories()):  # type: ignore[no-untyped-call]
        _artifact_repository_registry.register(scheme, local if scheme in {"", "file"} else elsewhere)  # type: ignore[no-untyped-call]


def _denied(reason: str) -> MlflowException:
    return MlflowException(reason, error_code=PERMISSION_DENIED)


class _ReadOnly(ArtifactRepository):
    """Artifacts of a run, a model or a version.

    Args:
        uri: Where they are, as the database says.
        root: The folder that they must be in once all links are followed.
    """

    def __init__(self, uri: str, root: Path) -> None:
        super().__init__(uri)
        self._local, self._root = LocalArtifactRepository(uri), root
        self._require_inside(Path(self._local.artifact_dir))

    def _require_inside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self._root):
            raise _denied("artifacts that are not in the home's folder are not shown")

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        if not Path(self._local.artifact_dir).exists():
            return []
        return cast("list[FileInfo]", self._local.list_artifacts(path))  # type: ignore[no-untyped-call]

    def get_local_path(self, artifact_path: str) -> str:
        path = Path(self._local.get_local_path(artifact_path))
        self._require_inside(path)
        if not (path.is_file() or path.is_dir()):
            raise _denied("this is neither a file nor a folder")  # opening a pipe would wait for ever
        return str(path)

    def _download_file(self, *_: object) -> NoReturn:
        raise self._refusal()  # never needed: every file is local

    def log_artifact(self, *_: object) -> NoReturn:
        raise self._refusal()

    def log_artifacts(self, *_: object) -> NoReturn:
        raise self._refusal()

    def delete_artifacts(self, *_: object) -> NoReturn:
        raise self._refusal()

    def _refusal(self) -> MlflowException:
        return _denied("the pages show artifacts and do not change them")
