"""Who gets which offer: the most expected gain under one budget and a capacity of every offer.

Every limit gets a price. At given prices each customer by themselves takes the offer that gains most after its price,
or none, and the sum of what is gained so, and of the limits at their prices, is more than any plan within the limits
can gain: the Lagrangian bound. Cutting planes in a box find the prices with the lowest bound, first on a sample of
the customers, then on all. A repair makes the answer fit the limits exactly. Where the bound leaves more than
`TOLERANCE` open, the customers about whom it leaves any doubt are settled exactly by branch and bound; so small
problems are solved exactly, large ones seldom need it.

Sources: Kellerer, Pferschy and Pisinger (2004), Knapsack problems, ch. 11; Marsten, Hogan and Blankenship (1975), The
boxstep method for large-scale optimization; reduced-cost fixing as in Wolsey (1998), Integer programming, ch. 7.

    assignment_problem   gains and limits; what customers take at given prices
    assignment_prices    the prices with the lowest bound
    assignment_repair    the answer made to fit the limits
    assignment_exact     what the bound leaves in doubt, by branch and bound
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.experiment.room import ROUNDING
from oneclick_pipeline.offers.assignment_exact import settle
from oneclick_pipeline.offers.assignment_prices import lowest_prices
from oneclick_pipeline.offers.assignment_problem import CHUNK, Problem, respond
from oneclick_pipeline.offers.assignment_repair import within_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]

TOLERANCE = 1e-4
"""Share of the bound that may stay open in a plan before doubtful customers are settled exactly."""

_REBATES = (0.0, 1e-4, 1e-2)


@dataclass(frozen=True)
class Assignment:
    """Who gets which offer; money in finance units.

    Attributes:
        choice: Number of the offer of every customer, -1 none; shape (n,).
        value: Sum of the gains.
        bound: No assignment within the limits gains more.
        gap: Share of the bound that the value lacks at most.
        price_of_budget: What one more unit of budget would bring; 0 where the budget does not bind.
        prices: What one more of each offer would bring, shape (m,); 0 where its capacity does not bind.
    """

    choice: Choice
    value: float
    bound: float
    gap: float
    price_of_budget: float
    prices: Numbers


def assign(
    gain: NDArray[np.floating],
    cost: Numbers,
    budget: float,
    capacity: Numbers,
    *,
    key: NDArray[np.uint64] | None = None,
    among: NDArray[np.bool_] | None = None,
    tolerance: float = TOLERANCE,
) -> Assignment:
    """Give every customer at most one offer so that the gains sum to the most that the limits allow.

    Only gains above 0 are taken. The sum of costs never exceeds the budget (but for rounding, see `ROUNDING`), no
    offer its capacity.

    Args:
        gain: What offer j brings from customer i less its cost, shape (n, m), finance units; -inf where it does not fit. In
            single precision they take half of the memory.
        cost: Cost of each offer, shape (m,), finance units.
        budget: Most that all offers may cost together; may be infinite.
        capacity: How many may get each offer, shape (m,); may be infinite.
        key: A number of each customer's own, shape (n,), that settles ties: with all keys distinct the order of the
            customers changes nothing. Without it the order settles them.
        among: Who takes part, shape (n,), everyone by default; the others get nothing.
        tolerance: Share of the bound that may stay open before doubtful customers are settled exactly.

    Raises:
        ValueError: If shapes do not agree, a gain is NaN or +inf, or a cost or limit is negative or NaN.

    >>> import numpy as np
    >>> gain = np.array([[5.0, 4.0], [3.0, -np.inf], [1.0, 2.0]])
    >>> result = assign(gain, np.array([1.0, 1.0]), budget=3, capacity=np.array([1, 9]))
    >>> result.choice.tolist(), result.value, round(result.gap, 6)
    ([1, 0, 1], 9.0, 0.0)
    """
    gain, cost, capacity = (np.asarray(a) for a in (gain, cost, capacity))
    _check(gain, cost, budget, capacity)
    n, m = gain.shape
    budget = float(budget) * (1 + ROUNDING)
    possible = (cost <= budget) & (capacity >= 1)
    takes_part = wanting(gain, possible)
    rows = np.flatnonzero(takes_part if among is None else takes_part & among)
    if key is not None:
        rows = rows[np.argsort(np.asarray(key)[rows], kind="stable")]
    if not rows.size:
        return Assignment(np.full(n, -1, np.int16), 0.0, 0.0, 0.0, 0.0, np.zeros(m))
    columns = np.full((m, len(rows)), -np.inf, gain.dtype if gain.dtype == np.float32 else np.float64)
    for j in np.flatnonzero(possible):
        columns[j] = gain[rows, j]

    capacity = np.floor(np.where(possible, capacity, 0).astype(float))
    use = np.vstack([cost, np.eye(m)]).astype(float)
    limit = np.concatenate([[budget], capacity])
    takers = (columns > 0).sum(axis=1)
    binding = np.concatenate([[np.max(cost, initial=0, where=takers > 0) * len(rows) > budget], takers > capacity])
    problem = Problem(columns, cost.astype(float), budget, capacity, use[binding], limit[binding])

    free = lowest_prices(problem, TOLERANCE / 10)
    best, _ = respond(problem.gain, free @ problem.use)
    bound, value, part = float(free @ problem.limit + best.sum(dtype=np.float64)), -1.0, np.full(len(rows), -1, np.int16)
    for rebate in _REBATES:  # where many customers tie, lower prices let too many take what is scarce rather than no one
        tried = within_limits(problem, free @ problem.use * (1 - rebate))
        if problem.value(tried) > value:
            value, part = problem.value(tried), tried
        if bound - value <= TOLERANCE * bound:
            break
    if bound - value > tolerance * bound:
        part, bound = settle(problem, part, best, free @ problem.use, bound, TOLERANCE / 4)
        value = problem.value(part)

    bound = max(bound, value)
    prices = np.zeros(m + 1)
    prices[binding] = free
    choice = np.full(n, -1, np.int16)
    choice[rows] = part
    return Assignment(choice, value, bound, (bound - value) / bound if bound > 0 else 0.0, float(prices[0]), prices[1:])


def wanting(gain: NDArray[np.floating], among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Whether each customer gains by any offer, or by any of some; shape (n,), of gains (n, m)."""
    gains = np.zeros(len(gain), dtype=bool)
    for j in range(gain.shape[1]) if among is None else np.flatnonzero(among):  # a copy of all gains would take as much memory
        gains |= gain[:, j] > 0
    return gains


def _check(gain: NDArray[np.floating], cost: Numbers, budget: float, capacity: Numbers) -> None:
    """Refuse invalid problems."""
    if gain.ndim != 2 or cost.shape != gain.shape[1:] or capacity.shape != gain.shape[1:]:  # noqa: PLR2004 - a matrix
        raise ValueError(f"gain {gain.shape} needs one cost and one capacity per offer, got {cost.shape} and {capacity.shape}")
    if not all((gain[begin : begin + CHUNK] < np.inf).all() for begin in range(0, len(gain), CHUNK)):  # nor so is NaN
        raise ValueError("gains must be numbers, or -inf where an offer does not fit")
    if not (np.isfinite(cost).all() and (cost >= 0).all() and budget >= 0 and (capacity >= 0).all()):
        raise ValueError("costs, budget and capacities must be numbers of at least 0, and costs finite")
