"""What our policy's plans promised, month by month, beside what they truly gained in expectation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.simulator.year.worth import Worth


@dataclass(frozen=True)
class Promise:
    """What a plan said of itself.

    Attributes:
        expected_gain: Expected gain of its offers less their cost, finance units.
        low: Lower end of its 95 % interval.
        high: Upper end.
        horizon_months: Months after the snapshot whose profit counts in it.
        effects: "catalogue" or "learned": where the effects of offers come from.
        worth: "assumed" or "learned": where the worth of a kept customer does.
    """

    expected_gain: float
    low: float
    high: float
    horizon_months: int
    effects: str
    worth: str

    @classmethod
    def of(cls, figures: pd.Series) -> Promise:
        """What a row of `contracts.offers.PLAN_SUMMARY` says."""
        names = ("expected_gain", "expected_gain_low", "expected_gain_high", "worth_months", "effects", "worth")
        return cls(*(figures[name] for name in names))


def gains(promises: Mapping[str, Promise], sent: pd.DataFrame, worth: Worth) -> pd.DataFrame:
    """Promised and true gain of every month.

    The true gain is that of the customers who were given an offer: minus the sum of true effect x true worth over the horizon
    that the promise names, less the cost. Nothing in it is the chance of who declines.

    Args:
        promises: By month.
        sent: `Play.sent` of the year.
        worth: The true worth of a customer.

    Returns:
        One row per month: month, expected_gain, low, high, true_gain, covered, horizon_months, effects, worth, offers, cost.
    """
    rows = []
    for month, promise in promises.items():
        given = sent[sent["month"] == month]
        kept = -given["effect"].to_numpy() @ worth.of(given, int(promise.horizon_months)) if len(given) else 0.0
        said, true = asdict(promise), float(kept - given["cost"].sum())
        figures = {name: said.pop(name) for name in ("expected_gain", "low", "high")}
        covered = promise.low <= true <= promise.high
        rows.append(
            {"month": month, **figures, "true_gain": true, "covered": covered, **said}
            | {"offers": len(given), "cost": float(given["cost"].sum())}
        )
    return pd.DataFrame(rows)
