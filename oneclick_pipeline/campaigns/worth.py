"""What it is worth to keep a customer from declining: the profit of the months after that a decline takes away.

It is learned from earlier customers by an R-learner. The probability e(x) that a customer declines and the profit m(x) of a
quarter after are predicted from all that was known before, by models that have not seen the customer. What both leave
unexplained is compared, quarter by quarter:

    profit of the quarter - m(x) = (e(x) - declined) · worth(x) + noise
    worth(x) = b0 · profit + √profit · (b1 + b2 e(x) + b3 e(x)²),      profit at the snapshot, a month

The root makes the worth less than proportional to the profit: who brings much now brings less later on, and who brings little
more. The coefficients of the quarters are added up, so that every quarter is learned from all customers for whom it is over;
their covariance takes all quarters and snapshots of a customer together. A quarter counts as soon as `LEAST` rows of either
class have it behind them: the horizon grows with the history and does not shrink again.

Sources: Robinson (1988), Root-N-consistent semiparametric regression, Econometrica 56(4); Nie and Wager (2021), Quasi-oracle
estimation of heterogeneous treatment effects, Biometrika 108(2).

It is valid to the extent that the known features predict who was about to decline; declines are not drawn at random. While the
history is too short the worth is assumed: a share of the profit over the horizon, see `assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from oneclick_pipeline.campaigns.worth_models import predicted
from oneclick_pipeline.campaigns.worth_rows import QUARTER, rows
from oneclick_pipeline.stats import normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.worth_rows import Rows
    from oneclick_pipeline.settings import Settings

    Floats = NDArray[np.float64]

FOLDS = 4
MAX_ROWS = 50_000
LEAST = 250
"""Rows of either class below which a quarter is not learned."""
ASSUMED_SD = 0.5
"""Standard deviation of an assumed worth, as a share of it: its 95 % interval goes from nothing to twice as much."""


@dataclass(frozen=True)
class Worth:
    """What it is worth to keep a customer from declining: `basis` @ `coefficients`, finance units over `months`.

    Attributes:
        source: Whether it was learned from earlier customers or is assumed.
        months: Months after the snapshot whose profit counts.
        coefficients: Of the columns of `basis`, shape (4,).
        covariance: Of the coefficients, shape (4, 4).
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
        """Monthly profit, and its root x (1, p, p²), shape (n, 4): NaN where one is unknown, 0 where the store earns nothing.

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
    covariance = np.zeros((4, 4))
    covariance[0, 0] = (ASSUMED_SD * level) ** 2
    return Worth("assumed", months, np.array([level, 0.0, 0.0, 0.0]), covariance)


def learn(snapshots: Mapping[str, pd.DataFrame], *, month: str, settings: Settings) -> Worth:
    """Learn the worth from the months whose outcome is known.

    Args:
        snapshots: `customer_features` by month; those after `month` are ignored.
        month: The current month.
        settings: Horizon, months that count, rule of the labels.

    Returns:
        The worth, assumed while there are too few customers of either class.
    """
    past, seed = rows(snapshots, month=month, settings=settings, most=MAX_ROWS), settings.model.seed
    quarters = 0 if past is None else _quarters(past)
    if past is None or not quarters:
        return assumed(settings)
    ids, code = np.unique(past.customer, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(ids))[code] % FOLDS
    earned = np.maximum(past.profit, 0)
    scale = earned + max(float(np.median(earned)), np.finfo(float).tiny) / 2  # what is left unexplained grows with the profit
    p, expected = predicted(past, scale, fold, seed)
    basis = _basis(past.profit, p)
    x, left = (p - past.declined)[:, None] * basis / scale[:, None], past.after / scale[:, None] - expected
    fits = [_regression(x, left[:, quarter], code) for quarter in range(quarters)]
    coefficients, influence = (np.sum([fit[k] for fit in fits], axis=0) for k in range(2))
    covariance, middle = influence.T @ influence, basis.mean(axis=0)
    error = float(np.sqrt(middle @ covariance @ middle))
    return Worth("learned", QUARTER * quarters, coefficients, covariance, len(code), float(middle @ coefficients), error)


def _quarters(past: Rows) -> int:
    """How many quarters after the snapshot enough rows of either class have behind them."""
    over = np.isfinite(past.after)
    least = np.minimum(*(over[past.declined == declined].sum(axis=0) for declined in (0, 1)))
    return int(np.cumprod(least >= LEAST).sum())


def _basis(profit: Floats, p: Floats) -> Floats:
    """Profit, and its root x (1, p, p²), shape (n, 4); a customer who costs the store money has no profit to lose."""
    earned = np.maximum(profit, 0)
    root = np.sqrt(earned)
    return np.column_stack([earned, root, root * p, root * p**2])


def _regression(x: Floats, y: Floats, customer: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Least squares without intercept over the rows that are known.

    Returns:
        Coefficients (q,), and how much each customer has moved them, (customers, q): the covariance is the sum of its squares.
    """
    known = np.isfinite(y)
    x, y, customer, most = x[known], y[known], customer[known], customer.max() + 1
    bread = np.linalg.pinv(x.T @ x)
    coefficients = bread @ (x.T @ y)
    score = x * (y - x @ coefficients)[:, None]
    return coefficients, np.column_stack([np.bincount(customer, column, most) for column in score.T]) @ bread
