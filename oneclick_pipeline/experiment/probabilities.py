"""The exact probability of every outcome of the draw for a customer, given the month's waves and the policy's choice.

With h, c the shares held out permanently and for the month, x_j and x_0 the probabilities that exploration gives offer j
and control to a customer who is not held out, e = x_0 + Σ x_j, and j* the policy's choice:

- control with j* withheld: h + (1 − h)(1 − e)c, and where the policy has no offer: h + (1 − h)x_0, since an exploring
  control has no offer withheld either;
- offer j: (1 − h)[x_j + (1 − e)(1 − c)·1(j = j*)];
- exploring control: (1 − h)x_0, and where the policy has no offer: + h;
- left alone because the policy has no offer: (1 − h)(1 − e).

Three more are stored for every customer, whatever was drawn:

- no offer at all: h + (1 − h)[x_0 + (1 − e)c], and where the policy has none: h + (1 − h)[x_0 + 1 − e];
- control whatever the policy chooses, by hold-out or exploration: h + (1 − h)x_0;
- exploring: (1 − h)e.

A customer with nothing to explore has x = e = 0, however many offers fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from oneclick_pipeline.experiment.exploration import Wave
    from oneclick_pipeline.settings import Offers

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of every customer, see above; each of shape (n,).

    Attributes:
        withheld: That the policy's offer is withheld: held out permanently, or control for the month.
        plan: That the policy's offer is given, by the policy or by chance.
        nothing: That the customer is left alone because the policy has no offer.
        explored: That the exploration's arm (offer or control) is assigned, by exploration or by the policy.
        no_offer: That the customer gets no offer, for whatever reason.
        control: That the customer is a control by hold-out or exploration.
        explore: That the customer explores.
    """

    withheld: Numbers
    plan: Numbers
    nothing: Numbers
    explored: Numbers
    no_offer: Numbers
    control: Numbers
    explore: Numbers


def probabilities(fits: Flags, policy: Choice, explored: Choice, waves: tuple[Wave, ...], settings: Offers) -> Probabilities:
    """All probabilities of some customers.

    Args:
        fits: Offers that each customer may draw, shape (n, m).
        policy: The policy's offer of each customer, -1 none, shape (n,).
        explored: See `exploration.explore`.
        waves: See `exploration.explore`.
        settings: Shares.
    """
    n, h, c = len(fits), settings.control_share, settings.offer_control_share
    x_control, x_policy, x_explored, exploring = (np.zeros(n) for _ in range(4))
    control, share = np.full(n, h), np.zeros(n)
    rows, has_offer = np.arange(n), policy >= 0
    for wave in waves:
        fitting = fits & wave.is_open
        k = fitting.sum(axis=1)
        each = np.where(k > 0, (wave.end - wave.begin) / (k + 1), 0.0)
        exploring += each * (k + 1)
        x_control += each
        x_policy += np.where(has_offer & fitting[rows, np.maximum(policy, 0)], each, 0.0)
        x_explored += np.where((explored >= 0) & fitting[rows, np.maximum(explored, 0)], each, 0.0)
        stretch = np.where(k > 0, wave.end - wave.begin, 0.0)
        control += (1 - h) * stretch / (k + 1)
        share += stretch
    rest = (1 - h) * (1 - exploring)
    by_offer = (1 - h) * x_explored + np.where(explored == policy, rest * (1 - c), 0.0)
    by_control = (1 - h) * x_control + np.where(has_offer, 0.0, h)
    return Probabilities(
        withheld=h + np.where(has_offer, rest * c, (1 - h) * x_control),
        plan=(1 - h) * x_policy + rest * (1 - c),
        nothing=rest,
        explored=np.where(explored >= 0, by_offer, by_control),
        no_offer=no_offer(control, h, share, np.where(has_offer, c, 1.0)),
        control=control,
        explore=(1 - h) * share,
    )


def no_offer(control: Numbers, h: Numbers | float, explored: Numbers, withheld: Numbers) -> Numbers:
    """Probability of no offer of customers who are control by hold-out or exploration with a probability.

    Args:
        control: That probability, shape (n,).
        h: Share held out permanently.
        explored: Share e of the others that explores, shape (n,).
        withheld: Share of the rest that gets nothing, shape (n,): c where the policy has an offer, else 1.
    """
    total = np.minimum(control + (1 - h) * (1 - explored) * withheld, 1.0)
    return np.where((explored == 0) & (withheld == 1), 1.0, total)


def no_offer_in_all(months: list[Numbers], held_out: list[Numbers]) -> Numbers:
    """Probability of no offer in any of several months; 1 where nothing was drawn for a customer in any.

    Who is held out is decided once, by u(hold_out) < h, and the shares h of the months may differ. Of the months in the order of
    their shares, h₁ ≤ … ≤ hₖ, those between hᵢ and hᵢ₊₁ are held out of all months after the i-th, so that it is
    Σ (hᵢ₊₁ - hᵢ) Π (Pⱼ - hⱼ)/(1 - hⱼ) over j ≤ i, with h₀ = 0 and hₖ₊₁ = 1.

    Args:
        months: Probability of no offer by month, each of shape (n,); 1 where nothing was drawn.
        held_out: Share h by month, each of shape (n,).
    """
    if not months:
        return np.ones(1)
    p, share = np.array(months), np.array(held_out)
    drawn = (p < 1) & (share < 1)
    h = np.where(drawn, share, 0.0)
    others = np.where(drawn, (p - h) / (1 - h), 1.0)
    order = np.argsort(h, axis=0)
    h, others = (np.take_along_axis(values, order, axis=0) for values in (h, others))
    none, one = np.zeros((1, p.shape[1])), np.ones((1, p.shape[1]))
    between = np.diff(h, axis=0, prepend=none, append=one)
    return np.asarray((between * np.vstack([one, np.cumprod(others, axis=0)])).sum(axis=0))


def targeted_share(control_share: ArrayLike, explored: ArrayLike, offer_control_share: ArrayLike) -> Numbers:
    """Share of the offered among those for whom the policy chose an offer and who did not explore.

    Args:
        control_share: h, one for all or one per customer, as the others.
        explored: e.
        offer_control_share: c.

    >>> targeted_share([0.1, 0.0], [0.1, 0.1], [0.1, 0.0]).round(4).tolist()
    [0.8011, 1.0]
    """
    h, e, c = (np.asarray(share, dtype=float) for share in (control_share, explored, offer_control_share))
    planned = (1 - h) * (1 - e)
    return np.asarray(planned * (1 - c) / (planned + h))
