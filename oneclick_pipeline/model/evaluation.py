"""Nested evaluation: how good the whole procedure is on customers that no part of it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oneclick_pipeline.model.folds import fold_numbers, splits
from oneclick_pipeline.model.search import best_of_families, choose, matrices, probabilities, search

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.candidates import Candidate
    from oneclick_pipeline.settings import Model

CHOSEN = "chosen"
"""Key of the predictions by whichever family the search chose in the fold."""


class Learner(NamedTuple):
    """What a model learns from: inputs, labels and groups of copies, row by row in canonical order."""

    frame: pd.DataFrame
    declined: NDArray[np.int_]
    copies: NDArray[np.int_]

    def rows(self, index: NDArray[np.intp]) -> Learner:
        """Some of the rows."""
        return Learner(self.frame.iloc[index], self.declined[index], self.copies[index])


def nested_predictions(data: Learner, candidates: Sequence[Candidate], settings: Model) -> dict[str, pd.DataFrame]:
    """Repeat grouped, stratified outer folds; inside each, search anew and predict the customers left out.

    Args:
        data: The training set.
        candidates: What each search may choose from.
        settings: Folds, repeats, inner folds, seed.

    Returns:
        Predictions by family, and under `CHOSEN` those of the family that the search chose in each fold: one row
        a customer and repeat, columns repeat, fold, declined, p_decline, index = row of the training set.
    """
    from concurrent.futures import ThreadPoolExecutor

    import pandas as pd
    from threadpoolctl import threadpool_limits

    def predicted(task: tuple[int, int, NDArray[np.intp], NDArray[np.intp]]) -> dict[str, pd.DataFrame]:
        repeat, fold, learn, judge = task
        found = _predict_fold(data.rows(learn), data.rows(judge), candidates, settings, seed=[settings.seed, repeat, fold])
        columns = {"repeat": repeat, "fold": fold, "declined": data.declined[judge]}
        return {name: pd.DataFrame(columns | {"p_decline": p}, index=judge) for name, p in found.items()}

    tasks = [
        (repeat, fold, learn, judge)
        for repeat in range(settings.repeats)
        for fold, (learn, judge) in enumerate(
            splits(fold_numbers(data.declined, data.copies, folds=settings.folds, seed=[settings.seed, repeat]))
        )
    ]
    # Threads: the estimators leave Python's lock for most of their time, so a second one saves a fifth to a third of the wall
    # time at the same CPU time; a process would first import scikit-learn. OpenMP counts threads per thread.
    with ThreadPoolExecutor(max_workers=2, initializer=lambda: threadpool_limits(limits=1)) as pool:
        parts = list(pool.map(predicted, tasks))
    return {name: pd.concat([part[name] for part in parts]) for name in parts[0]}


def inner_folds(data: Learner, settings: Model, seed: list[int]) -> NDArray[np.int_]:
    """Fold number of every row for a search on these rows."""
    return fold_numbers(data.declined, data.copies, folds=settings.inner_folds, seed=seed)


def _predict_fold(
    learn: Learner, judge: Learner, candidates: Sequence[Candidate], settings: Model, seed: list[int]
) -> dict[str, NDArray[np.float64]]:
    """Search on `learn`, fit the best of every family on it, predict `judge`."""
    known, new = matrices(learn.frame, judge.frame)
    bests = best_of_families(search(known, learn.declined, inner_folds(learn, settings, seed), candidates, settings.seed))
    found = {t.candidate.family.name: probabilities(t, known, learn.declined, new, settings.seed) for t in bests}
    return found | {CHOSEN: found[choose(bests).candidate.family.name]}
