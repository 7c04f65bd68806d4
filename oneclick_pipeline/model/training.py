"""From a training set to a fitted, judged model; from a model and a table to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model import metrics
from oneclick_pipeline.model.candidates import FAMILIES, draw, preprocessor
from oneclick_pipeline.model.evaluation import CHOSEN, Learner, inner_folds, nested_predictions
from oneclick_pipeline.model.results import FamilyResult, TrainedModel
from oneclick_pipeline.model.search import RULE, Trial, best_of_families, choose, classifier, matrices, search
from oneclick_pipeline.model.training_set import digest, in_canonical_order, inputs, require_enough, sample

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Model


def train(training: pd.DataFrame, settings: Model) -> TrainedModel:
    """Search, judge and fit.

    The nested evaluation says how good the procedure is; then one more search on all rows chooses the model,
    which is fitted on all of them. The same candidates, rule and calibration serve both, but the nested searches,
    which are many, stop after the first `nested_draws` candidates: what they report is, if anything, too modest.

    Args:
        training: Rows of `tables.TRAINING_SET`, in any order.
        settings: Folds, draws, seed, limits.

    Returns:
        The fitted model with its metrics, out-of-fold predictions and the result of every family.

    Raises:
        BadInputError: If there is one class only, or fewer customers than the folds need.
    """
    # untyped: the package ships no types. BLAS threads slow matrices of this size down and burn CPU.
    from threadpoolctl import threadpool_limits

    require_enough(training, folds=settings.folds, inner_folds=settings.inner_folds)
    rows = sample(in_canonical_order(training), settings.max_rows)
    require_enough(rows, folds=settings.folds, inner_folds=settings.inner_folds)
    data = Learner(inputs(rows), rows["declined"].to_numpy(dtype=int), rows["copies"].to_numpy(dtype=int))
    candidates = draw(settings.draws, settings.seed)
    with threadpool_limits(limits=1):
        predictions = nested_predictions(data, candidates[: max(settings.nested_draws, len(FAMILIES))], settings)
        inner = inner_folds(data, settings, [settings.seed])
        trials = search(matrices(data.frame, data.frame)[0], data.declined, inner, candidates, settings.seed)
        bests = best_of_families(trials)
        chosen = choose(bests)
        pipeline = fit(chosen, data, inner, settings.seed)
    families = tuple(_family_result(best, trials, predictions[best.candidate.family.name], len(rows)) for best in bests)
    judged = predictions[CHOSEN]
    return TrainedModel(
        pipeline=pipeline,
        family=chosen.candidate.family.name,
        parameters=chosen.parameters,
        metrics=metrics.intervals(judged),
        fold_scores=metrics.fold_scores(judged),
        predictions=judged,
        out_of_fold=rows[["feature_month", "customer_id"]].assign(p_decline=judged["p_decline"].groupby(level=0).mean()),
        families=tuple(sorted(families, key=lambda f: f.metrics["log_loss"].estimate)),
        rule=RULE,
        feature_months=tuple(sorted(rows["feature_month"].unique())),
        label_months=tuple(sorted(rows["label_month"].unique())),
        digest=digest(rows),
        rows=len(rows),
        rows_available=len(training),
    )


def fit(trial: Trial, data: Learner, numbers: NDArray[np.int_], seed: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Fit the whole pipeline of a trial: preprocessing and (calibrated) estimator.

    Args:
        trial: What to fit.
        data: Rows to learn from; above the family's limit the first so many.
        numbers: Fold number of every row, for the calibration.
        seed: Seed of estimators that use chance.
    """
    from sklearn.pipeline import Pipeline

    rows = min(trial.candidate.family.max_rows, len(data.frame))
    last = classifier(trial, numbers[:rows], seed)
    pipeline = Pipeline([("prepare", preprocessor(trial.candidate.encoder, trial.candidate.scaler)), ("classify", last)])
    pipeline.fit(data.frame.iloc[:rows], data.declined[:rows])
    if trial.sigmoid is not None:
        last.set_params(cv=int(numbers.max()) + 1)  # the splits have done their work: a model file needs no row numbers
    return pipeline


def predict(pipeline: Any, features: pd.DataFrame) -> NDArray[np.float64]:  # noqa: ANN401 - scikit-learn has no types
    """P(declined) of every row.

    Args:
        pipeline: Fitted by `train`, or loaded by `tracking`.
        features: Table with the feature columns; any other column, and the order of rows, changes nothing.

    Returns:
        Probabilities, one a row, in the order of the rows; none for a table without rows.

    Raises:
        BadInputError: If a feature column is missing.
    """
    import numpy as np

    frame = inputs(features)
    if frame.empty:
        return np.empty(0)
    p: NDArray[np.float64] = pipeline.predict_proba(frame)[:, 1]
    return p


def _family_result(best: Trial, trials: list[Trial], predictions: pd.DataFrame, rows: int) -> FamilyResult:
    family = best.candidate.family
    return FamilyResult(
        name=family.name,
        label=family.label,
        parameters=best.parameters,
        metrics=metrics.intervals(predictions),
        fold_scores=metrics.fold_scores(predictions),
        predictions=predictions,
        trials=_trial_table([t for t in trials if t.candidate.family is family], best),
        rows=min(rows, family.max_rows),
    )


def _trial_table(trials: list[Trial], best: Trial) -> pd.DataFrame:
    """One row a trial, lowest log loss first: parameters, mean and standard deviation of its scores, chosen or not."""
    import pandas as pd

    rows = []
    for trial in trials:
        row = dict(trial.parameters)
        for name, scores in (("roc_auc", trial.roc_auc), ("log_loss", trial.log_loss)):
            row |= {f"mean_{name}": float(scores.mean()), f"sd_{name}": float(scores.std(ddof=1))}
        rows.append(row | {"chosen": trial is best})
    return pd.DataFrame(rows).sort_values("mean_log_loss", ignore_index=True)
