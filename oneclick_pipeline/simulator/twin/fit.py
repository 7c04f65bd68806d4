"""From a store's customers to its profile: aggregated statistics only."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from oneclick_pipeline import engine, features
from oneclick_pipeline.clean.export import clean_export
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import read
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.simulator.twin.column import ColumnProfile
from oneclick_pipeline.simulator.twin.copula import latent_correlation, nearest_correlation
from oneclick_pipeline.simulator.twin.profile import COLUMN_NAMES, PHIK_NAMES, Matrix, Profile
from oneclick_pipeline.simulator.twin.truth import log_likelihood_ratio

if TYPE_CHECKING:
    import pandas as pd

    from oneclick_pipeline.simulator.twin.column import Codes, Floats

SMALLEST_CLASS = 100
"""Customers a class needs: fewer say nothing about 136 correlations."""
LARGEST_FIT = 20_000
"""Customers above which a random sample of so many is fitted: it leaves less noise than the model has error."""
SMALLEST_CELL = 5
"""Customers a cell of a numeric column holds at least, so that no cell reveals a single one."""
_PER_UNIT = (1, 2, 10, 20, 100, 1000)
_LEVELS = 64
_STEPS = 30
_TINY = 1e-6
_ON_GRID = 0.99


@dataclass(frozen=True)
class Regularisation:
    """How far the classes are pulled together, so that the twin is as hard as reality and not as easy as its noise.

    Measured on the real export (997 customers, 5 folds grouped by copies, truth of a profile fitted on the others):
    without shrinkage AUC 0.908 and log loss 0.303; with 0.3 0.910 and 0.291; with 0.6 0.909 and 0.287; with 1 0.906
    and 0.286. A smoothing of 20 gives twins of Bayes AUC 0.899, one of 60 0.907 to 0.909; real models reach 0.904 to
    0.914. So the defaults are in the flat middle, where the twin is about as hard as the store.

    Attributes:
        smoothing: Customers of the pooled distribution added to each class before its shares are taken.
        shrinkage: Weight of the pooled correlations in each class's correlations.
        bins: Bins of a column in which the classes may differ.
    """

    smoothing: float = 60.0
    shrinkage: float = 0.5
    bins: int = 16


def fit_exports(folder: Path) -> Profile:
    """Fit a profile on the four exports of a month, cleaned by the rules of a run; rows that break them are left out.

    Args:
        folder: Folder with the exports.

    Raises:
        BadInputError: If an export is missing or cannot be read; see `fit`.
    """
    polars = engine.get("polars")
    with tempfile.TemporaryDirectory() as scratch:
        tables = {}
        for table in SOURCES:
            frame, facts = read(folder / f"{table.file}.csv", table.file, Path(scratch))
            path = Path(scratch) / f"{table.name}.parquet"
            polars.write(clean_export(frame, table, Settings().cleaning, facts=facts).table, path, table)
            tables[table.name] = polars.scan(path)
        return fit(features.customer_features(**tables).collect().to_pandas())


def fit(customers: pd.DataFrame, regularisation: Regularisation | None = None) -> Profile:
    """Fit a profile on customers, by expectation maximisation over which declined customers look active.

    Args:
        customers: Frame with the columns of `contracts.customers.CUSTOMER_FEATURES`; customers that are not regular, have no
            class or miss a value are left out.
        regularisation: How far the classes are pulled together.

    Raises:
        BadInputError: If a column is absent, or a class has fewer than 100 usable customers.
    """
    rule = regularisation or Regularisation()
    sample = usable(customers)
    if len(sample) > LARGEST_FIT:
        sample = sample.sample(LARGEST_FIT, random_state=0, ignore_index=True)
    declined = (sample["activity"] == "declined").to_numpy()
    frames = [_cells(sample[name], declined, rule) for name in COLUMN_NAMES]
    codes = np.column_stack([column.encode(sample[column.name]) for column, _ in frames])
    active = np.full(len(sample), 0.1)  # probability that a declined customer is of the look-active kind
    for _ in range(_STEPS):
        profile = _maximise(codes, declined, active, frames, rule)
        ratio = np.exp(log_likelihood_ratio(profile, codes))
        w = profile.look_active
        active = w / (w + (1 - w) * ratio)
    return replace(profile, phik=_rounded(phik_matrix(profile, sample), 3))


def usable(customers: pd.DataFrame) -> pd.DataFrame:
    """The regular, classed customers without missing values.

    Raises:
        BadInputError: If a column is absent, or a class has fewer than 100 usable customers.
    """
    absent = [name for name in (*COLUMN_NAMES, "activity", "regular") if name not in customers.columns]
    if absent:
        raise BadInputError(f"column {absent[0]} is absent", remedy="give the table customer_features of a month")
    complete = customers.loc[customers["regular"].astype(bool), [*COLUMN_NAMES, "activity"]].dropna().reset_index(drop=True)
    for label in ("declined", "stable"):
        count = int((complete["activity"] == label).sum())
        if count < SMALLEST_CLASS:
            raise BadInputError(
                f"only {count} regular customers are {label}, {SMALLEST_CLASS} are needed to describe them",
                column="activity",
                remedy="fit on a month with more classed customers",
            )
    return complete


def _maximise(
    codes: Codes,
    declined: npt.NDArray[np.bool_],
    active: Floats,
    frames: list[tuple[ColumnProfile, npt.NDArray[np.intp]]],
    rule: Regularisation,
) -> Profile:
    """The profile that fits best when `active` says which declined customers look active."""
    weights = (np.where(declined, active, 1.0), np.where(declined, 1.0 - active, 0.0))
    columns = tuple(_with_shares(column, bins, codes[:, k], weights, rule.smoothing) for k, (column, bins) in enumerate(frames))
    latent = []
    for label, weight in enumerate(weights):
        scores = np.column_stack([ndtri(c.quantile(codes[:, k], label)) for k, c in enumerate(columns)])
        latent.append(latent_correlation(_weighted_correlation(scores, weight), columns, label))
    size = [weight.sum() for weight in weights]
    pooled = (latent[0] * size[0] + latent[1] * size[1]) / sum(size)
    stable, decline = (
        _rounded(nearest_correlation((1 - rule.shrinkage) * matrix + rule.shrinkage * pooled), 4) for matrix in latent
    )
    return Profile(
        customers=len(codes),
        decline_share=round(float(declined.mean()), 4),
        look_active=round(float(active[declined].mean()), 4),
        columns=columns,
        correlation_declined=decline,
        correlation_stable=stable,
        phik=_rounded(np.eye(len(PHIK_NAMES)), 0),  # measured at the end
    )


def _cells(
    values: pd.Series[Any], declined: npt.NDArray[np.bool_], rule: Regularisation
) -> tuple[ColumnProfile, npt.NDArray[np.intp]]:
    """The cells of a column, shares still open, and the bin of each cell."""
    if values.dtype.kind in "if":
        per_unit = next(p for p in _PER_UNIT if p == _PER_UNIT[-1] or _on_grid(values.to_numpy(dtype=float) * p))
        vocabulary: tuple[str | bool, ...] = ()
        codes = np.rint(values.to_numpy(dtype=float) * per_unit).astype(np.int32)
        first, width = _numeric_cells(codes)
    else:
        per_unit = 1
        rate = values.to_frame("value").assign(declined=declined).groupby("value")["declined"].mean().sort_values(kind="stable")
        vocabulary = tuple(v if isinstance(v, str) else bool(v) for v in rate.index)
        first, width = np.arange(len(vocabulary)), np.ones(len(vocabulary), dtype=int)
    nothing = (1.0,) * len(first)
    column = ColumnProfile(
        str(values.name), per_unit, vocabulary, tuple(map(int, first)), tuple(map(int, width)), nothing, nothing
    )
    count = np.bincount(column.cell(column.encode(values)), minlength=len(first))
    return column, _groups(count, len(values) / rule.bins)


def _on_grid(scaled: Floats) -> bool:
    """Whether the values are whole numbers, but for a few that a repair (the median of two) may have put there."""
    return bool((np.abs(scaled - np.rint(scaled)) < _TINY).mean() > _ON_GRID)


def _numeric_cells(codes: Codes) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """First code and width of the cells of a numeric column: its levels, or quantiles where there are many."""
    levels, count = np.unique(codes, return_counts=True)
    if len(levels) <= _LEVELS:
        group = _groups(count, SMALLEST_CELL)
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        first, last = levels[starts], levels[np.append(starts[1:], len(levels)) - 1]
        return first.astype(int), (last - first + 1).astype(int)
    # Three significant digits, ends rounded outwards: no edge is a customer's own value.
    edges = np.quantile(codes, np.linspace(0, 1, _LEVELS + 1))
    grain = 10.0 ** np.floor(np.log10(np.abs(edges).max()) - 2)
    edges[0], edges[-1] = edges[0] - grain / 2, edges[-1] + grain / 2
    rounded = np.unique((np.rint(edges / grain) * grain).astype(int))
    count = np.bincount(np.searchsorted(rounded, codes, side="right") - 1, minlength=len(rounded) - 1)[: len(rounded) - 1]
    rounded = np.append(rounded[np.flatnonzero(np.diff(_groups(count, SMALLEST_CELL), prepend=-1))], rounded[-1])
    return rounded[:-1], np.diff(rounded)


def _groups(count: npt.NDArray[np.int_], smallest: float) -> npt.NDArray[np.intp]:
    """Numbers of consecutive groups that each hold at least `smallest`; a small last group joins the one before it.

    >>> _groups(np.array([4, 1, 9, 2]), 5).tolist()
    [0, 0, 1, 1]
    """
    group, held, number = np.zeros(len(count), dtype=np.intp), 0.0, 0
    for k, n in enumerate(count):
        group[k] = number
        held += n
        if held >= smallest:
            number, held = number + 1, 0.0
    if held:
        group[group == number] = max(number - 1, 0)
    return group


def _with_shares(
    column: ColumnProfile, bins: npt.NDArray[np.intp], codes: Codes, weights: tuple[Floats, Floats], smoothing: float
) -> ColumnProfile:
    """The column with its shares: pooled inside a bin, per class (and smoothed) between bins."""
    cell = column.cell(codes)
    pooled_cell = np.bincount(cell, minlength=len(bins)) / len(codes)
    pooled_bin = np.bincount(bins, weights=pooled_cell)
    shares = []
    for weight in weights:
        counted = np.bincount(bins[cell], weights=weight, minlength=len(pooled_bin))
        between = (counted + smoothing * pooled_bin) / (weight.sum() + smoothing)
        share = np.round(between[bins] * pooled_cell / pooled_bin[bins], 6)
        shares.append(tuple(float(s) for s in np.maximum(share, _TINY)))  # nothing that was seen is impossible
    return replace(column, stable=shares[0], declined=shares[1])


def _weighted_correlation(scores: Floats, weight: Floats) -> Floats:
    covariance = np.cov(scores, rowvar=False, aweights=weight)
    scale = np.sqrt(np.diag(covariance))
    scale[scale < _TINY] = np.inf  # a constant depends on nothing
    result: Floats = covariance / np.outer(scale, scale)
    return result


def _rounded(matrix: Floats, digits: int) -> Matrix:
    return tuple(tuple(float(v) for v in row) for row in np.round((matrix + matrix.T) / 2, digits))


def phik_matrix(profile: Profile, frame: pd.DataFrame) -> Floats:
    """Dependence (phik) between the columns of `PHIK_NAMES`, numbers cut into about ten bins, shape (18, 18).

    A column that never varies has phik 0 with every other.
    """
    import pandas as pd
    import phik  # heavy, and only a fit or a test of closeness needs it

    binned = {c.name: c.cell(c.encode(frame[c.name])) // max(1, round(len(c.first) / 10)) for c in profile.columns}
    table = pd.DataFrame(binned).assign(activity=(frame["activity"] == "declined").to_numpy().astype(int))
    table = table.loc[:, (table != table.iloc[0]).any()]
    coefficients = phik.phik_matrix(table, interval_cols=[], njobs=1, verbose=False)
    matrix: Floats = coefficients.reindex(index=PHIK_NAMES, columns=PHIK_NAMES, fill_value=0.0).to_numpy(copy=True)
    np.fill_diagonal(matrix, 1.0)
    return matrix
