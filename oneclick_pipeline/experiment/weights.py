"""The weight of a customer without an offer, so that those who got none represent all customers.

A score predicts what happens without an offer, so it is learned from customers who got none, and evaluated on such. The plan
offers to those whom an offer helps most, mostly at high risk; who got none among them, chance decided. Each counts
1 / P(no offer), so that together they represent all (inverse probability weighting: Horvitz, Thompson 1952; for several
months in a row Robins, Hernán, Brumback 2000).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.home.months import add_months

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

COLUMNS = ("customer_id", "arm", "p_no_offer", "control_share")
"""The columns read from a ledger or plan."""
LEAST = 0.01
"""Smallest probability that a weight is made of: no customer counts for more than a hundred others."""


def influencing(months: Iterable[str], label_month: str, horizon: int) -> list[str]:
    """The months whose offers may have changed what a later month shows, oldest first.

    Args:
        months: Months in which something was sent.
        label_month: Month whose snapshot shows what became of the customers.
        horizon: Months over which it looks back.

    >>> influencing(["2026-05", "2026-04", "2026-02", "2026-01"], "2026-05", 3)
    ['2026-02', '2026-04']
    """
    return sorted(month for month in months if add_months(label_month, -horizon) <= month < label_month)


def weights(customers: pd.Series, months: Sequence[pd.DataFrame]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Who got an offer in any of some months, and 1 / P(no offer in all of them).

    Args:
        customers: Their numbers, shape (n,).
        months: Of every month rows of its ledger or plan, at least `COLUMNS`, one row per customer. Customers who are not in
            it certainly got no offer.

    Returns:
        Flags and weights, both of shape (n,).
    """
    import numpy as np

    from oneclick_pipeline.experiment.probabilities import no_offer_in_all

    n = len(customers)
    offered, probabilities, held_out = np.zeros(n, dtype=bool), [], []
    for month in months:
        own = month.drop_duplicates("customer_id").set_index("customer_id").reindex(customers)
        offered |= own["arm"].eq("offer").to_numpy(dtype=bool)
        p = own["p_no_offer"].to_numpy(dtype=float, na_value=np.nan)
        probabilities.append(np.where(np.isnan(p), 1.0, np.maximum(p, LEAST)))
        held_out.append(own["control_share"].to_numpy(dtype=float, na_value=np.nan))
    return offered, 1 / np.clip(np.broadcast_to(no_offer_in_all(probabilities, held_out), n), LEAST, 1.0)
