"""How sure a plan's expected gain is: its variance from the joint posterior of effects and worth.

With effects x_i · θ and worths b_i · β, θ and β independent and normal, those who are given an offer gain

    Σ -(x_i · θ)(b_i · β) - cost = θ' A β - cost,      A = -Σ x_i b_i'

whose variance is exactly (A μ_β)' S_θ (A μ_β) + (A' μ_θ)' S_β (A' μ_θ) + tr(A S_β A' S_θ). Offers share controls and
coefficients, and all share the worth: an interval that takes offers as independent is too narrow. Where an effect would
save more than there is to lose, or the worth is at its least, 0, a customer's gain does not move with that factor.

A is a sum over customers, estimated from a sample of them; the mean, and what the offers given are worth, are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.effect_posterior import EffectPosterior
    from oneclick_pipeline.offers.candidates import Candidates, Everybody
    from oneclick_pipeline.offers.decision import Decision

    Numbers = NDArray[np.float64]
    Rows = NDArray[np.intp]


@dataclass(frozen=True)
class GainPosterior:
    """What is believed of effects and worth together.

    Attributes:
        effects: Posterior of the effects.
        numbers: Number of each of the plan's offers in it.
        worth: Covariance of the worth's coefficients, shape (b, b).
    """

    effects: EffectPosterior
    numbers: Sequence[int]
    worth: Numbers

    def sd(self, everybody: Everybody, candidates: Candidates, decision: Decision) -> float:
        """Standard deviation of the gain of those who are given an offer.

        Args:
            everybody: All customers.
            candidates: Those who may get an offer.
            decision: What becomes of them.
        """
        sample = candidates.sample
        p, value = (part[candidates.rows] for part in (everybody.p, everybody.value))
        by_effect, by_worth = np.zeros(len(self.effects.covariance)), np.zeros(len(self.worth))
        by_both = np.zeros((len(by_effect), len(by_worth)))
        for offer, among, weight in _sampled(decision, sample.rows, value):
            rows, inputs = sample.rows[among], sample.inputs[among]
            basis = np.where(value[rows, None] > 0, sample.basis[among], 0) * weight
            effect = np.where(decision.offer[rows] == offer, decision.effect[rows], _mean(decision, offer, value))
            free = (-effect < p[rows])[:, None]
            number = self.numbers[offer]
            gradient = -self.effects.gradient(inputs, number, np.column_stack([weight * value[rows], basis]) * free)
            by_effect, by_both = by_effect + gradient[:, 0], by_both + gradient[:, 1:]
            by_worth = by_worth + np.minimum(-effect, p[rows]) @ basis
        return float(np.sqrt(variance(by_effect, by_worth, by_both, self.effects.covariance, self.worth)))


def _sampled(decision: Decision, rows: Rows, value: Numbers) -> Iterator[tuple[int, Rows, float]]:
    """Every offer given, whom of the sample it went to, and by how much their value is to be multiplied to be that of all.

    An offer that went to nobody in the sample is taken to have gone to people like all of them.
    """
    offer = np.where(decision.given, decision.offer, -1)
    total = np.bincount(offer + 1, value)
    for number in np.flatnonzero(total[1:] > 0).tolist():
        among = np.flatnonzero(offer[rows] == number)
        if not value[rows[among]].sum() > 0:
            among = np.arange(len(rows))
        if (of_sample := value[rows[among]].sum()) > 0:
            yield number, among, total[number + 1] / of_sample


def _mean(decision: Decision, offer: int, value: Numbers) -> float:
    """Mean effect of an offer on those who are given it, weighted by their value."""
    mine = decision.given & (decision.offer == offer)
    return float(np.average(decision.effect[mine], weights=value[mine]))


def variance(by_effect: Numbers, by_worth: Numbers, by_both: Numbers, of_effects: Numbers, of_worth: Numbers) -> float:
    """Variance of a function that is linear in each of two independent normal vectors.

    Args:
        by_effect: Its derivative by the first, at both means, (t,).
        by_worth: Its derivative by the second, (b,).
        by_both: Its mixed derivative, (t, b).
        of_effects: Covariance of the first.
        of_worth: Covariance of the second.

    >>> import numpy as np
    >>> one = np.ones(1)
    >>> variance(3 * one, 2 * one, np.eye(1), 0.5 * np.eye(1), 0.1 * np.eye(1))  # a product: 9/2 + 4/10 + 1/20
    4.95
    """
    mixed = float(np.sum((of_effects @ by_both) * (by_both @ of_worth)))
    return max(float(by_effect @ of_effects @ by_effect + by_worth @ of_worth @ by_worth) + mixed, 0.0)
