"""The month's experiment: what chance decides about every customer, and with which probability.

Every draw is a number in [0, 1) hashed from the salt, its purpose, the month and the customer's number, and from
nothing else: neither the order of the customers nor who else there is changes anybody's draw, and a re-run draws the
same. Of the customers who may get an offer

1. a share `offers.control_share` is held out for good: u(hold_out) has no month;
2. of the others a share `offers.exploration_share` explores: one of the offers that fit, or control, all as likely;
3. the rest gets what the policy chooses, except a share `offers.offer_control_share` held out for this month.

Exploration goes by u(explore), the lowest first, until an offer has no room left in the part of budget and capacity
that is set aside for it: from there on that offer is drawn no more. These stretches of u are the `Wave`s; the
probabilities are exact for the month's waves and the policy's choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.offers.assignment import ROUNDING, room

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from oneclick_pipeline.settings import Offers

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]

CONTROL, NOTHING = -1, -2
"""What an exploring customer gets who draws control, and who does not explore; offers are numbered from 0."""


@dataclass(frozen=True)
class Draws:
    """What is drawn for every customer of a month, each in [0, 1), shape (n,).

    Attributes:
        hold_out: Below `offers.control_share`: held out for good; the same in every month.
        explore: Below `offers.exploration_share`: explores, as far as there is room.
        arm: Which arm an exploring customer gets.
        control: Below `offers.offer_control_share`: held out of the policy's offer for this month.
    """

    hold_out: Numbers
    explore: Numbers
    arm: Numbers
    control: Numbers


@dataclass(frozen=True)
class Wave:
    """A stretch of u(explore) in which the same offers are drawn.

    Attributes:
        begin: Where it begins.
        end: Where it ends, itself not in it.
        is_open: Offers that are drawn, shape (m,).
    """

    begin: float
    end: float
    is_open: Flags


def hashes(customer_id: NDArray[np.int64], salt: str, purpose: str, month: str = "") -> NDArray[np.uint64]:
    """A pseudo-random number below 2⁶⁴ of every customer, different for all customers.

    Key from BLAKE2b of salt, purpose and month; two rounds of the mixer of SplitMix64 (Steele, Lea and Flood 2014,
    variant 13 of Stafford), each a permutation of the 64-bit numbers.

    Args:
        customer_id: Numbers of the customers, shape (n,).
        salt: See `settings.Offers.salt`.
        purpose: What is drawn: other purposes are independent.
        month: Snapshot month; empty for what is drawn once for good.
    """
    import hashlib

    import numpy as np

    content = b"".join(len(part).to_bytes(8, "big") + part for part in (t.encode() for t in (salt, purpose, month)))
    digest = hashlib.blake2b(content, digest_size=16).digest()
    first, second = (np.uint64(int.from_bytes(part, "big")) for part in (digest[:8], digest[8:]))
    state = customer_id.astype(np.int64).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + first
    return _mix(_mix(state) ^ second)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of the 64-bit numbers in which every bit depends on every other."""
    import numpy as np

    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def uniforms(customer_id: NDArray[np.int64], salt: str, purpose: str, month: str = "") -> Numbers:
    """A number in [0, 1) of every customer; see `hashes`.

    >>> import numpy as np
    >>> uniforms(np.array([7, 8]), "oneclick", "hold_out").round(4).tolist()
    [0.54, 0.3815]
    """
    import numpy as np

    numbers: Numbers = (hashes(customer_id, salt, purpose, month) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def draw(customer_id: NDArray[np.int64], settings: Offers, month: str) -> Draws:
    """All draws of a month."""
    return Draws(
        hold_out=uniforms(customer_id, settings.salt, "hold_out"),
        explore=uniforms(customer_id, settings.salt, "explore", month),
        arm=uniforms(customer_id, settings.salt, "arm", month),
        control=uniforms(customer_id, settings.salt, "control", month),
    )


def explore(
    fits: Flags, draws: Draws, settings: Offers, *, cost: Numbers, budget: float, capacity: Numbers
) -> tuple[Choice, tuple[Wave, ...]]:
    """Draw the arms of those who explore.

    An offer closes before the first customer who might draw it beyond what is left, whatever that customer draws: so
    it depends on earlier draws alone, and every draw stays as likely as it says.

    Args:
        fits: Offers that each customer may draw, shape (n, m).
        draws: See `draw`.
        settings: Shares.
        cost: Cost of each offer, shape (m,), finance units.
        budget: What exploration may cost at most.
        capacity: How many of each offer it may use, shape (m,).

    Returns:
        What each customer gets, shape (n,): an offer, `CONTROL`, or `NOTHING` for who does not explore; and the waves.
    """
    import numpy as np

    choice = np.full(len(fits), NOTHING, np.int16)
    share = settings.exploration_share
    order = np.flatnonzero((draws.hold_out >= settings.control_share) & (draws.explore < share))
    order = order[np.argsort(draws.explore[order], kind="stable")]
    waves, begin, left, space = [], 0.0, budget * (1 + ROUNDING), capacity.astype(float)
    while (is_open := (cost <= left) & (space >= 1)).any():
        drawn = _draw_arm(fits[order] & is_open, draws.arm[order])
        taken = room(np.maximum(drawn, CONTROL), cost, left, space, is_open) if order.size else 0
        choice[order[:taken]] = drawn[:taken]
        end = float(draws.explore[order[taken]]) if taken < len(order) else share
        waves.append(Wave(begin, end, is_open))
        if taken == len(order):
            break
        counts = np.bincount(drawn[:taken][drawn[:taken] >= 0], minlength=len(cost))
        left, space, begin, order = left - float(counts @ cost), space - counts, end, order[taken:]
    return choice, tuple(waves)


def _draw_arm(fits: Flags, uniform: Numbers) -> Choice:
    """One of the offers that fit, or control, all as likely; nothing where none fits."""
    import numpy as np

    k = fits.sum(axis=1)
    cell = np.floor(uniform * (k + 1))
    hit = fits & (np.cumsum(fits, axis=1) == (cell + 1)[:, None])
    arm = np.where(hit.any(axis=1), hit.argmax(axis=1), CONTROL)
    return np.where(k > 0, arm, NOTHING).astype(np.int16)


@dataclass(frozen=True)
class Propensities:
    """Probabilities of a customer's arms given the month's waves and the policy's choice; each of shape (n,).

    Attributes:
        hold_out: That the policy's offer is withheld: held out for good, or control for the month.
        plan: That the policy's offer is given, by the policy or by chance.
        nothing: That the customer is left alone because the policy has no offer.
        explored: That the exploration's arm (offer or control) comes about, by exploration or by the policy.
    """

    hold_out: Numbers
    plan: Numbers
    nothing: Numbers
    explored: Numbers


def propensities(fits: Flags, policy: Choice, explored: Choice, waves: tuple[Wave, ...], settings: Offers) -> Propensities:
    """The probability of every arm that a customer can get.

    With h, c the shares held out for good and for the month, x_j and x_0 the probabilities that exploration gives offer
    j and control, e = x_0 + Σ x_j, and j* the policy's choice:

    - control with j* withheld: h + (1 − h)(1 − e)c, and where the policy has none: h + (1 − h)x_0, since an exploring
      control has no offer withheld either;
    - offer j: (1 − h)[x_j + (1 − e)(1 − c)·1(j = j*)];
    - exploring control: (1 − h)x_0, and where the policy has no offer: + h;
    - left alone: (1 − h)(1 − e).

    Args:
        fits: Offers that each customer may draw, shape (n, m).
        policy: The policy's offer of each customer, -1 none, shape (n,).
        explored: See `explore`.
        waves: See `explore`.
        settings: Shares.
    """
    import numpy as np

    n, h, c = len(fits), settings.control_share, settings.offer_control_share
    chance = {"control": np.zeros(n), "policy": np.zeros(n), "explored": np.zeros(n)}
    exploring = np.zeros(n)
    rows, has_offer = np.arange(n), policy >= 0
    for wave in waves:
        fitting = fits & wave.is_open
        k = fitting.sum(axis=1)
        each = np.where(k > 0, (wave.end - wave.begin) / (k + 1), 0.0)
        exploring += each * (k + 1)
        chance["control"] += each
        for name, offer in (("policy", policy), ("explored", explored)):
            chance[name] += np.where((offer >= 0) & fitting[rows, np.maximum(offer, 0)], each, 0.0)
    rest = (1 - h) * (1 - exploring)
    held_out = h + np.where(has_offer, rest * c, (1 - h) * chance["control"])
    by_offer = (1 - h) * chance["explored"] + np.where(explored == policy, rest * (1 - c), 0.0)
    by_control = (1 - h) * chance["control"] + np.where(has_offer, 0.0, h)
    return Propensities(
        hold_out=held_out,
        plan=(1 - h) * chance["policy"] + rest * (1 - c),
        nothing=rest,
        explored=np.where(explored >= 0, by_offer, by_control),
    )


def detectable_effect(
    n_offer: ArrayLike, n_control: ArrayLike, baseline: ArrayLike, *, power: float, significance: float, explained: float = 0.0
) -> Numbers:
    """Smallest difference between the shares of decliners that so many customers show.

    (z(1 − significance/2) + z(power)) · √(p(1 − p)(1 − explained)(1/n₁ + 1/n₀)): two-sided test, normal approximation,
    the variance of both arms that of the controls. Source: Fleiss, Levin and Paik (2003), Statistical methods for
    rates and proportions, ch. 4; with the variance that adjusting leaves, Deng, Xu, Kohavi and Walker (2013), CUPED.

    Args:
        n_offer: Customers who get the offer.
        n_control: Customers held out of it.
        baseline: Share of the controls who decline.
        power: Probability with which an effect of that size is found.
        significance: Probability with which one is found where there is none.
        explained: Share of the outcome's variance that adjusting for the score takes away.

    Returns:
        The difference; NaN where a group is empty, the baseline is unknown, or no share could differ by so much.

    >>> detectable_effect([650, 10], [650, 0], 0.383, power=0.8, significance=0.05).round(3).tolist()
    [0.076, nan]
    """
    import numpy as np
    from scipy.special import ndtri

    offered, held_out, p = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (n_offer, n_control, baseline)))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = p * (1 - p) * (1 - explained) * (1 / offered + 1 / held_out)
        effect = (ndtri(1 - significance / 2) + ndtri(power)) * np.sqrt(variance)
    return np.where((offered > 0) & (held_out > 0) & (effect <= 1), effect, np.nan)
