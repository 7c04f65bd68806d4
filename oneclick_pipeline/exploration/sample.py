"""Which customers and columns are explored, and in which plain types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.contracts.schema import Column, Columns, Table
    from oneclick_pipeline.settings import Exploration

EXPLORED: tuple[Column, ...] = tuple(c for c in CUSTOMER_FEATURES.columns if c.name in {*FEATURE_NAMES, "activity", "profit"})
"""The columns that are explored, in the order of `customer_features`: features, activity and profit."""

_SEED = 20261


@dataclass(frozen=True)
class Sample:
    """Regular customers to look at.

    Attributes:
        frame: One row per customer, ordered by customer_id (which is left out, so that nothing can correlate with
            it), columns of `EXPLORED`: int and float columns as float64, bool and str columns as str ("True",
            "False"); NaN where there is no value.
        regular_customers: Regular customers there are; more than the rows of `frame` if it is a random sample.
    """

    frame: pd.DataFrame
    regular_customers: int

    @property
    def description(self) -> str:
        """How many customers were analysed, in words.

        >>> import pandas as pd
        >>> Sample(pd.DataFrame(index=range(1_000)), 20_000).description
        'random sample of 1,000 of 20,000 regular customers'
        """
        looked_at = len(self.frame)
        if looked_at < self.regular_customers:
            return f"random sample of {looked_at:,} of {self.regular_customers:,} regular customers"
        return f"all {looked_at:,} regular customers"


def is_number(column: Column) -> bool:
    """Whether the values are quantities, so that quantiles mean something; bool and str are categories."""
    return column.type.is_number


def regular_sample(features: Columns, settings: Exploration) -> Sample:
    """The regular customers, or, above `settings.max_rows` of them, a random sample of that size.

    The draw goes by a hash of customer_id: it depends neither on the order of the rows nor on the engine that
    wrote them, and a customer who was drawn one month is likely drawn the next.

    Args:
        features: A `customer_features` table of any pandas types; one column at a time is in memory.
        settings: Gives the size of the sample.
    """
    import numpy as np
    import pandas as pd

    ids = features["customer_id"].to_numpy(dtype=np.int64)
    rows = np.flatnonzero(features["regular"].to_numpy(dtype=bool))
    rows = rows[np.argsort(ids[rows], kind="stable")]
    drawn = rows
    if len(rows) > settings.max_rows:
        order = np.argsort(pd.util.hash_array(ids[rows] ^ _SEED), kind="stable")
        drawn = rows[np.sort(order[: settings.max_rows])]
    return Sample(pd.DataFrame({c.name: _plain(features[c.name].iloc[drawn], c) for c in EXPLORED}), len(rows))


def typed(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The frame with the columns of `table` in its types, also where there are no rows or no values."""
    return frame[table.names].astype({c.name: c.pandas for c in table.columns})


def _plain(values: pd.Series, column: Column) -> pd.Series:
    """Values in the one type that the rest of the stage knows; an infinite quantity counts as missing."""
    import numpy as np
    import pandas as pd

    if is_number(column):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.Series(np.where(np.isfinite(numbers), numbers, np.nan))
    texts = values.astype(object).map(str, na_action="ignore")
    return pd.Series(texts.where(texts.notna(), None).to_numpy(), dtype="str")
