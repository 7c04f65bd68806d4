"""The champion on a challenger's customers, as if it had never seen them.

A champion that knows a customer from earlier months has an edge that no challenger can beat: customers have tastes that no
feature shows. So its prediction of a customer whom it was trained on in any month says nothing about which is better. In every
outer fold of the challenger the champion is fitted again, with its own parameters and on its own training set without the
customers of the fold, and predicts these. Both are then compared on customers whom neither has seen. Where the
champion's training set is no longer there, only those customers are compared of whom it has an honest probability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.evaluation import Learner
from oneclick_pipeline.model.fitting import refit
from oneclick_pipeline.model.slices import ENOUGH
from oneclick_pipeline.model.training import predict
from oneclick_pipeline.model.training_set import KEY, hashes, require_enough, weights_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.settings import Model

REFITTED = "the champion fitted again without the customers of each fold"


@dataclass(frozen=True)
class Champion:
    """What a comparison must know of the champion.

    Attributes:
        version: Number of its version.
        family: Its family.
        roc_auc: Nested ROC-AUC that it had when it was trained.
        pipeline: The fitted model.
        out_of_fold: feature_month, customer_id and p_decline of the customers it was trained on.
        training: The rows that it was trained on; None where they are no longer there.
    """

    version: int
    family: str
    roc_auc: float
    pipeline: Any
    out_of_fold: pd.DataFrame
    training: pd.DataFrame | None


@dataclass(frozen=True)
class Standing:
    """Challenger and champion on customers whom neither has seen.

    Attributes:
        version: Number of the champion's version.
        roc_auc: Nested ROC-AUC that it had when it was trained.
        rows: One row per customer and month: fold, declined, weight, and p_decline by `challenger` and `champion`; empty
            where there are too few to compare.
        basis: What is compared, in words.
    """

    version: int
    roc_auc: float
    rows: pd.DataFrame
    basis: str


def standing(trained: TrainedModel, training: pd.DataFrame, champion: Champion, settings: Model) -> Standing:
    """Compare a challenger with the champion on the challenger's customers.

    Args:
        trained: The challenger.
        training: The training set that it was given, in any order.
        champion: The champion.
        settings: Limits of the families, folds for the calibration, seed.
    """
    rows = trained.out_of_fold[KEY].merge(training, on=KEY, how="left", validate="one_to_one")
    first = trained.predictions[trained.predictions["repeat"] == trained.predictions["repeat"].min()].sort_index()
    rows = rows.assign(fold=first["fold"].to_numpy(), weight=weights_of(rows))
    by_fold = _training_without(rows, champion, settings)
    if by_fold:
        compared = rows.assign(challenger=first["p_decline"].to_numpy(), champion=_refitted(rows, by_fold, champion, settings))
        basis = REFITTED
    else:
        compared, basis = _honest(rows.assign(challenger=trained.out_of_fold["p_decline"].to_numpy()), champion)
    return Standing(champion.version, champion.roc_auc, compared[["fold", "declined", "weight", "challenger", "champion"]], basis)


def _training_without(rows: pd.DataFrame, champion: Champion, settings: Model) -> dict[int, pd.DataFrame]:
    """By fold the champion's training rows without its customers and their copies; none where they are too few or gone."""
    import numpy as np

    own, by_fold = champion.training, {}
    if own is None:
        return {}
    shown, known = hashes(rows), hashes(own)
    for fold, part in rows.groupby("fold"):
        alike = own["customer_id"].isin(part["customer_id"]) | np.isin(known, shown[(rows["fold"] == fold).to_numpy()])
        seen = own.loc[alike, "copies"]
        by_fold[int(str(fold))] = left = own[~own["copies"].isin(seen)]
        try:
            require_enough(left, folds=settings.inner_folds, inner_folds=settings.inner_folds)
        except BadInputError:
            return {}
    return by_fold


def _refitted(rows: pd.DataFrame, by_fold: dict[int, pd.DataFrame], champion: Champion, settings: Model) -> NDArray[np.float64]:
    """P(declined) of every row by the champion, fitted again without the customers of the row's fold."""
    import numpy as np

    p = np.empty(len(rows))
    with threadpool_limits(limits=1):
        for fold, left in by_fold.items():
            judged = (rows["fold"] == fold).to_numpy()
            p[judged] = predict(refit(champion.pipeline, champion.family, Learner.of(left), settings), rows[judged])
    return p


def _honest(rows: pd.DataFrame, champion: Champion) -> tuple[pd.DataFrame, str]:
    """The rows of which the champion has an honest probability as it is, and how many of what kind there are."""
    import numpy as np

    p = (
        rows[KEY]
        .merge(champion.out_of_fold[[*KEY, "p_decline"]], on=KEY, how="left")["p_decline"]
        .to_numpy(dtype=float, copy=True)
    )
    out_of_fold = ~np.isnan(p)
    known = rows.loc[rows["customer_id"].isin(champion.out_of_fold["customer_id"]), "copies"]
    new = ~out_of_fold & ~rows["copies"].isin(known).to_numpy()
    if new.any():
        p[new] = predict(champion.pipeline, rows[new])
    compared = rows.assign(champion=p)[out_of_fold | new]
    basis = (
        f"its training set is no longer there, so of {len(rows)} customers {int(out_of_fold.sum())} are compared that it "
        f"predicted out of fold, and {int(new.sum())} that it has seen in no month"
    )
    of_class = compared.groupby(["fold", "declined"]).size()
    enough = len(of_class) == 2 * rows["fold"].nunique() and of_class.min() >= ENOUGH
    return compared if enough else compared.head(0), basis
