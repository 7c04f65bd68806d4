"""Which arm each exploring customer gets.

Exploration goes by u(explore), the lowest first, until an offer has used up the part of budget and capacity that
is set aside for it: from then on that offer is no longer drawn. These stretches of u are the `Wave`s; the
probabilities are exact for the month's waves and the policy's choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.experiment.room import ROUNDING, room

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.experiment.draws import Draws
    from oneclick_pipeline.settings import Offers

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]
    Flags = NDArray[np.bool_]

CONTROL, NOTHING = -1, -2
"""Codes for an exploring customer who draws control, and for one who does not explore; offers are numbered from 0."""


@dataclass(frozen=True)
class Wave:
    """A stretch of u(explore) in which the same offers are drawn.

    Attributes:
        begin: Where it begins.
        end: Where it ends (exclusive).
        is_open: Offers that are drawn, shape (m,).
    """

    begin: float
    end: float
    is_open: Flags


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
    k = fits.sum(axis=1)
    cell = np.floor(uniform * (k + 1))
    hit = fits & (np.cumsum(fits, axis=1) == (cell + 1)[:, None])
    arm = np.where(hit.any(axis=1), hit.argmax(axis=1), CONTROL)
    return np.where(k > 0, arm, NOTHING).astype(np.int16)


def could_draw(explorable: Flags, draws: Draws, waves: tuple[Wave, ...]) -> Flags:
    """What every customer could draw, or could have drawn, in the wave of their u(explore), shape (n, m)."""
    could = explorable.copy()
    for wave in waves:
        could[(draws.explore >= wave.begin) & (draws.explore < wave.end)] &= wave.is_open
    return could
