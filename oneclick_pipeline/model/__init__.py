"""The model stage: a labelled table in, a believable probability of decline out.

Everything here is a pure function of tables and settings; MLflow is the business of `oneclick_pipeline.tracking`. In come
`customer_features` of several months, out come `training_set`, a `TrainedModel` and `model_explanation`. Importing this
package is cheap: scikit-learn is imported when something is trained or drawn. Open training.py first.

    the labelled table   decline.py        who declined: the one rule, of labels and of campaigns
                         labels.py         which months are used, and the labels of their customers
                         training_set.py   the table, its canonical order, groups of copies, digest
                         leakage.py        guards against labels in disguise and columns from the future
    the search           candidates.py     families, encoders, scalers, and draws of their parameters
                         folds.py          grouped, repeated folds
                         search.py         trials, the best of every family, votes
                         calibration.py    calibrated probabilities
                         fitting.py        a choice fitted, and a fitted model fitted again on other customers
    its evaluation       evaluation.py     nested cross-validation
                         out_of_time.py    later months than those learnt from
                         metrics.py        ROC-AUC, log loss, Brier, ECE
                         metric_intervals.py  their confidence intervals
                         band_errors.py    the model's own error in sums of probabilities
                         slices.py         the same by groups of customers
                         training.py       `train`: all of the above, and the fitted pipeline; `predict`
                         results.py        what training returns
    promotion            gates.py          what a challenger must pass to become champion
                         standing.py       the champion on a challenger's customers, as if it had never seen them
                         card.py, example.py  files kept beside a version
    explanation          shapley.py        sampled Shapley values
                         attribution.py    what features contribute to a fitted model
                         curves.py         the contribution of one feature, value by value
                         contributions.py  all of them, as they are kept with a version and applied to customers
                         explanation.py    permutation importance, and pictures of contributions
                         pictures.py       curves and comparison of families
"""

from oneclick_pipeline.model.attribution import Explained, explain
from oneclick_pipeline.model.band_errors import BandErrors
from oneclick_pipeline.model.contributions import Contributions
from oneclick_pipeline.model.explanation import beeswarm, dependence, importance, model_explanation
from oneclick_pipeline.model.metrics import METRICS
from oneclick_pipeline.model.results import FamilyResult, TrainedModel
from oneclick_pipeline.model.training import changes_warnings, predict, train
from oneclick_pipeline.model.training_set import inputs, training_set

__all__ = [
    "METRICS",
    "BandErrors",
    "Contributions",
    "Explained",
    "FamilyResult",
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
