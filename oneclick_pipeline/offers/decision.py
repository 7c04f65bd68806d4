"""The decision for the candidates of a plan: the case of each, and its wording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.offers import ARMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]

NOTHING_PLANNED = 3
CASES = (
    ("control", "hold_out", "hold_out"),
    ("offer", "exploration", "offered"),
    ("control", "exploration", "control"),
    ("none", "plan", "not_worth"),
    ("control", "plan", "control"),
    ("offer", "plan", "offered"),
)
"""Arm, assignment and reason by case: held out permanently, explored an offer, explored control, nothing planned, held out for
the month, given."""


def code(part: int, words: Sequence[str]) -> NDArray[np.int8]:
    """Index of a part of every case in its vocabulary."""
    return np.array([words.index(case[part]) for case in CASES], dtype=np.int8)


@dataclass(frozen=True)
class Decision:
    """The decision for the k candidates, in their order; each of shape (k,).

    Attributes:
        case: Number of each one's case among `CASES`.
        offer: The offer that each gets, or would get; -1 none.
        policy: What the policy gives, or would give.
        explored: See `experiment.exploration.explore`.
        effect: Expected effect of the offer, NaN where none.
        expected: Expected gain of the offer, NaN where none.
    """

    case: NDArray[np.int8]
    offer: Choice
    policy: Choice
    explored: Choice
    effect: Numbers
    expected: Numbers

    @property
    def given(self) -> NDArray[np.bool_]:
        """Who gets an offer."""
        return np.asarray((code(0, ARMS)[self.case] == ARMS.index("offer")) & (self.offer >= 0), dtype=bool)
