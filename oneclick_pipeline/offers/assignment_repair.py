"""What customers take at given prices, made to fit the limits exactly and to use them up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.experiment.room import room
from oneclick_pipeline.offers.assignment_problem import respond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.offers.assignment_problem import Problem

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]


def within_limits(problem: Problem, price: Numbers) -> Choice:
    """What every customer takes at these prices, made to fit the limits and to use them up."""
    _, choice = respond(problem.gain, price)
    return _fill(problem, choice if problem.fits(choice) else _repair(problem, choice, price), price)


def _repair(problem: Problem, choice: Choice, price: Numbers) -> Choice:
    """Move customers to their next best offer, or to none, where that loses least, until all limits are kept."""
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
        with np.errstate(over="ignore"):  # customers who save next to nothing come last
            order = np.argsort((gain[mine, members] - price[mine] - next_best) / saved, kind="stable")
        enough = int(np.searchsorted(np.cumsum(saved[order]), -left)) + 1
        fitting = room(other[order], problem.cost, np.inf, space, space >= 1) if (space >= 1).any() else len(order)
        order = order[: min(enough, fitting)]
        choice[members[order]] = other[order]
        left = problem.budget - problem.counts(choice) @ problem.cost
    return choice


def _fill(problem: Problem, choice: Choice, price: Numbers) -> Choice:
    """Give what is left of the limits to those without an offer, the best gain after its price first."""
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
