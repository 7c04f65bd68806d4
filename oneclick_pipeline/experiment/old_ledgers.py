"""The probabilities of months whose file does not hold them: ledgers and plans written before they were stored, logs of a CRM.

What such a file says of a draw is the arm, its propensity, the month's shares, and the offers that fit. So of the
share E that explored every customer with k > 0 offers that fit is taken to explore each with E/(k + 1), as if no offer
had run out of capacity and all that fit could be explored. An exploring control does not say whether the policy had an
offer; its propensity does, since it holds h only where the policy had none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.offers import PROBABILITIES, SHARES
from oneclick_pipeline.experiment.probabilities import no_offer

if TYPE_CHECKING:
    import pandas as pd

NAMES = [c.name for c in PROBABILITIES]
READ = ("customer_id", "arm", "offer_id", "assignment", "propensity", *(c.name for c in SHARES), "fits")
"""What the inference reads."""


def with_probabilities(drawn: pd.DataFrame) -> pd.DataFrame:
    """Rows of a ledger or plan with `PROBABILITIES`: as stored, and inferred where a row has none.

    Args:
        drawn: At least `READ`, one row per customer; the probabilities where they are stored.
    """
    stored = drawn.reindex(columns=[*drawn.columns, *(name for name in NAMES if name not in drawn)])
    lacking = stored[NAMES].isna().any(axis=1).to_numpy()
    if lacking.any():
        inferred = _inferred(stored[lacking])
        for name in NAMES:
            values = stored[name].to_numpy(dtype=float, na_value=np.nan, copy=True)
            values[lacking] = inferred[name]
            stored[name] = values
    return stored


def _inferred(drawn: pd.DataFrame) -> dict[str, np.ndarray]:
    """The probabilities of rows that do not hold them."""
    h, share, c, propensity = (
        drawn[name].to_numpy(dtype=float, na_value=np.nan) for name in (*(s.name for s in SHARES), "propensity")
    )
    texts = drawn["fits"].astype(object)
    k = texts.map({text: len([name for name in text.split(",") if name]) for text in texts.unique()}).to_numpy(dtype=float)
    explored = np.where(k > 0, share, 0.0)
    by_chance = (1 - h) * explored / (k + 1)
    arm, assignment = (drawn[name].astype(object).to_numpy() for name in ("arm", "assignment"))
    named = drawn["offer_id"].notna().to_numpy()
    of_plan = np.where(assignment == "exploration", propensity < by_chance + h / 2, named & (arm != "none"))
    nothing_drawn = np.isnan(propensity)
    inferred = {
        "p_no_offer": no_offer(h + by_chance, h, explored, np.where(of_plan, c, 1.0)),
        "p_control": h + by_chance,
        "p_explore": (1 - h) * explored,
    }
    return {name: np.where(nothing_drawn, name == "p_no_offer", p) for name, p in inferred.items()}
