"""The population stability index: how far a distribution has moved, and how far chance alone would appear to move it.

PSI = Σ (qᵢ − pᵢ) ln(qᵢ / pᵢ) over bins that the reference fixes, p its shares, q the month's; it is the sum of the
Kullback-Leibler divergences in both directions (Jeffreys), so never below 0. Limits of 0.1 and 0.25 are customary. Source:
Siddiqi (2006), Credit risk scorecards, ch. 9. Without any drift PSI / (1/n + 1/m) is about chi-squared with bins − 1
degrees of freedom, so that on few customers PSI is large by chance alone. Source: Yurdakul, Naranjo (2020), Statistical
properties of the population stability index, Journal of risk model validation 14 (4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

MOST_CATEGORIES = 50
"""Categories with a bin of their own, the most frequent ones of the reference; the others share one."""
_HALF = 0.5  # added to every bin, so that an empty one has a logarithm (Jeffreys' prior)
_DRAWS = 500
_ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Psi:
    """A PSI and how much of it may be chance.

    Attributes:
        value: The index.
        low: Lower end of its 95 % interval.
        high: Upper end.
        chance: What it is on average where nothing has moved: (bins − 1)(1/n + 1/m).
        bins: Bins that hold any customers in either month.
    """

    value: float
    low: float
    high: float
    chance: float
    bins: int

    @property
    def beyond_chance(self) -> bool:
        """Whether even the lower end lies above what chance alone gives."""
        return self.low > self.chance


def psi(reference: Counts, month: Counts, seed: int = 0) -> Psi:
    """PSI of counts in the same bins, n and m customers in all.

    The interval is that of a bootstrap of the counts, drawn as multinomials of both months; it is moved by the bias
    that the draws show, since a draw of what was itself drawn has the noise twice.

    Args:
        reference: Customers in each bin, reference month.
        month: The same of the month.
        seed: Seed of the draws.

    >>> import numpy as np
    >>> psi(np.array([50, 50]), np.array([50, 50])).value
    0.0
    """
    import numpy as np

    held = (reference > 0) | (month > 0)
    reference, month = reference[held], month[held]
    n, m = int(reference.sum()), int(month.sum())
    bins = len(reference)
    if not n or not m or bins < 2:  # noqa: PLR2004 - one bin cannot move
        return Psi(0.0, 0.0, 0.0, 0.0, bins)
    value = float(_index(reference, month))
    rng = np.random.default_rng(seed)
    drawn = _index(rng.multinomial(n, reference / n, _DRAWS), rng.multinomial(m, month / m, _DRAWS))
    low, high = (np.quantile(drawn, _ENDS) - (drawn.mean() - value)).clip(min=0.0)
    return Psi(value, min(float(low), value), max(float(high), value), (bins - 1) * (1 / n + 1 / m), bins)


def _index(reference: Counts, month: Counts) -> NDArray[np.float64]:
    """Σ (q − p) ln(q / p) over the last axis."""
    import numpy as np

    p, q = ((counts + _HALF) / (counts + _HALF).sum(axis=-1, keepdims=True) for counts in (reference, month))
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1), dtype=np.float64).clip(min=0.0)  # rounding


def number_counts(reference: pd.Series, month: pd.Series, bins: int) -> tuple[Counts, Counts]:
    """Customers of both months in quantile bins of the reference, those without a value in the last one.

    Edges are values of the reference, a bin goes up to and with its edge, and equal edges count once: a value that many
    share has a bin of its own, and there may be fewer bins than asked for. What lies beyond the reference is in the outer bins;
    where all its values are equal, there is a bin below and one above them.

    Args:
        reference: Numbers or flags; a missing one is a bin of its own.
        month: The same.
        bins: Bins of the numbers at most.
    """
    import numpy as np

    before, now = _floats(reference), _floats(month)
    known = before[~np.isnan(before)]
    edges = np.empty(0)
    if len(known):
        top = known.max()
        edges = np.unique(np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"))
        edges = edges[edges < top]
        if not len(edges):
            edges = np.unique([known.min(), top])
            edges = edges[:-1] if len(edges) > 1 else np.array([np.nextafter(top, -np.inf), top])
    return _in_bins(before, edges), _in_bins(now, edges)


def _in_bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> Counts:
    import numpy as np

    missing = np.isnan(values)
    counts = np.bincount(np.searchsorted(edges, values[~missing], side="left"), minlength=len(edges) + 1)
    return np.append(counts, missing.sum())


def _floats(values: pd.Series) -> NDArray[np.float64]:
    """Numbers or flags as floats, NaN where there is none."""
    import numpy as np

    if values.dtype.kind in "fiub" and isinstance(values.dtype, np.dtype):
        return np.asarray(values, dtype=np.float64)
    # by way of pandas' nullable float: it alone takes flags that may be missing
    return np.asarray(values.convert_dtypes().astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)


def category_counts(reference: pd.Series, month: pd.Series) -> tuple[Counts, Counts]:
    """Customers of both months by category of the reference; the rarest, new ones, and no value have a bin each."""
    import numpy as np

    before, now = counted(reference), counted(month)
    ordered = sorted(before.items(), key=lambda item: (-item[1], item[0]))
    own, rare = dict(ordered[:MOST_CATEGORIES]), dict(ordered[MOST_CATEGORIES:])
    columns = []
    for counts, total in ((before, len(reference)), (now, len(month))):
        kept = [counts.get(name, 0) for name in own]
        others = sum(counts.get(name, 0) for name in rare)
        new = sum(n for name, n in counts.items() if name not in before)
        columns.append(np.array([*kept, others, new, total - sum(counts.values())], dtype=np.int64))
    return columns[0], columns[1]


def counted(values: pd.Series) -> dict[str, int]:
    """Customers by category; those without one are left out."""
    counts = values.value_counts()  # of a categorical column also words that no one has
    return {str(name): int(n) for name, n in counts.items() if n}
