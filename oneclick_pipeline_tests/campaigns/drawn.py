"""Campaigns with known effects, drawn as the plan draws them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import ndtr

from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES
from oneclick_pipeline.home.months import add_months

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.settings import Offers

FIRST = "2025-01"


def campaign_outcomes(
    effects: Mapping[str, float],
    offers: Offers,
    *,
    customers: int,
    seed: int,
    months: int = 1,
    matured: int | None = None,
    persistence: float = 0.0,
    drift: float = 1.0,
    explored: float | None = None,
) -> pd.DataFrame:
    """`contracts.campaigns.CAMPAIGN_OUTCOMES` of months that follow one another.

    Args:
        effects: Offer -> its effect on P(decline); on revenue it is -1000 times as much, on profit -1 times.
        offers: The shares of hold-out, exploration and controls.
        customers: How many, the same in every month.
        seed: Seed.
        months: How many campaigns.
        matured: Of how many of them, the first ones, `declined` is known; all by default.
        persistence: Share of the luck of a month that a customer keeps in the next ones.
        drift: How many times likelier the plan chooses customers of the hold-out.
        explored: Share that explored where room ended before that of `offers`.
    """
    rng = np.random.default_rng(seed)
    explored = offers.exploration_share if explored is None else explored
    names = np.array([*effects, ""], dtype=object)
    changes = np.array([*effects.values(), 0.0])
    risk, luck = rng.beta(2, 3, customers), rng.standard_normal(customers)
    held = rng.random(customers) < offers.control_share
    withheld = offers.control_share + (1 - offers.control_share) * (1 - explored) * offers.offer_control_share
    frames = []
    for month in range(months):
        fits = rng.random((customers, len(effects))) < 0.6
        best = np.where(fits.any(axis=1), fits.argmax(axis=1), -1)
        chosen = np.where(rng.random(customers) < np.where(held, 0.5 * drift, 0.5), best, -1)
        explores = ~held & (rng.random(customers) < explored) & (best >= 0)
        cell = np.floor(rng.random(customers) * (fits.sum(axis=1) + 1))  # 0 is control
        hit = fits & (fits.cumsum(axis=1) == cell[:, None])
        offer = np.where(explores, np.where(hit.any(axis=1), hit.argmax(axis=1), -1), chosen)
        kept_back = ~explores & (rng.random(customers) < offers.offer_control_share)
        gets = ~held & (offer >= 0) & ~kept_back
        p = np.clip(risk + 0.05 * rng.standard_normal(customers), 0.01, 0.99)
        change = np.where(gets, changes[offer], 0.0)
        noise = np.sqrt(persistence) * luck + np.sqrt(1 - persistence) * rng.standard_normal(customers)
        before = 3000 + 1000 * rng.standard_normal(customers)
        after = 0.8 * before - 1000 * change + 500 * noise
        declined = (ndtr(noise) < np.clip(p + change, 0, 1)).astype(float)
        columns = {
            "campaign_month": add_months(FIRST, month),
            "customer_id": np.arange(customers),
            "arm": np.where(gets, "offer", "control"),
            "offer_id": np.where(offer >= 0, names[offer], None),
            "assignment": np.where(held, "hold_out", np.where(explores, "exploration", "plan")),
            "propensity": np.where(gets, 0.5, withheld),
            "p_explore": (1 - offers.control_share) * explored * (best >= 0),
            "control_share": offers.control_share,
            "exploration_share": offers.exploration_share,
            "offer_control_share": offers.offer_control_share,
            "fits": [",".join(names[:-1][row]) for row in fits],
            "segment": np.where(risk > 0.4, "save_first", "watch"),
            "p_decline": p,
            "value": 1.0,
            "cost": 0.0,
            "revenue_before": before,
            "profit_before": before / 1000,
            "months_observed": 3,
            "revenue_after": after,
            "profit_after": after / 1000,
            "declined": declined if matured is None or month < matured else np.nan,
            "vanished": False,
        }
        frames.append(pd.DataFrame(columns)[held | explores | (chosen >= 0)])
    return pd.concat(frames, ignore_index=True)[CAMPAIGN_OUTCOMES.names]
