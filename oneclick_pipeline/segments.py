"""Stage segments: every customer in exactly one group of risk and profit, and profiles of the groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.segments import ALL, CUSTOMER_SEGMENTS, SEGMENT_PROFILES, SEGMENTS
from oneclick_pipeline.scores.meaning import WORDS
from oneclick_pipeline.stats import normal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Columns
    from oneclick_pipeline.model.band_errors import BandErrors
    from oneclick_pipeline.settings import Segments

    Floats = NDArray[np.float64]
    _Ends = tuple[float, float | None, float | None]

_IRREGULAR, _NOTHING = "irregular", (None, None, None)
_DRAWN = 5000
"""Customers of a segment that are drawn: more points hide one another and weigh megabytes."""


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


def thresholds(scores: Columns, settings: Segments) -> Thresholds:
    """The cuts of a month: risk from the settings, profit from the regular customers' quantile, which is exact."""
    profit = scores["profit"][scores["regular"].astype(bool)].quantile(settings.high_profit)
    return Thresholds(settings.middle_risk, settings.high_risk, float(profit))


def customer_segments(scores: pd.DataFrame, cuts: Thresholds) -> pd.DataFrame:
    """Put every customer into one segment.

    Customers who are not regular are `irregular`; those without a score or without a profit `unknown`.

    Args:
        scores: `contracts.scores.CUSTOMER_SCORES`.
        cuts: See `thresholds`.

    Returns:
        Columns of `contracts.segments.CUSTOMER_SEGMENTS`, in the order of `scores`, texts as categories. A row depends on its own
        customer alone, so the batches of a table give what the whole of it would.
    """
    import numpy as np
    import pandas as pd

    p, profit = (scores[name].to_numpy(dtype=float, na_value=np.nan) for name in ("p_decline", "profit"))
    regular = scores["regular"].to_numpy(dtype=bool)
    placed = regular & ~np.isnan(p) & ~np.isnan(profit)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false: such customers are not placed
        risk = (p >= cuts.middle_risk).astype(int) + (p >= cuts.high_risk)
        rich = (profit >= cuts.high_profit).astype(int)
    cells = [placed & (risk == s.risk) & (rich == s.profit) for s in SEGMENTS if s.risk is not None]
    number: NDArray[np.int_] = np.select([*cells, ~np.isnan(p) & ~regular], range(len(cells) + 1), default=len(SEGMENTS) - 1)

    def words(texts: list[str]) -> pd.Categorical:
        return pd.Categorical.from_codes(number, pd.Index(texts, dtype="str"))

    table = scores[["customer_id", "p_decline", "profit", "value_at_risk"]].assign(
        segment=words([s.id for s in SEGMENTS]),
        segment_ru=words([s.ru for s in SEGMENTS]),
        segment_en=words([s.en for s in SEGMENTS]),
    )
    return table[CUSTOMER_SEGMENTS.names]


def segment_profiles(segments: Columns, features: Columns, errors: BandErrors | None, *, meaning: str) -> pd.DataFrame:
    """Describe every segment, and all regular customers with a score together; an empty one has a row too.

    An interval holds chance (normal approximation of the Poisson binomial) and the model's own error. Irregular customers have
    neither expected declines nor value at risk: the model was made for regular ones, and for others it extrapolates.

    Args:
        segments: `contracts.segments.CUSTOMER_SEGMENTS`.
        features: `contracts.customers.CUSTOMER_FEATURES` of the same month; of either one column at a time is in memory.
        errors: The model's own error; None where it was not recorded with the model: then no interval is known.
        meaning: What the probabilities are about, see `contracts.scores.MEANING`.

    Returns:
        Columns of `SEGMENT_PROFILES`, in the order of `SEGMENTS` and then `ALL`; customers of one table only do not count.
    """
    import numpy as np
    import pandas as pd

    ids, theirs = segments["customer_id"], features["customer_id"]
    place = np.arange(len(ids)) if ids.equals(theirs) else pd.Index(theirs).get_indexer(ids)
    segment = segments["segment"].where(place >= 0)
    groups = [np.flatnonzero(segment == s.id) for s in SEGMENTS]
    total = int((place >= 0).sum())
    groups.append(np.flatnonzero((place >= 0) & (segment != _IRREGULAR) & segments["p_decline"].notna()))
    rows = (*SEGMENTS, ALL)

    def of(table: Columns, name: str) -> list[pd.Series]:
        """A column by segment."""
        column = table[name]
        return [column.iloc[group if table is segments else place[group]] for group in groups]

    columns: dict[str, list[object]] = {
        "segment": [s.id for s in rows],
        "segment_ru": [s.ru for s in rows],
        "segment_en": [s.en for s in rows],
        "customers": [len(group) for group in groups],
        "share": [len(group) / max(total, 1) for group in groups],
        **_risk([s.id for s in rows], of(segments, "p_decline"), of(segments, "value_at_risk"), errors),
        "consent_share": [_mean(values) for values in of(features, "marketing_consent")],
        "premium_share": [_mean((v == "premium").where(v.notna())) for v in of(features, "service_level")],
        "top_category": [next(iter(sorted(v.mode())), None) for v in of(features, "favourite_category")],
        "meaning": [meaning for _ in rows],
    }
    for name in SEGMENT_PROFILES.names:
        if name not in columns:
            columns[name] = [_mean(values) for values in of(features, name.removeprefix("mean_"))]
    return pd.DataFrame(columns)[SEGMENT_PROFILES.names]


def _risk(
    ids: list[str], probabilities: list[pd.Series], at_risk: list[pd.Series], errors: BandErrors | None
) -> dict[str, list[object]]:
    """Mean p_decline, expected declines and value at risk with intervals, by segment and for all, as columns."""
    import numpy as np

    everybody = _known(probabilities[-1])  # the row `ALL`
    own = None if errors is None else partial(errors.variance, everybody=errors.counts(everybody))
    columns: dict[str, list[object]] = {}
    for one, probability, value in zip(ids, probabilities, at_risk, strict=True):
        p, v = _known(probability), np.nan_to_num(_known(value, where=probability.notna()))
        worth = np.divide(v, p, out=np.zeros_like(p), where=p > 0)
        is_reliable = one != _IRREGULAR
        figures = {
            "expected_declines": _expected(p, np.ones(len(p)), own) if is_reliable and (len(p) or one == ALL.id) else _NOTHING,
            "value_at_risk": _expected(p, worth, own) if is_reliable else _NOTHING,
        }
        row: dict[str, object] = {"mean_p_decline": float(p.mean()) if len(p) else None}
        for name, ends in figures.items():
            row |= {f"{name}{end}": x for end, x in zip(("", "_low", "_high"), ends, strict=True)}
        for name, figure in row.items():
            columns.setdefault(name, []).append(figure)
    return columns


def _expected(p: Floats, worth: Floats, own: Callable[[Floats, Floats], float] | None) -> _Ends:
    """Expected sum of the worth of those who decline, and the ends of its 95 % interval.

    Args:
        p: Probabilities of independent events.
        worth: What each is worth.
        own: Variance by the model's own error; without it no interval is known.
    """
    expected = float(p @ worth)
    if own is None:
        return expected, None, None
    variance = float((p * (1 - p) * worth**2).sum()) + own(p, worth)
    interval = normal(expected, variance**0.5, (0.0, float(worth.sum())))
    return expected, interval.low, interval.high


def _known(values: pd.Series, where: pd.Series | None = None) -> Floats:
    """The values that are known as floats; those of certain rows, known or not, if these are named."""
    import numpy as np

    floats: Floats = (values.dropna() if where is None else values[where.to_numpy()]).to_numpy(dtype=float, na_value=np.nan)
    return floats


def _mean(values: pd.Series) -> float | None:
    """Mean of what is known, None where nothing is."""
    known = values.dropna()
    return float(known.astype(float).mean()) if len(known) else None


def segment_map(segments: Columns, profiles: pd.DataFrame, cuts: Thresholds) -> Figure:
    """Picture of the segments: every placed customer by profit and risk, and the value at risk of each cell.

    For a large segment only every n-th customer is drawn, which the title then says.
    """
    import numpy as np

    placed = [s for s in SEGMENTS if s.risk is not None]
    shades = ["#7F2704", "#FDAE6B", "#CC6100", "#FDD0A2", "#08519C", "#9ECAE1"]
    figure = pictures.figure(9, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    segment, profit, p_decline = (segments[name] for name in ("segment", "profit", "p_decline"))
    title = "Regular customers by profit and risk"
    for one, shade in zip(placed, shades, strict=True):
        group = np.flatnonzero(segment == one.id)
        if len(group) > _DRAWN:
            title, group = f"A sample of regular customers, up to {_DRAWN:,} per segment", group[:: -(-len(group) // _DRAWN)]
        left.scatter(profit.iloc[group], p_decline.iloc[group], s=6, alpha=0.6, color=shade, linewidths=0, label=one.en)
    for risk in (cuts.middle_risk, cuts.high_risk):
        left.axhline(risk, color=pictures.GREY, linewidth=0.8, linestyle="--")
    left.axvline(cuts.high_profit, color=pictures.GREY, linewidth=0.8, linestyle="--")
    left.set_ylim(0, 1)
    _entitle(left, title, "Monthly profit, finance units")
    left.set_ylabel("p_decline", fontsize=pictures.TEXT, color=pictures.INK)
    bars = profiles.set_index("segment").loc[[s.id for s in placed]].iloc[::-1]
    labels = [f"{row['segment_en']} ({row['customers']:,})" for _, row in bars.iterrows()]
    right.barh(labels, bars["value_at_risk"].astype(float), color=shades[::-1])
    value = WORDS[str(profiles["meaning"].iloc[0])].value
    _entitle(right, f"{value} by segment (customers)", f"{value}, finance units")
    for axes in (left, right):
        pictures.tidy(axes)
    return figure


def _entitle(axes: Axes, title: str, below: str) -> None:
    """Title and x label in the house style."""
    axes.set_title(title, loc="left", fontsize=pictures.TEXT, color=pictures.INK, weight="bold")
    axes.set_xlabel(below, fontsize=pictures.TEXT, color=pictures.INK)
