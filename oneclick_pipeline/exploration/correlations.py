"""Pair by pair: how strongly any two columns depend on each other, whatever their types.

phik (Baak et al. 2020, doi:10.1016/j.csda.2020.107043) finds the correlation of a bivariate normal distribution
whose contingency table would show the same chi-square, after taking off what chance alone gives. It needs no
linear relation and works between quantities and categories.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exploration import CORRELATIONS
from oneclick_pipeline.exploration.sample import EXPLORED, is_number, regular_sample, typed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Column, Columns
    from oneclick_pipeline.settings import Exploration

_MISSING = -1


@dataclass(frozen=True)
class Correlations:
    """How the columns depend on each other.

    Attributes:
        table: A `correlations` table: each unordered pair once, in the order of `customer_features`.
        left_out: Columns without two different values, which cannot depend on anything; they are in no pair.
        customers: Customers analysed.
        description: The same in words: all, or a random sample.
    """

    table: pd.DataFrame
    left_out: tuple[str, ...]
    customers: int
    description: str

    @property
    def collinear(self) -> pd.DataFrame:
        """The pairs of features that are collinear, strongest first."""
        pairs = self.table[self.table["collinear"]]
        return pairs.sort_values("phik", ascending=False, kind="stable", ignore_index=True)


def correlations(features: Columns, settings: Exploration) -> Correlations:
    """Compute phik and its significance for all pairs of features, activity and profit among regular customers.

    Customers without a value count only in the pairs of their other columns. A pair is left out if one of its
    columns is constant among the customers who have both. Significance is the asymptotic one of the G-test, in
    standard deviations, one-sided; 0 where the table shows less dependence than chance.

    Args:
        features: A `customer_features` table, (customers, columns), of any pandas types.
        settings: Gives the number of bins, the threshold of collinearity and the size of the sample.
    """
    import pandas as pd

    sample = regular_sample(features, settings)
    codes = {c.name: _codes(sample.frame[c.name], c, settings.phik_bins) for c in EXPLORED}
    left_out = tuple(name for name, code in codes.items() if code.max(initial=_MISSING) < 1)
    rows = []
    for a, b in combinations([name for name in codes if name not in left_out], 2):
        counts = _contingency(codes[a], codes[b])
        if min(counts.shape) > 1:
            phik, significance = _dependence(counts)
            collinear = phik >= settings.collinearity_threshold and {a, b} <= set(FEATURE_NAMES)
            rows.append((a, b, phik, significance, collinear))
    table = typed(pd.DataFrame(rows, columns=CORRELATIONS.names), CORRELATIONS)
    return Correlations(table, left_out, len(sample.frame), sample.description)


def _codes(values: pd.Series, column: Column, bins: int) -> NDArray[np.int64]:
    """Number of each value's bin, 0 and up; -1 where there is no value.

    Up to `bins` different values are a bin each. Of more, quantities are cut into `bins` bins of about equal
    counts, because in bins of equal width one extreme value would gather all others in one; of categories the
    rarest share the last bin.
    """
    import numpy as np
    import pandas as pd

    if values.nunique() <= bins:
        return pd.factorize(values, sort=True)[0].astype(np.int64)
    if is_number(column):
        numbers = values.to_numpy()
        edges = np.nanquantile(numbers, np.linspace(0, 1, bins + 1)[1:-1])
        # a bin includes its upper edge, so an edge at the maximum would part nothing off
        edges = np.unique(np.minimum(edges, numbers[numbers < np.nanmax(numbers)].max()))
        return np.where(np.isnan(numbers), _MISSING, np.searchsorted(edges, numbers, side="left"))
    # sorted first, so that of equally frequent categories the choice is always the same
    order = values.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    return np.minimum(order.get_indexer(pd.Index(values)), bins - 1).astype(np.int64)


def _contingency(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Customers in each combination of bins, (bins of a, bins of b); bins without any are left out."""
    import numpy as np

    both = (a != _MISSING) & (b != _MISSING)
    shape = (a.max() + 1, b.max() + 1)
    counts = np.bincount(a[both] * shape[1] + b[both], minlength=shape[0] * shape[1]).reshape(shape)
    return counts[counts.any(axis=1)][:, counts.any(axis=0)]


def _dependence(counts: NDArray[np.int64]) -> tuple[float, float]:
    """Phik and its significance from one contingency table.

    phik's functions for whole frames bin, group and warn through pandas, twice for two matrices; its functions
    for one table are the same mathematics without that.
    """
    from phik.phik import phik_from_hist2d
    from phik.significance import significance_from_hist2d

    phik = phik_from_hist2d(counts)
    significance = significance_from_hist2d(counts, significance_method="asymptotic")[1]
    return min(max(float(phik), 0.0), 1.0), max(float(significance), 0.0)
