"""Customers drawn from a profile, chunk by chunk, the same for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.truth import probability_of_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from oneclick_pipeline.simulator.twin.column import Codes, Floats
    from oneclick_pipeline.simulator.twin.profile import Profile

CHUNK = 50_000
"""Customers drawn at once. A constant, never a matter of memory: other chunks would be other customers."""


def chunks(customers: int, seed: int) -> Iterator[tuple[int, int, np.random.Generator]]:
    """The chunks of a draw: first customer, one past the last, and the chunk's own random stream.

    Raises:
        BadInputError: If there are no customers or the seed is negative.

    >>> [(start, stop) for start, stop, _ in chunks(120_000, seed=1)]
    [(0, 50000), (50000, 100000), (100000, 120000)]
    """
    if customers < 1:
        raise BadInputError("the twin needs at least one customer", value=str(customers), remedy="ask for 1 or more")
    if seed < 0:
        raise BadInputError("a seed must not be negative", value=str(seed), remedy="give 0 or a positive integer")
    starts = range(0, customers, CHUNK)
    for start, sequence in zip(starts, np.random.SeedSequence(seed).spawn(len(starts)), strict=True):
        yield start, min(start + CHUNK, customers), np.random.Generator(np.random.PCG64(sequence))


def draw_codes(profile: Profile, rows: int, rng: np.random.Generator) -> Codes:
    """Features and profit of customers as codes, shape (rows, 17), drawn from the mixture of the profile's copulas."""
    declined = rng.random(rows) < profile.decline_share * (1 - profile.look_active)
    return behave(profile, declined, rng.standard_normal((rows, len(profile.columns))))


def behave(profile: Profile, declined: npt.NDArray[np.bool_], normal: Floats) -> Codes:
    """The codes that independent normal numbers, shape (rows, 17), become in the copula of each customer's class."""
    codes = np.empty(normal.shape, dtype=np.int32)
    for label, mask in ((0, ~declined), (1, declined)):
        uniform = ndtr(normal[mask] @ profile.copulas[label].root.T)
        codes[mask] = np.column_stack([c.draw(uniform[:, k], label) for k, c in enumerate(profile.columns)])
    return codes


def draw_activity(profile: Profile, codes: Codes, rng: np.random.Generator) -> Codes:
    """The truth in millionths and the class drawn with it (1 declined), shape (rows, 2).

    The class that the features were drawn for is forgotten and drawn again from the features alone. So
    P(declined | x) is `probability_of_codes` exactly, whatever the profile approximates.
    """
    truth = np.rint(probability_of_codes(profile, codes) * 1e6).astype(np.int32)
    return np.column_stack([truth, rng.integers(0, 1_000_000, len(codes)) < truth]).astype(np.int32)
