"""One joint search over all candidates on the same folds, and the rule that chooses.

Every estimator is evaluated raw and calibrated (see `calibration`), so calibration is kept only where it helps
the log loss of rows that neither the estimator nor its calibrator has seen.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from oneclick_pipeline.model.calibration import (
    NONE,
    SIGMOID,
    Calibrator,
    Sigmoid,
    cross_calibrated,
    fit_calibrator,
    kinds_for,
)
from oneclick_pipeline.model.candidates import ENCODERS, FAMILIES, SCALERS, Candidate, number_part, text_part
from oneclick_pipeline.model.folds import splits
from oneclick_pipeline.model.metrics import log_loss, roc_auc
from oneclick_pipeline.model.training_set import NUMBERS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Model

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int_]
    Prepared = dict[tuple[str, str], Floats]

Choice = TypeVar("Choice", bound="Trial | Vote")

RULE = (
    "Among the candidates whose mean ROC-AUC over the inner folds lies within one standard error of the best, "
    "the one with the lowest mean log loss; first within each family, then among the families' best and the soft votes "
    "of the two, three and four of them with the lowest log loss."
)
VOTE, VOTE_LABEL = "soft_vote", "Soft vote"
_LARGEST_VOTE = 4
_ALONE = Lock()
_WORTH = 0.001
"""Improvement of log loss, in nats, below which a draw counts as no gain."""


@dataclass(frozen=True)
class Trial:
    """A candidate, raw or calibrated, with its score in every inner fold.

    Attributes:
        candidate: What was tried.
        calibration: `none`, or the kind of calibrator that is applied.
        calibrator: That calibrator, learned from all inner folds; with `none` the sigmoid that would have been.
        p: Probabilities of the n rows, each by an estimator (and a calibrator) that has not seen it.
        roc_auc: Score of every inner fold.
        log_loss: Score of every inner fold, in nats.
    """

    candidate: Candidate
    calibration: str
    calibrator: Calibrator
    p: Floats
    roc_auc: Floats
    log_loss: Floats

    @property
    def name(self) -> str:
        """Family."""
        return self.candidate.family.name

    @property
    def label(self) -> str:
        """Family, for people."""
        return self.candidate.family.label

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that distinguishes this trial from others, flat."""
        c = self.candidate
        return {"encoder": c.encoder, "scaler": c.scaler, "calibration": self.calibration, **c.parameters}


@dataclass(frozen=True)
class Vote:
    """The mean probability of several trials, with its score in every inner fold.

    Attributes:
        members: The trials, lowest log loss first.
        roc_auc: Score of every inner fold.
        log_loss: Score of every inner fold, in nats.
    """

    members: tuple[Trial, ...]
    roc_auc: Floats
    log_loss: Floats
    name = VOTE
    label = VOTE_LABEL

    @property
    def parameters(self) -> dict[str, Any]:
        """The members and everything about each, flat."""
        own = {f"{m.name}.{key}": value for m in self.members for key, value in m.parameters.items()}
        return {"members": ", ".join(m.name for m in self.members), **own}


class Predicted(NamedTuple):
    """P(declined) of new rows by a trial: before calibration, after it, and whichever of the two is kept."""

    raw: Floats
    calibrated: Floats
    kept: Floats


def search(
    prepared: Prepared, declined: Ints, weight: Floats, numbers: Ints, candidates: Sequence[Candidate], settings: Model
) -> list[Trial]:
    """Evaluate the candidates on every fold, family by family until further draws stop helping.

    A family is no longer drawn when its last `settings.patience` draws gained nothing, or when its best log loss lies
    more than two standard errors (paired, over the folds) behind the best of all.

    Args:
        prepared: The n rows as every encoder and scaler shows them. Preparation reads no labels, so sharing it
            between the inner folds leaks nothing; the rows that evaluate the search itself are not among the n.
        declined: Labels, 0 or 1, n.
        weight: How much each row counts, n.
        numbers: Fold number of every row, n.
        candidates: What to evaluate, in this order.
        settings: Patience, and the seed of estimators that use chance.

    Returns:
        Trials in the order of the candidates, raw before calibrated ones.
    """
    import numpy as np

    trials: list[Trial] = []
    for candidate in candidates:
        if not _pays(candidate.family.name, trials, settings.patience):
            continue
        rows = prepared[candidate.encoder, candidate.scaler]
        score, raw = np.empty(len(rows)), np.empty(len(rows))
        for learn, judge in splits(numbers):
            known = rows[learn], declined[learn], weight[learn]
            score[judge], raw[judge] = fit_and_predict(candidate, *known, rows[judge], settings.seed)
        kinds = {kind: fit_calibrator(kind, score, declined, weight) for kind in kinds_for(len(rows))}
        if candidate.family.probabilistic:
            trials.append(Trial(candidate, NONE, kinds[SIGMOID], raw, *_scores(raw, declined, weight, numbers)))
        for kind, calibrator in kinds.items():
            p = cross_calibrated(kind, score, declined, weight, numbers)
            trials.append(Trial(candidate, kind, calibrator, p, *_scores(p, declined, weight, numbers)))
    return trials


def _pays(family: str, trials: Sequence[Trial], patience: int) -> bool:
    """Whether another draw of a family may still help, judging by the trials so far."""
    own = [t for t in trials if t.name == family]
    if not own:
        return True
    losses: dict[int, float] = {}  # by draw: a candidate's trials follow one another
    for trial in own:
        losses[id(trial.candidate)] = min(losses.get(id(trial.candidate), float("inf")), float(trial.log_loss.mean()))
    earlier, last = list(losses.values())[:-patience], list(losses.values())[-patience:]
    if earlier and min(last) > min(earlier) - _WORTH:
        return False
    best, leader = (min(some, key=lambda t: float(t.log_loss.mean())) for some in (own, trials))
    behind = best.log_loss - leader.log_loss
    return bool(behind.mean() <= 2 * behind.std(ddof=1) / len(behind) ** 0.5)


def choose(trials: Sequence[Choice]) -> Choice:
    """Apply `RULE` once. Tuning on ROC-AUC alone would pick models that rank well but have wrong probabilities."""
    import numpy as np

    best = max(trials, key=lambda t: float(t.roc_auc.mean()))
    floor = best.roc_auc.mean() - best.roc_auc.std(ddof=1) / np.sqrt(len(best.roc_auc))
    return min((t for t in trials if t.roc_auc.mean() >= floor), key=lambda t: float(t.log_loss.mean()))


def best_of_families(trials: Sequence[Trial]) -> list[Trial]:
    """The chosen trial of every family, in the order of `FAMILIES`."""
    return [choose(own) for family in FAMILIES if (own := [t for t in trials if t.name == family.name])]


def votes(bests: Sequence[Trial], declined: Ints, weight: Floats, numbers: Ints) -> list[Vote]:
    """Soft votes of the best two, three, … families by log loss; none where there is only one family."""
    import numpy as np

    ranked = sorted(bests, key=lambda t: float(t.log_loss.mean()))
    sizes = range(2, min(len(ranked), _LARGEST_VOTE) + 1)
    together = {size: np.mean([t.p for t in ranked[:size]], axis=0) for size in sizes}
    return [Vote(tuple(ranked[:size]), *_scores(p, declined, weight, numbers)) for size, p in together.items()]


def matrices(learn: pd.DataFrame, judge: pd.DataFrame) -> tuple[Prepared, Prepared]:
    """Prepare rows as `candidates.preprocessor` does (tested), with every encoder and scaler, fitted on `learn` alone.

    Numbers do not depend on the encoder nor texts on the scaler, so each part is fitted once, and on plain arrays:
    by way of frames it takes nearly twice as long (*measured*).

    Returns:
        `learn` and `judge` prepared, each by (encoder, scaler).
    """
    import numpy as np

    def both(part: Any, columns: tuple[str, ...], dtype: type) -> tuple[Floats, Floats]:  # noqa: ANN401
        known, new = (rows[list(columns)].to_numpy(dtype=dtype) for rows in (learn, judge))
        return part.fit_transform(known), part.transform(new)

    numbers = {scaler: both(number_part(scaler), NUMBERS, float) for scaler in SCALERS}
    texts = {encoder: both(text_part(encoder), TEXTS, object) for encoder in ENCODERS}
    known, new = ({(e, s): np.hstack([n[i], t[i]]) for e, t in texts.items() for s, n in numbers.items()} for i in (0, 1))
    return known, new


def stratified(declined: Ints, limit: int) -> NDArray[np.intp]:
    """Rows to learn from where at most `limit` may be used: the first of each class, in its share.

    Rows are in an order as good as random, so these are a random sample, and each keeps its weight.

    >>> import numpy as np
    >>> stratified(np.array([0, 0, 0, 1, 0, 0, 1, 0]), 4).tolist()
    [0, 1, 2, 3]
    """
    import numpy as np

    if len(declined) <= limit:
        return np.arange(len(declined))
    positives = min(max(1, round(limit * float(declined.mean()))), limit - 1)
    of_class = (np.flatnonzero(declined == label)[:n] for label, n in ((0, limit - positives), (1, positives)))
    return np.sort(np.concatenate(list(of_class)))


def weighted(estimator: Any, weight: Floats, seed: int) -> tuple[NDArray[np.intp], dict[str, Floats]]:  # noqa: ANN401
    """How an estimator learns from rows of which each represents so many customers: which rows it is given, and with what.

    One that takes no weights (nearest neighbours) is given every row as often as its weight says; whether once more for the
    rest behind the decimal point, a draw decides, so that on average it is exact. Of equal weights nothing is said.

    Args:
        estimator: Not fitted yet.
        weight: Weight of every row, at least 1; shape (n,).
        seed: Seed of the draw.

    Returns:
        Places of the rows, and further arguments of `fit`.
    """
    import numpy as np
    from sklearn.utils.validation import has_fit_parameter

    places = np.arange(len(weight))
    if (weight == 1).all():
        return places, {}
    if has_fit_parameter(estimator, "sample_weight"):
        return places, {"sample_weight": weight}
    return np.repeat(places, (weight + np.random.default_rng([seed, 6]).random(len(weight))).astype(int)), {}


def fit_and_predict(
    candidate: Candidate, rows: Floats, declined: Ints, weight: Floats, new: Floats, seed: int
) -> tuple[Floats, Floats]:
    """Fit a candidate's estimator on prepared rows, above its limit on a stratified sample of them, and predict new ones.

    Returns:
        What calibration starts from (the decision function where there is one), and the raw probability.
    """
    used = stratified(declined, candidate.max_rows)
    with _ALONE if candidate.family.alone else nullcontext():
        model = candidate.estimator(len(used), seed)
        places, further = weighted(model, weight[used], seed)
        model.fit(rows[used][places], declined[used][places], **further)
        if not candidate.family.probabilistic:
            score = model.decision_function(new)
            return score, score
        p = model.predict_proba(new)[:, 1]
    return (model.decision_function(new) if hasattr(model, "decision_function") else p), p


def probabilities(trial: Trial, known: Prepared, declined: Ints, weight: Floats, new: Prepared, seed: int) -> Predicted:
    """Fit a trial on the rows it was searched on and give P(declined) of new ones.

    The calibrator of the search is reused: `classifier` would fit the same one again (tested), at the price of
    the inner folds. The raw probability of an estimator that has none is the sigmoid of its decision function.
    """
    key = trial.candidate.encoder, trial.candidate.scaler
    score, raw = fit_and_predict(trial.candidate, known[key], declined, weight, new[key], seed)
    raw = raw if trial.candidate.family.probabilistic else Sigmoid(1.0, 0.0)(raw)
    calibrated = trial.calibrator(score)
    return Predicted(raw, calibrated, raw if trial.calibration == NONE else calibrated)


def classifier(trial: Trial, numbers: Ints, seed: int) -> Any:  # noqa: ANN401
    """The unfitted scikit-learn classifier of a trial for rows with these fold numbers.

    A calibrated one learns its calibrator from predictions out of the same grouped folds (`ensemble=False`), then
    refits the estimator on all rows.
    """
    from sklearn.calibration import CalibratedClassifierCV

    estimator = trial.candidate.estimator(len(numbers), seed)
    if trial.calibration == NONE:
        return estimator
    return CalibratedClassifierCV(estimator, method=trial.calibration, ensemble=False, cv=list(splits(numbers)))


def _scores(p: Floats, declined: Ints, weight: Floats, numbers: Ints) -> tuple[Floats, Floats]:
    """ROC-AUC and log loss of every fold."""
    import numpy as np

    judged = [(declined[j], p[j], weight[j]) for _, j in splits(numbers)]
    return np.array([roc_auc(*of_fold) for of_fold in judged]), np.array([log_loss(*of_fold) for of_fold in judged])
