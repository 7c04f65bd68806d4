"""Which features the model lives on: permutation importance on customers that it has not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oneclick_pipeline import pictures
from oneclick_pipeline.model.folds import fold_numbers, splits
from oneclick_pipeline.model.metrics import corrected_interval, log_loss, roc_auc
from oneclick_pipeline.model.training_set import in_canonical_order, inputs, sample
from oneclick_pipeline.tables import FEATURE_NAMES, MODEL_EXPLANATION

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Model

_SHUFFLES = 2
_ANY = (-float("inf"), float("inf"))


def model_explanation(pipeline: Any, training: pd.DataFrame, settings: Model) -> pd.DataFrame:  # noqa: ANN401 - scikit-learn has no types
    """Permutation importance of every feature.

    In every grouped outer fold a copy of the pipeline learns from the other folds and predicts the fold as it is,
    and again with one feature shuffled among its customers; the importance is what the shuffle costs. Judged on the
    rows it learnt from, a model would seem to need whatever it has memorised. Source: Breiman (2001), Random forests;
    intervals as in `metrics.corrected_interval`. A feature that others can stand in for seems less important than it
    is: read it beside the correlations.

    Args:
        pipeline: Fitted model; its parameters are used, its fit is not.
        training: Rows of `tables.TRAINING_SET` that it was trained on.
        settings: Folds, seed, limits.

    Returns:
        Columns of `tables.MODEL_EXPLANATION`, the most important feature first.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np
    import pandas as pd
    from sklearn.base import clone
    from threadpoolctl import threadpool_limits

    rows = sample(in_canonical_order(training), settings.max_rows)
    frame, declined = inputs(rows), rows["declined"].to_numpy(dtype=int)
    numbers = fold_numbers(declined, rows["copies"].to_numpy(dtype=int), folds=settings.folds, seed=[settings.seed, 0])

    def costs(task: tuple[int, tuple[NDArray[np.intp], NDArray[np.intp]]]) -> NDArray[np.float64]:
        fold, (learn, judge) = task
        model = clone(pipeline).fit(frame.iloc[learn], declined[learn])
        return _costs(model, frame.iloc[judge], declined[judge], np.random.default_rng([settings.seed, fold, 2]))

    with ThreadPoolExecutor(max_workers=2, initializer=lambda: threadpool_limits(limits=1)) as pool:  # see `evaluation`
        by_fold = np.array(list(pool.map(costs, enumerate(splits(numbers)))))  # fold, feature, metric
    table = []
    for i, name in enumerate(FEATURE_NAMES):
        loss, auc = (corrected_interval(by_fold[:, i, m], folds=settings.folds, bounds=_ANY) for m in (0, 1))
        table.append(
            {
                "feature": name,
                "log_loss_increase": loss.estimate,
                "log_loss_increase_low": loss.low,
                "log_loss_increase_high": loss.high,
                "roc_auc_decrease": auc.estimate,
                "roc_auc_decrease_low": auc.low,
                "roc_auc_decrease_high": auc.high,
            }
        )
    return pd.DataFrame(table).sort_values("log_loss_increase", ascending=False, ignore_index=True)[MODEL_EXPLANATION.names]


def _costs(model: Any, frame: pd.DataFrame, declined: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.float64]:  # noqa: ANN401
    """Mean increase of log loss and decrease of ROC-AUC when each feature is shuffled; shape (features, 2)."""
    import numpy as np
    import pandas as pd

    orders = [rng.permutation(len(frame)) for _ in range(_SHUFFLES)]
    versions = [frame]
    for name in FEATURE_NAMES:
        versions += [frame.assign(**{name: frame[name].to_numpy()[order]}) for order in orders]
    # one prediction for all versions: a pipeline spends milliseconds a call on anything but predicting
    p = model.predict_proba(pd.concat(versions, ignore_index=True))[:, 1].reshape(len(versions), len(frame))
    base = np.array([log_loss(declined, p[0]), -roc_auc(declined, p[0])])
    shuffled = np.array([[log_loss(declined, q), -roc_auc(declined, q)] for q in p[1:]])
    costs: NDArray[np.float64] = shuffled.reshape(len(FEATURE_NAMES), _SHUFFLES, 2).mean(axis=1) - base
    return costs


def importance(explanation: pd.DataFrame) -> Figure:
    """Picture of the importances with their intervals, the most important feature on top."""
    table = explanation.iloc[::-1]
    picture = pictures.figure(8, 0.8 + 0.28 * len(table))
    axes = pictures.tidy(picture.subplots())
    axes.axvline(0, color=pictures.GREY, linewidth=0.8)
    places = range(len(table))
    axes.hlines(places, table["log_loss_increase_low"], table["log_loss_increase_high"], color=pictures.STABLE, linewidth=2)
    axes.plot(table["log_loss_increase"], places, "o", color=pictures.STABLE, markersize=5)
    axes.set_yticks(list(places), list(table["feature"]), fontsize=pictures.TEXT)
    label = "Increase of log loss when the feature is shuffled, 95 % interval, customers not seen"
    axes.set_xlabel(label, fontsize=pictures.TEXT, color=pictures.INK)
    return picture
