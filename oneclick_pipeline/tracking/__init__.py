"""The one place that knows MLflow.

`Tracking(home)` logs a training, registers its model, says which version is champion and loads it. MLflow itself is
imported only when one of these is done.
"""

from oneclick_pipeline.tracking.files import TRUSTED_TYPES
from oneclick_pipeline.tracking.registry import CHALLENGER, CHAMPION, PREVIOUS, Tracking, ignored
from oneclick_pipeline.tracking.runs import EXPERIMENT, MODEL
from oneclick_pipeline.tracking.versions import Version

__all__ = ["CHALLENGER", "CHAMPION", "EXPERIMENT", "MODEL", "PREVIOUS", "TRUSTED_TYPES", "Tracking", "Version", "ignored"]
