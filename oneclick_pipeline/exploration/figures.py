"""Pictures of the regular customers: how columns are distributed by activity, and what depends on what."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.exploration.sample import EXPLORED, is_number, regular_sample

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Column, Columns
    from oneclick_pipeline.settings import Exploration

_COLUMNS_OF_PICTURES = 4
_BINS = 24
_MOST_CATEGORIES = 7
_LONGEST_NAME = 40
_SIGNIFICANT = 3.0
_DARK = 0.55  # phik above which white on blue reads better than black

_Classes = dict[str, tuple[str, "pd.DataFrame"]]
"""Name of the class in the legend -> its colour and its customers."""


def distributions(features: Columns, settings: Exploration) -> Figure:
    """Every feature among regular customers, declined against stable; all together if no activity is known.

    Heights are shares within a class, so classes of unequal size compare. The outermost half per cent at each
    end of a continuous feature is gathered in its first and last bin.

    Args:
        features: A `customer_features` table, (customers, columns), of any pandas types.
        settings: Gives the size of the sample that is drawn above `max_rows` customers.
    """
    sample = regular_sample(features, settings)
    classes = _classes(sample.frame)
    rows = -(-len(FEATURES) // _COLUMNS_OF_PICTURES)
    picture = pictures.figure(12, 1 + 2.1 * rows, layout=None)
    margins = {"left": 0.02, "right": 0.98, "top": 0.93, "bottom": 0.085, "wspace": 0.1, "hspace": 0.5}
    grid = picture.subplots(rows, _COLUMNS_OF_PICTURES, squeeze=False, gridspec_kw=margins).ravel()
    for axes, column in zip(grid, FEATURES, strict=False):
        (_histogram if is_number(column) else _share_bars)(pictures.tidy(axes), column, classes)
    for axes in grid[len(FEATURES) :]:
        axes.set_axis_off()
    picture.suptitle(f"Features by activity, as shares of each class  ·  {sample.description}", fontsize=pictures.TITLE)
    picture.legend(handles=_legend(classes), loc="lower center", ncols=len(classes), frameon=False, fontsize=pictures.TEXT)
    return picture


def phik_matrix(correlations: pd.DataFrame) -> Figure:
    """The phik of all pairs as a heat map; collinear pairs are framed, pairs without phik are grey.

    If there are no pairs, the picture says so.

    Args:
        correlations: A `correlations` table, (pairs, 5).
    """
    import numpy as np
    from matplotlib.patches import Rectangle

    if correlations.empty:
        picture = pictures.figure(9.5, 1)
        picture.text(
            0.5, 0.5, "there are not two columns with different values", ha="center", va="center", fontsize=pictures.TEXT
        )
        return picture
    seen = {*correlations["column_a"], *correlations["column_b"]}
    names = [c.name for c in EXPLORED if c.name in seen]
    place = {name: i for i, name in enumerate(names)}
    # below the diagonal only: the other half says the same
    matrix = np.full((len(names), len(names)), np.nan)
    picture = pictures.figure(9.5, 7.5, layout=None)
    axes = pictures.tidy(picture.subplots(gridspec_kw={"left": 0.15, "right": 0.99, "top": 0.95, "bottom": 0.14}))
    for a, b, phik, collinear in correlations[["column_a", "column_b", "phik", "collinear"]].itertuples(index=False):
        x, y = place[a], place[b]
        matrix[y, x] = phik
        ink = "white" if phik > _DARK else pictures.INK
        axes.text(x, y, f"{phik:.2f}", ha="center", va="center", fontsize=pictures.SMALL, color=ink)
        if collinear:
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=pictures.DECLINED, linewidth=2, zorder=3))
    undefined = np.tri(len(names), k=-1, dtype=bool) & np.isnan(matrix)
    axes.imshow(np.where(undefined, 0.15, np.nan), cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.imshow(matrix, cmap=pictures.FROM_ZERO, vmin=0, vmax=1, aspect="auto")
    axes.spines[:].set_visible(False)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=pictures.TEXT)
    axes.set_yticks(range(len(names)), names, fontsize=pictures.TEXT)
    # the first row and the last column of the lower half are empty
    axes.set_xlim(-0.5, len(names) - 1.5)
    axes.set_ylim(len(names) - 0.5, 0.5)
    title = "phik between columns: 0 independent, 1 determined; framed: collinear features"
    axes.set_title(title, fontsize=pictures.TITLE, loc="right")
    return picture


def phik_with_target(correlations: pd.DataFrame) -> Figure | None:
    """How strongly activity depends on each feature, strongest first, with the significance.

    Args:
        correlations: A `correlations` table, (pairs, 5).

    Returns:
        The picture, or None if activity is in no pair: none is known, or all are the same.
    """
    names = [c.name for c in FEATURES]
    pairs = correlations[(correlations["column_a"] == "activity") & correlations["column_b"].isin(names)]
    if pairs.empty:
        return None
    pairs = pairs.sort_values("phik", kind="stable")
    picture = pictures.figure(7.5, 0.9 + 0.26 * len(pairs))
    axes = pictures.tidy(picture.subplots())
    colours = [pictures.INK if z >= _SIGNIFICANT else pictures.PALE for z in pairs["significance"]]
    bars = axes.barh(pairs["column_b"].tolist(), pairs["phik"].to_numpy(), color=colours, height=0.7)
    labels = [f"{phik:.2f}  ({z:.1f} sd)" for phik, z in zip(pairs["phik"], pairs["significance"], strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=pictures.SMALL, color=pictures.INK)
    axes.set_xlim(0, 1.1)
    axes.set_ylim(-0.6, len(pairs) - 0.4)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.tick_params(axis="y", labelsize=pictures.TEXT)
    axes.set_xlabel(f"phik with activity; pale: significance below {_SIGNIFICANT:g} standard deviations", fontsize=pictures.TEXT)
    axes.set_title("What is associated with the customers' activity", fontsize=pictures.TITLE, loc="left")
    return picture


def _classes(frame: pd.DataFrame) -> _Classes:
    """The customers of each class that there is."""
    colours = {"declined": pictures.DECLINED, "stable": pictures.STABLE}
    classes: _Classes = {}
    for name, colour in colours.items():
        members = frame[frame["activity"] == name]
        if len(members):
            classes[f"{name} ({len(members):,})"] = (colour, members)
    return classes or {f"activity unknown ({len(frame):,})": (pictures.GREY, frame)}


def _legend(classes: _Classes) -> list[Patch]:
    """One patch a class, for the whole picture."""
    from matplotlib.patches import Patch

    return [Patch(color=colour, label=name) for name, (colour, _) in classes.items()]


def _histogram(axes: Axes, column: Column, classes: _Classes) -> None:
    """Overlaid outlines of a quantity, one per class."""
    import numpy as np

    values = {name: members[column.name].dropna().to_numpy() for name, (_, members) in classes.items()}
    edges = _edges(np.concatenate(list(values.values())))
    for name, (colour, _) in classes.items():
        counts = np.histogram(np.clip(values[name], edges[0], edges[-1]), edges)[0]
        shares = 100 * counts / max(counts.sum(), 1)
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(shares, edges, color=colour, linewidth=1.3)
    axes.set_ylim(bottom=0)
    axes.set_yticks([])  # shares depend on the width of the bins: only the shapes compare
    axes.set_xlim(edges[0], edges[-1])
    axes.locator_params(axis="x", nbins=5, integer=bool(edges[1] - edges[0] >= 1))
    if not any(len(v) for v in values.values()):
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", fontsize=pictures.SMALL, color=pictures.INK)
    _entitle(axes, column, column.unit)


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of the bins of a histogram, shared by all classes.

    Each bin holds the same number of steps of the grid that the values lie on (1 page, 0.1 contacts): otherwise
    some bins hold one step more than others, and the outline is a comb.
    """
    import numpy as np

    different = np.unique(values)
    if len(different) <= 1:
        middle = different[0] if len(different) else 0.0
        return np.array([middle - 0.5, middle + 0.5])
    low, high = different[[0, -1]]
    step = max(np.diff(different).min(), (high - low) / 10_000)
    if (high - low) / step >= _BINS:
        low, high = np.quantile(values, [0.005, 0.995], method="nearest")
        high = max(high, low + step)
    width = step * np.ceil((high - low) / step / _BINS)
    return np.arange(low - step / 2, high + width, width)


def _share_bars(axes: Axes, column: Column, classes: _Classes) -> None:
    """Bars of a category, one per class, under the name of the value: names are too long for an axis."""
    import pandas as pd

    values = pd.concat([members[column.name] for _, members in classes.values()])
    order = values.value_counts().sort_index().sort_values(ascending=False, kind="stable").index
    shown = list(order[:_MOST_CATEGORIES])
    if len(order) > len(shown):
        shown[-1] = rest = f"{len(order) - len(shown) + 1} others"
    width = 0.42 / len(classes)
    for step, (colour, members) in enumerate(classes.values()):
        present = members[column.name].dropna()
        named = present.where(present.isin(shown), rest) if len(order) > len(shown) else present
        shares = 100 * named.value_counts(normalize=True).reindex(shown, fill_value=0)
        axes.barh([i + step * width for i in range(len(shown))], shares.to_numpy(), height=width, color=colour, alpha=0.8)
    for i, value in enumerate(shown):
        name = pictures.printable(shorten(value, _LONGEST_NAME, placeholder="…"))
        axes.text(0, i - width / 2 - 0.05, name, fontsize=pictures.SMALL, color=pictures.INK, va="bottom")
    axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
    axes.set_yticks([])
    _entitle(axes, column, "% of the class")


def _entitle(axes: Axes, column: Column, unit: str) -> None:
    """Name of the column above, its unit below."""
    axes.set_title(column.name, fontsize=pictures.TEXT, fontweight="bold", color=pictures.INK, y=1.0)
    axes.set_xlabel(unit, fontsize=pictures.SMALL, color=pictures.INK)
