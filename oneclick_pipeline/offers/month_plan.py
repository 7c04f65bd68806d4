"""The plan of a month: the lessons of campaigns, the worth of a kept customer, and what may be offered to whom, together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.campaigns import evidence, worth
from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.offers.backtest import compared
from oneclick_pipeline.offers.past_gain import Earlier
from oneclick_pipeline.offers.planner import Planner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from oneclick_pipeline.campaigns.policy_value import PolicyValue
    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.engine import Engine
    from oneclick_pipeline.engine.batches import Beside
    from oneclick_pipeline.offers.open_plan import OpenPlan
    from oneclick_pipeline.settings import Settings


@dataclass(frozen=True)
class MonthPlan:
    """The plan of a month, still open, and what it rests on.

    Attributes:
        opened: The plan itself.
        lessons: What earlier campaigns taught.
        worth: What a kept customer is worth.
        earlier: Customers of earlier campaigns on whom a plan can be judged; None while there are none.
        ways: What other ways of choosing would have earned in earlier campaigns.
    """

    opened: OpenPlan
    lessons: evidence.Lessons
    worth: worth.Worth
    earlier: Earlier | None
    ways: list[PolicyValue]


def open_month(
    customers: Beside,
    offers: Sequence[Offer],
    beliefs: pd.DataFrame,
    past: evidence.Past,
    history: Mapping[str, pd.DataFrame],
    *,
    engine: Engine,
    month: str,
    settings: Settings,
) -> MonthPlan:
    """All that the plan of a month rests on.

    Args:
        customers: Features, scores and segments of every customer of the month, batch by batch.
        offers: Those that may be sent in the month.
        beliefs: `contracts.campaigns.OFFER_BELIEFS`.
        past: The evidence of earlier campaigns.
        history: `customer_features` of earlier months and of this one, or a sample of them.
        engine: The engine that processes the batches.
        month: Snapshot month.
        settings: Budget, shares, horizon and value of a customer.
    """
    lessons = evidence.learn(past, settings)
    keeping = worth.learn(history, month=month, settings=settings)
    cuts, by_segment = eligibility.quantiles(offers, customers), lessons.response is None
    planner = Planner(
        offers,
        beliefs,
        settings,
        month=month,
        worth=keeping,
        posterior=lessons.posterior(),
        customers=len(customers.tables[0]),
        cuts=cuts,
        by_segment=by_segment,
    )
    for part in engine.map(customers, lambda some: planner.look(some, lessons.customer_effects(some))):
        planner.add(part)
    opened = planner.open()
    earlier = Earlier.of(past.outcomes, lessons.held_out, [offer.id for offer in offers], opened.offers.ids, keeping)
    ways = compared(past.outcomes, offers, lessons.held_out, seed=settings.model.seed)
    return MonthPlan(opened, lessons, keeping, earlier, ways)
