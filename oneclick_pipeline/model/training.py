"""From a training set to a fitted, evaluated model; from a model and a table to probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from oneclick_pipeline.model.band_errors import band_errors
from oneclick_pipeline.model.candidates import draw
from oneclick_pipeline.model.evaluation import CHOSEN, Learner, inner_folds, nested_predictions, search_all
from oneclick_pipeline.model.fitting import fit
from oneclick_pipeline.model.metric_intervals import fold_scores, intervals
from oneclick_pipeline.model.out_of_time import out_of_time
from oneclick_pipeline.model.results import FamilyResult, TrainedModel
from oneclick_pipeline.model.search import RULE, VOTE, VOTE_LABEL, Trial, Vote, choose, matrices
from oneclick_pipeline.model.slices import slices
from oneclick_pipeline.model.training_set import digest, in_canonical_order, inputs, left_out, require_enough, sample, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.evaluation import SearchResult
    from oneclick_pipeline.settings import Model

_BLOCK = 64
"""Rows, a multiple of what any BLAS multiplies at a time."""


def train(training: pd.DataFrame, settings: Model) -> TrainedModel:
    """Search, evaluate and fit.

    The nested evaluation says how good the procedure is; then one more search on all rows chooses the model,
    which is fitted on all of them. The same candidates, rule and calibration serve both, but the nested searches,
    which are many, stop after the first `nested_draws` candidates: what they report is, if anything, pessimistic.

    Args:
        training: Rows of `contracts.model.TRAINING_SET`, in any order.
        settings: Folds, draws, seed, limits.

    Returns:
        The fitted model with its metrics, out-of-fold predictions and the result of every family.

    Raises:
        BadInputError: If there is one class only, or fewer customers than the folds need.
    """
    # untyped: the package ships no types. BLAS threads slow matrices of this size down and burn CPU.

    require_enough(training, folds=settings.folds, inner_folds=settings.inner_folds)
    rows = sample(in_canonical_order(training), settings.max_rows)
    require_enough(rows, folds=settings.folds, inner_folds=settings.inner_folds)
    data = Learner.of(rows)
    candidates = draw(settings)
    with threadpool_limits(limits=1):
        predictions = nested_predictions(data, candidates[: max(settings.nested_draws, len(settings.families))], settings)
        inner = inner_folds(data, settings, [settings.seed])
        search = search_all(matrices(data.frame, data.frame)[0], data, inner, candidates, settings)
        pipeline = fit(search.chosen, data, inner, settings.seed)
        later = out_of_time(rows, settings)
    results = [_family_result(best, search, predictions[best.name], len(rows), settings) for best in search.bests]
    if search.votes:
        results.append(_vote_result(search, predictions[VOTE], len(rows)))
    judged = predictions[CHOSEN]
    out_of_fold = judged["p_decline"].groupby(level=0).mean()
    return TrainedModel(
        pipeline=pipeline,
        family=search.chosen.name,
        parameters=search.chosen.parameters,
        metrics=intervals(judged),
        fold_scores=fold_scores(judged),
        predictions=judged,
        slices=slices(rows, judged),
        out_of_time=later,
        out_of_fold=rows[["feature_month", "customer_id"]].assign(p_decline=out_of_fold),
        band_errors=band_errors(out_of_fold.to_numpy(), data.declined.astype(float), data.copies, data.weight),
        families=tuple(sorted(results, key=lambda f: f.metrics["log_loss"].estimate)),
        rule=RULE,
        feature_months=tuple(sorted(rows["feature_month"].unique())),
        label_months=tuple(sorted(rows["label_month"].unique())),
        label_sources={str(source): int(n) for source, n in rows["label_source"].value_counts().items()},
        digest=digest(rows),
        rows=len(rows),
        rows_available=len(training),
        left_out=left_out(rows),
        largest_weight=float(weights_of(training).max()),
        equal_rows=float(data.weight.sum() ** 2 / (data.weight**2).sum()),
    )


def predict(pipeline: Any, features: pd.DataFrame) -> NDArray[np.float64]:  # noqa: ANN401 - scikit-learn has no types
    """P(declined) of every row.

    Args:
        pipeline: Fitted by `train`, or loaded by `tracking`.
        features: Table with the feature columns; any other column, and the order of rows, changes nothing.

    Returns:
        Probabilities, one per row, in the order of the rows; none for a table without rows.

    Raises:
        BadInputError: If a feature column is missing.
    """
    import numpy as np

    frame = inputs(features)
    if frame.empty:
        return np.empty(0)
    # BLAS multiplies a block of rows at a time, and those that fill no block in another order, which shows in the last bits:
    # all are made to fill one, so that a row's probability does not depend on how many others there are.
    whole = np.arange(-(-len(frame) // _BLOCK) * _BLOCK) % len(frame)
    p: NDArray[np.float64] = pipeline.predict_proba(frame.iloc[whole])[: len(frame), 1]
    return p


def changes_warnings(pipeline: Any) -> bool:  # noqa: ANN401
    """Whether it holds a forest: those change the warning filters of all threads, so only one thread may predict.

    See `candidates.Family.alone`.
    """
    from sklearn.ensemble._forest import BaseForest

    parts = [pipeline, *pipeline.get_params(deep=True).values()] if hasattr(pipeline, "get_params") else [pipeline]
    return any(isinstance(part, BaseForest) for part in parts)


def _family_result(best: Trial, search: SearchResult, predictions: pd.DataFrame, rows: int, settings: Model) -> FamilyResult:
    family = best.candidate.family
    trials = [t for t in search.trials if t.candidate.family is family]
    dealt = sum(c.family is family for c in draw(settings))
    return FamilyResult(
        name=family.name,
        label=family.label,
        parameters=best.parameters,
        metrics=intervals(predictions),
        fold_scores=fold_scores(predictions),
        predictions=predictions,
        trials=_trial_table(trials, best),
        rows=min(rows, best.candidate.max_rows),
        draws=f"{len({id(t.candidate) for t in trials})} of {dealt}",
    )


def _vote_result(search: SearchResult, predictions: pd.DataFrame, rows: int) -> FamilyResult:
    best = choose(search.votes)
    return FamilyResult(
        name=VOTE,
        label=VOTE_LABEL,
        parameters=best.parameters,
        metrics=intervals(predictions),
        fold_scores=fold_scores(predictions),
        predictions=predictions,
        trials=_trial_table(search.votes, best),
        rows=min(rows, max(m.candidate.max_rows for m in best.members)),
        draws=f"{len(search.votes)} of {len(search.votes)}",
    )


def _trial_table(trials: Sequence[Trial | Vote], best: Trial | Vote) -> pd.DataFrame:
    """One row per trial, lowest log loss first: parameters, mean and standard deviation of its scores, chosen or not."""
    import pandas as pd

    rows = []
    for trial in trials:
        row = dict(trial.parameters)
        for name, scores in (("roc_auc", trial.roc_auc), ("log_loss", trial.log_loss)):
            row |= {f"mean_{name}": float(scores.mean()), f"sd_{name}": float(scores.std(ddof=1))}
        rows.append(row | {"chosen": trial is best})
    return pd.DataFrame(rows).sort_values("mean_log_loss", ignore_index=True)
