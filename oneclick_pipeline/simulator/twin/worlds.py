"""Worlds: what offers truly do, one way or another; a policy is judged in several of them.

In `twin` it is what `offers.RESPONSES` says, the same in every history: less, for most offers, than the catalogue hopes.
In `catalogue_right` every history draws the mean effect of every offer from what the catalogue says of it, so that over
many histories the catalogue is neither too hopeful nor too sure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.offers import Response, effects, key, response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt
    import pandas as pd

    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.simulator.twin.column import Floats

    World = Callable[[Offer, pd.DataFrame, int], Response]

_STEPS = 5
"""Steps in which a mean is met although effects stop at the edge of what is possible."""


def twin(offer: Offer, fitting: pd.DataFrame, seed: int) -> Response:  # noqa: ARG001 - the same in every history
    """What the twin has for the offer."""
    return response(offer.id)


def catalogue_right(offer: Offer, fitting: pd.DataFrame, seed: int) -> Response:
    """The twin's drivers around a mean, over those whom the offer fits, that is drawn from what the catalogue says."""
    rng = np.random.default_rng(key("mean", offer.id, str(seed)))
    wanted, weights = rng.normal(offer.effect_mean, offer.effect_sd), response(offer.id).weights
    mean = wanted
    for _ in range(_STEPS if len(fitting) else 0):
        mean += wanted - effects([offer.id], fitting, seed, [Response(mean, weights)]).mean()
    return Response(float(mean), weights)


WORLDS: Mapping[str, World] = {"twin": twin, "catalogue_right": catalogue_right}


def check_world(name: str) -> str:
    """The name of a world.

    Raises:
        BadInputError: If there is none of this name.
    """
    if name not in WORLDS:
        raise BadInputError("there is no such world", value=name, remedy=f"the worlds are {', '.join(WORLDS)}")
    return name


def true_effects(world: str, offers: Sequence[Offer], customers: pd.DataFrame, fits: npt.NDArray[np.bool_], seed: int) -> Floats:
    """The true change of every customer's P(decline) by every offer in a world, shape (n, m).

    Args:
        world: Name of the world.
        offers: Offers, m of them.
        customers: `Panel.snapshot`, n rows.
        fits: Which customers each offer fits, shape (n, m).
        seed: Seed of the history.
    """
    responses = [WORLDS[world](offer, customers[fits[:, j]], seed) for j, offer in enumerate(offers)]
    return effects([offer.id for offer in offers], customers, seed, responses)
