"""What the worth of a kept customer is learned from: earlier customers, who declined, and what they brought afterwards."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model import labels
from oneclick_pipeline.model.decline import REVENUES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Settings

    Floats = NDArray[np.float64]

QUARTER = 3
"""Months of which the profit column is the mean."""
_NUMBERS = [c.name for c in FEATURES if c.type.is_number]
_CATEGORIES = [c.name for c in FEATURES if not c.type.is_number]


@dataclass(frozen=True)
class Rows:
    """Customers of earlier snapshots whose class is known, one row per customer and snapshot.

    Attributes:
        customer: Their numbers.
        profit: Monthly profit at the snapshot, finance units.
        numbers: Shares of the three months in their mean revenue, then the numbers among the features; NaN where unknown.
        categories: The features that are no numbers, as texts; last the month of the snapshot: a season in which more decline
            and everybody brings less is no worth.
        declined: 1 or 0.
        after: Profit of each quarter after the snapshot, shape (n, quarters); NaN where it is not over or not known.
    """

    customer: NDArray[np.int64]
    profit: Floats
    numbers: Floats
    categories: NDArray[np.object_]
    declined: Floats
    after: Floats


def rows(snapshots: Mapping[str, pd.DataFrame], *, month: str, settings: Settings, most: int) -> Rows | None:
    """The rows of all snapshots whose horizon is over by `month`; None if there are none.

    Args:
        snapshots: `customer_features` by month; those after `month` are ignored.
        month: The current month.
        settings: Horizon, months that count, rule of the labels.
        most: Customers above which a random sample of each snapshot is taken, all snapshots together.
    """
    ends = [(m, add_months(m, settings.value.horizon_months)) for m in sorted(snapshots)]
    over = {m: snapshots[m] for m, end in ends if end <= month and end in snapshots}
    share = most / max(sum(map(len, over.values())), 1)
    if share < 1:
        over = {m: s.sample(int(share * len(s)), random_state=settings.model.seed) for m, s in over.items()}
    known = {m: snapshot for m, snapshot in snapshots.items() if m <= month}
    found = (_part(features, known, m, settings) for m, features in over.items())
    parts = [part for part in found if part is not None]
    if not parts:
        return None
    return Rows(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)))


def _part(features: pd.DataFrame, known: Mapping[str, pd.DataFrame], earlier: str, settings: Settings) -> Rows | None:
    """The customers of one snapshot whose class and profit are known; None where the store has renumbered them since."""
    horizon = settings.value.horizon_months
    labelled = labels.labels(features, known[add_months(earlier, horizon)], horizon=horizon, settings=settings.labels)
    if labelled["label_source"].eq("vanished").all():
        return None
    declined = labelled.set_index("customer_id")["declined"]
    customers = features.set_index("customer_id").loc[declined.index]
    customers = customers[customers["profit"].notna()]
    quarters = range(QUARTER, settings.value.worth_months + 1, QUARTER)
    return Rows(
        customers.index.to_numpy(dtype=np.int64),
        customers["profit"].to_numpy(dtype=float),
        np.column_stack([_trend(customers), customers[_NUMBERS].to_numpy(dtype=float, na_value=np.nan)]),
        customers[_CATEGORIES].astype(str).assign(month=earlier).to_numpy(dtype=object),
        declined.loc[customers.index].to_numpy(dtype=float),
        np.column_stack([_quarter(known, earlier, end, customers.index) for end in quarters]),
    )


def _quarter(known: Mapping[str, pd.DataFrame], earlier: str, end: int, customers: pd.Index) -> Floats:
    """What customers brought in the quarter that ends so many months after a snapshot; NaN where it is not known.

    Who is no longer there at its end brought what the months before it show, and nothing after the last of them; where nobody
    is there, the store has renumbered its customers.
    """
    last = known.get(add_months(earlier, end))
    if last is None or not customers.isin(last["customer_id"]).any():
        return np.full(len(customers), np.nan)
    months = (known.get(add_months(earlier, month)) for month in range(end - QUARTER + 1, end))
    until = sum((_brought(snapshot, customers) for snapshot in months if snapshot is not None), np.zeros(len(customers)))
    profit = last.set_index("customer_id")["profit"].reindex(customers).to_numpy(dtype=float, na_value=np.nan)
    return np.where(customers.isin(last["customer_id"]), QUARTER * profit, until)


def _brought(snapshot: pd.DataFrame, customers: pd.Index) -> Floats:
    """What they brought in the month of a snapshot: as much of their profit as of their revenue; 0 of those who are not there."""
    here = snapshot.set_index("customer_id")
    brought = here["profit"] * _trend(here)[:, 0]
    return np.where(customers.isin(here.index), brought.reindex(customers).to_numpy(dtype=float, na_value=np.nan), 0.0)


def _trend(customers: pd.DataFrame) -> Floats:
    """Revenue of each of the three months over their mean, the newest first, shape (n, 3); 1 without revenue."""
    revenue = customers[list(REVENUES)].to_numpy(dtype=float, na_value=np.nan)
    mean = revenue.mean(axis=1, keepdims=True)
    trend: Floats = np.divide(revenue, mean, out=np.ones_like(revenue), where=mean > 0)
    return trend
