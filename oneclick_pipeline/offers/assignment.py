"""Who gets which offer: the most expected gain under one budget and a capacity of every offer.

Every limit gets a price. At given prices each customer by themselves takes the offer that gains most after its price,
or none, and the sum of what is gained so, and of the limits at their prices, is more than any plan within the limits
can gain: the Lagrangian bound. Cutting planes in a box find the prices with the lowest bound, first on a sample of
the customers, then on all. A repair makes the answer fit the limits exactly. Where the bound leaves more than
`TOLERANCE` open, the customers about whom it leaves any doubt are settled exactly by branch and bound; so small
problems are solved exactly, large ones seldom need it.

Sources: Kellerer, Pferschy and Pisinger (2004), Knapsack problems, ch. 11; Marsten, Hogan and Blankenship (1975), The
boxstep method for large-scale optimization; reduced-cost fixing as in Wolsey (1998), Integer programming, ch. 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    _Float = TypeVar("_Float", np.float32, np.float64)

TOLERANCE = 1e-4
"""Share of the bound that may stay open before doubtful customers are settled exactly."""

ROUNDING = 1e-9
"""Share of the budget by which a sum of costs may exceed it: 0.1 three times fits into 0.3."""

_CHUNK = 1 << 16  # customers whose numbers stay in the processor's cache
_SAMPLE = 2000
_GROWTH = 8
_MOST_CUTS = 150
_MOST_OPTIONS = 20_000
_MOST_NODES = 4000  # a limit of time would make the answer depend on the machine
_NEGLIGIBLE = 1e-9  # part of the dearest offer's cost that no price of the budget needs to deter from
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


@dataclass(frozen=True)
class _Problem:
    """Gains by offer (m, n), every customer with one above 0; limits that can bind: `use` (k, m) of an offer, `limit` (k,)."""

    gain: NDArray[np.floating]
    cost: Numbers
    budget: float
    capacity: Numbers
    use: Numbers
    limit: Numbers

    def value(self, choice: Choice) -> float:
        """Sum of the gains of a choice."""
        import numpy as np

        chosen = np.flatnonzero(choice >= 0)
        return float(self.gain[choice[chosen], chosen].sum(dtype=np.float64))

    def counts(self, choice: Choice) -> NDArray[np.int_]:
        """How many get each offer."""
        return _counts(choice, len(self.gain))

    def fits(self, choice: Choice) -> bool:
        """Whether a choice keeps all limits."""
        counts = self.counts(choice)
        return bool((counts <= self.capacity).all() and counts @ self.cost <= self.budget)


def assign(
    gain: NDArray[np.floating],
    cost: Numbers,
    budget: float,
    capacity: Numbers,
    *,
    key: NDArray[np.uint64] | None = None,
    among: NDArray[np.bool_] | None = None,
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
        among: Who takes part, shape (n,), everybody by default; whoever does not gets nothing.

    Raises:
        ValueError: If shapes do not agree, a gain is NaN or +inf, or a cost or limit is negative or NaN.

    >>> import numpy as np
    >>> gain = np.array([[5.0, 4.0], [3.0, -np.inf], [1.0, 2.0]])
    >>> found = assign(gain, np.array([1.0, 1.0]), budget=3, capacity=np.array([1, 9]))
    >>> found.choice.tolist(), found.value, round(found.gap, 6)
    ([1, 0, 1], 9.0, 0.0)
    """
    import numpy as np

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
    problem = _Problem(columns, cost.astype(float), budget, capacity, use[binding], limit[binding])

    free = _prices(problem)
    best, _ = respond(problem.gain, free @ problem.use)
    bound, value, part = float(free @ problem.limit + best.sum(dtype=np.float64)), -1.0, np.full(len(rows), -1, np.int16)
    for rebate in _REBATES:  # where many customers tie, lower prices let too many take what is scarce rather than nobody
        tried = _within(problem, free @ problem.use * (1 - rebate))
        if problem.value(tried) > value:
            value, part = problem.value(tried), tried
        if bound - value <= TOLERANCE * bound:
            break
    if bound - value > TOLERANCE * bound:
        part, bound = _settle(problem, part, best, free @ problem.use, bound)
        value = problem.value(part)

    bound = max(bound, value)
    prices = np.zeros(m + 1)
    prices[binding] = free
    choice = np.full(n, -1, np.int16)
    choice[rows] = part
    return Assignment(choice, value, bound, (bound - value) / bound if bound > 0 else 0.0, float(prices[0]), prices[1:])


def room(choice: Choice, cost: Numbers, budget: float, capacity: Numbers, is_open: NDArray[np.bool_]) -> int:
    """How many of these customers, one after the other, find room for every open offer before they choose.

    Args:
        choice: Offer of every customer in order, -1 none; shape (n,).
        cost: Cost of each offer, shape (m,).
        budget: What is left of the budget before the first.
        capacity: What is left of each offer before the first, shape (m,).
        is_open: Offers that must have room, shape (m,).

    Returns:
        Number of the first customer who finds an open offer that has no room; n where nobody does.

    >>> import numpy as np
    >>> room(np.array([0, -1, 0, 0]), np.array([1.0]), 2.0, np.array([9.0]), np.array([True]))
    3
    """
    import numpy as np

    opened = np.flatnonzero(is_open)
    if not opened.size:
        return 0
    spent = np.cumsum(np.where(choice >= 0, cost[choice], 0.0))
    fits = [np.searchsorted(spent, budget - cost[opened].max(), side="right")]  # spent up to and with a customer
    fits += [np.searchsorted(np.cumsum(choice == j), capacity[j], side="left") for j in opened if np.isfinite(capacity[j])]
    if budget < cost[opened].max() or (capacity[opened] < 1).any():
        return 0
    return int(min(*fits, len(choice) - 1) + 1) if len(choice) else 0


def wanting(gain: NDArray[np.floating], among: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Whether each customer gains by any offer, or by any of some; shape (n,), of gains (n, m)."""
    import numpy as np

    found = np.zeros(len(gain), dtype=bool)
    for j in range(gain.shape[1]) if among is None else np.flatnonzero(among):  # a copy of all gains would weigh what they do
        found |= gain[:, j] > 0
    return found


def _check(gain: NDArray[np.floating], cost: Numbers, budget: float, capacity: Numbers) -> None:
    """Refuse what is no problem of assignment."""
    import numpy as np

    if gain.ndim != 2 or cost.shape != gain.shape[1:] or capacity.shape != gain.shape[1:]:  # noqa: PLR2004 - a matrix
        raise ValueError(f"gain {gain.shape} needs one cost and one capacity an offer, got {cost.shape} and {capacity.shape}")
    if not all((gain[begin : begin + _CHUNK] < np.inf).all() for begin in range(0, len(gain), _CHUNK)):  # nor so is NaN
        raise ValueError("gains must be numbers, or -inf where an offer does not fit")
    if not (np.isfinite(cost).all() and (cost >= 0).all() and budget >= 0 and (capacity >= 0).all()):
        raise ValueError("costs, budget and capacities must be numbers from 0 on, and costs finite")


def _counts(choice: Choice, offers: int) -> NDArray[np.int_]:
    """How many chose each offer."""
    import numpy as np

    return np.bincount(choice + 1, minlength=offers + 1)[1:]


def respond(gain: NDArray[_Float], price: NDArray[np.floating]) -> tuple[NDArray[_Float], Choice]:
    """What every customer takes at these prices: the best gain after its price, 0 where nothing is, and the offer.

    Args:
        gain: Gains by offer, shape (m, n).
        price: Price of each offer, shape (m,).
    """
    import numpy as np

    price = price.astype(gain.dtype)  # what is equal must stay equal
    best = np.zeros(gain.shape[1], gain.dtype)
    choice = np.full(gain.shape[1], -1, np.int16)
    for begin in range(0, len(best), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        for j, row in enumerate(gain):
            reduced = row[part] - price[j]
            np.copyto(choice[part], np.int16(j), where=reduced > best[part])
            np.maximum(best[part], reduced, out=best[part])
    return best, choice


def _prices(problem: _Problem) -> Numbers:
    """Prices of the limits with about the lowest bound, shape (k,): of ever larger samples, at last of everybody."""
    import numpy as np

    total = problem.gain.shape[1]
    if not len(problem.limit):
        return np.zeros(len(problem.limit))
    gain = problem.gain.astype(np.float32, copy=False)  # twice as fast; the bound itself is computed in full at the end
    matters = problem.use > _NEGLIGIBLE * problem.use.max(axis=1, keepdims=True)
    worth = problem.gain.max(axis=1).clip(min=0) / np.where(matters, problem.use, 1.0)
    top = np.where(matters, worth, 0).max(axis=1)  # at such a price nobody takes anything of it
    at, radius, sizes = np.zeros(len(top)), 1.0, [total]
    while sizes[0] > _SAMPLE * _GROWTH:
        sizes.insert(0, sizes[0] // _GROWTH)
    for size in sizes:
        sample = gain if size == total else np.ascontiguousarray(gain[:, :: -(-total // size)])

        def bound(z: Numbers, sample: NDArray[np.float32] = sample) -> tuple[float, Numbers]:
            prices = z * top
            best, choice = respond(sample, prices @ problem.use)
            share = sample.shape[1] / total
            slack = problem.limit * share - problem.use @ _counts(choice, len(sample))
            return float(prices @ problem.limit * share + best.sum(dtype=np.float64)), slack * top

        at = _lowest(bound, at, radius, TOLERANCE / 10)
        radius = min(1.0, 5 * max(float(at.max()), 1e-3) / np.sqrt(sample.shape[1]))  # about what chance moves prices by
    prices: Numbers = at * top
    return prices


def _lowest(bound: Callable[[Numbers], tuple[float, Numbers]], start: Numbers, radius: float, tolerance: float) -> Numbers:
    """Where in the unit cube a convex function of (value, slope) is lowest: cutting planes in a box round the best so far."""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    size = len(start)
    at, (lowest, slope) = start, bound(start)
    slopes, levels = [slope], [lowest - slope @ start]
    aim = np.append(np.zeros(size), 1.0)
    for _ in range(_MOST_CUTS):
        scale = max(abs(lowest), 1e-300)
        planes = LinearConstraint(np.c_[np.array(slopes) / scale, -np.ones(len(slopes))], ub=-np.array(levels) / scale)
        box = Bounds(np.append(np.maximum(at - radius, 0), -np.inf), np.append(np.minimum(at + radius, 1), np.inf))
        found = milp(aim, constraints=planes, bounds=box)
        if found.x is None:
            break
        if 1 - found.fun <= tolerance:
            if radius >= 1 or (np.abs(found.x[:-1] - at) < radius * 0.99).all():
                break  # no more to win within the box nor, the function being convex, far beyond
            radius = min(4 * radius, 1.0)
            continue
        point = np.clip(found.x[:-1], 0, 1)
        value, slope = bound(point)
        slopes.append(slope)
        levels.append(value - slope @ point)
        if value < lowest:
            if lowest - value > 0.5 * (1 - found.fun) * scale:
                radius = min(2 * radius, 1.0)
            at, lowest = point, value
        else:
            radius = max(radius / 2, 1e-9)
    return at


def _within(problem: _Problem, price: Numbers) -> Choice:
    """What everybody takes at these prices, made to fit the limits and to use them up."""
    _, choice = respond(problem.gain, price)
    return _fill(problem, choice if problem.fits(choice) else _repair(problem, choice, price), price)


def _repair(problem: _Problem, choice: Choice, price: Numbers) -> Choice:
    """Move customers to their next best offer, or to none, where that loses least, until all limits are kept."""
    import numpy as np

    gain, m = problem.gain, len(problem.gain)
    choice, is_open = choice.copy(), np.ones(m, dtype=bool)
    while ((over := problem.counts(choice) - problem.capacity) > 0).any():
        j = int(np.argmax(over))
        is_open[j] = False
        members = np.flatnonzero(choice == j)
        next_best, other = respond(np.where(is_open[:, None], gain[:, members], -np.inf), price)
        losers = np.argsort(gain[j, members] - price[j] - next_best, kind="stable")[: int(over[j])]
        choice[members[losers]] = other[losers]

    cost, left = np.append(problem.cost, 0.0), problem.budget - problem.counts(choice) @ problem.cost
    while left < 0:
        members = np.flatnonzero(choice >= 0)
        members = members[cost[choice[members]] > 0]
        mine = choice[members]
        space = problem.capacity - problem.counts(choice)
        cheaper = (problem.cost[:, None] < cost[mine]) & (space[:, None] >= 1)
        next_best, other = respond(np.where(cheaper, gain[:, members], -np.inf), price)
        saved = cost[mine] - cost[other]
        with np.errstate(over="ignore"):  # who saves next to nothing comes last
            order = np.argsort((gain[mine, members] - price[mine] - next_best) / saved, kind="stable")
        enough = int(np.searchsorted(np.cumsum(saved[order]), -left)) + 1
        fitting = room(other[order], problem.cost, np.inf, space, space >= 1) if (space >= 1).any() else len(order)
        order = order[: min(enough, fitting)]
        choice[members[order]] = other[order]
        left = problem.budget - problem.counts(choice) @ problem.cost
    return choice


def _fill(problem: _Problem, choice: Choice, price: Numbers) -> Choice:
    """Give what is left of the limits to those without an offer, the best gain after its price first."""
    import numpy as np

    choice = choice.copy()
    while True:
        counts = problem.counts(choice)
        left, space = problem.budget - float(counts @ problem.cost), problem.capacity - counts
        is_open = (problem.cost <= left) & (space >= 1)
        pool = np.flatnonzero(choice < 0)
        reduced = np.where(is_open[:, None] & (problem.gain[:, pool] > 0), problem.gain[:, pool] - price[:, None], -np.inf)
        offer = reduced.argmax(axis=0).astype(np.int16)
        best = reduced[offer, np.arange(len(pool))]
        wanting = np.flatnonzero(np.isfinite(best))
        if not wanting.size:
            return choice
        wanting = wanting[np.argsort(-best[wanting], kind="stable")]
        wanting = wanting[: room(offer[wanting], problem.cost, left, space, is_open)]
        choice[pool[wanting]] = offer[wanting]


def _settle(problem: _Problem, choice: Choice, best: NDArray[np.floating], price: Numbers, bound: float) -> tuple[Choice, float]:
    """Settle exactly what the bound leaves in doubt; the better choice, and the lower bound.

    A plan that gains more than this one loses less than the gap against the bound, so every customer of it has an
    option (offer or none) that by itself loses less than that. Where there are too many such options, only the closest
    are weighed, and the bound stays.
    """
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array, vstack

    value = problem.value(choice)
    loss = np.vstack([best - (problem.gain - price[:, None]), best])
    rounded = 4 * float(np.finfo(best.dtype).eps) * float(problem.gain.max())
    doubtful = loss <= (bound - value) * (1 + 1e-6) + rounded + 1e-12
    doubtful[:-1] &= problem.gain > 0
    people = np.flatnonzero(doubtful.sum(axis=0) > 1)
    exact = int(doubtful[:, people].sum()) <= _MOST_OPTIONS
    if not exact:
        second = np.partition(loss[:, people], 1, axis=0)[1]
        people = np.sort(people[np.argsort(second, kind="stable")[: _MOST_OPTIONS // len(loss)]])
    offer, person = np.nonzero(doubtful[:-1, people])
    if not offer.size:
        return choice, bound

    fixed = choice.copy()
    fixed[people] = -1
    gain, ones = problem.gain[offer, people[person]], np.ones(len(offer))
    each = csr_array((ones, (person, np.arange(len(offer)))), shape=(len(people), len(offer)))
    left = problem.limit - problem.use @ problem.counts(fixed)
    scale = np.maximum(problem.limit, 1e-300)  # solvers judge limits by absolute tolerances
    rows = vstack([each, csr_array(problem.use[:, offer] / scale[:, None])])
    base = problem.value(fixed)
    found = milp(
        -gain / gain.max(),
        constraints=LinearConstraint(rows, ub=np.concatenate([np.ones(len(people)), left / scale])),
        integrality=np.ones(len(offer), dtype=np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": min(1.0, TOLERANCE / 4 * value / max(value - base, 1e-300)), "node_limit": _MOST_NODES},
    )
    if exact and found.mip_dual_bound is not None:
        bound = min(bound, max(value, base - found.mip_dual_bound * float(gain.max())))
    if found.x is None:
        return choice, bound
    taken = found.x > 0.5  # noqa: PLR2004 - 0 or 1
    settled = fixed.copy()
    settled[people[person[taken]]] = offer[taken]
    better = problem.fits(settled) and problem.value(settled) > value
    return (settled if better else choice), bound
