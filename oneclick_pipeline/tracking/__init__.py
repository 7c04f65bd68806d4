"""The one place that knows MLflow.

`Tracking(home)` logs a training, registers its model, says which version is champion and loads it. MLflow itself is
imported only when one of these is done.
"""

from oneclick_pipeline.tracking.registry import CHAMPION, Tracking, Version
from oneclick_pipeline.tracking.runs import EXPERIMENT, MODEL, TRUSTED_TYPES

__all__ = ["CHAMPION", "EXPERIMENT", "MODEL", "TRUSTED_TYPES", "Tracking", "Version"]
