"""Outcomes so far of the customers of earlier campaigns: intention to treat, no customer dropped.

A customer counts in the arm that was drawn for them, whether or not the message reached them, and a customer
who vanished counts with what they brought: nothing. Anything else would compare the customers who stayed, and an offer that keeps
customers would look bad for it. Only a snapshot of a store that renumbered its customers says nothing of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.offers import CHANCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months, check_month
from oneclick_pipeline.model.decline import REVENUES, RULE_HORIZON, classes, decided

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Labels

PROFIT_MONTHS = 3
"""Months up to a snapshot whose mean its column `profit` is: only so long after a campaign does it hold none from before."""
FOLDS = 3
"""Number of folds for everything that learns from outcomes."""
_MANY = 20
"""Customers of a campaign who do not all vanish within months."""
COLUMNS = ("customer_id", "activity", "profit", *REVENUES)
"""The columns of `customer_features` that say what became of a customer."""


def campaign_outcomes(
    ledger: pd.DataFrame,
    snapshots: Mapping[str, pd.DataFrame],
    *,
    month: str,
    horizon: int,
    rules: Labels,
    history: int,
) -> pd.DataFrame:
    """Join what was sent with the snapshots that followed, as far as they are known in `month`.

    Revenue of a month is that of its own snapshot; where that is missing, what a later one carries of it. The class is
    decided by the snapshot at the end of the horizon, see `model.decline`. Profit is that of the snapshot `PROFIT_MONTHS` after
    the campaign, the mean of exactly those months: earlier ones hold months from before the offer, later ones leave some
    out. Where that snapshot is missing the profit stays unknown, of customers who vanished as well.

    Args:
        ledger: What `ledger.read` gives: `campaign_month` and `ledger_rules.COLUMNS`, the shares of every month among them.
        snapshots: `customer_features` by month, none after `month`; at least `COLUMNS`.
        month: Month for which the outcomes are computed.
        horizon: Months from a campaign to the class.
        rules: What counts as a decline.
        history: Age in months of the oldest campaign.

    Returns:
        Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES`: every customer of every campaign that a later snapshot shows anything of,
        by campaign and customer.

    Raises:
        BadInputError: If a snapshot lies after `month`.
    """
    import pandas as pd

    later = sorted(m for m in snapshots if check_month(m) > check_month(month))
    if later:
        raise BadInputError(
            f"the outcomes of {month} were given data that was only known in {', '.join(later)}",
            remedy=f"pass the months up to {month}",
        )
    oldest = add_months(month, -history)
    campaigns = [m for m in ledger["campaign_month"].unique() if oldest <= check_month(m) < month]
    needed = {add_months(c, k) for c in campaigns for k in range(horizon + RULE_HORIZON)}
    seen = {m: _Snapshot(snapshots[m]) for m in sorted(needed) if m in snapshots}
    parts = []
    for campaign in sorted(campaigns):
        rows = ledger[ledger["campaign_month"] == campaign].sort_values("customer_id", ignore_index=True)
        known = _of_these(rows, seen)
        outcomes = _observed(rows, known, campaign, month=month, horizon=horizon)
        if outcomes is not None:
            parts.append(rows.assign(**outcomes, declined=_declined(rows, known, campaign, horizon=horizon, rules=rules)))
    if not parts:
        return _typed(pd.DataFrame(columns=CAMPAIGN_OUTCOMES.names))
    return _typed(pd.concat(parts, ignore_index=True))


class _Snapshot:
    """The outcomes that a month shows, by customer: sorted once, looked up for every campaign."""

    def __init__(self, features: pd.DataFrame) -> None:
        import numpy as np

        ids = features["customer_id"].to_numpy(dtype="int64")
        self._order = np.argsort(ids, kind="stable")
        self._ids, self._features = ids[self._order], features
        self._columns: dict[str, NDArray[np.float64]] = {}

    def _column(self, name: str) -> NDArray[np.float64]:
        """A column in the order of the ids, made at first use."""
        import numpy as np

        if name not in self._columns:
            column = self._features[name]
            values = classes(column) if name == "activity" else column.to_numpy(dtype=float, na_value=np.nan)
            self._columns[name] = np.asarray(values, dtype=np.float64)[self._order]
        return self._columns[name]

    def __call__(self, customers: NDArray[np.int64], *names: str) -> tuple[NDArray[np.bool_], list[NDArray[np.float64]]]:
        """Which of the customers are there, and their values in some columns, NaN for those who are not."""
        import numpy as np

        if not len(self._ids):
            return np.zeros(len(customers), dtype=bool), [np.full(len(customers), np.nan) for _ in names]
        place = np.minimum(np.searchsorted(self._ids, customers), len(self._ids) - 1)
        there = self._ids[place] == customers
        return there, [np.where(there, self._column(name)[place], np.nan) for name in names]


def _of_these(rows: pd.DataFrame, seen: Mapping[str, _Snapshot]) -> dict[str, _Snapshot]:
    """The snapshots but those in which none of many customers is found: the store has renumbered them."""
    customers = rows["customer_id"].to_numpy(dtype="int64")
    return {month: one for month, one in seen.items() if len(customers) < _MANY or one(customers)[0].any()}


def _observed(
    rows: pd.DataFrame, seen: Mapping[str, _Snapshot], campaign: str, *, month: str, horizon: int
) -> dict[str, NDArray | int] | None:
    """What the months after a campaign show about its customers, and what was known before; None if they show nothing."""
    import numpy as np

    customers = rows["customer_id"].to_numpy(dtype="int64")
    window = [m for k in range(1, horizon + 1) if (m := add_months(campaign, k)) <= month]
    revenues = [r for m in window if (r := _revenue(customers, seen, m)) is not None]
    if not revenues:
        return None
    # all months of the window may be known from a snapshot after it only: then that one says who vanished
    shown = [m for m in window if m in seen] or sorted(m for m in seen if m > campaign)[:1]
    there, _ = seen[shown[-1]](customers)
    before = np.full((1 + len(REVENUES), len(customers)), np.nan)
    if campaign in seen:
        before = np.array(seen[campaign](customers, "profit", *REVENUES)[1])
    return {
        "profit_before": before[0],
        "revenue_before": before[1:].mean(axis=0),
        "months_observed": len(revenues),
        "revenue_after": _mean_of_known(np.array(revenues)),
        "profit_after": _profit(customers, seen, campaign),
        "vanished": ~there,
    }


def _revenue(customers: NDArray[np.int64], seen: Mapping[str, _Snapshot], month: str) -> NDArray[np.float64] | None:
    """Revenue of one month: of its snapshot or the next two that carry it; 0 for customers who are in none; None without any."""
    import numpy as np

    carrying = [(seen[m], name) for k, name in enumerate(REVENUES) if (m := add_months(month, k)) in seen]
    if not carrying:
        return None
    revenue, anywhere = np.full(len(customers), np.nan), np.zeros(len(customers), dtype=bool)
    for snapshot, name in carrying:
        there, (values,) = snapshot(customers, name)
        revenue, anywhere = np.where(np.isnan(revenue), values, revenue), anywhere | there
    return np.where(anywhere, revenue, 0.0)


def _profit(customers: NDArray[np.int64], seen: Mapping[str, _Snapshot], campaign: str) -> NDArray[np.float64]:
    """Mean monthly profit of the months after a campaign, NaN until all of them are known; 0 for customers who vanished."""
    import numpy as np

    end = add_months(campaign, PROFIT_MONTHS)
    if end not in seen:
        return np.full(len(customers), np.nan)
    there, (profit,) = seen[end](customers, "profit")
    return np.where(there, profit, 0.0)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean down the columns over what is known; NaN where nothing is."""
    import numpy as np

    known = (~np.isnan(values)).sum(axis=0)
    return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)


def _declined(
    rows: pd.DataFrame, seen: Mapping[str, _Snapshot], campaign: str, *, horizon: int, rules: Labels
) -> NDArray[np.float64]:
    """The class at the end of the horizon, NaN where it is not known (yet)."""
    import numpy as np

    customers = rows["customer_id"].to_numpy(dtype="int64")
    end = add_months(campaign, horizon)
    if end not in seen:
        return np.full(len(customers), np.nan)
    there, (delivered, *after) = seen[end](customers, "activity", *REVENUES)
    before = seen[campaign](customers, *REVENUES)[1] if campaign in seen else [np.full(len(customers), np.nan)] * RULE_HORIZON
    return decided(delivered, np.column_stack(before), np.column_stack(after), there, horizon=horizon, rules=rules).declined


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """The columns of the table in order and in pandas' types for them."""
    dtypes = {c.name: c.type.numpy if c.kind == "str" else c.pandas for c in CAMPAIGN_OUTCOMES.columns}
    texts = {"offer_id": rows["offer_id"].astype(object).where(rows["offer_id"].notna(), None)}
    return rows.assign(**texts)[CAMPAIGN_OUTCOMES.names].astype(dtypes)


def with_probabilities(outcomes: pd.DataFrame, sent: pd.DataFrame) -> pd.DataFrame:
    """The rows with the probabilities of their draw: those of the ledger, and inferred of customers who are in it no longer.

    Args:
        outcomes: Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES`.
        sent: What `ledger.read` gives of their months.
    """
    from oneclick_pipeline.experiment import old_ledgers

    keys = ["campaign_month", "customer_id"]
    names = [name for name in (*old_ledgers.NAMES, CHANCES.name) if name in sent]
    rows = outcomes.drop(columns=[name for name in names if name in outcomes])
    joined = rows.merge(sent[[*keys, *names]], on=keys, how="left", validate="one_to_one")
    return old_ledgers.with_probabilities(joined.set_axis(outcomes.index))


def known_before(outcomes: pd.DataFrame, snapshots: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What was known about the customers of campaigns when they were held: features and score, row by row.

    Args:
        outcomes: Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES`, n of them.
        snapshots: `customer_features` by month; those of the campaigns' months are used.

    Returns:
        `FEATURE_NAMES` and `p_decline`, n rows with the index 0…n-1; missing where the month or the customer is missing.
    """
    import numpy as np
    import pandas as pd

    place = np.arange(len(outcomes))
    parts = [pd.DataFrame(columns=["customer_id", *FEATURE_NAMES])]
    for month in outcomes["campaign_month"].unique():
        own = place[(outcomes["campaign_month"] == month).to_numpy()]
        customers = outcomes["customer_id"].iloc[own]
        known = snapshots[month] if month in snapshots else parts[0]
        parts.append(
            known[["customer_id", *FEATURE_NAMES]].set_index("customer_id").reindex(customers).set_index(own).astype(object)
        )
    return pd.concat(parts[1:] or parts).reindex(place).assign(p_decline=outcomes["p_decline"].to_numpy())


def folds(customer: NDArray, seed: int, number: int = FOLDS) -> NDArray[np.intp]:
    """Fold of every row, 0 to `number` - 1: all rows of a customer in one."""
    import numpy as np

    ids, code = np.unique(customer, return_inverse=True)
    return np.random.default_rng([seed, 1]).permutation(len(ids))[code] % number


def sampled(outcomes: pd.DataFrame, max_rows: int, seed: int) -> pd.DataFrame:
    """At most about `max_rows` rows: all rows of customers drawn at random, index 0…n-1."""
    import numpy as np

    if len(outcomes) <= max_rows:
        return outcomes.reset_index(drop=True)
    ids = np.unique(outcomes["customer_id"].to_numpy())
    kept = np.random.default_rng([seed, 2]).permutation(ids)[: len(ids) * max_rows // len(outcomes)]
    return outcomes[outcomes["customer_id"].isin(kept)].reset_index(drop=True)
