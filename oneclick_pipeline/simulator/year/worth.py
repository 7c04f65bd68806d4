"""What a customer brings in a month, and what it is truly worth to keep one from declining."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.simulator.twin.panel import Panel

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingRegressor

    from oneclick_pipeline.simulator.twin.column import Floats
    from oneclick_pipeline.simulator.twin.profile import Profile

REVENUES = ["revenue_m0", "revenue_m1", "revenue_m2"]
SEEN = ["p_decline", "profit", *REVENUES]
"""What the worth of a customer is told by."""
_LEAF = 200


def monthly_profit(snapshot: pd.DataFrame) -> Floats:
    """What each customer brought in the snapshot month itself, finance units, shape (rows,).

    The profit column is the mean of three months; in the twin a month's profit is proportional to its revenue.

    >>> import pandas as pd
    >>> snapshot = pd.DataFrame({"profit": [4.0], "revenue_m0": [500.0], "revenue_m1": [1000.0], "revenue_m2": [1500.0]})
    >>> monthly_profit(snapshot).tolist()
    [2.0]
    """
    mean = snapshot[REVENUES].to_numpy().mean(axis=1)
    profit: Floats = snapshot["profit"].to_numpy(dtype=float) * snapshot["revenue_m0"].to_numpy() / mean
    return profit


class Worth:
    """The true worth of one decline less: the profit that follows from it, as far as risk, profit and revenue show.

    Measured on another store of the same profile, played twice with the same luck: once everyone declines in its first
    month, once no one does. The later difference is estimated from what was visible in that month. Another store, so
    that the worth knows nothing of the luck of the year.
    """

    def __init__(self, profile: Profile, *, customers: int, seed: int, months: int) -> None:
        """Live the store.

        Args:
            profile: The store.
            customers: How many to learn from.
            seed: Any but that of the year.
            months: Months after a campaign for which the worth can be asked, at most.
        """
        kept = Panel.open(profile, customers=customers, seed=seed, month="2024-01")
        lost = deepcopy(kept)
        seen = kept.snapshot()
        self._seen = seen[SEEN]
        kept.advance(np.full(customers, -1.0))
        lost.advance(np.full(customers, 1.0))
        gained = []
        for month in range(months):
            if month:
                kept.advance()
                lost.advance()
            gained.append(_profit_of(kept, seen["customer_id"]) - _profit_of(lost, seen["customer_id"]))
        self._gained = np.cumsum(gained, axis=0)
        self._model = cache(self._fit)

    def of(self, customers: pd.DataFrame, months: int) -> Floats:
        """The worth of one decline less of each customer over so many months, finance units, shape (rows,), never below 0."""
        if not months:
            return np.zeros(len(customers))
        worth: Floats = np.maximum(self._model(months).predict(customers[SEEN]), 0)
        return worth

    def lost_share(self, months: int, horizon: int) -> float:
        """What a decline takes in so many months, as a share of the profit over the horizon: mean of all customers."""
        return float(self._gained[months - 1].sum() / (horizon * self._seen["profit"].sum()))

    def _fit(self, months: int) -> HistGradientBoostingRegressor:
        from sklearn.ensemble import HistGradientBoostingRegressor

        model = HistGradientBoostingRegressor(
            max_iter=60, max_leaf_nodes=12, min_samples_leaf=_LEAF, early_stopping=False, random_state=0
        )
        return model.fit(self._seen, self._gained[months - 1])


def _profit_of(panel: Panel, customers: pd.Series) -> Floats:
    """The month's profit of some customers, 0 of those who have left."""
    import pandas as pd

    snapshot = panel.snapshot()
    by_customer = pd.Series(monthly_profit(snapshot), index=snapshot["customer_id"])
    profit: Floats = np.asarray(by_customer.reindex(customers).fillna(0.0), dtype=np.float64)
    return profit
