"""What is believed of all effects together: by how much they may be wrong, and how far that is one error for many customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from oneclick_pipeline.campaigns.response import together

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class EffectPosterior(Protocol):
    """Normal coefficients in which the effects of offers are linear.

    Attributes:
        covariance: Of the coefficients, shape (t, t).
    """

    @property
    def covariance(self) -> Floats: ...  # noqa: D102 - see the class

    def gradient(self, inputs: Floats, offer: int, weights: Floats) -> Floats:
        """Sum of weight x effect over customers who get one offer, differentiated by every coefficient.

        Args:
            inputs: What effects on n customers depend on.
            offer: Number of the offer.
            weights: Shape (n, c).

        Returns:
            Shape (t, c).
        """
        ...


@dataclass(frozen=True)
class Believed:
    """Beliefs about offers as a whole: what an offer's effect is off by, in its standard deviations, is a coefficient.

    Inputs are the standard deviations of m offers, by customer, (n, m).
    """

    covariance: Floats

    @classmethod
    def of(cls, offers: int) -> Believed:
        """Of so many offers of a catalogue."""
        return cls(together(np.ones(offers)))

    def gradient(self, inputs: Floats, offer: int, weights: Floats) -> Floats:
        """See `EffectPosterior`."""
        total = np.zeros((len(self.covariance), weights.shape[1]))
        total[offer] = inputs[:, offer] @ weights
        return total


@dataclass(frozen=True)
class Learned:
    """Coefficients of the regression: k that offers share, then 1 + k of each, then the slope of a learner if there is one.

    Attributes:
        covariance: Of the coefficients.
        inputs: Of customers: 1, the k inputs of the regression and, if there is a learner, what it sees of each offer.
        size: 1 + k.
    """

    covariance: Floats
    inputs: Callable[[pd.DataFrame], Floats]
    size: int

    def gradient(self, inputs: Floats, offer: int, weights: Floats) -> Floats:
        """See `EffectPosterior`."""
        q, k = self.size, self.size - 1
        sums = inputs.T @ weights
        total = np.zeros((len(self.covariance), weights.shape[1]))
        total[:k] = sums[1:q]
        total[k + offer * q : k + (offer + 1) * q] = sums[:q]
        if inputs.shape[1] > q:
            total[-1] = sums[q + offer]
        return total
