"""Which features the model relies on: permutation importance on customers that it has not seen, and Shapley values."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.model import MODEL_EXPLANATION
from oneclick_pipeline.model.attribution import CONTRIBUTION
from oneclick_pipeline.model.curves import NumberCurve
from oneclick_pipeline.model.folds import fold_numbers, splits
from oneclick_pipeline.model.metric_intervals import corrected_interval
from oneclick_pipeline.model.metrics import log_loss, roc_auc
from oneclick_pipeline.model.training_set import TEXTS, in_canonical_order, inputs, sample

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from oneclick_pipeline.model.contributions import Contributions
    from oneclick_pipeline.settings import Model

_SHUFFLES = 2
_ROWS = 3000
"""Largest number of customers on whom importance is measured: a copy of the pipeline does not know its families' limits."""
_RESAMPLES = 1000
_PANELS = 6
_LONGEST_NAME = 20
_ANY = (-float("inf"), float("inf"))
_LOW_TO_HIGH = "cividis_r"


def model_explanation(
    pipeline: Any,  # noqa: ANN401 - scikit-learn has no types
    training: pd.DataFrame,
    sample_of_values: pd.DataFrame,
    settings: Model,
) -> pd.DataFrame:
    """Permutation importance of every feature, and the mean absolute of its Shapley values.

    In every grouped outer fold a copy of the pipeline learns from the other folds and predicts the fold as it is,
    and again with one feature shuffled among its customers; the importance is what the shuffle costs. Evaluated on its
    training rows, a model would seem to need whatever it has memorised. Source: Breiman (2001), Random forests;
    intervals as in `model.metric_intervals`. A feature that others can replace seems less important than it
    is: read it beside the correlations. With many customers a stratified sample of 3,000 is used.

    Args:
        pipeline: Fitted model; its parameters are used, its fit is not.
        training: Rows of `contracts.model.TRAINING_SET` that it was trained on.
        sample_of_values: `attribution.Explained.sample` of the model.
        settings: Folds, seed, limits.

    Returns:
        Columns of `contracts.model.MODEL_EXPLANATION`, the most important feature first.
    """
    import numpy as np
    import pandas as pd
    from sklearn.base import clone

    rows = sample(in_canonical_order(training), min(settings.max_rows, _ROWS))
    frame, declined = inputs(rows), rows["declined"].to_numpy(dtype=int)
    numbers = fold_numbers(declined, rows["copies"].to_numpy(dtype=int), folds=settings.folds, seed=[settings.seed, 0])
    by_fold = []
    with threadpool_limits(limits=1):
        for fold, (learn, judge) in enumerate(splits(numbers)):
            model = clone(pipeline).fit(frame.iloc[learn], declined[learn])
            rng = np.random.default_rng([settings.seed, fold, 2])
            by_fold.append(_costs(model, frame.iloc[judge], declined[judge], rng))
    of_folds = np.array(by_fold)  # fold, feature, metric
    strengths = _mean_strengths(sample_of_values, settings.seed)
    table = []
    for i, name in enumerate(FEATURE_NAMES):
        loss, auc = (corrected_interval(of_folds[:, i, m], folds=settings.folds, bounds=_ANY) for m in (0, 1))
        table.append(
            {
                "feature": name,
                "log_loss_increase": loss.estimate,
                "log_loss_increase_low": loss.low,
                "log_loss_increase_high": loss.high,
                "roc_auc_decrease": auc.estimate,
                "roc_auc_decrease_low": auc.low,
                "roc_auc_decrease_high": auc.high,
                "mean_abs_contribution": strengths[0, i],
                "mean_abs_contribution_low": strengths[1, i],
                "mean_abs_contribution_high": strengths[2, i],
            }
        )
    return pd.DataFrame(table).sort_values("log_loss_increase", ascending=False, ignore_index=True)[MODEL_EXPLANATION.names]


def _mean_strengths(values: pd.DataFrame, seed: int) -> NDArray[np.float64]:
    """Mean |Shapley value| of every feature and the ends of its 95 % percentile bootstrap interval, shape (3, features).

    Source: Efron, Tibshirani (1993), An introduction to the bootstrap, ch. 13.
    """
    import numpy as np

    strength = values[[CONTRIBUTION + name for name in FEATURE_NAMES]].abs().to_numpy()
    n = len(strength)
    weights = np.random.default_rng([seed, 4]).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES) / n
    bounds: NDArray[np.float64] = np.vstack([strength.mean(axis=0), np.quantile(weights @ strength, [0.025, 0.975], axis=0)])
    return bounds


def _costs(model: Any, frame: pd.DataFrame, declined: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.float64]:  # noqa: ANN401
    """Mean increase of log loss and decrease of ROC-AUC when each feature is shuffled; shape (features, 2)."""
    import numpy as np
    import pandas as pd

    orders = [rng.permutation(len(frame)) for _ in range(_SHUFFLES)]
    versions = [frame]
    for name in FEATURE_NAMES:
        versions += [frame.assign(**{name: frame[name].to_numpy()[order]}) for order in orders]
    # one prediction for all versions: a pipeline spends milliseconds per call on anything but predicting
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
    label = "Increase of log loss when the feature is shuffled, 95 % interval, unseen customers"
    axes.set_xlabel(label, fontsize=pictures.TEXT, color=pictures.INK)
    return picture


def beeswarm(values: pd.DataFrame) -> Figure:
    """Picture of the Shapley values of a sample: one dot per customer, the feature that matters most on top.

    Colour goes with the value's rank among the customers; texts, which have none, are grey.

    Args:
        values: `attribution.Explained.sample`.
    """
    import numpy as np
    from matplotlib.cm import ScalarMappable

    names = _by_strength(values)
    picture = pictures.figure(9, 1.3 + 0.34 * len(names), layout=None)
    axes = pictures.tidy(picture.subplots(gridspec_kw={"left": 0.19, "right": 0.9, "top": 0.94, "bottom": 0.1}))
    axes.axvline(0, color=pictures.GREY, linewidth=0.8)
    limits = values[[CONTRIBUTION + name for name in names]].to_numpy()
    step = (limits.max() - limits.min() or 1.0) / 90
    for place, name in enumerate(reversed(names)):
        across = values[CONTRIBUTION + name].to_numpy()
        heights = place + _spread(across, step)
        if name in TEXTS:
            axes.scatter(across, heights, s=9, color=pictures.GREY, linewidths=0)
        else:
            rank = values[name].rank(method="average", pct=True).fillna(0.5).to_numpy()
            axes.scatter(across, heights, s=9, c=rank, cmap=_LOW_TO_HIGH, vmin=0, vmax=1, linewidths=0)
    axes.set_yticks(np.arange(len(names)), names[::-1], fontsize=pictures.TEXT)
    axes.set_ylim(-0.7, len(names) - 0.3)
    axes.set_xlabel("Contribution to the log-odds of declining, relative to the mean customer", fontsize=pictures.TEXT)
    axes.set_title(f"What moved the risk of {len(values):,} customers", fontsize=pictures.TITLE, loc="left")
    bar = picture.colorbar(ScalarMappable(cmap=_LOW_TO_HIGH), cax=picture.add_axes((0.92, 0.3, 0.012, 0.4)), ticks=[0, 1])
    bar.ax.set_yticklabels(["low", "high"], fontsize=pictures.SMALL)
    bar.ax.set_title("value", fontsize=pictures.SMALL)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
    return picture


def dependence(values: pd.DataFrame, contributions: Contributions) -> Figure:
    """Picture of the six strongest features: Shapley values over the feature's values, and the curve that reasons use.

    Args:
        values: `attribution.Explained.sample`.
        contributions: Of the same model.
    """
    import numpy as np

    picture = pictures.figure(11, 6, layout=None)
    margins = {"left": 0.06, "right": 0.985, "top": 0.88, "bottom": 0.09, "wspace": 0.2, "hspace": 0.45}
    grid = picture.subplots(2, 3, gridspec_kw=margins).ravel()
    for axes, name in zip(grid, _by_strength(values)[:_PANELS], strict=True):
        pictures.tidy(axes).axhline(0, color=pictures.PALE, linewidth=1)
        curve, height = contributions[name], values[CONTRIBUTION + name].to_numpy()
        if isinstance(curve, NumberCurve):
            across = values[name].to_numpy(dtype=float)
            axes.plot(across, height, "o", color=pictures.STABLE, markersize=3, alpha=0.5, markeredgewidth=0)
            line = np.unique(np.append(np.linspace(np.nanmin(across), np.nanmax(across), 60), curve.knots))
            line = line[(line >= np.nanmin(across)) & (line <= np.nanmax(across))]
            axes.plot(line, curve.at(line), color=pictures.DECLINED, linewidth=2)
        else:
            places = {text: place for place, text in enumerate(curve.contributions)}
            across = values[name].map(places).to_numpy(dtype=float)
            axes.plot(across, height, "o", color=pictures.STABLE, markersize=3, alpha=0.5, markeredgewidth=0)
            axes.plot(list(places.values()), list(curve.contributions.values()), "_", color=pictures.DECLINED, markersize=22)
            labels = [pictures.printable(shorten(text, _LONGEST_NAME, placeholder="…")) for text in places]
            axes.set_xticks(list(places.values()), labels, rotation=20, ha="right")
        axes.set_title(name, fontsize=pictures.TEXT, fontweight="bold", color=pictures.INK, loc="left")
    title = "Contribution to the log-odds of declining by value; dots: Shapley values, line: what the reasons use"
    picture.suptitle(title, x=0.06, ha="left", fontsize=pictures.TITLE, color=pictures.INK)
    return picture


def _by_strength(values: pd.DataFrame) -> list[str]:
    """The features, the largest mean |Shapley value| first."""
    strength = values[[CONTRIBUTION + name for name in FEATURE_NAMES]].abs().mean()
    return [str(name).removeprefix(CONTRIBUTION) for name in strength.sort_values(ascending=False, kind="stable").index]


def _spread(across: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Heights that keep dots apart: those of one bin of width `step` are dealt above and below the line in turn."""
    import numpy as np
    import pandas as pd

    nth = pd.Series(across).groupby(np.round(across / step)).cumcount().to_numpy()
    side = np.where(nth % 2, 1.0, -1.0) * ((nth + 1) // 2)
    heights: NDArray[np.float64] = np.clip(side * 0.07, -0.42, 0.42)
    return heights
