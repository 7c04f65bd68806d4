"""What became of a customer: the class that the store delivers, or where it is empty a rule on revenue.

The rule: a customer declined when their mean monthly revenue over the three months after the month of the features
is more than `labels.decline_limit` below the mean over the three months up to it. A snapshot holds exactly three
months of revenue, so the three after month m are those of snapshot m+3, and the rule speaks of that horizon only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.exports import PERIODS_OF_REVENUE
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month
from oneclick_pipeline.stats import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Labels

CLASSES = {"stable": 0, "declined": 1}
REVENUES = tuple(f"revenue_{period}" for period in PERIODS_OF_REVENUE.values())
RULE_HORIZON = len(REVENUES)
COLUMNS = ("customer_id", "activity", "regular", *REVENUES)
"""The columns of `customer_features` that say what became of a customer."""


@dataclass(frozen=True)
class Agreement:
    """How often the revenue rule says what the store says.

    Attributes:
        customers: Regular customers for whom both speak, a customer once for every month.
        share: Share of them for whom both say the same, with its 95 % Wilson interval; None without customers.
    """

    customers: int
    share: Interval | None

    def __str__(self) -> str:
        """The share, its interval and the number of customers."""
        if self.share is None:
            return "not enough data: no customer has both a delivered class and the revenue of three months before and after"
        return f"{self.share} of {self.customers} customers"


def refuse_later(months: Iterable[str], month: str) -> None:
    """Refuse months after the one for which a model is made: nothing of them may reach it.

    Raises:
        BadInputError: If there is one, or something that is no month.
    """
    later = sorted(m for m in months if check_month(m) > check_month(month))
    if later:
        raise BadInputError(
            f"a training set for {month} was given what was known only in {', '.join(later)}",
            remedy=f"pass the months up to {month}",
        )


def pairs(months: Iterable[str], *, month: str, horizon: int, history: int) -> list[tuple[str, str]]:
    """The months of features and of their labels from which a model for `month` may learn, newest first.

    Args:
        months: Months whose snapshot is there.
        month: Month for which the model is made; no label lies after it.
        horizon: Months from features to label.
        history: Feature months to go back at most; a month that is missing is not replaced by an older one.

    >>> pairs(["2026-03", "2026-04", "2026-06", "2026-07"], month="2026-07", horizon=3, history=12)
    [('2026-04', '2026-07'), ('2026-03', '2026-06')]
    """
    known = set(months)
    dates = ((add_months(month, -horizon - back), add_months(month, -back)) for back in range(history))
    return [pair for pair in dates if known.issuperset(pair)]


def revenue_rule(before: pd.DataFrame, after: pd.DataFrame, *, limit: float) -> NDArray[np.float64]:
    """Mark customers by their revenue: 1 declined, 0 stable, NaN where one of the six months is unknown.

    Args:
        before: `REVENUES` of the snapshot of the features.
        after: `REVENUES` of the snapshot three months later, the same customers row by row.
        limit: Fall, as a share of the mean before, beyond which the customer declined.

    >>> import pandas as pd
    >>> before, after = (pd.DataFrame([[m] * 3 for m in means], columns=REVENUES) for means in ([10, 10, 10], [8, 9, None]))
    >>> revenue_rule(before, after, limit=0.1).tolist()
    [1.0, 0.0, nan]
    """
    import numpy as np

    earlier, later = (table[list(REVENUES)].astype(float).to_numpy().mean(axis=1) for table in (before, after))
    return np.where(np.isnan(earlier) | np.isnan(later), np.nan, later < (1 - limit) * earlier)


def labels(features: pd.DataFrame, later: pd.DataFrame, *, horizon: int, settings: Labels) -> pd.DataFrame:
    """What became of the regular customers of one month in a later one.

    The class of the later snapshot where it is delivered; else the revenue rule, where the horizon is its own; else,
    for customers who are in no file of the later month, `declined` if the settings say so: they bought nothing.

    Args:
        features: `customer_features` of the month; at least `COLUMNS`.
        later: `customer_features` of the label month; at least `COLUMNS`.
        horizon: Months between the two.
        settings: Limit of the rule, and what a vanished customer counts as.

    Returns:
        One row a customer with a label: `customer_id`, `declined` (0 or 1), `label_source` (`contracts.model.LABEL_SOURCES`).
    """
    import numpy as np
    import pandas as pd

    regular = features.loc[features["regular"].astype(bool), ["customer_id", *REVENUES]]
    found = regular[["customer_id"]].merge(
        later[["customer_id", "activity", *REVENUES]], on="customer_id", how="left", validate="one_to_one", indicator=True
    )
    delivered = found["activity"].map(CLASSES).to_numpy(dtype=float, na_value=np.nan)
    rule = np.full(len(found), np.nan)
    if horizon == RULE_HORIZON:
        rule = revenue_rule(regular, found, limit=settings.decline_limit)
    vanished = (found["_merge"] == "left_only").to_numpy() & settings.vanished_declined
    by_source = {
        "delivered": ~np.isnan(delivered),
        "revenue_rule": ~np.isnan(rule),
        "vanished": vanished,
    }
    source = np.select(list(by_source.values()), list(by_source), default="")
    declined = np.select(list(by_source.values()), [delivered, rule, np.ones(len(found))], default=np.nan)
    labelled = source != ""
    return pd.DataFrame(
        {
            "customer_id": found["customer_id"].to_numpy()[labelled],
            "declined": declined[labelled].astype("int64"),
            "label_source": source[labelled],
        }
    )


def agreement(snapshots: Mapping[str, pd.DataFrame], *, month: str, settings: Labels) -> Agreement:
    """How often the revenue rule agrees with the delivered class, over the regular customers for whom both speak.

    Args:
        snapshots: `customer_features` by month, none after `month`; at least `COLUMNS`.
        month: Month for which the model is made.
        settings: Limit of the rule; history to go back.

    Raises:
        BadInputError: If a snapshot lies after `month`.
    """
    import numpy as np

    refuse_later(snapshots, month)
    customers = agreeing = 0
    for earlier, later in pairs(snapshots, month=month, horizon=RULE_HORIZON, history=settings.history_months):
        before, after = snapshots[earlier], snapshots[later]
        both = before.loc[before["regular"].astype(bool), ["customer_id", *REVENUES]].merge(
            after.loc[after["activity"].isin(list(CLASSES)), ["customer_id", "activity", *REVENUES]],
            on="customer_id",
            suffixes=("", "_after"),
            validate="one_to_one",
        )
        following = both[[f"{name}_after" for name in REVENUES]].set_axis(list(REVENUES), axis=1)
        rule = revenue_rule(both, following, limit=settings.decline_limit)
        customers += int((~np.isnan(rule)).sum())
        agreeing += int((rule == both["activity"].map(CLASSES).to_numpy(dtype=float)).sum())
    return Agreement(customers, wilson(agreeing, customers) if customers else None)


def told(training: pd.DataFrame, settings: Labels) -> str:
    """The rule by which a training set was labelled, in words.

    Args:
        training: Rows of `contracts.model.TRAINING_SET`.
        settings: Settings of its labels.
    """
    months = training[["feature_month", "label_month"]].drop_duplicates().sort_values("feature_month")
    if (months["feature_month"] == months["label_month"]).all():
        return "the activity class in the same snapshot as the features: no earlier snapshot has a label by now"
    words = [
        "a true forecast: the activity class in the later snapshot ("
        + ", ".join(f"{feature} -> {label}" for feature, label in months.itertuples(index=False))
        + ")"
    ]
    sources = set(training["label_source"])
    if "revenue_rule" in sources:
        words.append(
            "where it is empty: declined if the mean monthly revenue of the three months after is more than "
            f"{settings.decline_limit:.0%} below that of the three before"
        )
    if "vanished" in sources:
        words.append("customers who are in no file of the label month count as declined")
    return "; ".join(words)
