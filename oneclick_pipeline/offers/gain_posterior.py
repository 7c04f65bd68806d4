"""How sure a plan's expected gain is: its variance from the joint posterior of effects and worth.

With effects x_i · θ and worths b_i · β, θ and β independent and normal, those who are given an offer gain

    Σ -(x_i · θ)(b_i · β) - cost = θ' A β - cost,      A = -Σ x_i b_i'

whose variance is exactly (A μ_β)' S_θ (A μ_β) + (A' μ_θ)' S_β (A' μ_θ) + tr(A S_β A' S_θ). Offers share controls and
coefficients, and all share the worth: an interval that takes offers as independent is too narrow. Where an effect could
save more than there is to lose, or the worth is at its least, 0, a row no longer moves with that factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.effect_posterior import EffectPosterior

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Sample:
    """What the posterior needs of some candidates, drawn by chance, s of them.

    Attributes:
        rows: Their places among the candidates, ascending, (s,).
        inputs: What effects depend on, see `EffectPosterior`, (s, ...).
        basis: What the worth depends on, see `Worth.basis`, (s, 3).
    """

    rows: NDArray[np.intp]
    inputs: Numbers
    basis: Numbers


@dataclass(frozen=True)
class Given:
    """Those who are given an offer; each of shape (k,), k candidates.

    Attributes:
        offer: Number of the offer of each, -1 none.
        kept: What it is expected to take off P(decline), at most P(decline) itself.
        free: Whether that moves with the effect.
        value: What it is worth to keep each.
    """

    offer: NDArray[np.integer]
    kept: Numbers
    free: Flags
    value: Numbers


def gain_sd(given: Given, sample: Sample, effects: EffectPosterior, worth_covariance: Numbers) -> float:
    """Standard deviation of the gain of those who are given an offer.

    Those of an offer who are in the sample stand for all who get it, as far as their value goes; an offer that nobody in
    the sample gets is taken to go to people like all of them.

    Args:
        given: Who gets what.
        sample: Some of the candidates.
        effects: Posterior of the effects, offers numbered as in `given`.
        worth_covariance: Of the worth's coefficients.
    """
    size = len(effects.covariance), len(worth_covariance)
    by_effect, by_worth, by_both = np.zeros(size[0]), np.zeros(size[1]), np.zeros(size)
    for offer in np.unique(given.offer[given.offer >= 0]).tolist():
        whole, among = given.offer == offer, given.offer[sample.rows] == offer
        if not (total := given.value[whole].sum()) > 0:
            continue
        kept = given.kept[sample.rows]
        if not given.value[sample.rows][among].sum() > 0:
            among, kept = np.ones_like(among), np.full(len(among), np.average(given.kept[whole], weights=given.value[whole]))
        rows = sample.rows[among]
        value, basis = given.value[rows], sample.basis[among]
        weight = total / value.sum() if value.sum() > 0 else 0.0
        moving = weight * np.where((value > 0)[:, None], basis, 0)
        free = given.free[rows]
        columns = np.column_stack([weight * value, moving]) * free[:, None]
        gradient = -effects.gradient(sample.inputs[among], offer, columns)
        by_effect += gradient[:, 0]
        by_both += gradient[:, 1:]
        by_worth += moving.T @ kept[among]
    return float(np.sqrt(max(variance(by_effect, by_worth, by_both, effects.covariance, worth_covariance), 0)))


def variance(by_effect: Numbers, by_worth: Numbers, by_both: Numbers, of_effects: Numbers, of_worth: Numbers) -> float:
    """Variance of a function that is linear in each of two independent normal vectors.

    Args:
        by_effect: Its derivative by the first, at both means, (t,).
        by_worth: Its derivative by the second, (b,).
        by_both: Its mixed derivative, (t, b).
        of_effects: Covariance of the first.
        of_worth: Covariance of the second.
    """
    mixed = np.einsum("ij,jk,lk,li->", by_both, of_worth, by_both, of_effects, optimize=True)
    return float(by_effect @ of_effects @ by_effect + by_worth @ of_worth @ by_worth + mixed)
