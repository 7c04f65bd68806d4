"""Room within a budget and capacities, for customers who are served in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]

ROUNDING = 1e-9
"""Share of the budget by which a sum of costs may exceed it: 0.1 three times fits into 0.3."""


def room(choice: Choice, cost: Numbers, budget: float, capacity: Numbers, is_open: NDArray[np.bool_]) -> int:
    """How many of these customers, one after the other, find room for every open offer before they choose.

    Args:
        choice: Offer of every customer in order, -1 none; shape (n,).
        cost: Cost of each offer, shape (m,).
        budget: What is left of the budget before the first.
        capacity: What is left of each offer before the first, shape (m,).
        is_open: Offers that must have room, shape (m,).

    Returns:
        Number of the first customer who finds an open offer that has no room; n if no one does.

    >>> import numpy as np
    >>> room(np.array([0, -1, 0, 0]), np.array([1.0]), 2.0, np.array([9.0]), np.array([True]))
    3
    """
    opened = np.flatnonzero(is_open)
    if not opened.size:
        return 0
    spent = np.cumsum(np.where(choice >= 0, cost[choice], 0.0))
    fits = [np.searchsorted(spent, budget - cost[opened].max(), side="right")]  # spent up to and with a customer
    fits += [np.searchsorted(np.cumsum(choice == j), capacity[j], side="left") for j in opened if np.isfinite(capacity[j])]
    if budget < cost[opened].max() or (capacity[opened] < 1).any():
        return 0
    return int(min(*fits, len(choice) - 1) + 1) if len(choice) else 0
