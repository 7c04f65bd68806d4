"""How far to trust the page: the model, the data, and what analysts look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from oneclick_pipeline.model.metrics import BINS
from oneclick_pipeline.report import estimates
from oneclick_pipeline.report.deliveries import Delivery, deliveries
from oneclick_pipeline.report.frames import interval, number, numbers, rows, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.report.source import Month
    from oneclick_pipeline.stats import Interval
    from oneclick_pipeline.tracking.evaluation import Evaluation

_PAIRS = 12


@dataclass(frozen=True)
class Promise:
    """Predicted and observed, over the same customers; both as shares."""

    customers: int
    expected: float
    declined: Interval

    @property
    def kept(self) -> bool:
        """Whether the difference is within chance."""
        return self.declined.low <= self.expected <= self.declined.high


@dataclass(frozen=True)
class Intake:
    """An export: rows read, lines quarantined; the share of the month before, None where that was not run."""

    file: str
    read: int
    quarantined: int
    before: float | None

    @property
    def share(self) -> float:
        """Share of the rows that was quarantined."""
        return self.quarantined / max(self.read, 1)


@dataclass(frozen=True)
class Distribution:
    """A column as the profile of the data has it; None where that has no value."""

    column: str
    missing: int
    median: float | None
    q05: float | None
    q95: float | None
    outliers: int | None
    skewness: float | None
    top: str | None
    top_share: float | None
    p_value: float | None
    normal: bool | None


@dataclass(frozen=True)
class Pair:
    """How strongly two columns depend on each other."""

    a: str
    b: str
    phik: float
    collinear: bool


@dataclass(frozen=True)
class Slice:
    """How the model performs on a kind of customers; None if there are too few."""

    feature: str
    value: str
    customers: int
    declined: int
    roc_auc: Interval | None
    ece: Interval | None


@dataclass(frozen=True)
class Later:
    """How the model performed on a month it could not have seen."""

    month: str
    customers: int
    roc_auc: Interval | None
    log_loss: Interval | None


@dataclass(frozen=True)
class Quality:
    """Model and data.

    Attributes:
        model: What is known of the model that scored.
        calibration: Predicted and observed by tenths of probability, of customers the model had not seen.
        current: The same of this month's customers, where their classes are what the model foretells and they were
            scored by models that had not seen them; None where not.
        intake: Every export.
        deliveries: How each of them was written.
        corrected: Corrections by rule.
        incomplete: Customers who are missing from a file.
        collinear: Pairs of features that say almost the same.
        distributions: Columns in order.
        pairs: The strongest pairs of columns.
        matrix: phik of every pair, and the columns in order.
        slices: Kinds of customers.
        later: Months judged out of time.
    """

    model: Evaluation
    calibration: tuple[Promise, ...]
    current: Promise | None
    intake: tuple[Intake, ...]
    deliveries: tuple[Delivery, ...]
    corrected: dict[str, int]
    incomplete: int
    collinear: int
    distributions: tuple[Distribution, ...]
    pairs: tuple[Pair, ...]
    matrix: tuple[tuple[str, ...], dict[tuple[str, str], float]]
    slices: tuple[Slice, ...]
    later: tuple[Later, ...]


def quality(source: Month) -> Quality:
    """What is known of model and data in a month."""
    correlations = source.correlations
    ordered = correlations.sort_values("phik", ascending=False)
    names = tuple(source.profile["column"])
    seen = source.out_of_fold
    return Quality(
        model=source.model,
        calibration=() if seen is None else _calibration(numbers(seen["p_decline"]), numbers(seen["declined"])),
        current=_current(source) if source.model.same_month else None,
        intake=tuple(_intake(source, file) for file in source.read),
        deliveries=deliveries(source),
        corrected=source.corrected,
        incomplete=int((source.features["missing_from"].astype(str) != "").sum()),
        collinear=int(correlations["collinear"].sum()),
        distributions=tuple(_distribution(row) for row in rows(source.profile)),
        pairs=tuple(Pair(r["column_a"], r["column_b"], r["phik"], bool(r["collinear"])) for r in rows(ordered.head(_PAIRS))),
        matrix=(
            names,
            {(r["column_a"], r["column_b"]): r["phik"] for r in rows(correlations)},
        ),
        slices=tuple(_slice(row) for row in rows(source.model.slices)),
        later=tuple(_later(row) for row in rows(source.model.out_of_time)),
    )


def _calibration(p: np.ndarray, declined: np.ndarray) -> tuple[Promise, ...]:
    """Tenths of probability, those without customers left out."""
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    promises = []
    for k in range(BINS):
        inside = place == k
        came = estimates.share(int(declined[inside].sum()), int(inside.sum()))
        if came is not None:
            promises.append(Promise(int(inside.sum()), float(p[inside].mean()), came))
    return tuple(promises)


def _current(source: Month) -> Promise | None:
    activity, p = source.features["activity"], numbers(source.segments["p_decline"])
    usable = (
        activity.notna().to_numpy(dtype=bool)
        & (source.scores["score_basis"].astype(str) == "out_of_fold").to_numpy()
        & source.features["regular"].to_numpy(dtype=bool)
        & ~np.isnan(p)
    )
    came = estimates.share(int((activity[usable] == "declined").sum()), int(usable.sum()))
    return None if came is None else Promise(int(usable.sum()), float(p[usable].mean()), came)


def _intake(source: Month, file: str) -> Intake:
    before = source.before
    share = None
    if before is not None and before.read.get(file):
        share = before.quarantined.get(file, 0) / before.read[file]
    return Intake(file, source.read[file], source.quarantined.get(file, 0), share)


def _distribution(row: Mapping[str, Any]) -> Distribution:
    outliers, normal = number(row, "outliers"), row["normal"]
    return Distribution(
        column=row["column"],
        missing=int(row["missing"]),
        median=number(row, "median"),
        q05=number(row, "q05"),
        q95=number(row, "q95"),
        outliers=None if outliers is None else int(outliers),
        skewness=number(row, "skewness"),
        top=text(row, "top_value"),
        top_share=number(row, "top_share"),
        p_value=number(row, "normality_p"),
        normal=bool(normal) if isinstance(normal, (bool, np.bool_)) else None,
    )


def _slice(row: Mapping[str, Any]) -> Slice:
    return Slice(
        row["feature"], row["value"], int(row["customers"]), int(row["declined"]), interval(row, "roc_auc"), interval(row, "ece")
    )


def _later(row: Mapping[str, Any]) -> Later:
    return Later(row["feature_month"], int(row["customers"]), interval(row, "roc_auc"), interval(row, "log_loss"))
