"""A choice of the search, fitted to predict from features; and a fitted model, fitted again on other customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline.model.calibration import ISOTONIC, keep_from_certainty
from oneclick_pipeline.model.candidates import preprocessor
from oneclick_pipeline.model.evaluation import inner_folds
from oneclick_pipeline.model.folds import splits
from oneclick_pipeline.model.search import Trial, Vote, classifier, stratified, weighted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from oneclick_pipeline.model.evaluation import Learner
    from oneclick_pipeline.settings import Model


def fit(choice: Trial | Vote, data: Learner, numbers: NDArray[np.int_], seed: int) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Fit everything that a choice needs to predict from features: preprocessing, (calibrated) estimator, vote.

    Args:
        choice: What to fit.
        data: Rows to learn from; a family above its limit learns from a stratified sample of them.
        numbers: Fold number of every row, for the calibration.
        seed: Seed of estimators that use chance.

    Returns:
        A fitted scikit-learn `Pipeline`, or a `VotingClassifier` of such.
    """
    if isinstance(choice, Vote):
        return _voting([(member.name, fit(member, data, numbers, seed)) for member in choice.members], data.declined)
    from sklearn.pipeline import Pipeline

    used = stratified(data.declined, choice.candidate.max_rows)
    last = classifier(choice, numbers[used], seed)
    pipeline = Pipeline([("prepare", preprocessor(choice.candidate.encoder, choice.candidate.scaler)), ("classify", last)])
    return _fitted(pipeline, data.rows(used), numbers[used], seed)


def refit(pipeline: Any, family: str, data: Learner, settings: Model) -> Any:  # noqa: ANN401
    """What a fitted model would be if it had learned from other customers: with its own parameters and kind of calibration.

    Args:
        pipeline: Fitted by `fit`; it stays as it is.
        family: Its family.
        data: Rows to learn from; a family above its limit learns from a stratified sample of them.
        settings: Limits of the families, folds for the calibration, seed.
    """
    from sklearn.base import clone
    from sklearn.ensemble import VotingClassifier

    if isinstance(pipeline, VotingClassifier):
        return _voting([(name, refit(member, name, data, settings)) for name, member in pipeline.estimators], data.declined)
    rows = data.rows(stratified(data.declined, settings.family_max_rows.get(family, settings.max_rows)))
    return _fitted(clone(pipeline), rows, inner_folds(rows, settings, [settings.seed]), settings.seed)


def _fitted(pipeline: Any, data: Learner, numbers: NDArray[np.int_], seed: int) -> Any:  # noqa: ANN401
    """Fit a pipeline; a calibrated one learns its calibrator out of these folds, and from copies of a row together."""
    from sklearn.calibration import CalibratedClassifierCV

    prepare, last = pipeline.named_steps["prepare"], pipeline.named_steps["classify"]
    calibrated = isinstance(last, CalibratedClassifierCV)
    places, further = weighted(last.estimator if calibrated else last, data.weight, seed)
    if calibrated:
        last.set_params(cv=list(splits(numbers[places])))
    last.fit(prepare.fit_transform(data.frame)[places], data.declined[places], **further)
    if calibrated:
        last.set_params(cv=int(numbers.max()) + 1)  # the splits are no longer needed: a model file needs no row numbers
        if last.method == ISOTONIC:
            keep_from_certainty(last)
    return pipeline


def _voting(members: list[tuple[str, Any]], declined: NDArray[np.int_]) -> Any:  # noqa: ANN401
    """A fitted `VotingClassifier` of fitted members.

    Its own `fit` would fit them all on the same rows, but each family has its own limit; so what it predicts with is
    set here (tested against `fit`). What it would be fitted again from are unfitted copies: fitted ones would be in the
    model's file a second time.
    """
    from sklearn.base import clone
    from sklearn.ensemble import VotingClassifier
    from sklearn.preprocessing import LabelEncoder

    vote = VotingClassifier([(name, clone(model)) for name, model in members], voting="soft")
    vote.le_ = LabelEncoder().fit(declined)
    vote.classes_ = vote.le_.classes_
    vote.estimators_ = [model for _, model in members]
    return vote
