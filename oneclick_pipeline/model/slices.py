"""How good the model is for each kind of customer: a good overall figure may hide a bad one for some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.model.metric_intervals import jackknife_interval
from oneclick_pipeline.model.metrics import BOUNDS, BY_FOLD, ece

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

ENOUGH = 20
"""Customers per class below which a slice has no figures: they would be noise."""
_METRICS = BY_FOLD | {"ece": ece}


def slices(rows: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Every metric of `metrics.METRICS` by service level, favourite category, consent, and third of tenure.

    Args:
        rows: The training set; the predictions' index gives its rows by place.
        predictions: Out of fold: repeat, fold, declined, p_decline, weight.

    Returns:
        One row per slice: feature, value, customers, declined, and for every metric its estimate and the ends of its
        95 % interval (`<metric>`, `<metric>_low`, `<metric>_high`); these are NaN where the slice, or what is left of
        it without one of the folds, has too few customers of a class (`ENOUGH`, one).
    """
    import pandas as pd

    return pd.DataFrame(
        [
            {"feature": feature, "value": value} | _figures(predictions[inside[predictions.index]])
            for feature, value, inside in _groups(rows)
        ]
    )


def _groups(rows: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Feature, value and members of every slice."""
    for feature in ("service_level", "favourite_category", "marketing_consent"):
        values = rows[feature].astype(object)
        for value in sorted(values.dropna().unique(), key=str):
            yield feature, str(value), (values == value).to_numpy(dtype=bool)
    tenure = rows["tenure_days"].to_numpy(dtype=float, na_value=float("nan"))
    low, high = rows["tenure_days"].dropna().astype(float).quantile([1 / 3, 2 / 3])
    yield "tenure_days", f"up to {low:.0f}", tenure <= low
    yield "tenure_days", f"over {low:.0f}, up to {high:.0f}", (tenure > low) & (tenure <= high)
    yield "tenure_days", f"over {high:.0f}", tenure > high


def _figures(part: pd.DataFrame) -> dict[str, float]:
    once = part[part["repeat"] == part["repeat"].min()]
    figures = {"customers": float(len(once)), "declined": float(once["declined"].sum())}
    enough = min(figures["declined"], figures["customers"] - figures["declined"]) >= ENOUGH
    folds = int(part["fold"].nunique())
    spread = enough and _both_classes_in_most_folds(part)
    for name, metric in _METRICS.items():
        if not spread:
            figures |= {name: float("nan"), f"{name}_low": float("nan"), f"{name}_high": float("nan")}
            continue
        interval = jackknife_interval(part, metric, folds=folds, bounds=BOUNDS.get(name, (0.0, 1.0)))
        figures |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return figures


def _both_classes_in_most_folds(part: pd.DataFrame) -> bool:
    """Whether every repeat holds both classes without any one of its folds."""
    in_fold = part.groupby(["repeat", "declined"])["fold"].nunique()
    return bool((in_fold >= 2).all()) and len(in_fold) == 2 * part["repeat"].nunique()  # noqa: PLR2004 - two folds, two classes
