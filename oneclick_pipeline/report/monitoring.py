"""Whether the customers are still those the model was trained on, and whether earlier scores came true."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.monitoring.health import ALL
from oneclick_pipeline.report.frames import interval, number, rows, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from oneclick_pipeline.settings import Monitoring
    from oneclick_pipeline.stats import Interval

_NAMED = 5
_MONTHS = 6


@dataclass(frozen=True)
class Moved:
    """How far a feature, or the score, has moved since the model was trained; see `contracts.monitoring.DRIFT`."""

    name: str
    psi: Interval
    chance: float
    status: str


@dataclass(frozen=True)
class Change:
    """A share now and then, and by how much it changed."""

    now: float
    before: float
    change: Interval


@dataclass(frozen=True)
class Matured:
    """Predicted and observed outcomes of customers without offers; see `contracts.monitoring.MODEL_HEALTH`.

    Attributes:
        month: Month of the scores; `all` for all of a model's.
        version: Version of the model.
        customers: Customers.
        left_out: Customers who got an offer and do not count.
        expected: Predicted share of decliners.
        observed: Observed share.
        roc_auc: How well the scores separated decliners from others.
        calibration: `stable`, or worse.
        ranking: The same of `roc_auc` against that of the training.
        recognition: Whether the outcome is the class in the month of the scores.
    """

    month: str
    version: int
    customers: int
    left_out: int
    expected: Interval
    observed: Interval
    roc_auc: Interval
    calibration: str
    ranking: str
    recognition: bool


@dataclass(frozen=True)
class MonitoringFacts:
    """The results of monitoring for a month.

    Attributes:
        reference: Month in which the model was trained; None where there is nothing to compare with.
        is_training_month: Whether that is the month itself.
        moves: What was compared, the largest drift first.
        limit: PSI from which something counts as moved.
        new: New categories: feature, category, customers.
        consent: Share of customers who allow messages; None where unknown.
        months: Months of scores with known outcomes, the newest ones, in order.
        together: All of those together, for the newest version that can be evaluated; None if none can.
    """

    reference: str | None
    is_training_month: bool
    moves: tuple[Moved, ...]
    limit: float
    new: tuple[tuple[str, str, int], ...]
    consent: Change | None
    months: tuple[Matured, ...]
    together: Matured | None

    @property
    def moved(self) -> tuple[Moved, ...]:
        """What has drifted beyond a limit and beyond chance."""
        return tuple(m for m in self.moves if m.status != "stable")

    @property
    def shown(self) -> tuple[Moved, ...]:
        """The rows of the table: all that drifted, and some more if few did."""
        return self.moves[: max(_NAMED, len(self.moved))]


def monitoring(drift: pd.DataFrame | None, health: pd.DataFrame | None, month: str, settings: Monitoring) -> MonitoringFacts:
    """The results of monitoring for a month.

    Args:
        drift: `contracts.monitoring.DRIFT` of the month; None where it was not made.
        health: `contracts.monitoring.MODEL_HEALTH` of it; None where it was not made.
        month: The month.
        settings: The limits.
    """
    drifts = [] if drift is None else rows(drift)
    known = [] if health is None else rows(health)
    recognising = {int(row["model_version"]) for row in known if row["label_month"] == row["feature_month"]}
    matured = [m for row in known if (m := _matured(row, recognising)) is not None]
    moves = [
        Moved(row["name"], x, row["psi_chance"], row["status"])
        for row in drifts
        if row["kind"] in ("feature", "score") and (x := interval(row, "psi")) is not None
    ]
    reference = next((text(row, "reference_month") for row in drifts), None)
    together = sorted((m for m in matured if m.month == ALL), key=lambda m: m.version)
    return MonitoringFacts(
        reference=reference,
        is_training_month=reference == month,
        moves=tuple(sorted(moves, key=lambda m: (m.status == "stable", -m.psi.estimate, m.name))),
        limit=settings.psi_moderate,
        new=tuple((r["name"], r["category"], int(r["count"])) for r in drifts if r["kind"] == "category" and r["category"]),
        consent=next((c for row in drifts if row["name"] == "consent_share" and (c := _change(row)) is not None), None),
        months=tuple(sorted((m for m in matured if m.month != ALL), key=lambda m: m.month)[-_MONTHS:]),
        together=together[-1] if together else None,
    )


def _change(row: Mapping[str, Any]) -> Change | None:
    now, before, change = number(row, "value"), number(row, "reference"), interval(row, "difference")
    return None if now is None or before is None or change is None else Change(now, before, change)


def _matured(row: Mapping[str, Any], recognising: set[int]) -> Matured | None:
    """A row of `contracts.monitoring.MODEL_HEALTH` that can be evaluated; of these versions against the same month."""
    expected, observed, auc = (interval(row, name) for name in ("expected", "observed", "roc_auc"))
    if expected is None or observed is None or auc is None:
        return None
    return Matured(
        month=row["feature_month"],
        version=int(row["model_version"]),
        customers=int(row["customers"]),
        left_out=int(row["offered_left_out"]),
        expected=expected,
        observed=observed,
        roc_auc=auc,
        calibration=row["calibration"],
        ranking=row["ranking"],
        recognition=int(row["model_version"]) in recognising,
    )
