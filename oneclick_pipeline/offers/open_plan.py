"""A plan that is still open: its customers, what they may get and are expected to gain; decided for one budget or another.

`solve` changes nothing, so that the plan, the curve of other budgets and `oneclick offers what-if` are of one problem: the same
customers, draws, effects, worth and limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.contracts.offers import REASONS_OF_PLAN
from oneclick_pipeline.experiment.draws import draw
from oneclick_pipeline.experiment.exploration import NOTHING, could_draw, explore
from oneclick_pipeline.offers.assignment import TOLERANCE, wanting
from oneclick_pipeline.offers.candidates import expected_gain
from oneclick_pipeline.offers.decision import NOTHING_PLANNED, Decision, code
from oneclick_pipeline.offers.plan_summary import summary
from oneclick_pipeline.offers.plan_table import DecidedPlan
from oneclick_pipeline.offers.policy import policy_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from oneclick_pipeline.experiment.draws import Draws
    from oneclick_pipeline.experiment.exploration import Wave
    from oneclick_pipeline.offers.assignment import Assignment
    from oneclick_pipeline.offers.candidates import Candidates, Everybody, OfferArrays
    from oneclick_pipeline.offers.gain_posterior import GainPosterior
    from oneclick_pipeline.settings import Settings

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]

EXPLORED_PART = 0.5
"""Part of the budget and of every capacity that exploration may use up, so that something is left for the plan."""


@dataclass(frozen=True)
class Solution:
    """What an open plan comes to with a budget.

    Attributes:
        budget: The budget, finance units.
        decision: What becomes of the candidates.
        sd: Standard deviation of the expected gain.
        solved: The policy's assignment.
        waves: Of exploration.
    """

    budget: float
    decision: Decision
    sd: float
    solved: Assignment
    waves: tuple[Wave, ...]


@dataclass(frozen=True)
class OpenPlan:
    """The customers of a month with what they may get.

    Attributes:
        month: Snapshot month.
        everybody: All customers.
        candidates: The k who may get an offer.
        offers: The m offers.
        believed: Believed effect of every offer, by segment, (segments, m).
        posterior: By how much the gain may be wrong.
        settings: Shares, power and significance.
    """

    month: str
    everybody: Everybody
    candidates: Candidates
    offers: OfferArrays
    believed: Numbers
    posterior: GainPosterior
    settings: Settings

    @property
    def budget(self) -> float:
        """What the settings allow the offers of the month to cost."""
        return self.settings.offers.budget_of(len(self.everybody.ids))

    def sample(self, customers: int) -> OpenPlan:
        """The same with so many candidates at most, drawn at random, and capacities to their share."""
        k = len(self.candidates.rows)
        if k <= customers:
            return self
        capacity = self.offers.capacity * customers / k
        return replace(self, candidates=self.candidates.first(customers), offers=replace(self.offers, capacity=capacity))

    def solve(self, budget: float, tolerance: float = TOLERANCE) -> Solution:
        """Decide what becomes of the candidates with a budget; for `tolerance` see `assignment.assign`."""
        return self._solve(budget, self._draws(), tolerance)

    def _draws(self) -> Draws:
        return draw(self.everybody.ids[self.candidates.rows], self.settings.offers, self.month)

    def _solve(self, budget: float, draws: Draws, tolerance: float = TOLERANCE) -> Solution:
        limits, offers, candidates = self.settings.offers, self.offers, self.candidates
        explored, waves = explore(
            candidates.explorable,
            draws,
            limits,
            cost=offers.cost,
            budget=EXPLORED_PART * budget,
            capacity=np.floor(EXPLORED_PART * offers.capacity),
        )
        policy, solved = policy_choice(candidates.gain, explored, draws, offers, limits, budget, candidates.tie, tolerance)
        case = self._cases(draws, explored, policy)
        offer = np.where(explored != NOTHING, np.maximum(explored, -1), policy).astype(np.int16)
        decision = Decision(case, offer, policy, explored, *self._expected(offer))
        return Solution(budget, decision, self.posterior.sd(self.everybody, candidates, decision), solved, waves)

    def decide(self) -> DecidedPlan:
        """The plan with the budget of the settings, written down: from here on `everybody` holds what became of each."""
        own, candidates, draws = self.everybody, self.candidates, self._draws()
        solution = self._solve(self.budget, draws)
        self._complete(solution, draws)
        del draws
        figures = summary(
            own,
            candidates,
            solution.decision,
            sd=solution.sd,
            solved=solution.solved,
            waves=solution.waves,
            offers=self.offers,
            settings=self.settings,
            budget=solution.budget,
        )
        return DecidedPlan(figures, own, candidates, solution.decision, solution.waves, self.offers, self.settings.offers)

    def _cases(self, draws: Draws, explored: Choice, policy: Choice) -> NDArray[np.int8]:
        """Number of each candidate's case among `decision.CASES`."""
        limits = self.settings.offers
        held = draws.hold_out < limits.control_share
        cases = [held, explored >= 0, explored != NOTHING, policy < 0, draws.control < limits.offer_control_share]
        return np.select(cases, range(len(cases)), len(cases)).astype(np.int8)

    def _complete(self, solution: Solution, draws: Draws) -> None:
        """Write the reasons of the candidates, and what those who explore could draw, beside those of all customers."""
        own, candidates, made = self.everybody, self.candidates, solution.decision
        exploring = made.explored != NOTHING
        own.fits[candidates.rows[exploring]] = could_draw(candidates.explorable, draws, solution.waves)[exploring]
        reason = code(2, REASONS_OF_PLAN)[made.case]
        reason[(made.case == NOTHING_PLANNED) & wanting(candidates.gain)] = REASONS_OF_PLAN.index("no_room")
        own.reason[candidates.rows] = reason

    def _expected(self, offer: Choice) -> tuple[Numbers, Numbers]:
        """Effect and gain of each candidate's offer, each of shape (k,); NaN where none."""
        own, candidates = self.everybody, self.candidates
        chosen = np.flatnonzero(offer >= 0)
        rows, given = candidates.rows[chosen], offer[chosen]
        believed = self.believed[own.segment[rows], given]
        effect, gain = np.full(len(offer), np.nan), np.full(len(offer), np.nan)
        effect[chosen] = believed if candidates.effect is None else candidates.effect[chosen, given]
        gain[chosen] = expected_gain(effect[chosen], own.p[rows], own.value[rows], self.offers.cost[given])
        return effect, gain
