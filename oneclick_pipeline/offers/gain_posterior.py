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
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.effect_posterior import EffectPosterior
    from oneclick_pipeline.offers.candidates import Candidates, Everybody
    from oneclick_pipeline.offers.decision import Decision

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]
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
        rows = sample.rows
        p, value = everybody.p[candidates.rows], everybody.value[candidates.rows]
        offer = np.where(decision.given, decision.offer, -1)
        worth, change = (np.bincount(offer + 1, part)[1:] for part in (value, value * np.nan_to_num(decision.effect)))
        by_effect, by_worth = np.zeros(len(self.effects.covariance)), np.zeros(len(self.worth))
        by_both = np.zeros((len(by_effect), len(by_worth)))
        for number in np.flatnonzero(worth > 0).tolist():
            among, weight = _standing_for(offer[rows] == number, value[rows], worth[number])
            mine = rows[among]
            effect = np.where(offer[mine] == number, decision.effect[mine], change[number] / worth[number])
            basis = weight * sample.basis[among]
            moving = np.column_stack([weight * value[mine], basis]) * (-effect < p[mine])[:, None]
            gradient = -self.effects.gradient(sample.inputs[among], self.numbers[number], moving)
            by_effect, by_both = by_effect + gradient[:, 0], by_both + gradient[:, 1:]
            by_worth = by_worth + np.minimum(-effect, p[mine]) @ basis
        return float(np.sqrt(variance(by_effect, by_worth, by_both, self.effects.covariance, self.worth)))


def _standing_for(given: Flags, value: Numbers, total: float) -> tuple[Rows, float]:
    """Who of the sample stands for all who are given an offer, and how much of their value each unit of theirs is.

    An offer that went to nobody in the sample is taken to have gone to people like all of them.
    """
    among = np.flatnonzero(given & (value > 0))
    if not len(among):
        among = np.flatnonzero(value > 0)
    return among, total / value[among].sum() if len(among) else 0.0


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
