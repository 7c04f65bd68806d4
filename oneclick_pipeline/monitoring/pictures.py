"""Pictures of monitoring: what has drifted, and whether the scores proved right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.monitoring.health import ALL
from oneclick_pipeline.pictures import DECLINED, FROM_ZERO, GREY, INK, PALE, SMALL, STABLE, TEXT, TITLE, figure, tidy

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oneclick_pipeline.settings import Monitoring


def drift_map(tables: Mapping[str, pd.DataFrame], settings: Monitoring) -> Figure:
    """PSI of every feature and the score over months, the largest of the newest month on top.

    A cell is as dark as its PSI, full at the hard limit; it has a vermilion frame where it is beyond a limit and beyond
    chance, and a dot where there was nothing to compare.

    Args:
        tables: `contracts.monitoring.DRIFT` by month.
        settings: The limits.
    """
    months = sorted(tables)
    shown = [
        table[table["kind"].isin(["feature", "score"])].set_index("name")[["psi", "status"]]
        for table in (tables[m] for m in months)
    ]
    newest = shown[-1]["psi"].fillna(-1.0)
    names = sorted(newest.index, key=lambda name: (-newest[name], name))
    values = np.array([[t["psi"].get(name, np.nan) for t in shown] for name in names], dtype=float)
    picture = figure(2.6 + 0.62 * max(len(months), 4), 1.2 + 0.24 * len(names))
    picture.suptitle(
        "PSI against the champion's training month (below)", x=0.01, ha="left", fontsize=TITLE, color=INK,
        weight="bold",
    )  # fmt: skip
    axes = tidy(picture.subplots())
    axes.imshow(values, cmap=FROM_ZERO, vmin=0, vmax=settings.psi_shifted, aspect="auto")
    for row, name in enumerate(names):
        for column, table in enumerate(shown):
            _cell(axes, row, column, values[row, column], str(table["status"].get(name, "")), settings)
    compared = [tables[m]["reference_month"].iloc[0] for m in months]
    axes.set_xticks(
        range(len(months)), [f"{m}\n{r if isinstance(r, str) else '–'}" for m, r in zip(months, compared, strict=True)]
    )
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel(
        f"framed: beyond {settings.psi_moderate:g} (thick: {settings.psi_shifted:g}) and beyond chance", fontsize=SMALL, color=INK
    )
    axes.spines[["left", "bottom"]].set_visible(False)
    return picture


def _cell(axes: Axes, row: int, column: int, value: float, status: str, settings: Monitoring) -> None:
    from matplotlib.patches import Rectangle

    known = np.isfinite(value)
    dark = known and value > settings.psi_shifted * 0.6
    axes.text(
        column, row, f"{value:.2f}" if known else "·", ha="center", va="center", fontsize=SMALL,
        color="white" if dark else INK if known else GREY,
    )  # fmt: skip
    if status in ("moderate", "shifted"):
        width = 2.2 if status == "shifted" else 1.0
        axes.add_patch(
            Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor=DECLINED, linewidth=width, zorder=3)
        )


def kept_promises(health: pd.DataFrame) -> Figure | None:
    """Predicted against observed share of decliners by month of the scores, with 95 % intervals; None where none is known.

    Args:
        health: `contracts.monitoring.MODEL_HEALTH`.
    """
    known = health[(health["feature_month"] != ALL) & health["observed"].notna()].sort_values("feature_month")
    if known.empty:
        return None
    picture = figure(3.2 + 0.7 * len(known), 4.2)
    upper, lower = picture.subplots(2, 1, sharex=True)
    place = np.arange(len(known))
    for axes, title in ((upper, "Declined: predicted and observed, %"), (lower, "ROC-AUC")):
        tidy(axes).set_title(title, loc="left", fontsize=TEXT, color=INK, weight="bold")
        axes.grid(axis="y", color=PALE)
        axes.set_axisbelow(True)
    for name, colour, shift in (("expected", STABLE, -0.08), ("observed", DECLINED, 0.08)):
        middle, low, high = (100 * known[f"{name}{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
        upper.vlines(place + shift, low, high, color=colour, linewidth=1.6)
        upper.plot(place + shift, middle, "o", color=colour, markersize=4, label={"expected": "promised"}.get(name, name))
    upper.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    middle, low, high = (known[f"roc_auc{end}"].to_numpy(dtype=float) for end in ("", "_low", "_high"))
    lower.vlines(place, low, high, color=STABLE, linewidth=1.6)
    lower.plot(place, middle, "o", color=STABLE, markersize=4, label="since")
    lower.plot(place, known["roc_auc_at_training"].to_numpy(dtype=float), "_", color=GREY, markersize=14, label="at training")
    lower.legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    labels = [f"{row.feature_month}\nversion {row.model_version}" for row in known.itertuples()]
    lower.set_xticks(place, labels)
    lower.set_xlim(-0.6, len(known) - 0.4)
    return picture
