"""How well the scores of earlier months predicted the outcomes known so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from oneclick_pipeline.contracts.monitoring import MODEL_HEALTH
from oneclick_pipeline.experiment.weights import influencing, weights
from oneclick_pipeline.exploration.sample import typed
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.decline import CLASSES
from oneclick_pipeline.model.labels import labels, refuse_later
from oneclick_pipeline.model.metrics import BINS
from oneclick_pipeline.monitoring.drift import level
from oneclick_pipeline.stats import Interval, normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Labels, Monitoring

    Floats = NDArray[np.float64]

ALL = "all"
COLUMNS = ("customer_id", "p_decline", "score_basis", "model_version")
"""The columns of `customer_scores` that are used."""
_DRAWS = 1000


@dataclass(frozen=True)
class ModelVersion:
    """What must be known about a version of the model to evaluate its scores.

    Attributes:
        month: Month for which it was trained.
        feature_months: Months of the features it was trained on.
        same_month: Whether it predicts the class of the features' own month.
        roc_auc: Its out-of-fold value when it was trained; None where unknown.
    """

    month: str
    feature_months: tuple[str, ...]
    same_month: bool
    roc_auc: float | None


class Outcomes(NamedTuple):
    """Customers whose score can be compared with the outcome, n of them, and how many were left out and why."""

    customer: NDArray[np.int64]
    declined: NDArray[np.int_]
    p: Floats
    weight: Floats
    offered: int = 0
    in_sample: int = 0


def model_health(
    scores: Mapping[str, pd.DataFrame],
    features: Mapping[str, pd.DataFrame],
    drawn: Mapping[str, pd.DataFrame],
    versions: Mapping[int, ModelVersion],
    *,
    month: str,
    horizon: int,
    rules: Labels,
    settings: Monitoring,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the scores of every earlier month with the outcomes, as far as they are known, by month and by version.

    What became of a customer is decided by `model.labels.labels`, a horizon later; for a model that predicts the class of
    the same month, by that class. An offer changes what becomes of a customer, and the score says what happens without
    one: so customers who got an offer in the months before it are left out, and the others represent them; see
    `experiment.weights`.
    Where the model was trained on the month itself, out-of-fold scores alone count. A month that was scored by a model of
    a later month is not a forecast and is left out; so is one whose version is no longer known.

    Args:
        scores: `customer_scores` by month; at least `COLUMNS`.
        features: `customer_features` by month, none after `month`; at least `model.labels.COLUMNS`.
        drawn: By month in which offers were sent the rows of its ledger and plan; at least `weights.COLUMNS`.
        versions: What is known about every version.
        month: The current month.
        horizon: Months from a score to its outcome.
        rules: What counts as a decline.
        settings: Limits, and how far to go back.
        seed: Seed of the bootstrap of the calibration error.

    Returns:
        Rows of `MODEL_HEALTH`, by version and month, those of all months last; none if no outcome is known.

    Raises:
        BadInputError: If a table lies after `month`.
    """
    import pandas as pd

    refuse_later([*scores, *features], month)
    rows, by_version = [], dict[int, list[Outcomes]]()
    for own in sorted(m for m in scores if add_months(month, -settings.history_months) <= m < month):
        scored = scores[own]
        version = _version(scored)
        known = versions.get(version or 0)
        if version is None or known is None or known.month > own or own not in features:
            continue
        after = own if known.same_month else add_months(own, horizon)
        if after > month or after not in features:
            continue
        outcomes = _outcomes(scored, features, drawn, known, own, after, horizon=horizon, rules=rules)
        if outcomes is None:
            continue
        by_version.setdefault(version, []).append(outcomes)
        rows.append(
            {"feature_month": own, "model_version": version, "label_month": after} | _row(outcomes, known, settings, seed)
        )
    for version, parts in sorted(by_version.items()):
        together = Outcomes(*(_joined(parts, place) for place in range(4)), *(sum(p[place] for p in parts) for place in (4, 5)))
        rows.append({"feature_month": ALL, "model_version": version} | _row(together, versions[version], settings, seed))
    return typed(pd.DataFrame(rows).reindex(columns=MODEL_HEALTH.names), MODEL_HEALTH)


def _version(scores: pd.DataFrame) -> int | None:
    """The version that scored a month; None if there was none, or several."""
    versions = scores["model_version"].unique()
    return int(versions[0]) if len(versions) == 1 else None


def _joined(parts: list[Outcomes], place: int) -> Any:  # noqa: ANN401 - an array of one of several types
    import numpy as np

    return np.concatenate([part[place] for part in parts])


def _outcomes(
    scores: pd.DataFrame,
    features: Mapping[str, pd.DataFrame],
    drawn: Mapping[str, pd.DataFrame],
    known: ModelVersion,
    own: str,
    after: str,
    *,
    horizon: int,
    rules: Labels,
) -> Outcomes | None:
    """The customers of a month who have a score and an outcome and got no offer; None where no outcome is known."""
    import numpy as np

    came = _same_month(features[own]) if known.same_month else _later(features[own], features[after], horizon, rules)
    if came is None:
        return None
    joined = scores[scores["score_basis"] != "not_scored"].merge(came, on="customer_id", validate="one_to_one")
    honest = np.ones(len(joined), dtype=bool)
    if own in known.feature_months:
        honest = (joined["score_basis"] == "out_of_fold").to_numpy(dtype=bool)
    offered, weight = weights(joined["customer_id"], [drawn[m] for m in influencing(drawn, after, horizon)])
    kept = honest & ~offered
    rows, order = joined[kept], np.argsort(joined["customer_id"].to_numpy()[kept], kind="stable")
    return Outcomes(
        rows["customer_id"].to_numpy(dtype=np.int64)[order],
        rows["declined"].to_numpy(dtype=np.int64)[order],
        rows["p_decline"].to_numpy(dtype=np.float64)[order],
        weight[kept][order],
        int((honest & offered).sum()),
        int((~honest).sum()),
    )


def _same_month(features: pd.DataFrame) -> pd.DataFrame | None:
    """The classes that the store delivered in the month itself, of regular customers."""
    known = features["regular"].astype(bool) & features["activity"].isin(list(CLASSES))
    rows = features.loc[known, ["customer_id", "activity"]]
    return rows[["customer_id"]].assign(declined=rows["activity"].map(CLASSES).astype("int64")) if len(rows) else None


def _later(features: pd.DataFrame, later: pd.DataFrame, horizon: int, rules: Labels) -> pd.DataFrame | None:
    """What became of regular customers; None if no customer is found again: a store that renumbered its customers."""
    labelled = labels(features, later, horizon=horizon, settings=rules)
    return labelled[["customer_id", "declined"]] if (labelled["label_source"] != "vanished").any() else None


def _row(outcomes: Outcomes, known: ModelVersion, settings: Monitoring, seed: int) -> dict[str, Any]:
    """Counts and, where there are enough of both classes, figures and their verdicts."""
    weight = outcomes.weight
    row: dict[str, Any] = {
        "customers": len(weight),
        "declined": int(outcomes.declined.sum()),
        "effective_customers": effective(weight),
        "offered_left_out": outcomes.offered,
        "in_sample_left_out": outcomes.in_sample,
        "roc_auc_at_training": known.roc_auc,
        "calibration": "not_enough_data",
        "ranking": "not_enough_data",
    }
    if min(effective(weight[outcomes.declined == k]) for k in (0, 1)) < settings.min_class:
        return row
    figures, chance = measured(outcomes, seed)
    for name, interval in figures.items():
        row |= {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
    ece, auc = figures["ece"], figures["roc_auc"]
    sure = ece.low > chance
    row |= {
        "ece_chance": chance,
        "calibration": level(ece.estimate if sure else 0.0, settings.ece_moderate, settings.ece_shifted),
    }
    if known.roc_auc is not None:
        fall = known.roc_auc - auc.estimate if auc.high < known.roc_auc else 0.0
        row["ranking"] = level(fall, settings.auc_moderate, settings.auc_shifted)
    return row


def effective(weight: Floats) -> float:
    """How many customers of equal weight carry as much information. Source: Kish (1965), Survey sampling.

    >>> import numpy as np
    >>> effective(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    """
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def measured(outcomes: Outcomes, seed: int = 0) -> tuple[dict[str, Interval], float]:
    """All figures of the scores with 95 % intervals, and the calibration error that chance alone would give.

    Means and ROC-AUC by their influence functions, summed over all rows of a customer before they are squared, so that one
    who is in several months counts as one. For the ROC-AUC they are the placement values of DeLong, DeLong and
    Clarke-Pearson (1988).

    Args:
        outcomes: Customers of both classes.
        seed: Seed of the bootstrap.
    """
    import numpy as np

    y, p, w = outcomes.declined.astype(float), outcomes.p, outcomes.weight
    _, who = np.unique(outcomes.customer, return_inverse=True)
    step = np.finfo(float).eps
    inside = np.clip(p, step, 1 - step)
    losses = {
        "log_loss": (-np.where(y == 1, np.log(inside), np.log1p(-inside)), (0.0, np.inf)),
        "brier": ((p - y) ** 2, (0.0, 1.0)),
        "expected": (p, (0.0, 1.0)),
        "observed": (y, (0.0, 1.0)),
        "gap": (p - y, (-1.0, 1.0)),
    }
    figures = {"roc_auc": _roc_auc(y, p, w, who)}
    for name, (values, bounds) in losses.items():
        mean = float((w * values).sum() / w.sum())
        figures[name] = _interval(mean, w * (values - mean) / w.sum(), who, bounds)
    figures["ece"], chance = _ece(y, p, w, who, seed)
    return figures, chance


def _interval(estimate: float, influence: Floats, who: NDArray[np.intp], bounds: tuple[float, float]) -> Interval:
    """Normal interval from what every row adds to the estimate."""
    import numpy as np

    return normal(estimate, float(np.sqrt((np.bincount(who, weights=influence) ** 2).sum())), bounds)


def _roc_auc(y: Floats, p: Floats, w: Floats, who: NDArray[np.intp]) -> Interval:
    """Weighted Mann–Whitney: the chance that a decliner scores higher than another customer, ties counting half."""
    import numpy as np

    _, place = np.unique(p, return_inverse=True)
    positive, negative = (np.bincount(place, weights=w * (y == k)) for k in (1, 0))
    below = (np.cumsum(negative) - negative / 2) / negative.sum()
    above = (positive.sum() - np.cumsum(positive) + positive / 2) / positive.sum()
    auc = float((positive * below).sum() / positive.sum())
    influence = np.where(y == 1, w / positive.sum() * (below[place] - auc), w / negative.sum() * (above[place] - auc))
    return _interval(auc, influence, who, (0.0, 1.0))


def _ece(y: Floats, p: Floats, w: Floats, who: NDArray[np.intp], seed: int) -> tuple[Interval, float]:
    """Σ |gap of a bin| over tenths of probability, and what it is on average where every probability is right.

    A gap is about normal, so chance alone gives √(2/π) times its standard deviation, which is that of the customers'
    own probabilities. The interval is that of normal draws of the gaps, moved by the bias that they show.
    """
    import numpy as np

    place = np.minimum((p * BINS).astype(int), BINS - 1)
    pair = who * BINS + place
    part = w / w.sum()
    gap = np.bincount(place, weights=part * (y - p), minlength=BINS)
    mean = gap / np.maximum(np.bincount(place, weights=part, minlength=BINS), 1e-300)
    pairs, own = np.unique(pair, return_inverse=True)

    def spread(values: Floats) -> Floats:
        each = np.bincount(own, weights=values) ** 2
        return np.asarray(np.sqrt(np.bincount(pairs % BINS, weights=each, minlength=BINS)))

    deviation = np.sqrt(np.bincount(place, weights=part**2 * p * (1 - p), minlength=BINS))
    chance = float(np.sqrt(2 / np.pi) * deviation.sum())
    value = float(np.abs(gap).sum())
    sd = spread(part * (y - p - mean[place]))
    drawn = np.abs(np.random.default_rng(seed).normal(gap, sd, (_DRAWS, BINS))).sum(axis=1)
    low, high = (np.quantile(drawn, (0.025, 0.975)) - (drawn.mean() - value)).clip(0.0, 1.0)
    return Interval(value, min(float(low), value), max(float(high), value)), chance
