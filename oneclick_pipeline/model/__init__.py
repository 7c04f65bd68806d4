"""The model stage: a labelled table in, a believable probability of decline out.

`training_set` builds the table, `train` searches, judges and fits, `predict` scores. Everything here is a pure
function of tables and settings; MLflow is the business of `oneclick_pipeline.tracking`. Importing this package
is cheap: scikit-learn is imported when something is trained or drawn.
"""

from oneclick_pipeline.model.attribution import Explained, explain
from oneclick_pipeline.model.contributions import Contributions
from oneclick_pipeline.model.explanation import beeswarm, dependence, importance, model_explanation
from oneclick_pipeline.model.metrics import METRICS, Interval
from oneclick_pipeline.model.results import FamilyResult, TrainedModel
from oneclick_pipeline.model.training import changes_warnings, predict, train
from oneclick_pipeline.model.training_set import inputs, training_set

__all__ = [
    "METRICS",
    "Contributions",
    "Explained",
    "FamilyResult",
    "Interval",
    "TrainedModel",
    "beeswarm",
    "changes_warnings",
    "dependence",
    "explain",
    "importance",
    "inputs",
    "model_explanation",
    "predict",
    "train",
    "training_set",
]
