"""Uncertainty of figures: intervals, the correction for many comparisons, the smallest effect that shows. Used by every stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Z_95 = 1.959963984540054
"""Half of a normal 95 % interval, in standard errors: the 97.5 % quantile."""


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % confidence interval.

    >>> print(Interval(0.9, 0.88, 0.92))
    0.900 (0.880 to 0.920)
    """

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        """Three digits, interval in brackets."""
        return f"{self.estimate:.3f} ({self.low:.3f} to {self.high:.3f})"


def normal(estimate: float, standard_error: float, bounds: tuple[float, float] = (float("-inf"), float("inf"))) -> Interval:
    """The normal 95 % interval of an estimate, within the bounds of what it can be.

    >>> print(normal(0.9, 0.1, (0, 1)))
    0.900 (0.704 to 1.000)
    """
    half = Z_95 * standard_error
    return Interval(estimate, max(bounds[0], estimate - half), min(bounds[1], estimate + half))


def t_95(degrees_of_freedom: float) -> float:
    """Half of Student's 95 % interval, in standard errors.

    >>> round(t_95(24), 3)
    2.064
    """
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, 0.975))


def wilson(hits: int, trials: int) -> Interval:
    """A share and its 95 % interval, which stays within 0 and 1 and is no point for 0 or all hits.

    Source: Wilson (1927), Probable inference, the law of succession, and statistical inference.

    >>> print(wilson(9, 10))
    0.900 (0.596 to 0.982)
    """
    share, weight = hits / trials, Z_95 * Z_95 / trials
    centre = (share + weight / 2) / (1 + weight)
    half = Z_95 * (share * (1 - share) / trials + weight / trials / 4) ** 0.5 / (1 + weight)
    return Interval(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)))


def change(now: Interval, before: Interval) -> Interval:
    """The difference of two independent estimates: the squares of their half-widths add up.

    Source, for two shares with Wilson's intervals: Newcombe (1998), Interval estimation for the difference between
    independent proportions, method 10.

    >>> print(change(wilson(56, 70), wilson(48, 80)))
    0.200 (0.052 to 0.334)
    """
    difference = now.estimate - before.estimate
    down = ((now.estimate - now.low) ** 2 + (before.high - before.estimate) ** 2) ** 0.5
    up = ((now.high - now.estimate) ** 2 + (before.estimate - before.low) ** 2) ** 0.5
    return Interval(difference, difference - down, difference + up)


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """p-values of several comparisons, corrected for their number: at most the level of those below it are false alarms.

    Source: Benjamini and Hochberg (1995), Controlling the false discovery rate. Comparisons that share customers are
    positively dependent, which the procedure allows.

    >>> false_discovery([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    if not len(p_values):
        return []
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(p_values)]


def detectable_effect(standard_error: float, *, power: float, significance: float) -> float:
    """Smallest effect, either way, that a two-sided test with this standard error shows with this power.

    >>> round(detectable_effect(1.0, power=0.8, significance=0.05), 3)
    2.802
    """
    from scipy.special import ndtri

    return float((ndtri(1 - significance / 2) + ndtri(power)) * standard_error)
