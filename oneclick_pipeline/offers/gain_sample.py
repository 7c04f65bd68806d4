"""Some candidates of a plan, of whom is kept what the posterior of the gain rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Sample:
    """Some candidates, drawn by chance, s of them.

    Attributes:
        rows: Their places among the candidates, (s,).
        inputs: What the effects of offers on them depend on, see `campaigns.effect_posterior`, (s, ...).
        basis: What their worth depends on, see `Worth.basis`, (s, 4).
    """

    rows: NDArray[np.intp]
    inputs: Numbers
    basis: Numbers

    def first(self, k: int) -> Sample:
        """Those among the first k candidates."""
        kept = self.rows < k
        return Sample(self.rows[kept], self.inputs[kept], self.basis[kept])

    @staticmethod
    def gathered(parts: Sequence[Sample], sizes: Sequence[int], place: NDArray[np.intp]) -> Sample:
        """The samples of batches together, in the order of the candidates.

        Args:
            parts: By batch.
            sizes: Candidates of each batch.
            place: Place of every candidate of all batches in that order.
        """
        begins = np.cumsum([0, *sizes[:-1]])
        rows = place[np.concatenate([part.rows + begin for part, begin in zip(parts, begins, strict=True)])]
        order = np.argsort(rows)
        inputs, basis = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("inputs", "basis"))
        return Sample(rows[order], inputs, basis)
