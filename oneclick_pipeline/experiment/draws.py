"""What is drawn for every customer of a month.

Every draw is a number in [0, 1) hashed from the salt, its purpose, the month and the customer's number, and from
nothing else: neither the order of the customers nor the presence of others changes a customer's draw, and a rerun draws the
same. Of the customers who may get an offer

1. a share `offers.control_share` is held out permanently: u(hold_out) has no month;
2. of the others a share `offers.exploration_share` explores: one of the offers that fit, or control, all as likely;
3. the rest gets what the policy chooses, except a share `offers.offer_control_share` held out for this month.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Offers

    Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Draws:
    """What is drawn for every customer of a month, each in [0, 1), shape (n,).

    Attributes:
        hold_out: Below `offers.control_share`: held out permanently; the same in every month.
        explore: Below `offers.exploration_share`: explores, as far as budget and capacity allow.
        arm: Which arm an exploring customer gets.
        control: Below `offers.offer_control_share`: held out of the policy's offer for this month.
    """

    hold_out: Numbers
    explore: Numbers
    arm: Numbers
    control: Numbers


def hashes(customer_id: NDArray[np.int64], salt: str, purpose: str, month: str = "") -> NDArray[np.uint64]:
    """A pseudo-random number below 2⁶⁴ of every customer, different for all customers.

    Key from BLAKE2b of salt, purpose and month; two rounds of the mixer of SplitMix64 (Steele, Lea and Flood 2014,
    variant 13 of Stafford), each a permutation of the 64-bit numbers.

    Args:
        customer_id: Numbers of the customers, shape (n,).
        salt: See `settings.Offers.salt`.
        purpose: What is drawn: other purposes are independent.
        month: Snapshot month; empty for what is drawn once and for all.
    """
    content = b"".join(len(part).to_bytes(8, "big") + part for part in (t.encode() for t in (salt, purpose, month)))
    digest = hashlib.blake2b(content, digest_size=16).digest()
    first, second = (np.uint64(int.from_bytes(part, "big")) for part in (digest[:8], digest[8:]))
    state = customer_id.astype(np.int64).view(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + first
    return _mix(_mix(state) ^ second)


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A permutation of the 64-bit numbers in which every bit depends on every other."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def uniforms(customer_id: NDArray[np.int64], salt: str, purpose: str, month: str = "") -> Numbers:
    """A number in [0, 1) of every customer; see `hashes`.

    >>> import numpy as np
    >>> uniforms(np.array([7, 8]), "oneclick", "hold_out").round(4).tolist()
    [0.54, 0.3815]
    """
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
