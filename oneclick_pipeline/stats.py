"""Uncertainty of figures: intervals, the correction for many comparisons, the smallest effect that shows. Used by every stage.

An interval is *fixed* where a figure is read once, when all of its data are there. A figure that is read again and again while
data come in would leave fixed intervals sooner or later; its interval is *always valid*, see `Mixture`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, log1p, sqrt
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


@dataclass(frozen=True)
class Mixture:
    """Intervals and p-values of an estimate that hold at all looks at once, however many, while its data come in.

    With a probability of 1 - `significance` no interval of the whole series misses the truth; one of them alone misses it
    less often. Source: Robbins (1970), Statistical methods related to the law of the iterated logarithm, the normal mixture;
    for estimates with a standard error Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory
    and asymptotic confidence sequences; see also Howard, Ramdas, McAuliffe and Sekhon (2021).

    Attributes:
        rho: Precision of the mixing distribution, in units of information, which is 1 / standard error²; above 0 and the
            same at every look.
    """

    rho: float

    @classmethod
    def tightest_at(cls, information: float, significance: float = 0.05) -> Mixture:
        """The one whose interval is narrowest, in standard errors, where there is so much information.

        >>> mixture = Mixture.tightest_at(100.0)
        >>> [round(mixture.half(information**-0.5) * information**0.5, 2) for information in (10, 100, 1000, 10_000)]
        [3.82, 3.04, 3.25, 3.57]
        """
        from scipy.special import lambertw

        return cls(information / (-float(lambertw(-(significance**2) / exp(1), -1).real) - 1))

    def half(self, standard_error: float, significance: float = 0.05) -> float:
        """Half of the interval of an estimate with this standard error, above 0."""
        part = self.rho * standard_error**2
        return standard_error * sqrt((1 + part) * (log1p(1 / part) - 2 * log(significance)))

    def p_value(self, estimate: float, standard_error: float) -> float:
        """p-value of no effect: below the significance exactly where the interval does not hold 0.

        >>> mixture = Mixture.tightest_at(1.0)
        >>> round(mixture.p_value(mixture.half(1.0), 1.0), 6), mixture.p_value(0.0, 1.0)
        (0.05, 1.0)
        """
        part = self.rho * standard_error**2
        return exp(min(0.0, (log1p(1 / part) - (estimate / standard_error) ** 2 / (1 + part)) / 2))

    def detectable_effect(self, standard_error: float, *, power: float, significance: float) -> float:
        """Smallest effect, either way, that a look with this standard error shows with this power."""
        from scipy.special import ndtri

        return self.half(standard_error, significance) + float(ndtri(power)) * standard_error
