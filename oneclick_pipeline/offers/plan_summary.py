"""A plan in figures: who gets what, what that costs and is expected to gain, and which effects it can show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.offers import ARMS, ASSIGNMENTS, REASONS_OF_PLAN
from oneclick_pipeline.experiment.exploration import NOTHING
from oneclick_pipeline.experiment.power import Comparison, detectable_by_all
from oneclick_pipeline.offers.decision import code
from oneclick_pipeline.offers.policy import gain_by_risk, gain_without_limits
from oneclick_pipeline.stats import normal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from oneclick_pipeline.experiment.exploration import Wave
    from oneclick_pipeline.offers.assignment import Assignment
    from oneclick_pipeline.offers.candidates import Candidates, Everybody, OfferArrays
    from oneclick_pipeline.offers.decision import Decision
    from oneclick_pipeline.settings import Settings
    from oneclick_pipeline.stats import Interval

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Summary:
    """A plan in figures; money in finance units.

    Attributes:
        customers: Customers of the month.
        arms: Customers by arm; assignments and reasons likewise.
        assignments: How the arms came about.
        reasons: Why.
        given: Customers who get each offer.
        cost: What the offers given cost.
        budget: The budget for them.
        expected_gain: Expected gain of the offers given, less their cost; treating no one is 0.
        expected_gain_low: Lower end of its 95 % interval: it covers what effects and worth may be wrong by together, see
            `gain_posterior`; not the chance of who declines.
        expected_gain_high: Upper end of its 95 % interval.
        without_limits: Expected gain if every customer who may get an offer got their best, without limits or controls.
        by_risk: Expected gain within the limits, without controls, by p_decline x value, the highest first.
        gap: Share of the best expected gain that the policy's solution lacks at most.
        price_of_budget: What one more unit of budget would bring.
        prices: What one more of each offer would bring.
        explored_share: Share of u(explore) up to which customers were explored; less than the settings' if capacity ran out.
        detectable_effects: Smallest change of the share of decliners that this plan can show, by offer; NaN where none.
        detectable_effect: The same for all offers together.
    """

    customers: int
    arms: Mapping[str, int]
    assignments: Mapping[str, int]
    reasons: Mapping[str, int]
    given: Mapping[str, int]
    cost: float
    budget: float
    expected_gain: float
    expected_gain_low: float
    expected_gain_high: float
    without_limits: float
    by_risk: float
    gap: float
    price_of_budget: float
    prices: Mapping[str, float]
    explored_share: float
    detectable_effects: Mapping[str, float]
    detectable_effect: float

    @property
    def offers(self) -> int:
        """Customers who get an offer."""
        return self.arms.get("offer", 0)

    @property
    def controls(self) -> int:
        """Customers held out at random."""
        return self.arms.get("control", 0)


def summary(
    everybody: Everybody,
    candidates: Candidates,
    decision: Decision,
    *,
    sd: float,
    solved: Assignment,
    waves: tuple[Wave, ...],
    offers: OfferArrays,
    settings: Settings,
    budget: float,
) -> Summary:
    """The figures of a plan.

    Args:
        everybody: All customers, reasons and fits completed.
        candidates: Those who may get an offer.
        decision: What became of them.
        sd: Standard deviation of the expected gain.
        solved: The policy's assignment.
        waves: Of exploration.
        offers: The offers.
        settings: Power and significance.
        budget: The budget.
    """
    rows, offer, m = candidates.rows, decision.offer, len(offers.ids)
    arm, value = code(0, ARMS)[decision.case], everybody.value[rows]
    given = (arm == 0) & (offer >= 0)
    gain = expected_gain_of(decision, sd)
    arms, assignments = np.full(len(everybody.ids), 2), np.full(len(everybody.ids), 3)
    arms[rows], assignments[rows] = arm, code(1, ASSIGNMENTS)[decision.case]
    p, fits = everybody.p[rows], everybody.fits[rows]
    return Summary(
        customers=len(everybody.ids),
        arms=_count(arms, ARMS),
        assignments=_count(assignments, ASSIGNMENTS),
        reasons=_count(everybody.reason, REASONS_OF_PLAN),
        given={name: int((given & (offer == j)).sum()) for j, name in enumerate(offers.ids)},
        cost=float(np.bincount(offer[given], minlength=m) @ offers.cost) if m else 0.0,
        budget=budget,
        expected_gain=gain.estimate,
        expected_gain_low=gain.low,
        expected_gain_high=gain.high,
        without_limits=gain_without_limits(candidates.gain),
        by_risk=gain_by_risk(candidates.gain, p * value, offers, budget),
        gap=solved.gap,
        price_of_budget=solved.price_of_budget,
        prices=dict(zip(offers.ids, solved.prices.tolist(), strict=True)),
        explored_share=waves[-1].end if waves else 0.0,
        detectable_effects={
            name: detectable_by_all(p, _comparisons(decision, arm, offer == j, fits[:, j]), settings.campaigns)
            for j, name in enumerate(offers.ids)
        },
        detectable_effect=detectable_by_all(
            p, _comparisons(decision, arm, offer >= 0, np.logical_or.reduce(fits, axis=1)), settings.campaigns
        ),
    )


def expected_gain_of(decision: Decision, sd: float) -> Interval:
    """Expected gain of the offers given, less their cost, with its 95 % interval; see `Summary`."""
    return normal(float(decision.expected[decision.given].sum()), sd)


def _comparisons(decision: Decision, arm: NDArray[np.int8], chosen: Flags, could_draw: Flags) -> list[Comparison]:
    """The two comparisons of an offer, or of any: among those targeted, and among those exploring."""
    exploring = decision.explored != NOTHING
    return [
        Comparison(~exploring & chosen & (arm == 0), ~exploring & chosen & (arm == 1)),
        Comparison(exploring & chosen & (arm == 0), exploring & could_draw & (arm == 1)),
    ]


def _count(codes: NDArray[np.integer], words: Sequence[str]) -> dict[str, int]:
    """How often each text occurs, by name."""
    counts = np.bincount(codes, minlength=len(words)).tolist()
    return {word: count for word, count in sorted(zip(words, counts, strict=True)) if count}
