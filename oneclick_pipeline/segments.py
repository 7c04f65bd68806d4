"""Stage segments: every customer in exactly one group of risk and profit, and what the groups are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.tables import CUSTOMER_SEGMENTS, SEGMENT_PROFILES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from oneclick_pipeline.settings import Segments

_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Segment:
    """A group of customers: its identifier, its names, and its cell of risk (0 low to 2 high) and profit (0 low, 1 high)."""

    id: str
    ru: str
    en: str
    risk: int | None = None
    profit: int | None = None


SEGMENTS = (
    Segment("save_first", "Удержать в первую очередь", "Save first", risk=2, profit=1),
    Segment("save_cheaply", "Удержать недорого", "Save at low cost", risk=2, profit=0),
    Segment("support", "Поддержать", "Support", risk=1, profit=1),
    Segment("watch", "Наблюдать", "Watch", risk=1, profit=0),
    Segment("core", "Опора магазина", "Core", risk=0, profit=1),
    Segment("grow", "Развивать", "Grow", risk=0, profit=0),
    Segment("irregular", "Нерегулярные покупатели", "Irregular customers"),
    Segment("unknown", "Недостаточно данных", "Not enough data"),
)
"""All segments, the most urgent first."""


@dataclass(frozen=True)
class Thresholds:
    """Where risk and profit are cut.

    Attributes:
        middle_risk: p_decline from which the risk is middle.
        high_risk: p_decline from which the risk is high.
        high_profit: Monthly profit from which it is high, finance units; NaN where no profit is known.
    """

    middle_risk: float
    high_risk: float
    high_profit: float


def thresholds(scores: pd.DataFrame, settings: Segments) -> Thresholds:
    """The cuts of a month: risk from the settings, profit from the regular customers' quantile."""
    profit = scores.loc[scores["regular"].astype(bool), "profit"].quantile(settings.high_profit)
    return Thresholds(settings.middle_risk, settings.high_risk, float(profit))


def customer_segments(scores: pd.DataFrame, cuts: Thresholds) -> pd.DataFrame:
    """Put every customer into one segment.

    Customers who are not regular are `irregular`; those without a score or without a profit `unknown`.

    Args:
        scores: `tables.CUSTOMER_SCORES`.
        cuts: See `thresholds`.

    Returns:
        Columns of `tables.CUSTOMER_SEGMENTS`, in the order of `scores`.
    """
    import numpy as np

    p, profit = (scores[name].to_numpy(dtype=float, na_value=np.nan) for name in ("p_decline", "profit"))
    regular = scores["regular"].to_numpy(dtype=bool)
    placed = regular & ~np.isnan(p) & ~np.isnan(profit)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false: such customers are not placed
        risk = (p >= cuts.middle_risk).astype(int) + (p >= cuts.high_risk)
        rich = (profit >= cuts.high_profit).astype(int)
    cells = [placed & (risk == s.risk) & (rich == s.profit) for s in SEGMENTS if s.risk is not None]
    number = np.select([*cells, ~np.isnan(p) & ~regular], range(len(cells) + 1), default=len(SEGMENTS) - 1)
    table = scores[["customer_id", "p_decline", "profit", "value_at_risk"]].assign(
        segment=np.array([s.id for s in SEGMENTS])[number],
        segment_ru=np.array([s.ru for s in SEGMENTS])[number],
        segment_en=np.array([s.en for s in SEGMENTS])[number],
    )
    return table[CUSTOMER_SEGMENTS.names]


def segment_profiles(segments: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Describe every segment; an empty one has a row too.

    The interval of the expected declines is that of a sum of independent events with these probabilities
    (normal approximation of the Poisson binomial); it does not hold what the model itself may be wrong by.

    Args:
        segments: `tables.CUSTOMER_SEGMENTS`.
        features: `tables.CUSTOMER_FEATURES` of the same month.

    Returns:
        Columns of `tables.SEGMENT_PROFILES`, in the order of `SEGMENTS`.
    """
    import numpy as np
    import pandas as pd

    all_customers = segments.drop(columns="profit").merge(features, on="customer_id", validate="one_to_one")
    rows = []
    for segment in SEGMENTS:
        group = all_customers[all_customers["segment"] == segment.id]
        p = group["p_decline"].to_numpy(dtype=float, na_value=np.nan)
        known = p[~np.isnan(p)]
        expected, margin = known.sum(), _NORMAL_95 * np.sqrt((known * (1 - known)).sum())
        row: dict[str, object] = {
            "segment": segment.id,
            "segment_ru": segment.ru,
            "segment_en": segment.en,
            "customers": len(group),
            "share": len(group) / max(len(all_customers), 1),
            "mean_p_decline": known.mean() if known.size else None,
            "expected_declines": expected if known.size else None,
            "expected_declines_low": max(expected - margin, 0) if known.size else None,
            "expected_declines_high": min(expected + margin, len(known)) if known.size else None,
            "mean_profit": _mean(group["profit"]),
            "value_at_risk": float(group["value_at_risk"].sum()),
            "consent_share": _mean(group["marketing_consent"]),
            "premium_share": _mean((group["service_level"] == "premium").where(group["service_level"].notna())),
            "top_category": next(iter(sorted(group["favourite_category"].mode())), None),
        }
        means = [name for name in SEGMENT_PROFILES.names if name.startswith("mean_") and name not in row]
        rows.append(row | {name: _mean(group[name.removeprefix("mean_")]) for name in means})
    return pd.DataFrame(rows)[SEGMENT_PROFILES.names]


def _mean(values: pd.Series) -> float | None:
    """Mean of what is known, None where nothing is."""
    known = values.dropna()
    return float(known.astype(float).mean()) if len(known) else None


def segment_map(segments: pd.DataFrame, profiles: pd.DataFrame, cuts: Thresholds) -> Figure:
    """Picture of the segments: every placed customer by profit and risk, and the value at risk of each cell."""
    from oneclick_pipeline import pictures

    most = 5000  # more points hide one another and weigh megabytes
    placed = [s for s in SEGMENTS if s.risk is not None]
    shades = ["#7F2704", "#FDAE6B", "#CC6100", "#FDD0A2", "#08519C", "#9ECAE1"]
    figure = pictures.figure(9, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for segment, shade in zip(placed, shades, strict=True):
        group = segments[segments["segment"] == segment.id]
        group = group.iloc[:: -(-len(group) // most) or 1]
        left.scatter(group["profit"], group["p_decline"], s=6, alpha=0.6, color=shade, linewidths=0, label=segment.en)
    for risk in (cuts.middle_risk, cuts.high_risk):
        left.axhline(risk, color=pictures.GREY, linewidth=0.8, linestyle="--")
    left.axvline(cuts.high_profit, color=pictures.GREY, linewidth=0.8, linestyle="--")
    left.set_ylim(0, 1)
    _entitle(left, "Regular customers by profit and risk", "Monthly profit, finance units")
    left.set_ylabel("p_decline", fontsize=pictures.TEXT, color=pictures.INK)
    bars = profiles.set_index("segment").loc[[s.id for s in placed]].iloc[::-1]
    labels = [f"{row['segment_en']} ({row['customers']:,})" for _, row in bars.iterrows()]
    right.barh(labels, bars["value_at_risk"].astype(float), color=shades[::-1])
    _entitle(right, "Value at risk by segment (customers)", "Value at risk, finance units")
    for axes in (left, right):
        pictures.tidy(axes)
    return figure


def _entitle(axes: Axes, title: str, below: str) -> None:
    """Title and x label in the house style."""
    from oneclick_pipeline import pictures

    axes.set_title(title, loc="left", fontsize=pictures.TEXT, color=pictures.INK, weight="bold")
    axes.set_xlabel(below, fontsize=pictures.TEXT, color=pictures.INK)
