"""The prices of the limits with about the lowest bound: cutting planes in a box, on samples first, finally on all customers.

Source: Marsten, Hogan and Blankenship (1975), The boxstep method for large-scale optimization.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.offers.assignment_problem import counts_of, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from oneclick_pipeline.offers.assignment_problem import Problem

    Numbers = NDArray[np.float64]

_SAMPLE = 2000
_GROWTH = 8
_MOST_CUTS = 150
_NEGLIGIBLE = 1e-9  # part of the dearest offer's cost that no price of the budget needs to deter from


def lowest_prices(problem: Problem, tolerance: float) -> Numbers:
    """Prices of the limits with about the lowest bound, shape (k,): from ever larger samples, finally from all customers."""
    total = problem.gain.shape[1]
    if not len(problem.limit):
        return np.zeros(len(problem.limit))
    gain = problem.gain.astype(np.float32, copy=False)  # twice as fast; the bound itself is computed in full at the end
    matters = problem.use > _NEGLIGIBLE * problem.use.max(axis=1, keepdims=True)
    worth = problem.gain.max(axis=1).clip(min=0) / np.where(matters, problem.use, 1.0)
    top = np.where(matters, worth, 0).max(axis=1)  # at such a price no one takes any of it
    at, radius, sizes = np.zeros(len(top)), 1.0, [total]
    while sizes[0] > _SAMPLE * _GROWTH:
        sizes.insert(0, sizes[0] // _GROWTH)
    for size in sizes:
        sample = gain if size == total else np.ascontiguousarray(gain[:, :: -(-total // size)])

        def bound(z: Numbers, sample: NDArray[np.float32] = sample) -> tuple[float, Numbers]:
            prices = z * top
            best, choice = respond(sample, prices @ problem.use)
            share = sample.shape[1] / total
            slack = problem.limit * share - problem.use @ counts_of(choice, len(sample))
            return float(prices @ problem.limit * share + best.sum(dtype=np.float64)), slack * top

        at = _lowest(bound, at, radius, tolerance)
        radius = min(1.0, 5 * max(float(at.max()), 1e-3) / np.sqrt(sample.shape[1]))  # about what chance moves prices by
    prices: Numbers = at * top
    return prices


def _lowest(bound: Callable[[Numbers], tuple[float, Numbers]], start: Numbers, radius: float, tolerance: float) -> Numbers:
    """The minimum of a convex function of (value, slope) in the unit cube: cutting planes in a box round the best so far."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    size = len(start)
    at, (lowest, slope) = start, bound(start)
    slopes, levels = [slope], [lowest - slope @ start]
    aim = np.append(np.zeros(size), 1.0)
    for _ in range(_MOST_CUTS):
        scale = max(abs(lowest), 1e-300)
        planes = LinearConstraint(np.c_[np.array(slopes) / scale, -np.ones(len(slopes))], ub=-np.array(levels) / scale)
        box = Bounds(np.append(np.maximum(at - radius, 0), -np.inf), np.append(np.minimum(at + radius, 1), np.inf))
        solution = milp(aim, constraints=planes, bounds=box)
        if solution.x is None:
            break
        if 1 - solution.fun <= tolerance:
            if radius >= 1 or (np.abs(solution.x[:-1] - at) < radius * 0.99).all():
                break  # no more to win within the box nor, the function being convex, far beyond
            radius = min(4 * radius, 1.0)
            continue
        point = np.clip(solution.x[:-1], 0, 1)
        value, slope = bound(point)
        slopes.append(slope)
        levels.append(value - slope @ point)
        if value < lowest:
            if lowest - value > 0.5 * (1 - solution.fun) * scale:
                radius = min(2 * radius, 1.0)
            at, lowest = point, value
        else:
            radius = max(radius / 2, 1e-9)
    return at
