"""The focus group: the segment with the most value at risk, compared with all other regular customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.contracts.segments import SEGMENTS, Segment
from oneclick_pipeline.report import estimates
from oneclick_pipeline.report.frames import numbers, segment_places
from oneclick_pipeline.stats import false_discovery

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.contracts.schema import Column, Columns
    from oneclick_pipeline.report.estimates import Floats
    from oneclick_pipeline.stats import Interval

SAMPLE = 50_000
"""Most customers that tests and pictures use."""
BINS = 18
PICTURED = 5
REVENUES = ("revenue_m2", "revenue_m1", "revenue_m0")
MINUTES = ("minutes_m1", "minutes_m0")
_SEED = 20261


@dataclass(frozen=True)
class Contrast:
    """One feature in the focus group and among the others.

    Attributes:
        feature: Column of customer_features.
        value: The word that is counted, where the feature is one of words; None of a number.
        focus: Median of the group, mean where the medians are equal; share where a word is counted.
        rest: The same of the others.
        effect: Cliff's delta with its interval.
        p_value: Corrected for the number of comparisons (Benjamini–Hochberg).
    """

    feature: str
    value: str | None
    focus: float
    rest: float
    effect: Interval
    p_value: float


@dataclass(frozen=True)
class Histogram:
    """A feature of both groups: edges of the bins, and the share of either group in each."""

    feature: str
    edges: tuple[float, ...]
    focus: tuple[float, ...]
    rest: tuple[float, ...]


@dataclass(frozen=True)
class Shares:
    """How often a word occurs in both groups, with intervals."""

    value: str
    focus: Interval
    rest: Interval


@dataclass(frozen=True)
class Focus:
    """The focus group in figures; money in finance units, revenue in roubles.

    Attributes:
        segment: Which segment it is.
        customers: Customers in it.
        others: Regular customers with a segment who are not.
        share: Its share of the customers of all segments of risk and profit.
        at_risk_share: Its share of the value at risk of all these segments.
        profit: Mean monthly profit of one; of the others.
        reachable: Share that allows messages.
        revenue: Mean revenue by month, the oldest first, of the group and of the others; None where too few are known.
        minutes: Mean minutes on the site likewise.
        contrasts: Every feature, the largest effect first.
        histograms: The features of the largest effects that are numbers.
        categories: Favourite categories, the group's most frequent first.
        looked_at: Customers used in tests and pictures: all, or a random sample.
    """

    segment: Segment
    customers: int
    others: int
    share: float
    at_risk_share: float
    profit: tuple[Interval | None, Interval | None]
    reachable: Interval | None
    revenue: tuple[tuple[Interval | None, Interval | None], ...]
    minutes: tuple[tuple[Interval | None, Interval | None], ...]
    contrasts: tuple[Contrast, ...]
    histograms: tuple[Histogram, ...]
    categories: tuple[Shares, ...]
    looked_at: int

    @property
    def sampled(self) -> bool:
        """Whether tests and pictures used a sample."""
        return self.looked_at < self.customers + self.others

    @property
    def clear(self) -> tuple[Contrast, ...]:
        """Differences beyond chance, the largest first."""
        return tuple(c for c in self.contrasts if c.p_value < 0.05)  # noqa: PLR2004 - the usual level, named on the page


def focus(segments: Columns, features: Columns, *, most: int = SAMPLE) -> Focus | None:
    """Find and describe the focus group; None where no customer is in a segment of risk and profit.

    Args:
        segments: `contracts.segments.CUSTOMER_SEGMENTS`.
        features: `contracts.customers.CUSTOMER_FEATURES` of the same customers in the same order; a column at a time is read.
        most: Customers that tests and pictures look at.
    """
    place, at_risk = segment_places(segments["segment"]), numbers(segments["value_at_risk"])
    counted = {s: i for i, s in enumerate(SEGMENTS) if s.risk is not None}
    sums = {s: float(np.nansum(at_risk[place == i])) for s, i in counted.items() if (place == i).any()}
    if not sums:
        return None
    segment = max(sums, key=lambda s: sums[s])
    inside, everybody = place == counted[segment], np.isin(place, list(counted.values()))
    rest = everybody & ~inside
    rows = _drawn(segments["customer_id"].to_numpy(dtype=np.int64), everybody, most)
    mine = inside[rows]
    profit = numbers(segments["profit"])
    contrasts, histograms = _contrasts(features, rows, mine)
    category = features["favourite_category"].iloc[rows].astype(object).reset_index(drop=True)
    consent = features["marketing_consent"][inside].dropna()

    def by_month(columns: tuple[str, ...]) -> tuple[tuple[Interval | None, Interval | None], ...]:
        values = (numbers(features[column]) for column in columns)
        return tuple((estimates.mean(v[inside]), estimates.mean(v[rest])) for v in values)

    return Focus(
        segment=segment,
        customers=int(inside.sum()),
        others=int(rest.sum()),
        share=float(inside.sum() / everybody.sum()),
        at_risk_share=sums[segment] / max(sum(sums.values()), 1e-12),
        profit=(estimates.mean(profit[inside]), estimates.mean(profit[rest])),
        reachable=estimates.share(int(consent.astype(bool).sum()), len(consent)),
        revenue=by_month(REVENUES),
        minutes=by_month(MINUTES),
        contrasts=contrasts,
        histograms=histograms,
        categories=_categories(category, mine),
        looked_at=len(rows),
    )


def _drawn(ids: NDArray[np.int64], everybody: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """Places of the customers to look at: all, or those whose hashed number comes first, in their own order."""
    import pandas as pd

    rows = np.flatnonzero(everybody)
    if len(rows) <= most:
        return rows
    order = np.argsort(pd.util.hash_array(ids[rows] ^ _SEED), kind="stable")
    return np.sort(rows[order[:most]])


def _contrasts(
    features: Columns, rows: NDArray[np.int64], mine: NDArray[np.bool_]
) -> tuple[tuple[Contrast, ...], tuple[Histogram, ...]]:
    """Every feature of both groups; favourite categories have a picture of their own, but are tested here as well."""
    differences, values_of = [], {}
    for column in FEATURES:
        for word, values in _readings(column, features[column.name].iloc[rows]):
            result = estimates.difference(values[mine], values[~mine])
            if result is None:
                continue
            differences.append((column.name, word, *_middles(values[mine], values[~mine], word), result))
            if word is None:
                values_of[column.name] = values
    corrected = false_discovery([result.p_value for *_, result in differences])
    contrasts = sorted(
        (Contrast(name, word, a, b, r.effect, p) for (name, word, a, b, r), p in zip(differences, corrected, strict=True)),
        key=lambda c: -abs(c.effect.estimate),
    )
    shown = [c.feature for c in contrasts if c.value is None][:PICTURED]
    return tuple(contrasts), tuple(_histogram(name, values_of[name], mine) for name in shown)


def _middles(mine: Floats, others: Floats, word: str | None) -> tuple[float, float]:
    """Medians of both; means where these are equal, as of counts, and of words, whose means are shares."""
    medians = float(np.nanmedian(mine)), float(np.nanmedian(others))
    if word is None and medians[0] != medians[1]:
        return medians
    return float(np.nanmean(mine)), float(np.nanmean(others))


def _readings(column: Column, values: pd.Series) -> list[tuple[str | None, Floats]]:
    """A feature as numbers: itself, or for each of its words whether it occurs (of two words, one suffices)."""
    if column.type.is_number:
        return [(None, numbers(values))]
    texts = values.astype(object).map(str, na_action="ignore").reset_index(drop=True)
    words = {"bool": ["True"], "str": sorted(texts.dropna().unique())}[column.kind]
    if column.values and column.kind == "str":
        words = [w for w in words if w != str(next(iter(column.values.values())))]
    return [(word, np.where(texts.isna(), np.nan, (texts == word).astype(float)).astype(np.float64)) for word in words]


def _histogram(name: str, values: Floats, mine: NDArray[np.bool_]) -> Histogram:
    """Shares of either group by bins from the 1 % to the 99 % quantile of both; what lies beyond is in the outermost."""
    finite = np.isfinite(values)
    low, high = np.quantile(values[finite], [0.01, 0.99])
    whole = bool((values[finite] == np.round(values[finite])).all())
    if whole and high - low < BINS:
        edges = np.arange(np.floor(low), np.ceil(high) + 2) - 0.5
    else:
        edges = np.linspace(low, max(high, low + 1e-9), BINS + 1)
    counted = [
        np.histogram(np.clip(values[finite & group], edges[0], edges[-1]), edges)[0] / max(int((finite & group).sum()), 1)
        for group in (mine, ~mine)
    ]
    return Histogram(name, *(tuple(float(x) for x in row) for row in (edges, *counted)))


_CATEGORIES = 8


def _categories(category: pd.Series, mine: NDArray[np.bool_]) -> tuple[Shares, ...]:
    """The categories of the group, the most frequent first."""
    named = category.notna().to_numpy()
    words = category[mine & named].map(str).value_counts()
    ordered = sorted(words.index, key=lambda word: (-words[word], word))[:_CATEGORIES]
    shares = []
    for word in ordered:
        is_word = (category.map(str, na_action="ignore") == word).to_numpy(dtype=bool)
        focus_share = estimates.share(int((is_word & mine).sum()), int((mine & named).sum()))
        rest_share = estimates.share(int((is_word & ~mine).sum()), int((~mine & named).sum()))
        if focus_share is not None and rest_share is not None:
            shares.append(Shares(word, focus_share, rest_share))
    return tuple(shares)
