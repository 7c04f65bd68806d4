"""Figures with their uncertainty: shares, means, and how two groups differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oneclick_pipeline.stats import Z_95, Interval, t_95, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ENOUGH = 20
"""Customers of a group below which it is not compared: its figures would be noise."""


class Difference(NamedTuple):
    """How one group differs from another in one feature.

    Attributes:
        effect: Cliff's delta with its 95 % interval: P(a > b) − P(a < b) of a random pair, −1 to 1; of a yes or no it
            is the difference of the shares.
        p_value: Of the hypothesis that neither group tends to larger values (Mann–Whitney, corrected for ties).
    """

    effect: Interval
    p_value: float


def share(part: int, whole: int) -> Interval | None:
    """A share with Wilson's 95 % interval; None without customers.

    >>> print(share(5, 10))
    0.500 (0.237 to 0.763)
    """
    return wilson(part, whole) if whole else None


def mean(values: Floats) -> Interval | None:
    """Mean of the known values with Student's 95 % interval; None of fewer than `ENOUGH`."""
    finite = values[np.isfinite(values)]
    if len(finite) < ENOUGH:
        return None
    half = t_95(len(finite) - 1) * float(finite.std(ddof=1)) / len(finite) ** 0.5
    return Interval(float(finite.mean()), float(finite.mean()) - half, float(finite.mean()) + half)


def difference(a: Floats, b: Floats) -> Difference | None:
    """How the known values of group a differ from those of group b; None where either has fewer than `ENOUGH`.

    Cliff's delta with the interval of Feng and Cliff (2004), which is asymmetric and stays within −1 and 1.
    """
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    n, m = len(a), len(b)
    if min(n, m) < ENOUGH:
        return None
    from scipy import stats

    # mean sign of the differences of each value to the other group, without the n × m table
    of_a, of_b = _dominance(a, b), _dominance(b, a)
    delta = float(of_a.mean())
    # Σ of squared signs over all pairs: those that are not tied
    untied = float((np.searchsorted(np.sort(b), a, "left") + m - np.searchsorted(np.sort(b), a, "right")).sum())
    variance = (m**2 * ((of_a - delta) ** 2).sum() + n**2 * ((of_b + delta) ** 2).sum() - (untied - n * m * delta**2)) / (
        n * m * (n - 1) * (m - 1)
    )
    variance = max(float(variance), (1 - delta**2) / (n * m - 1))
    p_value = float(stats.mannwhitneyu(a, b, method="asymptotic").pvalue) if np.ptp(np.concatenate([a, b])) else 1.0
    return Difference(_feng_cliff(delta, variance, min(n, m)), p_value)


def _dominance(a: Floats, b: Floats) -> Floats:
    """Of each value of a: share of b below it less share above."""
    ordered = np.sort(b)
    dominance: Floats = (np.searchsorted(ordered, a, "left") + np.searchsorted(ordered, a, "right")) / len(b) - 1
    return dominance


def _feng_cliff(delta: float, variance: float, smaller: int) -> Interval:
    z2 = Z_95**2
    if abs(delta) == 1:
        end = (smaller - z2) / (smaller + z2)
        return Interval(delta, min(end, delta), 1.0) if delta > 0 else Interval(delta, -1.0, -end)
    half = Z_95 * float(np.sqrt(variance * ((1 - delta**2) ** 2 + z2 * variance)))
    middle, scale = delta - delta**3, 1 - delta**2 + z2 * variance
    return Interval(delta, max((middle - half) / scale, -1.0), min((middle + half) / scale, 1.0))
