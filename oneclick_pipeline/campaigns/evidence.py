"""All that earlier campaigns teach about individual customers: how they respond to offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.campaigns import dr_learner, response
from oneclick_pipeline.campaigns.effect_posterior import Learned

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.dr_learner import Learner
    from oneclick_pipeline.campaigns.response import Response
    from oneclick_pipeline.settings import Settings


@dataclass(frozen=True)
class Past:
    """Earlier campaigns and the regression fitted to them: made once for beliefs and plan.

    Attributes:
        outcomes: Rows of `contracts.campaigns.CAMPAIGN_OUTCOMES`, n of them.
        before: Features and score of the same customers when the campaign was held, see `outcomes.known_before`.
        priors: offer_id, mean, sd: the catalogue's expectation of the effect on P(decline), m rows.
        response: What is believed; None while no campaign has matured.
    """

    outcomes: pd.DataFrame
    before: pd.DataFrame
    priors: pd.DataFrame
    response: Response | None

    @classmethod
    def of(cls, outcomes: pd.DataFrame, before: pd.DataFrame, priors: pd.DataFrame) -> Past:
        """Fit the regression."""
        return cls(outcomes, before, priors, response.learn(outcomes, before, priors))


@dataclass(frozen=True)
class Lessons:
    """What is believed about the effects on individual customers.

    Attributes:
        response: What is believed; None while no campaign has matured.
        learner: What the DR-learner found beyond it; None while it has too few customers.
        held_out: Effects on the customers of the outcomes, from regressions that have not seen them, shape (n, m).
    """

    response: Response | None
    learner: Learner | None
    held_out: NDArray[np.float64]

    def customer_effects(self, customers: pd.DataFrame) -> NDArray[np.float64] | None:
        """Expected effect of every offer on every customer, shape (rows, m); None while no campaign has matured."""
        if self.response is None:
            return None
        expected = self.response.customer_effects(customers)
        return expected if self.learner is None else self.learner.customer_effects(customers, expected)

    def posterior(self) -> Learned | None:
        """By how much these effects may be wrong together; None while no campaign has matured."""
        return None if self.response is None else Learned(self.response, self.learner)


def learn(past: Past, settings: Settings) -> Lessons:
    """Learn from all campaigns whose horizon has passed.

    Args:
        past: The campaigns, with the probabilities of their draw.
        settings: Seed; when the DR-learner begins.
    """
    outcomes, before, priors = past.outcomes, past.before, past.priors
    expected = response.held_out(outcomes, before, priors, settings.model.seed)
    learner = None
    if past.response is not None:
        learner = dr_learner.learn(outcomes, before, expected, list(priors["offer_id"]), settings)
    return Lessons(past.response, learner, expected if learner is None else learner.held_out)
