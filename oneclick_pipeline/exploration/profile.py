"""Column by column: what is missing, how values are spread, whether they are normal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline.contracts.exploration import DATA_PROFILE
from oneclick_pipeline.exploration.sample import EXPLORED, is_number, regular_sample, typed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Columns
    from oneclick_pipeline.settings import Exploration

_SHAPIRO_MINIMUM = 3
_SHAPIRO_MAXIMUM = 5_000
_QUANTILES = {"minimum": 0.0, "q05": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "q95": 0.95, "maximum": 1.0}


def data_profile(features: Columns, settings: Exploration) -> pd.DataFrame:
    """Describe every feature, the activity and the profit among regular customers.

    Quantities (int, float) get moments, quantiles, outliers and a normality test; categories (bool, str) get
    their most frequent value, the first in the alphabet of several, and its share of the values that are there.
    Above `settings.max_rows` regular customers a random sample is described, and `rows` says its size.

    Args:
        features: A `customer_features` table, (customers, columns), of any pandas types.
        settings: Gives the level of the normality tests and the size of the sample.

    Returns:
        A `data_profile` table, one row per column, in the order of `customer_features`.
    """
    import pandas as pd

    frame = regular_sample(features, settings).frame
    records = []
    for column in EXPLORED:
        values = frame[column.name]
        present = values.dropna()
        record = {
            "column": column.name,
            "feature_group": column.group,
            "kind": column.kind,
            "rows": len(values),
            "missing": len(values) - len(present),
            "distinct": present.nunique(),
        }
        if is_number(column):
            record |= _quantity(present.to_numpy(), settings.normality_level)
        else:
            record |= _category(present)
        records.append(record)
    return typed(pd.DataFrame(records, columns=DATA_PROFILE.names), DATA_PROFILE)


def normality(values: NDArray[np.float64]) -> tuple[str, float, float] | None:
    """Test whether a normal distribution could have given these values.

    - Up to 5,000 values: Shapiro-Wilk, the most powerful of the common tests (Razali & Wah 2011). Its p-value is
      Royston's approximation (AS R94, 1995), which was fitted for up to 5,000.
    - More: D'Agostino-Pearson K², from skewness and kurtosis, whose chi-square limit is exact enough by then.
    - Fewer than 3 values, or constant ones: none; there is nothing to test.

    Args:
        values: Finite values, (n,).

    Returns:
        Name, statistic and p-value of the test, or None.
    """
    from scipy import stats

    standard = _standardised(values)
    if standard is None or len(values) < _SHAPIRO_MINIMUM:
        return None
    if len(values) <= _SHAPIRO_MAXIMUM:
        shapiro = stats.shapiro(standard)
        return "Shapiro-Wilk", float(shapiro.statistic), float(shapiro.pvalue)
    pearson = stats.normaltest(standard)
    return "D'Agostino-Pearson K²", float(pearson.statistic), float(pearson.pvalue)


def _standardised(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Values with mean 0 and deviation 1, or None if they do not vary.

    Skewness and both tests do not change with location and scale, and computed so they keep their digits, where
    scipy would warn of cancellation.
    """
    if len(values) == 0 or values.min() == values.max():
        return None
    deviations = values - values.mean()
    scale = deviations.std()
    return deviations / scale if scale > 0 else None


def _quantity(values: NDArray[np.float64], level: float) -> dict[str, Any]:
    """The part of a profile that only quantities have; empty where there are no values."""
    import numpy as np

    if len(values) == 0:
        return {}
    quantiles = np.quantile(values, list(_QUANTILES.values())).tolist()
    part: dict[str, Any] = dict(zip(_QUANTILES, quantiles, strict=True))
    whisker = 1.5 * (part["q75"] - part["q25"])
    part["outliers"] = int(((values < part["q25"] - whisker) | (values > part["q75"] + whisker)).sum())
    part["mean"] = values.mean()
    part["sd"] = values.std(ddof=1) if len(values) > 1 else None
    standard = _standardised(values)
    part["skewness"] = (standard**3).mean() if standard is not None else None
    if test := normality(values):
        part["normality_test"], part["normality_statistic"], part["normality_p"] = test
        part["normal"] = part["normality_p"] >= level
    return part


def _category(values: pd.Series) -> dict[str, Any]:
    """The part of a profile that only categories have; empty where there are no values."""
    if values.empty:
        return {}
    counts = values.value_counts().sort_index()
    return {"top_value": counts.idxmax(), "top_share": counts.max() / len(values)}
