"""How likely a customer was to get no offer: what stands between all customers and those whom scores are judged on.

A score says what happens without an offer, so it is judged on customers who got none. The plan offers to those whom
an offer helps most, mostly at high risk; who is left alone among them, chance decided. Each counts 1 / P(no offer), so
that together they stand for all (inverse probability weighting: Horvitz, Thompson 1952; for several months in a row
Robins, Hernán, Brumback 2000).
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

COLUMNS = (
    "customer_id", "arm", "offer_id", "assignment", "propensity", "control_share", "exploration_share", "offer_control_share",
    "fits",
)  # fmt: skip
"""What the ledger and a plan both tell of a draw."""
LEAST = 0.01
"""Smallest probability that a weight is made of: nobody counts for more than a hundred others."""


def alone(drawn: pd.DataFrame) -> pd.DataFrame:
    """Who got no offer in a month, and how likely that was.

    With h, c the shares held out for good and for the month, E the share that explored, k offers that fit, an explorer
    draws no offer with 1/(k + 1). So of a customer for whom the plan had an offer
    P(no offer) = h + (1 − h)[E/(k + 1) + (1 − E)c], and where it had none h + (1 − h)[E/(k + 1) + 1 − E]; see
    `offers.experiment`. An exploring control does not say what the plan had; its stored probability does, since it
    holds h only where the plan had nothing. E is taken to be the same for all offers of the month, as in
    `campaigns.policy_value`.

    Args:
        drawn: Rows of the ledger or a plan, one a customer; at least `COLUMNS`.

    Returns:
        One row a customer: `customer_id`, `offered`, `p_alone` (1 where nothing was drawn), and `held_out`, the share h.
    """
    import numpy as np
    import pandas as pd

    h, share, c, propensity = (
        drawn[name].to_numpy(dtype=float) for name in ("control_share", "exploration_share", "offer_control_share", "propensity")
    )
    texts = drawn["fits"].astype(object)
    k = texts.map({text: len([name for name in text.split(",") if name]) for text in texts.unique()}).to_numpy(dtype=float)
    explored = np.where(k > 0, share, 0.0)
    by_chance = (1 - h) * explored / (k + 1)
    arm, assignment = (drawn[name].astype(object).to_numpy() for name in ("arm", "assignment"))
    named = drawn["offer_id"].notna().to_numpy()
    of_plan = np.where(assignment == "exploration", propensity < by_chance + h / 2, named & (arm != "none"))
    left = h + by_chance + (1 - h) * (1 - explored) * np.where(of_plan, c, 1.0)
    return pd.DataFrame(
        {
            "customer_id": drawn["customer_id"].to_numpy(),
            "offered": arm == "offer",
            "p_alone": np.where(np.isnan(propensity), 1.0, np.clip(left, LEAST, 1.0)),
            "held_out": h,
        }
    )


def weights(customers: pd.Series, months: Sequence[pd.DataFrame]) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Who got an offer in any of some months, and 1 / P(no offer in all of them).

    Whoever is held out for good is so in every month: of the shares h and the months' probabilities Pₖ that is
    h + (1 − h) Π (Pₖ − h)/(1 − h). Customers of whom a month says nothing were left alone in it for sure.

    Args:
        customers: Their numbers, shape (n,).
        months: What `alone` returned of every month.

    Returns:
        Flags and weights, both of shape (n,).
    """
    import numpy as np

    n = len(customers)
    offered, both, held_out = np.zeros(n, dtype=bool), [], np.zeros(n)
    for month in months:
        own = month.drop_duplicates("customer_id").set_index("customer_id").reindex(customers)
        offered |= own["offered"].eq(other=True).to_numpy(dtype=bool)
        p, h = own["p_alone"].to_numpy(dtype=float), own["held_out"].to_numpy(dtype=float)
        drawn = ~np.isnan(p) & (p < 1)
        both.append(np.where(drawn & (h < 1), (p - h) / np.maximum(1 - h, 1e-12), 1.0))
        held_out = np.where(drawn, np.maximum(h, held_out), held_out)
    others = reduce(np.multiply, both, np.ones(n))
    return offered, 1 / np.clip(held_out + (1 - held_out) * others, LEAST, 1.0)
