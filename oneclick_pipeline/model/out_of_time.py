"""Out-of-time evaluation: learn from what was known in a month, predict that month's customers, compare with their outcomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.candidates import draw
from oneclick_pipeline.model.evaluation import Learner, inner_folds, predict_new
from oneclick_pipeline.model.metrics import BY_FOLD, METRICS, ece
from oneclick_pipeline.model.training_set import inputs, require_enough, weights_of

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.model.metrics import Floats, Ints
    from oneclick_pipeline.settings import Model

_RESAMPLES = 200
_METRICS = BY_FOLD | {"ece": ece}


def out_of_time(rows: pd.DataFrame, settings: Model) -> pd.DataFrame:
    """Evaluate the procedure on the newest labelled months, as it would have been at the time.

    To evaluate features of month f, only rows are learned from whose label was known by f. Customers who are in both are
    not a leak: next month's store has mostly the same customers too.

    Args:
        rows: The training set, in canonical order.
        settings: How many months, and the search.

    Returns:
        One row per judged month, oldest first: feature_month, label_month, learnt_months, customers, declined, model,
        and for every metric its estimate and the ends of its 95 % interval (percentile bootstrap over the customers,
        200 resamples; Efron, Tibshirani 1993, ch. 13). No rows where no month has enough past.
    """
    import pandas as pd

    table: list[dict[str, object]] = []
    for month in sorted(rows["feature_month"].unique())[::-1]:
        if len(table) == settings.out_of_time_months:
            break
        known, new = rows[rows["label_month"] <= month], rows[(rows["feature_month"] == month) & (rows["label_month"] > month)]
        if new["declined"].nunique() < 2 or not _enough(known, settings):  # noqa: PLR2004 - two classes
            continue
        learn = Learner.of(known)
        candidates = draw(settings)[: max(settings.nested_draws, len(settings.families))]
        numbers = inner_folds(learn, settings, [settings.seed])
        p, name = predict_new(learn, inputs(new), numbers, candidates, settings)
        table.append(
            {
                "feature_month": month,
                "label_month": new["label_month"].max(),
                "learnt_months": ",".join(sorted(known["feature_month"].unique())),
                "customers": len(new),
                "declined": int(new["declined"].sum()),
                "model": name,
                **_figures(new["declined"].to_numpy(dtype=int), p, weights_of(new), settings.seed),
            }
        )
    ends = [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    columns = ["feature_month", "label_month", "learnt_months", "customers", "declined", "model", *ends]
    return pd.DataFrame(table[::-1], columns=columns)


def _enough(known: pd.DataFrame, settings: Model) -> bool:
    try:
        require_enough(known, folds=settings.inner_folds, inner_folds=settings.inner_folds)
    except BadInputError:
        return False
    return True


def _figures(declined: Ints, p: Floats, weight: Floats, seed: int) -> dict[str, float]:
    """Every metric with its interval; resamples keep both classes in their numbers."""
    import numpy as np

    rng = np.random.default_rng([seed, 7])
    classes = [np.flatnonzero(declined == label) for label in (0, 1)]
    resampled = [np.concatenate([rng.choice(places, len(places)) for places in classes]) for _ in range(_RESAMPLES)]
    figures: dict[str, float] = {}
    for name, metric in _METRICS.items():
        low, high = np.quantile([metric(declined[at], p[at], weight[at]) for at in resampled], [0.025, 0.975])
        figures |= {name: metric(declined, p, weight), f"{name}_low": float(low), f"{name}_high": float(high)}
    return figures
