"""The policies that ours is measured against. All obey consent, conditions, contact cap, budget and capacities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.offers.assignment import assign

if TYPE_CHECKING:
    import numpy.typing as npt

    from oneclick_pipeline.simulator.twin.column import Floats
    from oneclick_pipeline.simulator.year.play import Choice, Policy, Situation
    from oneclick_pipeline.simulator.year.worth import Worth


def nobody(now: Situation) -> Choice:
    """No one gets anything."""
    return np.full(len(now.customers), -1)


def random(now: Situation) -> Choice:
    """Customers in random order get any offer that fits, until the budget ends."""
    rng = np.random.default_rng([now.year.seed, now.step])
    wanted = _first(np.where(now.may_get, rng.random(now.may_get.shape), -1.0), now.may_get)
    return _in_order(now, wanted, rng.permutation(len(wanted)))


def risk_profit(now: Situation) -> Choice:
    """Those with most at stake first, p_decline x profit: the offer that the catalogue expects most of, until the budget ends."""
    expected = np.array([-offer.effect_mean for offer in now.offers])
    wanted = _first(np.where(now.may_get, expected, -np.inf), now.may_get & (expected > 0))
    return _in_order(now, wanted, np.argsort(-now.customers["value_at_risk"].to_numpy(), kind="stable"))


def oracle(worth: Worth) -> Policy:
    """True effects and true worth, assigned by the solver that ours uses.

    It is greedy by month and no clairvoyant: it knows what an offer changes on average, but no customer's luck.
    """

    def choose(now: Situation) -> Choice:
        saved = np.minimum(-now.effects, now.customers["p_decline"].to_numpy()[:, None])
        gain = saved * worth.of(now.customers, now.months_after)[:, None] - now.cost
        gain[~now.may_get] = -np.inf
        assignment = assign(gain, now.cost, now.budget, now.capacity)
        return assignment.choice.astype(np.int64)

    return choose


def _first(preference: Floats, allowed: npt.NDArray[np.bool_]) -> Choice:
    """The allowed offer with the highest preference for every customer, -1 where none is allowed."""
    return np.where(allowed.any(axis=1), preference.argmax(axis=1), -1)


def _in_order(now: Situation, wanted: Choice, order: npt.NDArray[np.int64]) -> Choice:
    """Give what is wanted in this order, as long as capacities and budget last."""
    queue = order[wanted[order] >= 0]
    offer = wanted[queue]
    room = np.zeros(len(queue), dtype=bool)
    for number, capacity in enumerate(now.capacity):
        asking = np.flatnonzero(offer == number)
        room[asking[: len(asking) if np.isinf(capacity) else int(capacity)]] = True
    queue, offer = queue[room], offer[room]
    paid = np.cumsum(now.cost[offer]) <= now.budget
    choice = np.full(len(wanted), -1)
    choice[queue[paid]] = offer[paid]
    return choice
