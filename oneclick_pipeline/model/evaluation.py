"""Nested evaluation: how good the whole procedure is on customers that no part of it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oneclick_pipeline.engine import threads
from oneclick_pipeline.model.folds import fold_numbers, splits
from oneclick_pipeline.model.search import (
    VOTE,
    Predicted,
    Trial,
    Vote,
    best_of_families,
    choose,
    matrices,
    probabilities,
    search,
    votes,
)
from oneclick_pipeline.model.training_set import inputs, weights_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.candidates import Candidate
    from oneclick_pipeline.model.search import Prepared
    from oneclick_pipeline.settings import Model

CHOSEN = "chosen"
"""Key of the predictions by whichever family the search chose in the fold."""


class Learner(NamedTuple):
    """What a model learns from: inputs, labels, groups of copies and weights, row by row in canonical order."""

    frame: pd.DataFrame
    declined: NDArray[np.int_]
    copies: NDArray[np.int_]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Learner:
        """What there is to learn from rows of `contracts.model.TRAINING_SET`."""
        return cls(inputs(rows), rows["declined"].to_numpy(dtype=int), rows["copies"].to_numpy(dtype=int), weights_of(rows))

    def rows(self, index: NDArray[np.intp]) -> Learner:
        """Some of the rows."""
        return Learner(self.frame.iloc[index], self.declined[index], self.copies[index], self.weight[index])


class SearchResult(NamedTuple):
    """The result of a search: all its trials, the best of every family, the votes of these, and the choice."""

    trials: list[Trial]
    bests: list[Trial]
    votes: list[Vote]
    chosen: Trial | Vote


def nested_predictions(data: Learner, candidates: Sequence[Candidate], settings: Model) -> dict[str, pd.DataFrame]:
    """Repeat grouped, stratified outer folds; inside each, search again and predict the customers left out.

    Args:
        data: The training set.
        candidates: What each search may choose from.
        settings: Folds, repeats, inner folds, seed.

    Returns:
        Predictions by family (the soft vote is one), and under `CHOSEN` those of whatever the search chose in each
        fold: one row per customer and repeat, columns repeat, fold, declined, weight, p_decline, and p_raw and p_calibrated,
        of which p_decline is the one that the search kept; index = row of the training set.
    """
    import pandas as pd

    def predicted(task: tuple[int, int, NDArray[np.intp], NDArray[np.intp]]) -> dict[str, pd.DataFrame]:
        repeat, fold, learn, judge = task
        rows = data.rows(learn)
        numbers = inner_folds(rows, settings, [settings.seed, repeat, fold])
        result, chosen = _search_and_predict(rows, data.frame.iloc[judge], numbers, candidates, settings)
        columns = {"repeat": repeat, "fold": fold, "declined": data.declined[judge], "weight": data.weight[judge]}
        return {
            name: pd.DataFrame(columns | {"p_decline": p.kept, "p_raw": p.raw, "p_calibrated": p.calibrated}, index=judge)
            for name, p in (result | {CHOSEN: result[chosen]}).items()
        }

    tasks = [
        (repeat, fold, learn, judge)
        for repeat in range(settings.repeats)
        for fold, (learn, judge) in enumerate(
            splits(fold_numbers(data.declined, data.copies, folds=settings.folds, seed=[settings.seed, repeat]))
        )
    ]
    # A second thread saves a fifth to a third of the wall time at the same CPU time; a process would first import scikit-learn.
    with threads.pool(2) as executor:
        parts = list(executor.map(predicted, tasks))
    return {name: pd.concat([part[name] for part in parts]) for name in parts[0]}


def inner_folds(data: Learner, settings: Model, seed: list[int]) -> NDArray[np.int_]:
    """Fold number of every row for a search on these rows."""
    return fold_numbers(data.declined, data.copies, folds=settings.inner_folds, seed=seed)


def search_all(
    prepared: Prepared, data: Learner, numbers: NDArray[np.int_], candidates: Sequence[Candidate], settings: Model
) -> SearchResult:
    """Search, then apply the rule: within every family, among the votes, and among all of these."""
    trials = search(prepared, data.declined, data.weight, numbers, candidates, settings)
    bests = best_of_families(trials)
    tried = votes(bests, data.declined, data.weight, numbers)
    contenders: list[Trial | Vote] = [*bests]
    if tried:
        contenders.append(choose(tried))
    return SearchResult(trials, bests, tried, choose(contenders))


def predict_new(
    learn: Learner, new: pd.DataFrame, numbers: NDArray[np.int_], candidates: Sequence[Candidate], settings: Model
) -> tuple[NDArray[np.float64], str]:
    """Search on `learn` and predict new customers with the choice: probabilities, and its name."""
    predicted, chosen = _search_and_predict(learn, new, numbers, candidates, settings)
    return predicted[chosen].kept, chosen


def _search_and_predict(
    learn: Learner, new: pd.DataFrame, numbers: NDArray[np.int_], candidates: Sequence[Candidate], settings: Model
) -> tuple[dict[str, Predicted], str]:
    """Search on `learn`, fit the best of every family on it, predict `new`; returns all that and the name of the choice."""
    import numpy as np

    known, unseen = matrices(learn.frame, new)
    result = search_all(known, learn, numbers, candidates, settings)
    of_learn = known, learn.declined, learn.weight
    predicted = {t.name: probabilities(t, *of_learn, unseen, settings.seed) for t in result.bests}
    if result.votes:
        members = [predicted[m.name] for m in choose(result.votes).members]
        predicted[VOTE] = Predicted(*(np.mean(parts, axis=0) for parts in zip(*members, strict=True)))
    return predicted, result.chosen.name
