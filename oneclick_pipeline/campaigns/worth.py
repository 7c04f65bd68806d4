"""What it is worth to keep a customer from declining: the profit of the months after that a decline takes away.

It is learned from earlier customers by an R-learner. The probability e(x) that a customer declines and the profit m(x) of the
months after are predicted from all that was known before, by regressions that have not seen the customer. What both leave
unexplained is compared:

    profit after - m(x) = (e(x) - declined) · worth(x) + noise,      worth(x) = monthly profit · (b0 + b1 e(x) + b2 e(x)²)

A linear regression gives the three coefficients, and their covariance with all rows of a customer together. Sources: Robinson
(1988), Root-N-consistent semiparametric regression, Econometrica 56(4); Nie and Wager (2021), Quasi-oracle estimation of
heterogeneous treatment effects, Biometrika 108(2).

It is valid to the extent that the known features predict who was about to decline; declines are not drawn at random. While the
history is too short the worth is assumed: a share of the profit over the horizon, see `assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model import labels
from oneclick_pipeline.model.decline import REVENUES
from oneclick_pipeline.stats import normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Settings

    Floats = NDArray[np.float64]

PROFIT_MONTHS = 3
"""Months of which the profit column is the mean."""
FOLDS = 5
MAX_ROWS = 50_000
ASSUMED_SD = 0.5
"""Standard deviation of an assumed worth, as a share of it."""
_LEAST = 250
"""Customers of either class below which nothing is learned."""
_TREES = {"max_iter": 100, "max_leaf_nodes": 12, "min_samples_leaf": 50, "learning_rate": 0.08, "early_stopping": False}


@dataclass(frozen=True)
class Worth:
    """What it is worth to keep a customer from declining: `basis` @ `coefficients`, finance units over `months`.

    Attributes:
        source: Whether it was learned from earlier customers or is assumed.
        months: Months after the snapshot whose profit counts.
        coefficients: Of profit x (1, p, p²), shape (3,).
        covariance: Of the coefficients, shape (3, 3).
        customers: Rows that it was learned from; 0 where it is assumed.
        mean: Mean over the customers that it was learned from, finance units; NaN where it is assumed.
        standard_error: Its standard error.
    """

    source: Literal["learned", "assumed"]
    months: int
    coefficients: Floats
    covariance: Floats
    customers: int = 0
    mean: float = float("nan")
    standard_error: float = float("nan")

    @staticmethod
    def basis(customers: pd.DataFrame) -> Floats:
        """Monthly profit x (1, p, p²), shape (n, 3); NaN where profit or score is unknown, 0 where the store earns nothing.

        Args:
            customers: `customer_features` with `p_decline`, n rows.
        """
        profit, p = (customers[name].to_numpy(dtype=float, na_value=np.nan) for name in ("profit", "p_decline"))
        return _basis(profit, p)

    def of(self, customers: pd.DataFrame) -> Floats:
        """Worth of each customer, finance units, shape (n,): never below 0, NaN where profit or score is unknown.

        Args:
            customers: See `basis`.
        """
        return np.maximum(self.basis(customers) @ self.coefficients, 0)

    def __str__(self) -> str:
        """The mean with its interval, and what it rests on."""
        if self.source == "assumed":
            share = self.coefficients[0] / self.months
            return f"assumed: {share:.0%} of the profit of {self.months} months; the history is too short to learn it"
        ends = normal(self.mean, self.standard_error)
        interval = f"{self.mean:.2f} ({ends.low:.2f} to {ends.high:.2f}) finance units"
        return f"{interval}, chance alone, over {self.months} months, from {self.customers} customers"


def assumed(settings: Settings) -> Worth:
    """The worth before anything is learned: the settings' share of the profit over the horizon, whatever the score."""
    months = settings.value.horizon_months
    level = settings.offers.lost_share * months
    covariance = np.zeros((3, 3))
    covariance[0, 0] = (ASSUMED_SD * level) ** 2
    return Worth("assumed", months, np.array([level, 0.0, 0.0]), covariance)


def learn(snapshots: Mapping[str, pd.DataFrame], *, month: str, settings: Settings) -> Worth:
    """Learn the worth from the months whose outcome is known.

    Args:
        snapshots: `customer_features` by month; those after `month` are ignored.
        month: The current month.
        settings: Horizon, months that count, rule of the labels.

    Returns:
        The worth, assumed while there are too few customers of either class.
    """
    parts = _history(snapshots, month, settings)
    if not parts:
        return assumed(settings)
    months, seed = parts[0][3], settings.model.seed
    customer, inputs, declined = (np.concatenate([part[k] for part in parts]) for k in range(3))
    profit = np.concatenate([part[4] for part in parts])
    if len(customer) > MAX_ROWS:
        chosen = np.random.default_rng(seed).choice(len(customer), MAX_ROWS, replace=False)
        customer, inputs, declined, profit = customer[chosen], inputs[chosen], declined[chosen], profit[chosen]
    if min((declined == 1).sum(), (declined == 0).sum()) < _LEAST:
        return assumed(settings)
    ids, code = np.unique(customer, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(ids))[code] % FOLDS
    with threadpool_limits(limits=1):  # small trees: threads would spend more time waiting than working
        p, expected = _predicted(inputs, declined, profit, fold, seed)
    basis = _basis(inputs[:, 0], p)
    coefficients, covariance = _regression((p - declined)[:, None] * basis, profit - expected, code)
    middle = basis.mean(axis=0)
    return Worth(
        "learned",
        months,
        coefficients,
        covariance,
        len(customer),
        float(middle @ coefficients),
        float(np.sqrt(middle @ covariance @ middle)),
    )


def _history(
    snapshots: Mapping[str, pd.DataFrame], month: str, settings: Settings
) -> list[tuple[NDArray[np.int64], Floats, Floats, int, Floats]]:
    """Customers, inputs, whether they declined, months that count and the profit of these, by month of the snapshot.

    As many whole quarters count as the settings say, or as the oldest snapshot has had since.
    """
    horizon, longest = settings.value.horizon_months, settings.value.worth_months // PROFIT_MONTHS * PROFIT_MONTHS
    known = [m for m in sorted(snapshots) if m < month]
    for months in range(longest, 0, -PROFIT_MONTHS):
        steps = range(PROFIT_MONTHS, months + 1, PROFIT_MONTHS)
        parts = []
        for earlier in known:
            needed = {add_months(earlier, k) for k in (*steps, horizon)}
            if max(needed) <= month and needed <= set(snapshots):
                after = [snapshots[add_months(earlier, k)] for k in steps]
                parts.append(_part(snapshots[earlier], snapshots[add_months(earlier, horizon)], after, months, settings))
        if parts:
            return parts
    return []


def _part(
    features: pd.DataFrame, later: pd.DataFrame, after: list[pd.DataFrame], months: int, settings: Settings
) -> tuple[NDArray[np.int64], Floats, Floats, int, Floats]:
    """The customers of one snapshot whose class and profit are known; those who vanished bring nothing."""
    labelled = labels.labels(features, later, horizon=settings.value.horizon_months, settings=settings.labels)
    rows = features.set_index("customer_id").loc[labelled["customer_id"]]
    total = np.zeros(len(rows))
    for snapshot in after:
        profit = snapshot.set_index("customer_id")["profit"].reindex(rows.index)
        there = rows.index.isin(snapshot["customer_id"])
        total += PROFIT_MONTHS * np.where(there, profit.to_numpy(dtype=float, na_value=np.nan), 0.0)
    kept = np.isfinite(total) & rows["profit"].notna().to_numpy()
    inputs = _known(rows[kept])
    return (
        rows.index.to_numpy(dtype=np.int64)[kept],
        inputs,
        labelled["declined"].to_numpy(dtype=float)[kept],
        months,
        total[kept],
    )


def _known(customers: pd.DataFrame) -> Floats:
    """What the regressions are shown: profit, how it moved within its months (as revenue did), the numbers among the features."""
    profit = customers["profit"].to_numpy(dtype=float, na_value=np.nan)
    revenue = customers[list(REVENUES)].to_numpy(dtype=float, na_value=np.nan)
    mean = revenue.mean(axis=1, keepdims=True)
    trend = np.divide(revenue, mean, out=np.ones_like(revenue), where=mean > 0)
    numbers = customers[[c.name for c in FEATURES if c.type.is_number]].to_numpy(dtype=float, na_value=np.nan)
    return np.column_stack([profit, profit[:, None] * trend[:, [0, -1]], trend, numbers])


def _basis(profit: Floats, p: Floats) -> Floats:
    """Monthly profit x (1, p, p²), shape (n, 3); a customer who costs the store money has no profit to lose."""
    return np.maximum(profit, 0)[:, None] * np.column_stack([np.ones(len(p)), p, p**2])


def _predicted(inputs: Floats, declined: Floats, profit: Floats, fold: NDArray[np.int64], seed: int) -> tuple[Floats, Floats]:
    """P(declined) and expected profit of every row, by regressions that have not seen its customer."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    p, expected = np.empty(len(profit)), np.empty(len(profit))
    for k in range(FOLDS):
        others, asked = fold != k, fold == k
        classifier = HistGradientBoostingClassifier(**_TREES, random_state=seed).fit(inputs[others], declined[others])
        regressor = HistGradientBoostingRegressor(**_TREES, random_state=seed).fit(inputs[others], profit[others])
        p[asked] = classifier.predict_proba(inputs[asked])[:, 1]
        expected[asked] = regressor.predict(inputs[asked])
    return p, expected


def _regression(x: Floats, y: Floats, customer: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Least squares without intercept: coefficients (q,) and their covariance (q, q), clustered by customer."""
    bread = np.linalg.pinv(x.T @ x)
    coefficients = bread @ (x.T @ y)
    score = x * (y - x @ coefficients)[:, None]
    sums = np.column_stack([np.bincount(customer, column) for column in score.T])
    return coefficients, bread @ (sums.T @ sums) @ bread
