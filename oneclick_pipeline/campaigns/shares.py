"""The difference of two shares with an exact interval: for outcomes of 0 and 1 that few customers have, or all of them.

No library of ours has one: SciPy and tea-tasting have exact tests of two shares, without an interval of their difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oneclick_pipeline.stats import Z_95

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

_ONE_SIDED = 0.025
_SURELY = 1e-6  # chance that a share is not where it is looked for; it is part of every p-value
_NEGLIGIBLE = 1e-10  # chance of counts that are left out of a sum
_SHARES = 256  # on how many pairs of shares a chance is computed: it misses the greatest by less than a ten thousandth of it
_TIE = 1e-9


class Count(NamedTuple):
    """How many of a group's customers have the outcome 1."""

    hits: int
    customers: int

    @property
    def share(self) -> float:
        """Share of them."""
        return self.hits / self.customers

    @property
    def rarer(self) -> int:
        """How many customers have the rarer outcome."""
        return min(self.hits, self.customers - self.hits)

    @property
    def misses(self) -> Count:
        """How many of them have the outcome 0."""
        return Count(self.customers - self.hits, self.customers)

    def range(self) -> tuple[float, float]:
        """Where the share surely is: Clopper and Pearson's interval."""
        from scipy.special import betaincinv

        low = betaincinv(self.hits, self.customers - self.hits + 1, _SURELY / 4) if self.hits else 0.0
        high = betaincinv(self.hits + 1, self.customers - self.hits, 1 - _SURELY / 4) if self.hits < self.customers else 1.0
        return float(low), float(high)


class Difference(NamedTuple):
    """The difference of two shares, with its exact 95 % interval and two-sided p-value of no difference."""

    estimate: float
    low: float
    high: float
    p_value: float


def exact_difference(offered: Count, controls: Count) -> Difference:
    """The share of the offered less that of the controls; whatever both are, the interval covers it in 95 % of campaigns.

    Either end is the difference beyond which what was seen, or more, has a chance of less than 2.5 %, whatever the shares are
    (Buehler, 1957). "More" is a greater limit by Newcombe's method (1998), which makes the ends close to it (Kabaila
    and Lloyd, 2003). Only shares are considered that either group can have (Berger and Boos, 1994).

    The p-value is below 0.05 exactly where the interval does not hold 0.

    >>> print("{0:.2f} ({1:.4f} to {2:.4f})".format(*exact_difference(Count(100, 100), Count(0, 100))))
    1.00 (0.9634 to 1.0000)
    >>> print("{0:.2f} ({1:.4f} to {2:.4f}), p = {3:.3f}".format(*exact_difference(Count(0, 100), Count(5, 100))))
    -0.05 (-0.1133 to -0.0046), p = 0.040
    """
    below, above = _Excess(offered, controls), _Excess(controls, offered)
    p_value = min(1.0, 2 * min(below.chance(0), above.chance(0)))
    return Difference(offered.share - controls.share, below.limit(), -above.limit(), p_value)


class _Excess:
    """How likely the first share seems to exceed the second as much as it did, or more."""

    def __init__(self, first: Count, second: Count) -> None:
        if first.rarer > second.rarer:  # sums run over the counts of the first: the fewer, the better
            first, second = second.misses, first.misses
        self._ranges = first.range(), second.range()
        self._customers = first.customers, second.customers
        self._hits = _counts(first.customers, *self._ranges[0])
        self._most = _most_hits(self._hits, first, second)

    def chance(self, difference: float) -> float:
        """The greatest chance of that where the shares differ by this much."""
        from scipy.special import bdtr, gammaln, xlog1py, xlogy

        (low, high), (low_2, high_2) = self._ranges
        if not low - high_2 <= difference <= high - low_2:
            return _SURELY if difference < low - high_2 else 1.0
        share = np.linspace(max(low, low_2 + difference), min(high, high_2 + difference), _SHARES)[:, None]
        (n, n_2), hits = self._customers, self._hits
        ways = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
        chances = np.exp(ways + xlogy(hits, share) + xlog1py(n - hits, -share))
        at_most = np.where(self._most < 0, 0.0, bdtr(np.maximum(self._most, 0), n_2, np.clip(share - difference, 0, 1)))
        return min(1.0, float((chances * at_most).sum(axis=1).max()) + _NEGLIGIBLE + _SURELY)

    def limit(self) -> float:
        """The least difference at which that has a chance of 2.5 %; the chance grows with the difference."""
        from scipy.optimize import brentq

        (low, high), (low_2, high_2) = self._ranges
        least, most = low - high_2, high - low_2
        if self.chance(least) >= _ONE_SIDED:
            return max(-1.0, least)
        return float(brentq(lambda difference: self.chance(difference) - _ONE_SIDED, least, most, xtol=1e-9))


def _counts(customers: int, low: float, high: float) -> Ints:
    """Hits that a group may have whose share is between `low` and `high`."""
    from scipy.stats import binom

    first = int(binom.ppf(_NEGLIGIBLE / 2, customers, low)) if low > 0 else 0
    last = int(binom.isf(_NEGLIGIBLE / 2, customers, high)) if high < 1 else customers
    return np.arange(first, last + 1)


def _most_hits(hits: Ints, first: Count, second: Count) -> Ints:
    """For each count of the first group, the most hits of the second with which the limit is as seen or greater; -1: none."""
    seen = float(_lower_limit(np.array([first.hits]), first.customers, np.array([second.hits]), second.customers)[0]) - _TIE
    least, most = np.full(len(hits), -1), np.full(len(hits), second.customers)
    while (least < most).any():  # halving: the limit falls as the second group's hits grow
        middle = (least + most + 1) // 2
        enough = (middle >= 0) & (_lower_limit(hits, first.customers, abs(middle), second.customers) >= seen)
        least, most = np.where(enough, middle, least), np.where(enough, most, middle - 1)
    return least


def _lower_limit(hits: Ints, customers: int, hits_2: Ints, customers_2: int) -> Floats:
    """Lower limits of the differences by Newcombe's method, see `stats.change`."""
    share, share_2 = hits / customers, hits_2 / customers_2
    down, up = share - _wilson(share, customers, -1), _wilson(share_2, customers_2, 1) - share_2
    return share - share_2 - np.hypot(down, up)


def _wilson(share: Floats, customers: int, side: int) -> Floats:
    """Wilson's limits of shares, see `stats.wilson`."""
    weight = Z_95 * Z_95 / customers
    half = Z_95 * np.sqrt(share * (1 - share) / customers + weight / customers / 4)
    return (share + weight / 2 + side * half) / (1 + weight)
