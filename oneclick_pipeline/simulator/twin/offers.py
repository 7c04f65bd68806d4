"""What every offer truly does to every customer of the twin: the truth that campaigns try to measure.

The effect of an offer is the change of a customer's P(decline), negative where it helps. It is a mean, a part that
follows from what the store sees of the customer (`DRIVERS`; a model can learn it), and a small part that is the
customer's own (`OWN`; which no model can learn). Two of the drivers make targeting by risk alone go wrong: customers who
were about to stay and are reminded of leaving (`asleep`), and those for whom any offer comes too late (`lost`).

Some offers do what the bundled catalogue expects of them, some less, one more; one is harmful on average. An offer that
the twin has no entry for gets an effect drawn from its id: mean −0.03 ± 0.03, a weight of 0.015 either way for every
driver that looks at one column, and up to 0.03 of harm for those asleep and of loss for those lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from oneclick_pipeline.simulator.twin.column import Floats

OWN = 0.01
"""Standard deviation of a customer's own part of the effect of an offer; it is the same in every month."""
EDGE = 0.001
"""P(decline) stays so far from 0 and 1 whatever is offered."""


def _around(column: str, middle: float, reach: float) -> Callable[[pd.DataFrame], Floats]:
    """A driver that looks at one column: 0 at `middle`, −1 and 1 at `reach` from it and beyond."""
    return lambda customers: np.clip((customers[column].to_numpy(dtype=float) - middle) / reach, -1, 1)


def _risk(customers: pd.DataFrame) -> Floats:
    risk: Floats = customers["p_decline"].to_numpy(dtype=float)
    return risk


DRIVERS: Mapping[str, Callable[[pd.DataFrame], Floats]] = {
    "promo": _around("promo_share", 0.3, 0.4),
    "basket": _around("unpaid_items", 4, 4),
    "errors": _around("service_errors", 5, 4),
    "narrow": lambda customers: -_around("categories_per_visit", 3, 2)(customers),
    "pages": _around("pages_per_visit", 8, 8),
    "tenure": _around("tenure_days", 600, 500),
    "fading": lambda customers: np.clip((customers["minutes_m1"] - customers["minutes_m0"]).to_numpy(dtype=float) / 8, -1, 1),
    "premium": lambda customers: np.where(customers["service_level"] == "premium", 1.0, -1.0),
    "asleep": lambda customers: np.clip((0.2 - _risk(customers)) / 0.1, 0, 1),
    "lost": lambda customers: np.clip((_risk(customers) - 0.9) / 0.1, 0, 1),
}
"""What an effect may follow from, each a number from −1 to 1; asleep and lost from 0 to 1."""


@dataclass(frozen=True)
class Response:
    """How customers respond to an offer.

    Attributes:
        mean: Change of P(decline) where all drivers are 0.
        weights: What a driver adds at 1, by name.
    """

    mean: float
    weights: Mapping[str, float] = field(default_factory=dict)


RESPONSES: Mapping[str, Response] = {
    "basket_voucher": Response(-0.055, {"basket": -0.03, "fading": -0.02, "asleep": 0.02, "lost": 0.05}),
    "category_promo": Response(-0.06, {"promo": -0.04, "tenure": 0.02, "asleep": 0.04, "lost": 0.06}),
    "cross_category_bundle": Response(-0.02, {"narrow": -0.01, "pages": -0.015, "asleep": 0.01}),
    "premium_trial": Response(-0.06, {"tenure": -0.03, "pages": -0.02, "asleep": 0.03, "lost": 0.04}),
    "premium_perks": Response(-0.03, {"premium": -0.01, "fading": -0.03, "lost": 0.03}),
    "apology_bonus": Response(-0.09, {"errors": -0.03, "tenure": -0.02, "asleep": 0.05, "lost": 0.08}),
    "content_selection": Response(0.02, {"fading": -0.02, "pages": 0.02, "asleep": 0.02}),
    "appliance_accessories": Response(-0.01, {"promo": 0.03, "asleep": 0.02}),
}
"""The offers of the bundled catalogue, by id."""


def response(offer: str) -> Response:
    """How customers respond to the offer with this id; see the head of this module."""
    if offer in RESPONSES:
        return RESPONSES[offer]
    rng = np.random.default_rng(key("response", offer))
    drawn = {name: float(rng.choice([-0.015, 0.015])) for name in DRIVERS if name not in {"asleep", "lost"}}
    harm = {name: float(rng.uniform(0, 0.03)) for name in ("asleep", "lost")}
    return Response(float(rng.normal(-0.03, 0.03)), drawn | harm)


def effects(offers: Sequence[str], customers: pd.DataFrame, seed: int, responses: Sequence[Response] | None = None) -> Floats:
    """The true change of every customer's P(decline) by every offer, whether it fits them or not.

    Args:
        offers: Ids of offers.
        customers: `Panel.snapshot`, n rows.
        seed: Seed of the customers' own parts.
        responses: How customers respond to each of them; as the twin has it by default.

    Returns:
        Shape (n, len(offers)); p_decline plus any of them lies in `EDGE`…1 − `EDGE` (an effect never takes p_decline
        beyond an edge, and is 0 at most where it already exists).
    """
    risk = _risk(customers)
    drivers = {name: drive(customers) for name, drive in DRIVERS.items()}
    low, high = np.minimum(EDGE - risk, 0), np.maximum(1 - EDGE - risk, 0)
    table = np.empty((len(customers), len(offers)))
    for column, offer in enumerate(offers):
        how = response(offer) if responses is None else responses[column]
        from_drivers = sum(
            (weight * drivers[name] for name, weight in how.weights.items()), start=np.full(len(customers), how.mean)
        )
        table[:, column] = np.clip(
            from_drivers + OWN * _own(customers["customer_id"].to_numpy(dtype=np.uint64), offer, seed), low, high
        )
    return table


def _own(customers: npt.NDArray[np.uint64], offer: str, seed: int) -> Floats:
    """A standard normal number per customer, the same in every month and whichever others there are.

    SplitMix64 (Steele, Lea and Flood 2014) of the customer's id from a start that seed and offer give.
    """
    with np.errstate(over="ignore"):  # modulo 2**64 is meant
        z = np.uint64(key("own", offer, str(seed))) + (customers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    normal: Floats = ndtri(((z >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)
    return normal


def key(*words: str) -> int:
    """A 64-bit number from words: a seed for what they name."""
    return int.from_bytes(hashlib.blake2b("\x1f".join(words).encode(), digest_size=8).digest(), "little")
