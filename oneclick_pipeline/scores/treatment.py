"""What treating customers would earn: the business view of the model.

A treatment costs the same for every customer and keeps a share of the decliners. Who is treated and would
decline is kept with probability `saved_share` and brings their value; any other treated customer only costs;
an untreated customer adds nothing, missed decliners included. Cost and share are assumptions of the settings until
campaigns measure them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.scores import PROFIT_CURVE
from oneclick_pipeline.model import decline
from oneclick_pipeline.stats import Z_95

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Columns
    from oneclick_pipeline.settings import Value

    Numbers = NDArray[np.float64]


_STEPS = 100


@dataclass(frozen=True)
class Treatment:
    """What treating the most worthwhile customers would earn; money in finance units.

    Attributes:
        customers: How many are treated.
        share: Share of the customers on the curve that they are.
        profit: Expected profit.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        realised_customers: How many of the treated have a known class.
        realised: Profit from them, given their class; NaN where no class is known.
        realised_random: The same of as many customers with a known class, drawn at random.
    """

    customers: int
    share: float
    profit: float
    low: float
    high: float
    realised_customers: int
    realised: float
    realised_random: float

    def __str__(self) -> str:
        """Whom to treat, and what that earns."""
        if not self.customers:
            return "no one: the offer costs more than it is expected to save with any customer"
        return f"{self.customers:,} customers ({self.share:.0%}), profit {self.profit:,.1f} ({self.low:,.1f} to {self.high:,.1f})"


@dataclass(frozen=True)
class ProfitCurve:
    """The profit over the share of customers that is treated.

    Attributes:
        table: Columns of `contracts.scores.PROFIT_CURVE`, 0 % to 100 % in whole percents.
        best: The most profitable treatment: everyone whose expected gain is above 0, and no one else.
        break_even: p_decline from which treating a customer of median value pays; infinite where it never does.
        customers: Customers on the curve: regular, with a score and a known profit.
        left_out: All others.
    """

    table: pd.DataFrame
    best: Treatment
    break_even: float
    customers: int
    left_out: int


def value_of(monthly_profit: Numbers, settings: Value) -> Numbers:
    """What a customer who is kept brings over the horizon, finance units; nothing where they cost the store money.

    >>> import numpy as np
    >>> from oneclick_pipeline.settings import Value
    >>> value_of(np.array([4.0, -1.0]), Value(horizon_months=3)).tolist()
    [12.0, 0.0]
    """
    import numpy as np

    return np.maximum(monthly_profit, 0) * settings.horizon_months


def gain(declines: Numbers, value: Numbers, settings: Value) -> Numbers:
    """What treating each customer brings: declines × saved share × value − cost, finance units.

    Args:
        declines: p_decline for the expected gain; 1 declined, 0 stable for the realised one.
        value: See `value_of`.
        settings: Cost of the offer and share of decliners that it keeps.

    >>> import numpy as np
    >>> from oneclick_pipeline.settings import Value
    >>> gain(np.array([1.0, 0.5, 0.0]), np.array([12.0, 12.0, 12.0]), Value(offer_cost=1, saved_share=0.25)).tolist()
    [2.0, 0.5, -1.0]
    """
    return declines * settings.saved_share * value - settings.offer_cost


def break_even(value: Numbers, settings: Value) -> Numbers:
    """p_decline above which treating pays: cost / (saved share × value); infinite where nothing can be kept.

    Source: Elkan (2001), The foundations of cost-sensitive learning, with a value of each customer's own.

    >>> import numpy as np
    >>> from oneclick_pipeline.settings import Value
    >>> break_even(np.array([12.0, 2.0, 0.0]), Value(offer_cost=1, saved_share=0.5)).tolist()
    [0.16666666666666666, 1.0, inf]
    """
    import numpy as np

    kept = settings.saved_share * value
    with np.errstate(over="ignore"):  # a cost over next to nothing is infinite indeed
        threshold: Numbers = np.divide(settings.offer_cost, kept, out=np.full(len(kept), np.inf), where=kept > 0)
    return threshold


def profit_curve(scores: Columns, classes: pd.DataFrame, settings: Value) -> ProfitCurve:
    """Profit over the share of customers that is treated, the highest expected gain first.

    That order is the best there is at every share; treating pays down to where the expected gain falls below 0, the
    break-even p_decline of that customer. Ties are treated in the order of a hash of the id: the id itself gives
    the class away.

    The intervals are those of a sum of independent customers, each kept or not (normal approximation); for the
    expected profit it is chance who declines and who is kept, for the realised one who is kept. They do not hold what
    the model or the assumptions may be wrong by.

    Args:
        scores: `contracts.scores.CUSTOMER_SCORES`, of which single columns are read; customers who are not regular or
            lack a score or a profit are left out.
        classes: customer_id and activity (declined, stable or empty) that the scores were meant to predict; may lack
            customers. Counted for out-of-fold scores only: the model itself was fitted to the classes that it knows.
        settings: Cost of the offer, share of decliners that it keeps, horizon.
    """
    import numpy as np
    import pandas as pd

    customer = scores["customer_id"].to_numpy()
    p, profit = (scores[name].to_numpy(dtype=float, na_value=np.nan) for name in ("p_decline", "profit"))
    activity = classes.set_index("customer_id")["activity"].reindex(customer)
    declined = decline.classes(activity)
    declined[(scores["score_basis"] != "out_of_fold").to_numpy(dtype=bool)] = np.nan

    chosen = np.flatnonzero(scores["regular"].to_numpy(dtype=bool) & ~np.isnan(p) & ~np.isnan(profit))
    chosen = chosen[np.argsort(pd.util.hash_array(customer[chosen]))]
    n, p, value = len(chosen), p[chosen], value_of(profit[chosen], settings)
    steps = np.arange(_STEPS + 1)
    worthwhile = (gain(p, value, settings) > 0).sum()
    rows = _treating(np.append((n * steps + _STEPS // 2) // _STEPS, worthwhile), p, value, declined[chosen], settings)
    best = rows.iloc[-1]
    return ProfitCurve(
        table=rows.iloc[:-1].assign(treated_share=steps / _STEPS)[PROFIT_CURVE.names],
        best=Treatment(
            customers=int(worthwhile),
            share=float(worthwhile) / max(n, 1),
            profit=float(best["expected_profit"]),
            low=float(best["expected_profit_low"]),
            high=float(best["expected_profit_high"]),
            realised_customers=int(best["realised_customers"]),
            realised=float(best["realised_profit"]),
            realised_random=float(best["realised_random_profit"]),
        ),
        break_even=float(break_even(np.median(value, keepdims=True), settings)[0]) if n else np.inf,
        customers=n,
        left_out=len(customer) - n,
    )


def _treating(customers: NDArray[np.int_], p: Numbers, value: Numbers, declined: Numbers, settings: Value) -> pd.DataFrame:
    """What treating this many customers brings: `contracts.scores.PROFIT_CURVE` without the share, one row per number."""
    import numpy as np
    import pandas as pd

    share, cost = settings.saved_share, settings.offer_cost * customers
    by_risk = np.argsort(-p, kind="stable")
    by_risk_profit = share * _sums((p * value)[by_risk])[customers] - cost
    by_risk_threshold = np.append(np.nan, p[by_risk])[customers]

    by_gain = np.argsort(-gain(p, value, settings), kind="stable")
    p, value, declined = p[by_gain], value[by_gain], declined[by_gain]
    profit, low, high = _earned(p, value, customers, settings)
    everybody = share * _sums(p * value)[-1]

    known = ~np.isnan(declined)
    counted = _sums(known)[customers].astype(int)
    realised, realised_low, realised_high = _earned(declined[known], value[known], counted, settings)
    everybody_known = share * _sums(declined[known] * value[known])[-1]
    table = pd.DataFrame(
        {
            "customers": customers,
            "last_gain": np.append(np.nan, gain(p, value, settings))[customers],
            "expected_profit": profit,
            "expected_profit_low": low,
            "expected_profit_high": high,
            "by_risk_profit": by_risk_profit,
            "by_risk_threshold": by_risk_threshold,
            "random_profit": everybody * (customers / max(len(p), 1)) - cost,
            "realised_customers": counted,
            "realised_profit": realised,
            "realised_profit_low": realised_low,
            "realised_profit_high": realised_high,
            "realised_random_profit": everybody_known * (counted / max(known.sum(), 1)) - settings.offer_cost * counted,
        }
    )
    if not known.any():  # not 0: nothing was realised that could be measured
        table[[name for name in table.columns if name.startswith("realised_") and name != "realised_customers"]] = np.nan
    return table


def _earned(declines: Numbers, value: Numbers, customers: NDArray[np.int_], settings: Value) -> tuple[Numbers, Numbers, Numbers]:
    """Profit of treating the first so many customers, and the ends of its 95 % interval.

    A treated customer is kept with probability q = declines × saved share, and then brings the value: the mean is
    Σ q·value − cost, the variance Σ q(1 − q)·value². At worst no one is kept, at best everyone.
    """
    import numpy as np

    q = declines * settings.saved_share
    kept, cost = _sums(declines * value)[customers] * settings.saved_share, settings.offer_cost * customers
    half = Z_95 * np.sqrt(_sums(q * (1 - q) * value**2)[customers])
    return kept - cost, np.maximum(kept - half, 0) - cost, np.minimum(kept + half, _sums(value)[customers]) - cost


def _sums(numbers: NDArray[np.float64] | NDArray[np.bool_]) -> Numbers:
    """Sum of the first 0, 1, 2, … numbers."""
    import numpy as np

    return np.concatenate([[0.0], np.cumsum(numbers, dtype=float)])


def profit_picture(curve: ProfitCurve, settings: Value) -> Figure:
    """Picture of the curve: expected profit with its band, the other orders, the best treatment marked.

    The realised profit is drawn where the class of every customer on the curve is known; else it is that of a part
    of them, and does not compare.
    """
    table, best = curve.table, curve.best
    percent = 100 * table["treated_share"]
    picture = pictures.figure(9, 4.2)
    axes = pictures.tidy(picture.subplots())
    axes.axhline(0, color=pictures.GREY, linewidth=0.8)
    low, high = table["expected_profit_low"], table["expected_profit_high"]
    axes.fill_between(percent, low, high, color=pictures.STABLE, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(percent, table["expected_profit"], color=pictures.STABLE, linewidth=2, label="highest expected gain first")
    axes.plot(percent, table["by_risk_profit"], color=pictures.DECLINED, linewidth=1.3, label="highest p_decline first")
    axes.plot(percent, table["random_profit"], color=pictures.GREY, linewidth=1.3, linestyle="--", label="random order")
    if 0 < curve.customers == table["realised_customers"].iloc[-1]:
        axes.plot(percent, table["realised_profit"], color=pictures.INK, linewidth=1.3, linestyle=":", label="realised")
    axes.plot(100 * best.share, best.profit, "o", color=pictures.INK, markersize=6, label=f"best: {best}")
    axes.set_title(
        f"Profit if an offer costs {settings.offer_cost:g} and keeps {settings.saved_share:.0%} of the decliners",
        loc="left",
        fontsize=pictures.TEXT,
        color=pictures.INK,
        weight="bold",
    )
    axes.set_xlabel("Customers treated, %", fontsize=pictures.TEXT, color=pictures.INK)
    axes.set_ylabel("Profit, finance units", fontsize=pictures.TEXT, color=pictures.INK)
    axes.set_xlim(0, 100)
    axes.legend(fontsize=pictures.SMALL, facecolor="white", edgecolor="none", framealpha=1)
    return picture
