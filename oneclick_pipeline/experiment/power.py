"""The smallest effect on the share of decliners that a comparison, or a whole plan, can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from oneclick_pipeline.stats import detectable_effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from oneclick_pipeline.settings import Campaigns

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]


class Comparison(NamedTuple):
    """Who is compared with whom; flags of the same customers."""

    offered: Flags
    controls: Flags


def detectable_difference(
    offered: int, controls: int, baseline: float, *, power: float, significance: float, explained: float = 0.0
) -> float:
    """Smallest difference between the shares of decliners that this many customers can show.

    The standard error is √(p(1 − p)(1 − explained)(1/n₁ + 1/n₀)), the variance of both arms that of the controls. Source:
    Fleiss, Levin and Paik (2003), Statistical methods for rates and proportions, ch. 4; with the variance that adjusting
    leaves, Deng, Xu, Kohavi and Walker (2013), CUPED.

    Args:
        offered: Customers who get the offer.
        controls: Customers held out of it.
        baseline: Share of the controls who decline.
        power: Probability with which an effect of that size is found.
        significance: Probability with which one is found where there is none.
        explained: Share of the outcome's variance that adjusting for the score takes away.

    Returns:
        The difference; NaN where a group is empty, the baseline is unknown, or no share could differ by so much.

    >>> round(detectable_difference(650, 650, 0.383, power=0.8, significance=0.05), 3)
    0.076
    """
    if not min(offered, controls) > 0:
        return float("nan")
    variance = baseline * (1 - baseline) * (1 - explained) * (1 / offered + 1 / controls)
    effect = detectable_effect(variance**0.5, power=power, significance=significance)
    return effect if effect <= 1 else float("nan")


def detectable_by_all(p: Numbers, comparisons: Iterable[Comparison], settings: Campaigns) -> float:
    """Smallest effect seen by independent comparisons together, pooled by inverse variance; NaN where none shows any.

    Args:
        p: P(decline) of the customers; its own variance is what adjusting for it takes away.
        comparisons: Who is compared with whom.
        settings: Power and significance.
    """
    information = 0.0
    for offered, controls in comparisons:
        if offered.any() and controls.any():
            share, spread = p[offered | controls].mean(), p[offered | controls].var()
            effect = detectable_difference(
                int(offered.sum()),
                int(controls.sum()),
                float(share),
                power=settings.power,
                significance=settings.significance,
                explained=float(np.clip(spread / max(share * (1 - share), 1e-12), 0, 1)),
            )
            information += float(np.nan_to_num(1 / effect**2)) if effect > 0 else 0.0
    return information**-0.5 if information else float("nan")
