"""Who declined: the one rule by which the labels of a model and the outcomes of campaigns are decided.

`decided` is the rule. `model.labels` applies it to the regular customers of a month, `campaigns.outcomes` to the customers
of a campaign, and nothing else decides an outcome. A later snapshot decides, by the first of three that applies:

1. `delivered`: the class that the store delivers there;
2. `revenue_rule`: the fall of the mean monthly revenue, by more than `labels.decline_limit`, from the three months up to
   the month of the features to the three months after it. A snapshot holds exactly three months of revenue, so the three
   after month m are those of snapshot m+3, and the rule speaks of that horizon only;
3. `vanished`: customers who are in no file of the later snapshot bought nothing and declined, if the settings say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from oneclick_pipeline.contracts.exports import PERIODS_OF_REVENUE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Labels

    Floats = NDArray[np.float64]

CLASSES = {"stable": 0, "declined": 1}
REVENUES = tuple(f"revenue_{period}" for period in PERIODS_OF_REVENUE.values())
RULE_HORIZON = len(REVENUES)


class Decided(NamedTuple):
    """Outcomes of n customers.

    Attributes:
        declined: 1 declined, 0 stable, NaN where nothing decides; shape (n,).
        source: What decided, see `contracts.model.LABEL_SOURCES`; empty where nothing does.
    """

    declined: Floats
    source: NDArray[np.str_]


def decided(
    delivered: Floats, before: Floats, after: Floats, there: NDArray[np.bool_], *, horizon: int, rules: Labels
) -> Decided:
    """Decide the outcomes of n customers by a later snapshot.

    Args:
        delivered: Class in the later snapshot as a number of `CLASSES`, NaN where none is delivered; shape (n,).
        before: `REVENUES` in the snapshot of the features, NaN where unknown; shape (n, 3).
        after: The same in the later snapshot.
        there: Whether the customer is in a file of the later snapshot, shape (n,).
        horizon: Months between the two snapshots.
        rules: Limit of the rule on revenue, and what a vanished customer counts as.
    """
    import numpy as np

    rule = np.full(len(delivered), np.nan)
    if horizon == RULE_HORIZON:
        rule = revenue_rule(before, after, limit=rules.decline_limit)
    by_source = {
        "delivered": ~np.isnan(delivered),
        "revenue_rule": ~np.isnan(rule),
        "vanished": ~there & rules.vanished_declined,
    }
    declined = np.select(list(by_source.values()), [delivered, rule, np.ones(len(rule))], default=np.nan)
    return Decided(declined, np.select(list(by_source.values()), list(by_source), default=""))


def revenue_rule(before: Floats, after: Floats, *, limit: float) -> Floats:
    """Classify customers by their revenue: 1 declined, 0 stable, NaN where one of the six months is unknown.

    Args:
        before: `REVENUES` of the snapshot of the features, shape (n, 3).
        after: `REVENUES` of the snapshot three months later, the same customers row by row.
        limit: Fall, as a share of the mean before, beyond which the customer declined.

    >>> import numpy as np
    >>> revenue_rule(np.full((3, 3), 10.0), np.array([[8.0] * 3, [9.0] * 3, [9.0, 9.0, np.nan]]), limit=0.1).tolist()
    [1.0, 0.0, nan]
    """
    import numpy as np

    earlier, later = before.mean(axis=1), after.mean(axis=1)
    return np.where(np.isnan(earlier) | np.isnan(later), np.nan, later < (1 - limit) * earlier)


def classes(activity: pd.Series) -> Floats:
    """Delivered classes as numbers of `CLASSES`, NaN where there is none."""
    import numpy as np

    return np.array(activity.map(CLASSES).to_numpy(dtype=float, na_value=np.nan))  # a copy: pandas gives views to be read only


def revenues(table: pd.DataFrame) -> Floats:
    """The columns `REVENUES` of a table, shape (n, 3)."""
    import numpy as np

    return np.asarray(table[list(REVENUES)].astype(float))
