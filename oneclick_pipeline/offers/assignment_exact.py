"""Customers about whom the bound leaves any doubt, settled exactly by branch and bound.

Source: reduced-cost fixing as in Wolsey (1998), Integer programming, ch. 7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.offers.assignment_problem import Problem

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]

_MOST_OPTIONS = 20_000
_MOST_NODES = 4000  # a limit of time would make the answer depend on the machine


def settle(
    problem: Problem, choice: Choice, best: NDArray[np.floating], price: Numbers, bound: float, tolerance: float
) -> tuple[Choice, float]:
    """Settle exactly what the bound leaves in doubt; the better choice, and the lower bound.

    A plan that gains more than this one loses less than the gap against the bound, so every customer of it has an
    option (offer or none) that by itself loses less than that. Where there are too many such options, only the closest
    are weighed, and the bound stays.
    """
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
    solution = milp(
        -gain / gain.max(),
        constraints=LinearConstraint(rows, ub=np.concatenate([np.ones(len(people)), left / scale])),
        integrality=np.ones(len(offer), dtype=np.int64),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": min(1.0, tolerance * value / max(value - base, 1e-300)), "node_limit": _MOST_NODES},
    )
    if exact and solution.mip_dual_bound is not None:
        bound = min(bound, max(value, base - solution.mip_dual_bound * float(gain.max())))
    if solution.x is None:
        return choice, bound
    taken = solution.x > 0.5  # noqa: PLR2004 - 0 or 1
    settled = fixed.copy()
    settled[people[person[taken]]] = offer[taken]
    better = problem.fits(settled) and problem.value(settled) > value
    return (settled if better else choice), bound
