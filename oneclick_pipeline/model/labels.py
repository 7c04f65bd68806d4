"""Labels of a training set: which months are used, and the outcomes of the regular customers of each.

The rule for whether a customer declined is in `model.decline`; here it is applied month by month.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month
from oneclick_pipeline.model.decline import CLASSES, REVENUES, RULE_HORIZON, classes, decided, revenue_rule, revenues
from oneclick_pipeline.stats import Interval, wilson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from oneclick_pipeline.settings import Labels

COLUMNS = ("customer_id", "activity", "regular", *REVENUES)
"""The columns of `customer_features` that say what became of a customer."""


@dataclass(frozen=True)
class Agreement:
    """How often the revenue rule agrees with the store's class.

    Attributes:
        customers: Regular customers for whom both exist, counted once per month.
        share: Share of them for whom both agree, with its 95 % Wilson interval; None without customers.
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
        BadInputError: If there is one, or a key that is not a month.
    """
    later = sorted(m for m in months if check_month(m) > check_month(month))
    if later:
        raise BadInputError(
            f"a training set for {month} was given data that was only known in {', '.join(later)}",
            remedy=f"pass the months up to {month}",
        )


def pairs(months: Iterable[str], *, month: str, horizon: int, history: int) -> list[tuple[str, str]]:
    """The months of features and of their labels from which a model for `month` may learn, newest first.

    Args:
        months: Months whose snapshot is there.
        month: Month for which the model is made; no label lies after it.
        horizon: Months from features to label.
        history: Largest number of feature months to go back; a month that is missing is not replaced by an older one.

    >>> pairs(["2026-03", "2026-04", "2026-06", "2026-07"], month="2026-07", horizon=3, history=12)
    [('2026-04', '2026-07'), ('2026-03', '2026-06')]
    """
    known = set(months)
    dates = ((add_months(month, -horizon - back), add_months(month, -back)) for back in range(history))
    return [pair for pair in dates if known.issuperset(pair)]


def labels(features: pd.DataFrame, later: pd.DataFrame, *, horizon: int, settings: Labels) -> pd.DataFrame:
    """What became of the regular customers of one month in a later one, by `decline.decided`.

    Args:
        features: `customer_features` of the month; at least `COLUMNS`.
        later: `customer_features` of the label month; at least `COLUMNS`.
        horizon: Months between the two.
        settings: Limit of the rule, and what a vanished customer counts as.

    Returns:
        One row per customer with a label: `customer_id`, `declined` (0 or 1), `label_source` (`contracts.model.LABEL_SOURCES`).
    """
    import pandas as pd

    regular = features.loc[features["regular"].astype(bool), ["customer_id", *REVENUES]]
    after = regular[["customer_id"]].merge(
        later[["customer_id", "activity", *REVENUES]], on="customer_id", how="left", validate="one_to_one", indicator=True
    )
    there = (after["_merge"] == "both").to_numpy()
    label = decided(classes(after["activity"]), revenues(regular), revenues(after), there, horizon=horizon, rules=settings)
    labelled = label.source != ""
    return pd.DataFrame(
        {
            "customer_id": after["customer_id"].to_numpy()[labelled],
            "declined": label.declined[labelled].astype("int64"),
            "label_source": label.source[labelled],
        }
    )


def agreement(snapshots: Mapping[str, pd.DataFrame], *, month: str, settings: Labels) -> Agreement:
    """How often the revenue rule agrees with the delivered class, over the regular customers for whom both exist.

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
        rule = revenue_rule(revenues(both), revenues(following), limit=settings.decline_limit)
        customers += int((~np.isnan(rule)).sum())
        agreeing += int((rule == classes(both["activity"])).sum())
    return Agreement(customers, wilson(agreeing, customers) if customers else None)


def rule_in_words(training: pd.DataFrame, settings: Labels) -> str:
    """The rule by which a training set was labelled, in words.

    Args:
        training: Rows of `contracts.model.TRAINING_SET`.
        settings: Settings of its labels.
    """
    months = training[["feature_month", "label_month"]].drop_duplicates().sort_values("feature_month")
    if (months["feature_month"] == months["label_month"]).all():
        return "the activity class in the same snapshot as the features: no earlier snapshot has a label yet"
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
