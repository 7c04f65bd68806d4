"""What the plan of a month would bring with other budgets: `contracts.offers.PROFIT_CURVE`.

Every point is the plan's own problem solved again with another budget, to within `CLOSE`; with the plan's budget it is the plan.
Where there are more than `EXACT` candidates the budgets are solved on a random sample of them, with budget and capacities to its
share, and the sums are scaled so that the plan's own budget gives the plan (ratio estimator).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.offers import PROFIT_CURVE
from oneclick_pipeline.offers.past_gain import past_gains
from oneclick_pipeline.offers.plan_summary import expected_gain_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.offers.open_plan import OpenPlan, Solution
    from oneclick_pipeline.offers.past_gain import Earlier
    from oneclick_pipeline.offers.plan_summary import Summary

    Numbers = NDArray[np.float64]

STEPS = tuple(step / 10 for step in range(21))
"""Budgets as shares of the plan's."""
OWN = STEPS.index(1.0)
EXACT = 100_000
"""Candidates up to which every budget is solved on all of them."""
CLOSE = 2e-3
"""Share of the best gain that a point other than the plan may lack: to be closer can take minutes of branch and bound."""
_GAIN = ["expected_gain", "expected_gain_low", "expected_gain_high"]


@dataclass(frozen=True)
class Point:
    """What a plan comes to with a budget; money in finance units.

    Attributes:
        budget: The budget.
        offers: Customers who get an offer.
        cost: What the offers cost.
        expected_gain: What they are expected to gain, less the cost.
        expected_gain_low: Lower end of its 95 % interval.
        expected_gain_high: Upper end of it.
        price_of_budget: What one more unit of budget would bring.
    """

    budget: float
    offers: int
    cost: float
    expected_gain: float
    expected_gain_low: float
    expected_gain_high: float
    price_of_budget: float

    @classmethod
    def of(cls, opened: OpenPlan, solution: Solution) -> Point:
        """The figures of an open plan with a budget."""
        made, offers = solution.decision, opened.offers
        given = made.offer[made.given]
        cost = float(np.bincount(given, minlength=len(offers.ids)) @ offers.cost) if len(given) else 0.0
        gain = expected_gain_of(made, solution.sd)
        price = solution.solved.price_of_budget
        return cls(solution.budget, len(given), cost, gain.estimate, gain.low, gain.high, price)


def budget_curve(opened: OpenPlan, plan: Summary, earlier: Earlier | None, exact: int = EXACT) -> pd.DataFrame:
    """`contracts.offers.PROFIT_CURVE` of a plan.

    Args:
        opened: The plan while it was open.
        plan: What it came to.
        earlier: Customers of earlier campaigns; None while none has matured.
        exact: Candidates above which a sample of so many is used.
    """
    import pandas as pd

    candidates, sampled = len(opened.candidates.rows), opened.sample(exact)
    share = min(exact / max(candidates, 1), 1.0)
    solutions = [sampled.solve(step * plan.budget * share, CLOSE) for step in STEPS]
    table = pd.DataFrame([vars(Point.of(sampled, solution)) for solution in solutions])
    if share < 1:
        _scale(table, plan, share)
    table.loc[OWN, ["offers", "cost", *_GAIN]] = [getattr(plan, name) for name in ("offers", "cost", *_GAIN)]
    table = table.assign(budget_share=STEPS, budget=np.array(STEPS) * plan.budget, sampled_share=share)
    past = [] if earlier is None else past_gains(earlier, solutions, opened.offers, opened.settings)
    for end, name in zip(("estimate", "low", "high"), ("past_gain", "past_gain_low", "past_gain_high"), strict=True):
        table[name] = [candidates * getattr(interval, end) for interval in past] or np.nan
    return table.reindex(columns=PROFIT_CURVE.names).astype({c.name: c.pandas for c in PROFIT_CURVE.columns})


def _scale(table: pd.DataFrame, plan: Summary, share: float) -> None:
    """Make the sums of a sample sums of all. Each part is scaled by itself, since only sums above 0 have a stable ratio."""

    def scaled(part: Numbers, whole: float) -> Numbers:
        return part * (whole / part[OWN] if part[OWN] > 0 else 1 / share)

    offers, cost, gain, low, high = (table[name].to_numpy(dtype=float) for name in ("offers", "cost", *_GAIN))
    own, ends = plan.expected_gain, (plan.expected_gain_low, plan.expected_gain_high)
    table["offers"], table["cost"] = np.rint(scaled(offers, plan.offers)), scaled(cost, plan.cost)
    gains = scaled(gain + cost, own + plan.cost) - table["cost"]
    table[_GAIN] = np.column_stack([gains, gains - scaled(gain - low, own - ends[0]), gains + scaled(high - gain, ends[1] - own)])
