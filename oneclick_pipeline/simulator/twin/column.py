"""One column of the twin: which values it takes, and how often each class takes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import pandas as pd

Codes = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColumnProfile:
    """The marginal distribution of a column, per class, over cells that both classes share.

    A value is held as an integer code: the value times `per_unit`, or the position in `values`. A cell is a run
    of codes that are equally likely; it is one code wide where the column has few levels. Inside a bin (a group
    of cells) the classes do not differ, so the evidence that a value gives is the ratio of two bin shares.

    Attributes:
        name: Column of `contracts.customers.CUSTOMER_FEATURES`.
        per_unit: Codes in one unit of the value, for example 10 where the export writes one decimal.
        values: Vocabulary of a nominal column in code order, rarest decline first; empty for numbers.
        first: First code of each cell, increasing.
        width: Codes in each cell.
        declined: Share of declined customers in each cell.
        stable: Share of stable customers in each cell.

    >>> pages = ColumnProfile("pages", 1, (), (1, 3), (2, 1), (0.8, 0.2), (0.4, 0.6))
    >>> pages.draw(np.array([0.1, 0.5, 0.9]), 1).tolist()
    [1, 2, 3]
    """

    name: str
    per_unit: int
    values: tuple[str | bool, ...]
    first: tuple[int, ...]
    width: tuple[int, ...]
    declined: tuple[float, ...]
    stable: tuple[float, ...]

    @cached_property
    def _first(self) -> Codes:
        return np.asarray(self.first, dtype=np.int32)

    @cached_property
    def _width(self) -> Codes:
        return np.asarray(self.width, dtype=np.int32)

    @cached_property
    def shares(self) -> tuple[Floats, Floats]:
        """Cell shares of the stable and of the declined class, each summing to 1 (the file rounds them)."""
        stable, declined = np.asarray(self.stable), np.asarray(self.declined)
        return stable / stable.sum(), declined / declined.sum()

    @cached_property
    def edges(self) -> tuple[Floats, Floats]:
        """Cumulated shares at the left edges of the cells and at the last right edge, per class."""
        stable, declined = (np.concatenate([[0.0], np.cumsum(share)]) for share in self.shares)
        stable[-1] = declined[-1] = 1.0  # the sum of shares may miss 1 by rounding
        return stable, declined

    @cached_property
    def log_ratio(self) -> Floats:
        """Log of declined share over stable share, one per cell."""
        stable, declined = self.shares
        ratio: Floats = np.log(declined / stable)
        return ratio

    def cell(self, codes: Codes) -> npt.NDArray[np.intp]:
        """The cell of each code; a code between or beyond the cells belongs to the cell before it, or to the first."""
        return np.maximum(np.searchsorted(self._first, codes, side="right") - 1, 0)

    def draw(self, uniform: Floats, label: int) -> Codes:
        """The codes at quantiles `uniform` in (0, 1) of class `label` (1 declined)."""
        edges = self.edges[label]
        cell = np.searchsorted(edges[1:-1], uniform, side="right")
        inside = (uniform - edges[cell]) / self.shares[label][cell] * self._width[cell]
        codes: Codes = self._first[cell] + np.clip(inside.astype(np.int32), 0, self._width[cell] - 1)
        return codes

    def quantile(self, codes: Codes, label: int) -> Floats:
        """The middle of each code's step in the distribution function of class `label`, in (0, 1)."""
        cell = self.cell(codes)
        width = self._width[cell]
        inside = np.clip(codes - self._first[cell], 0, width - 1) + 0.5
        quantile: Floats = self.edges[label][cell] + inside / width * self.shares[label][cell]
        return quantile

    def encode(self, values: pd.Series[Any]) -> Codes:
        """The codes of values.

        Raises:
            BadInputError: If a value is missing, or not in the vocabulary of a nominal column.
        """
        if values.isna().any():
            raise BadInputError("a value is missing", column=self.name, remedy="leave out customers with missing features")
        if not self.values:
            numbers: Codes = np.rint(values.to_numpy(dtype=float) * self.per_unit).astype(np.int32)
            return numbers
        codes = values.map({value: code for code, value in enumerate(self.values)})
        if codes.isna().any():
            raise BadInputError(
                "the twin does not know this value",
                column=self.name,
                value=str(values[codes.isna()].iloc[0]),
                remedy="fit a profile on data that has it",
            )
        return codes.to_numpy().astype(np.int32)

    def decode(self, codes: Codes) -> npt.NDArray[Any]:
        """The values of codes: bool, str, int where the step is 1, else float."""
        if self.values:
            kind = bool if isinstance(self.values[0], bool) else object
            return np.array(self.values, dtype=kind)[codes]
        if self.per_unit == 1:
            return codes.astype(np.int64)
        return codes / float(self.per_unit)
