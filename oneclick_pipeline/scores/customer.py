"""The score of every customer, the value that it puts at risk, and the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.scores import CUSTOMER_SCORES
from oneclick_pipeline.model.training_set import inputs
from oneclick_pipeline.scores.reasons import reasons, words

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd

    from oneclick_pipeline.model.contributions import Contributions


def customer_scores(
    features: pd.DataFrame,
    predict: Callable[[pd.DataFrame], np.ndarray],
    contributions: Contributions,
    out_of_fold: pd.DataFrame,
    *,
    model_name: str,
    model_version: int,
    horizon_months: int,
    meaning: str,
) -> pd.DataFrame:
    """Score every customer of a month.

    A customer on whose features of this very month the model was trained gets the out-of-fold probability,
    which no model made that had seen them: the model's own would flatter it. A customer missing from
    market_file has nearly no features and gets no score and no reasons. The reasons are by the contributions of the
    registered model, also for an out-of-fold probability; that then is what they add up to.

    Args:
        features: `contracts.customers.CUSTOMER_FEATURES` of the month.
        predict: Probability of `declined` for rows with the columns `contracts.customers.FEATURE_NAMES`.
        contributions: What the features contribute to the model's log-odds.
        out_of_fold: customer_id and p_decline of the customers of this month the model was trained on.
        model_name: Name of the registered model.
        model_version: Its version.
        horizon_months: Months over which the profit is at risk.
        meaning: What the model's probabilities are about, see `contracts.scores.MEANING`.

    Returns:
        Columns of `contracts.scores.CUSTOMER_SCORES`, in the order of `features`, texts as categories. A row depends on its own
        customer alone, so the batches of a table give what the whole of it would.
    """
    import numpy as np
    import pandas as pd

    held_out = out_of_fold.set_index("customer_id")["p_decline"].reindex(features["customer_id"]).to_numpy(dtype=float)
    known = (features["regular_reason"] != "not_in_market_file").to_numpy(dtype=bool)
    by_model = known & np.isnan(held_out)
    shown = inputs(features.loc[known, list(FEATURE_NAMES)]).reset_index(drop=True)
    probability = np.where(known, held_out, np.nan)
    if by_model.any():
        probability[by_model] = predict(shown[by_model[known]])
    profit = features["profit"].to_numpy(dtype=float, na_value=np.nan)
    texts = reasons(shown, probability[known], contributions).set_index(np.flatnonzero(known))
    scores = pd.DataFrame(
        {
            "customer_id": features["customer_id"].to_numpy(),
            "p_decline": probability,
            "score_basis": words(np.select([by_model, known], [0, 1], 2), ("model", "out_of_fold", "not_scored")),
            "meaning": words(np.zeros(len(features), dtype=np.int64), (meaning,)),
            "regular": features["regular"].to_numpy(dtype=bool),
            "profit": profit,
            # A customer who costs the store money puts none at risk by leaving.
            "value_at_risk": probability * np.maximum(profit, 0) * horizon_months,
            "model_name": words(np.zeros(len(features), dtype=np.int64), (model_name,)),
            "model_version": model_version,
        }
    )
    return pd.concat([scores, texts.reindex(scores.index)], axis=1)[CUSTOMER_SCORES.names]
