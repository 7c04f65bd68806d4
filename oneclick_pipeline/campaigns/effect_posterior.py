"""What is believed of all effects together: by how much they may be wrong, and how far that is one error for many customers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from oneclick_pipeline.campaigns.response import together

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.dr_learner import Learner
    from oneclick_pipeline.campaigns.response import Response

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
    """Coefficients of the regression (k that offers share, then 1 + k of each), then the slope of the learner if there is one.

    Inputs are 1, the k of the regression and, if there is a learner, what it sees of each offer.

    Attributes:
        response: The regression.
        learner: What was learned beyond it.
    """

    response: Response
    learner: Learner | None

    @cached_property
    def covariance(self) -> Floats:
        """See `EffectPosterior`: the slope's error comes from other rows than it is used on, and counts as independent."""
        own = self.response.covariance
        if self.learner is None:
            return own
        whole = np.pad(own, (0, 1))
        whole[-1, -1] = self.learner.slope.variance
        return whole

    def inputs(self, customers: pd.DataFrame) -> Floats:
        """What the effects on customers depend on.

        Args:
            customers: `customer_features` with `p_decline`, n rows.
        """
        own = self.response.inputs(customers)
        return own if self.learner is None else np.hstack([own, self.learner.differences(customers)])

    def gradient(self, inputs: Floats, offer: int, weights: Floats) -> Floats:
        """See `EffectPosterior`."""
        q = inputs.shape[1] - (0 if self.learner is None else len(self.learner.offers))
        sums, begin = inputs.T @ weights, q - 1 + offer * q
        total = np.zeros((len(self.covariance), weights.shape[1]))
        total[: q - 1], total[begin : begin + q] = sums[1:q], sums[:q]
        if self.learner is not None:
            total[-1] = sums[q + offer]
        return total
