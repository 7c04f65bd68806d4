"""What the plan's assignment would have earned on earlier campaigns, beside simpler ways.

The ways are judged customer by customer: limits of budget and capacity bind all of them alike and are left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.policy_value import PolicyValue, policy_value
from oneclick_pipeline.experiment.chances import chances

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.catalogue.offer import Offer


def compared(outcomes: pd.DataFrame, offers: Sequence[Offer], effects: NDArray[np.float64], *, seed: int) -> list[PolicyValue]:
    """Value per eligible customer and month of four ways to choose, doubly robust, with 95 % intervals.

    `plan` gives whatever is expected to gain most, if it gains anything, by what the other customers teach. `all` gives
    everyone the offer that the catalogue expects most of. `risk x profit` gives that offer to as many as `plan` does,
    those with the highest p_decline x value. `nobody` is 0 by definition. What fits a customer is what fitted whatever was
    drawn: chosen from what explorers could draw in their turn, the ways would seem to earn less.

    Args:
        outcomes: `contracts.campaigns.CAMPAIGN_OUTCOMES` with the probabilities of their draw, see `outcomes.with_probabilities`.
        offers: Offers valid in the month of the plan, m of them.
        effects: Effects on the same customers, from regressions that have not seen them, shape (n, m).
        seed: Seed of the folds of `policy_value`.

    Returns:
        `nobody` first; nothing while no explored or held-out customer has a known class.
    """
    known = outcomes["declined"].notna() & outcomes["assignment"].isin(["exploration", "hold_out"])
    if not known.any() or not offers:
        return []
    ids = [offer.id for offer in offers]
    fit = ~np.isnan(chances(outcomes, ids))
    value, p = (outcomes[name].to_numpy(dtype=float) for name in ("value", "p_decline"))
    costs = np.array([offer.cost for offer in offers])

    def best(effects: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        gain = np.where(fit, np.minimum(-effects, p[:, None]) * value[:, None] - costs, -np.inf)
        return gain.argmax(axis=1), gain.max(axis=1)

    def named(choice: NDArray[np.intp], given: NDArray[np.bool_]) -> list[str | None]:
        return [ids[j] if gets else None for j, gets in zip(choice, given, strict=True)]

    ours, gain = best(effects)
    prior, prior_gain = best(np.broadcast_to(np.array([offer.effect_mean for offer in offers]), fit.shape))
    possible = np.isfinite(prior_gain)
    order = np.argsort(-np.where(possible, p * value, -np.inf), kind="stable")
    riskiest = np.zeros(len(p), dtype=bool)
    riskiest[order[: int((gain > 0).sum())]] = True
    chosen = {
        "plan": named(ours, gain > 0),
        "all": named(prior, possible),
        "risk x profit": named(prior, riskiest & possible),
    }
    return policy_value(outcomes, chosen, dict(zip(ids, costs.tolist(), strict=True)), seed=seed)
