"""The problem of assignment: gains, limits that can bind, and what customers take at given prices of the limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    _Float = TypeVar("_Float", np.float32, np.float64)

CHUNK = 1 << 16
"""Customers whose numbers stay in the processor's cache."""


@dataclass(frozen=True)
class Problem:
    """Gains by offer (m, n), every customer with one above 0; limits that can bind: `use` (k, m) of an offer, `limit` (k,)."""

    gain: NDArray[np.floating]
    cost: Numbers
    budget: float
    capacity: Numbers
    use: Numbers
    limit: Numbers

    def value(self, choice: Choice) -> float:
        """Sum of the gains of a choice."""
        chosen = np.flatnonzero(choice >= 0)
        return float(self.gain[choice[chosen], chosen].sum(dtype=np.float64))

    def counts(self, choice: Choice) -> NDArray[np.int_]:
        """How many get each offer."""
        return counts_of(choice, len(self.gain))

    def fits(self, choice: Choice) -> bool:
        """Whether a choice keeps all limits."""
        counts = self.counts(choice)
        return bool((counts <= self.capacity).all() and counts @ self.cost <= self.budget)


def counts_of(choice: Choice, offers: int) -> NDArray[np.int_]:
    """How many chose each offer."""
    return np.bincount(choice + 1, minlength=offers + 1)[1:]


def respond(gain: NDArray[_Float], price: NDArray[np.floating]) -> tuple[NDArray[_Float], Choice]:
    """What every customer takes at these prices: the best gain after its price, 0 where nothing is, and the offer.

    Args:
        gain: Gains by offer, shape (m, n).
        price: Price of each offer, shape (m,).
    """
    price = price.astype(gain.dtype)  # what is equal must stay equal
    best = np.zeros(gain.shape[1], gain.dtype)
    choice = np.full(gain.shape[1], -1, np.int16)
    for begin in range(0, len(best), CHUNK):
        part = slice(begin, begin + CHUNK)
        for j, row in enumerate(gain):
            reduced = row[part] - price[j]
            np.copyto(choice[part], np.int16(j), where=reduced > best[part])
            np.maximum(best[part], reduced, out=best[part])
    return best, choice
