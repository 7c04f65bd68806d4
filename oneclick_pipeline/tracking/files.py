"""Model files: opened only if they are the ones that were registered, and hold only known types.

Nothing here needs MLflow, so that a fresh process can check a model without five seconds of imports.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from oneclick_pipeline import model
from oneclick_pipeline.tracking import versions
from oneclick_pipeline.tracking.trusted_types import opened

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from oneclick_pipeline.tracking.versions import Version


@dataclass(frozen=True)
class Shipped:
    """A registered model that travels to the processes of a cluster; each checks it and opens it once.

    Attributes:
        content: Bytes of the file, which were checked against the record.
        path: Path of the file, for messages.
        sha256: What the file was when it was registered.
        version: Its version.
    """

    content: bytes
    path: Path
    sha256: str
    version: int

    @lru_cache(maxsize=1)  # noqa: B019 - the last model of the process, and no other, is kept
    def open(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """The fitted pipeline.

        Raises:
            BadInputError: If the bytes are not those that were registered.
            UntrustedTypesError: If they hold types that are not trusted.
        """
        if hashlib.sha256(self.content).hexdigest() != self.sha256:
            raise versions.changed(self.version, str(self.path))
        return opened(self.content, self.path, self.version)

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        """See `model.predict`."""
        return model.predict(self.open(), features)


def shipped(mlflow: Path, version: Version) -> Shipped:
    """The model of a version, to travel; see `load`.

    Raises:
        BadInputError: See `load`: it is opened here first, where the error is reported in plain words.
    """
    path, sha256 = mlflow / version.folder / versions.MODEL_FILE, version.files[versions.MODEL_FILE].sha256
    travelling = Shipped(versions.model_bytes(mlflow, version), path, sha256, version.version)
    travelling.open()
    return travelling


def local(uri: str | None) -> Path:
    """Path of an artifact address; all of ours are files.

    >>> local("file:///a/%D0%B4%D0%BE%D0%BC").as_posix()
    '/a/дом'
    """
    return Path(url2pathname(urlparse(str(uri)).path))
