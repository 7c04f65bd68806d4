"""Files of a model: read only if they are the ones that were registered, and hold nothing that we do not know.

Nothing here needs MLflow, so that a fresh process can check a model without five seconds of imports.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

MODEL_FILE = "model.skops"
MODEL_SHA256, EFFECTS_SHA256 = "model_sha256", "effects_sha256"
OUT_OF_FOLD_SHA256, SHAPLEY_SHA256 = "out_of_fold_sha256", "shapley_sha256"
"""Tags of a version: what its files were when they were registered. Old versions lack those of the second line."""

TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops' own list that a model file may hold. The list that MLflow stores beside a model is never
believed: whoever can change the file can change that list.

None of them runs anything when it is made. A `dtype` is plain data, the two of the
calibration hold a slope, an intercept and an estimator. `Tree` and `TreePredictor` hold arrays of nodes whose numbers
scikit-learn follows unchecked, so a forged one could crash a prediction: that is what the file's SHA-256 is for."""

_INSTEAD = (
    "restore it from a backup, or choose another version: oneclick model list, then oneclick model promote; "
    "or train a new one: oneclick run --job retrain"
)
_REMEDY = f"do not use this file and find out who changed it; {_INSTEAD}"


class UntrustedTypesError(BadInputError):
    """A model file holds types that are not trusted; `value` names them."""


def checked(path: Path, sha256: str | None, version: int) -> bytes:
    """Content of a file that was registered with a version.

    Raises:
        BadInputError: If the file is gone or is not the one that was registered.
    """
    return _same(kept(path, version), path, sha256, version)


def kept(path: Path, version: int) -> bytes:
    """Content of a file that belongs to a version, whatever it is.

    Raises:
        BadInputError: If the file is gone.
    """
    if not path.is_file():
        raise gone(version, str(path))
    return path.read_bytes()


def gone(version: int, what: str) -> BadInputError:
    """What to say where something that belongs to a version is not there any more."""
    return BadInputError(f"what belongs to model version {version} is gone", file=what, remedy=_INSTEAD)


def _same(content: bytes, path: Path, sha256: str | None, version: int) -> bytes:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BadInputError(
            f"the file of model version {version} is not the one that was registered", file=str(path), remedy=_REMEDY
        )
    return content


def load(path: Path, sha256: str | None, version: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """The fitted pipeline in a file.

    Raises:
        BadInputError: If the file is gone or is not the one that was registered.
        UntrustedTypesError: If it holds types that are not trusted; nothing of it was made then.
    """
    return _opened(checked(path, sha256, version), path, version)


def _opened(content: bytes, path: Path, version: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
        raise UntrustedTypesError(
            f"model version {version} holds types that are not trusted", file=str(path), value=", ".join(foreign), remedy=_REMEDY
        ) from error


@dataclass(frozen=True)
class Shipped:
    """A registered model that travels to the processes of a cluster; each checks it and opens it once.

    Attributes:
        content: Bytes of the file.
        path: Where the file stands, for messages.
        sha256: What the file was when it was registered.
        version: Its version.
    """

    content: bytes
    path: Path
    sha256: str | None
    version: int

    @lru_cache(maxsize=1)  # noqa: B019 - the last model of the process, and no other, is kept
    def open(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        """The fitted pipeline.

        Raises:
            BadInputError: If the bytes are not those that were registered.
            UntrustedTypesError: If they hold types that are not trusted.
        """
        return _opened(_same(self.content, self.path, self.sha256, self.version), self.path, self.version)

    def __call__(self, features: pd.DataFrame) -> np.ndarray:
        """See `model.predict`."""
        from oneclick_pipeline import model

        return model.predict(self.open(), features)


def local(uri: str | None) -> Path:
    """Path of an artifact address; all of ours are files.

    >>> local("file:///a/%D0%B4%D0%BE%D0%BC").as_posix()
    '/a/дом'
    """
    from urllib.parse import urlparse
    from urllib.request import url2pathname

    return Path(url2pathname(urlparse(str(uri)).path))
