"""What a plan would have gained on the customers of earlier campaigns, budget by budget, doubly robust.

A budget comes down to prices, and at given prices the policy decides for every customer alone; so it can be judged on other
customers (`campaigns.policy_value`), together with what is left to chance: hold-out, exploration and controls are drawn for them
with the plan's own shares. That is the idea of the Qini curve of several arms: Sverdrup, Wu, Athey and Wager (2025), Qini curves
for multi-armed treatment rules, Journal of Computational and Graphical Statistics; package `maq` of the authors of grf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.policy_value import policy_value
from oneclick_pipeline.experiment.chances import chances
from oneclick_pipeline.offers.candidates import expected_gain
from oneclick_pipeline.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.worth import Worth
    from oneclick_pipeline.offers.candidates import OfferArrays
    from oneclick_pipeline.offers.open_plan import Solution
    from oneclick_pipeline.settings import Offers, Settings

    Numbers = NDArray[np.float64]

_NOTHING = -1


@dataclass(frozen=True)
class Earlier:
    """Customers of earlier campaigns.

    Attributes:
        outcomes: `contracts.campaigns.CAMPAIGN_OUTCOMES` with the probabilities of the draw, n rows whose class is known.
        effects: Effects of the m offers on them, by regressions that have not seen them, in the order of the plan's, (n, m).
    """

    outcomes: pd.DataFrame
    effects: Numbers

    @classmethod
    def of(
        cls, outcomes: pd.DataFrame, effects: Numbers, offers: Sequence[str], ranked: Sequence[str], worth: Worth
    ) -> Earlier | None:
        """Those whose class is known, valued as the plan values its customers; None where chance has left none.

        Args:
            outcomes: All customers of earlier campaigns.
            effects: Effects of `offers` on them.
            offers: The offers of the month.
            ranked: The same in the order of the plan.
            worth: The worth of a kept customer that the plan rests on.
        """
        known = outcomes["declined"].notna().to_numpy() & outcomes["profit_before"].notna().to_numpy()
        if not (known & outcomes["assignment"].isin(["exploration", "hold_out"]).to_numpy()).any() or not offers:
            return None
        rows = outcomes[known].reset_index(drop=True)
        value = worth.of(rows.assign(profit=rows["profit_before"]))
        return cls(rows.assign(value=value), effects[known][:, [list(offers).index(name) for name in ranked]])


def past_gains(earlier: Earlier, solutions: Sequence[Solution], offers: OfferArrays, settings: Settings) -> list[Interval]:
    """Gain per candidate of every solution, finance units, with 95 % intervals.

    Args:
        earlier: The customers of earlier campaigns.
        solutions: Solutions of one open plan.
        offers: Its offers.
        settings: Shares; seed of the draws.
    """
    rows, seed = earlier.outcomes, settings.model.seed
    p, value = (rows[name].to_numpy(dtype=float)[:, None] for name in ("p_decline", "value"))
    chance = chances(rows, offers.ids)
    gain = np.where(~np.isnan(chance), expected_gain(earlier.effects, p, value, offers.cost), -np.inf)
    uniform = np.random.default_rng([seed, 3]).random((4, len(rows)))
    names = np.array([*offers.ids, None], dtype=object)
    chosen = {
        str(k): names[_drawn(_policy(gain, solution, offers), chance > 0, uniform, solution, settings.offers)].tolist()
        for k, solution in enumerate(solutions)
    }
    judged = policy_value(rows, chosen, dict(zip(offers.ids, offers.cost.tolist(), strict=True)), seed=seed)[1:]
    return [Interval(one.value, one.low, one.high) for one in judged]


def _policy(gain: Numbers, solution: Solution, offers: OfferArrays) -> NDArray[np.intp]:
    """What the policy of a solution gives at its prices, -1 for nothing."""
    price = solution.solved.prices + solution.solved.price_of_budget * offers.cost
    price = np.where(offers.cost <= solution.budget, price, np.inf)
    reduced = gain - price
    best = reduced.argmax(axis=1)
    return np.where(reduced[np.arange(len(best)), best] > 0, best, _NOTHING)


def _drawn(
    policy: NDArray[np.intp], explorable: NDArray[np.bool_], uniform: Numbers, solution: Solution, limits: Offers
) -> NDArray[np.intp]:
    """What chance leaves of it: some are held out, some explore, some are controls of the month; -1 for nothing."""
    hold_out, explore, arm, control = uniform
    cell = np.floor(arm * (explorable.sum(axis=1) + 1))
    hit = explorable & (np.cumsum(explorable, axis=1) == (cell + 1)[:, None])
    explored = np.where(hit.any(axis=1), hit.argmax(axis=1), _NOTHING)
    exploring = explore < (solution.waves[-1].end if solution.waves else 0.0)
    nothing = (hold_out < limits.control_share) | (~exploring & (control < limits.offer_control_share))
    return np.select([nothing, exploring], [_NOTHING, explored], policy)
