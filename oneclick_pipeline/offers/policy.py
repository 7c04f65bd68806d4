"""What the policy gives: the assignment that is expected to gain most, within what exploration has left of the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.experiment.exploration import NOTHING
from oneclick_pipeline.experiment.room import ROUNDING, room
from oneclick_pipeline.offers.assignment import TOLERANCE, assign, wanting
from oneclick_pipeline.offers.assignment_problem import respond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.experiment.draws import Draws
    from oneclick_pipeline.offers.assignment import Assignment
    from oneclick_pipeline.offers.candidates import OfferArrays
    from oneclick_pipeline.settings import Offers

    Gains = NDArray[np.float32]
    Choice = NDArray[np.int16]
    Numbers = NDArray[np.float64]

_ROWS = 1 << 16


def policy_choice(
    gain: Gains,
    explored: Choice,
    draws: Draws,
    offers: OfferArrays,
    limits: Offers,
    budget: float,
    key: NDArray[np.uint64],
    tolerance: float = TOLERANCE,
) -> tuple[Choice, Assignment]:
    """What the policy gives, or would give, to every customer, -1 none; and the assignment behind it.

    A hold-out takes nothing of the budget; its would-be offers are chosen like everyone else's, at the same prices. So the
    policy is solved for everybody who does not explore with limits as much wider as only a part of them receives; where
    those who do receive would still exceed a limit, the customers who gain least are left out, receivers and controls
    alike, and the two stay comparable.

    Args:
        gain: Expected gains, -inf where the policy may not give an offer, shape (n, m).
        explored: See `experiment.exploration.explore`.
        draws: See `experiment.draws.draw`.
        offers: The m offers.
        limits: Shares.
        budget: What offers may cost, those explored among them, finance units.
        key: A number of each customer's own, which settles ties.
        tolerance: See `assign`.
    """
    m = len(offers.ids)
    counts = np.bincount(explored[explored >= 0], minlength=m)[:m]
    left, capacity = budget - float(counts @ offers.cost), offers.capacity - counts
    rest = explored == NOTHING
    receives = rest & (draws.hold_out >= limits.control_share) & (draws.control >= limits.offer_control_share)
    share = max(int(receives.sum()), 1) / max(int(rest.sum()), 1)
    solved = assign(gain, offers.cost, max(left, 0.0) / share, capacity / share, key=key, among=rest, tolerance=tolerance)

    price = solved.prices + solved.price_of_budget * offers.cost
    _, choice = respond(gain.T, price)
    choice[rest] = solved.choice[rest]
    for j in np.flatnonzero(np.isfinite(capacity)):
        members = np.flatnonzero(choice == j)
        members = members[np.argsort(price[j] - gain[members, j], kind="stable")]
        choice[members[np.cumsum(receives[members]) > capacity[j]]] = -1
    members = np.flatnonzero(choice >= 0)
    cost = offers.cost[choice[members]] if m else np.zeros(0)
    with np.errstate(divide="ignore", over="ignore"):  # what costs nothing comes first
        rate = np.where(cost > 0, (gain[members, choice[members]] - price[choice[members]]) / cost, np.inf)
    order = np.argsort(-rate, kind="stable")
    spent = np.cumsum(np.where(receives[members], cost, 0.0)[order])
    within = max(left, 0.0) + budget * ROUNDING
    choice[members[order][(spent > within) & (cost[order] > 0)]] = -1
    return choice, solved


def gain_without_limits(gain: Gains) -> float:
    """Sum of every customer's best gain above 0."""
    best = np.zeros(len(gain))
    for column in gain.T:
        np.maximum(best, column, out=best)
    return float(best.sum())


def gain_by_risk(gain: Gains, risk: Numbers, offers: OfferArrays, budget: float) -> float:
    """Gain of giving every customer their best offer that has room, the highest risk x value first."""
    total, left, space = 0.0, budget, offers.capacity
    order = np.flatnonzero(wanting(gain))
    order = order[np.argsort(-risk[order], kind="stable")]
    while order.size and (is_open := (offers.cost <= left) & (space >= 1)).any():
        next_ones = order[:_ROWS]  # the limits end long before most are asked
        best, choice = respond(np.where(is_open, gain[next_ones], -np.inf).T, np.zeros(len(offers.ids)))
        taken = room(choice, offers.cost, left, space, is_open)
        counts = np.bincount(choice[:taken] + 1, minlength=len(offers.ids) + 1)[1:]
        total += float(best[:taken].sum(dtype=np.float64))
        left, space, order = left - float(counts @ offers.cost), space - counts, order[taken:]
    return total
