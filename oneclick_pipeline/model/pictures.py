"""Pictures of a training: how well a family ranks, how well it is calibrated, how the families compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.model.metric_intervals import half_widths, intervals
from oneclick_pipeline.model.metrics import BINS, METRICS
from oneclick_pipeline.model.training_set import weights_of
from oneclick_pipeline.pictures import DECLINED, GREY, INK, PALE, SMALL, STABLE, TEXT, TITLE, figure, png, tidy
from oneclick_pipeline.stats import Z_95

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from oneclick_pipeline.model.results import TrainedModel
    from oneclick_pipeline.stats import Interval

__all__ = ["calibration", "comparison", "curves", "png"]

_TITLES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "ece": "ECE",
}
_LOWER_IS_BETTER = ("log_loss", "brier", "ece")


def curves(title: str, predictions: pd.DataFrame, metrics: Mapping[str, Interval]) -> Figure:
    """ROC curve with its 95 % band beside the reliability diagram with its counts, both out of fold.

    Args:
        title: What was evaluated, for example the family.
        predictions: repeat, fold, declined, p_decline, as `FamilyResult.predictions`.
        metrics: Its metrics.
    """
    picture = figure(9, 4.2, layout=None)
    left, right = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.07, right=0.93, bottom=0.13, top=0.83, wspace=0.22)
    picture.suptitle(title, x=0.07, ha="left", fontsize=TITLE, color=INK, weight="bold")
    # `y` of a title: left to itself matplotlib measures everything else first, a quarter of the drawing time
    _roc(left, predictions)
    left.set_title(f"ROC-AUC {metrics['roc_auc']}", loc="left", y=1.0, fontsize=TEXT, color=INK)
    _reliability(right, predictions)
    right.set_title(f"ECE {metrics['ece']}, log loss {metrics['log_loss']}", loc="left", y=1.0, fontsize=TEXT, color=INK)
    return picture


def calibration(title: str, predictions: pd.DataFrame) -> Figure:
    """Reliability before and after calibration side by side, out of fold, with the log loss of each.

    Args:
        title: What was evaluated.
        predictions: As `FamilyResult.predictions`.
    """
    picture = figure(9, 4.2, layout=None)
    picture.subplots_adjust(left=0.07, right=0.93, bottom=0.13, top=0.83, wspace=0.32)
    picture.suptitle(title, x=0.07, ha="left", fontsize=TITLE, color=INK, weight="bold")
    for axes, name, column in zip(picture.subplots(1, 2), ("Before", "After"), ("p_raw", "p_calibrated"), strict=True):
        shown = predictions.assign(p_decline=predictions[column])
        _reliability(axes, shown)
        metrics = intervals(shown)
        kept = (predictions[column] == predictions["p_decline"]).groupby([predictions["repeat"], predictions["fold"]]).all()
        axes.set_title(
            f"{name} calibration: ECE {metrics['ece'].estimate:.3f}, log loss {metrics['log_loss'].estimate:.3f}, "
            f"kept in {kept.sum()} of {len(kept)} folds",
            loc="left",
            y=1.0,
            fontsize=SMALL,
            color=INK,
        )
    return picture


def comparison(trained: TrainedModel) -> Figure:
    """Every metric of every family with its 95 % interval, the family that was chosen in colour."""
    picture = figure(11, 0.9 + 0.42 * len(trained.families), layout=None)
    panels = picture.subplots(1, len(METRICS), sharey=True)
    picture.subplots_adjust(left=0.17, right=0.985, bottom=0.22, top=0.86, wspace=0.16)
    places = range(len(trained.families) - 1, -1, -1)
    for axes, name in zip(panels, METRICS, strict=True):
        tidy(axes).grid(axis="x", color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        for place, family in zip(places, trained.families, strict=True):
            colour = DECLINED if family.name == trained.family else STABLE
            m = family.metrics[name]
            axes.plot([m.low, m.high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot(m.estimate, place, "o", color=colour, markersize=6)
        axes.set_title(_TITLES[name], loc="left", y=1.0, fontsize=TEXT, color=INK, weight="bold")
        axes.set_xlabel("lower is better" if name in _LOWER_IS_BETTER else "higher is better", fontsize=SMALL, color=INK)
        axes.locator_params(axis="x", nbins=4)
    labels = [f"{f.label}{' (chosen)' if f.name == trained.family else ''}" for f in trained.families]
    panels[0].set_yticks(list(places), labels, fontsize=TEXT)
    panels[0].set_ylim(-0.6, len(labels) - 0.4)
    return picture


def _roc(axes: Axes, predictions: pd.DataFrame) -> None:
    """Mean ROC curve over the outer folds; its band is the corrected 95 % interval at each false positive rate."""
    import numpy as np

    grid = np.linspace(0, 1, 101)
    caught = np.array([_true_positive_rate(part, grid) for _, part in predictions.groupby(["repeat", "fold"])])
    mean, half = caught.mean(axis=0), half_widths(caught, folds=predictions["fold"].nunique())
    low, high = np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1)
    tidy(axes).plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.fill_between(grid, low, high, color=STABLE, alpha=0.2, linewidth=0, label="95 % interval")
    axes.plot(grid, mean, color=STABLE, linewidth=2, label="mean over folds")
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set_xlabel("Share of stable customers flagged", fontsize=TEXT, color=INK)
    axes.set_ylabel("Share of decliners found", fontsize=TEXT, color=INK)
    axes.legend(loc="lower right", fontsize=SMALL, frameon=False)


def _true_positive_rate(part: pd.DataFrame, grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ROC curve of one fold, read off at the false positive rates of `grid`."""
    import numpy as np

    ordered = part.assign(weight=weights_of(part)).sort_values("p_decline", ascending=False)
    last_of_tie = (ordered["p_decline"] != ordered["p_decline"].shift(-1)).to_numpy()
    decliners = (ordered["weight"] * ordered["declined"]).cumsum().to_numpy()[last_of_tie]
    flagged = ordered["weight"].cumsum().to_numpy()[last_of_tie] - decliners
    return np.interp(grid, np.r_[0, flagged / flagged[-1]], np.r_[0, decliners / decliners[-1]])


def _reliability(axes: Axes, predictions: pd.DataFrame) -> None:
    """Share that declined against predicted probability in ten bins, over the counts of customers."""
    import numpy as np

    place = np.minimum((predictions["p_decline"] * BINS).astype(int), BINS - 1)
    # every customer is predicted once per repeat: count customers, not predictions
    repeats, weight = predictions["repeat"].nunique(), weights_of(predictions)
    terms = {
        "n": 1.0,
        "w": weight,
        "w2": weight**2,
        "p": weight * predictions["p_decline"],
        "y": weight * predictions["declined"],
    }
    bins = predictions[[]].assign(**terms).groupby(place).sum()
    bins = bins.assign(p=bins["p"] / bins["w"], share=bins["y"] / bins["w"], n=bins["n"] / repeats)
    error = Z_95 * np.sqrt(bins["share"] * (1 - bins["share"]) * bins["w2"] * repeats) / bins["w"]
    counts = axes.twinx()
    tidy(counts).bar((bins.index + 0.5) / BINS, bins["n"], width=0.9 / BINS, color=PALE)
    counts.set_ylim(0, 2.5 * float(bins["n"].max()))
    counts.set_yticks([0, round(float(bins["n"].max()))])
    counts.set_ylabel("Customers (bars)", fontsize=TEXT, color=INK)
    axes.set_zorder(counts.get_zorder() + 1)
    axes.patch.set_visible(False)
    tidy(axes).plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    axes.errorbar(bins["p"], bins["share"], yerr=error, fmt="o-", color=DECLINED, linewidth=1.5, markersize=5, elinewidth=1)
    axes.set(xlim=(0, 1), ylim=(0, 1.01))
    axes.set_xlabel("Predicted probability of decline", fontsize=TEXT, color=INK)
    axes.set_ylabel("Share that declined", fontsize=TEXT, color=INK)
