"""A model file opened: only one that was registered, and that holds nothing but types that this software trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tracking import versions

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.tracking.versions import Version


TRUSTED_TYPES = (
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
"""Types beyond skops' own list that a model file may hold. The list that MLflow stores beside a model is never
trusted: anyone who can change the file can change that list.

None of them runs anything when it is made. A `dtype` is plain data, the two of the
calibration hold a slope, an intercept and an estimator. `Tree` and `TreePredictor` hold arrays of nodes whose numbers
scikit-learn follows unchecked, so a forged one could crash a prediction: that is what the file's SHA-256 is for."""


class UntrustedTypesError(BadInputError):
    """A model file holds types that are not trusted; `value` names them."""


def load(mlflow: Path, version: Version) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """The fitted pipeline of a version.

    Args:
        mlflow: The folder `HOME/mlflow`.
        version: The version.

    Raises:
        BadInputError: If its folder is not the one that was registered.
        UntrustedTypesError: If it holds types that are not trusted; nothing of it was made then.
    """
    return opened(versions.model_bytes(mlflow, version), mlflow / version.folder / versions.MODEL_FILE, version.version)


def opened(content: bytes, path: Path, version: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """The fitted pipeline in the bytes of a model file; see `load`."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        return skops.io.loads(content, trusted=list(TRUSTED_TYPES))
    except UntrustedTypesFoundException as error:
        foreign = sorted(set(skops.io.get_untrusted_types(data=content)) - set(TRUSTED_TYPES))
        raise UntrustedTypesError(
            f"model version {version} holds types that are not trusted",
            file=str(path),
            value=", ".join(foreign),
            remedy=versions.REMEDY,
        ) from error
