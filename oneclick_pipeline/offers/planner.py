"""The plan of a month: who gets which offer, who is held out, who gets nothing, and why.

The policy gives the offers that are expected to gain most (`policy`), the experiment leaves a part of that to chance
(`experiment`), so that the effects can be measured.

Three rules keep poor offers out: the policy never gives one whose believed effect is 0 or above; no one gets one that
harms with a probability of `candidates.HARMFUL` or more; and no one explores one that would not pay for itself with
this customer even at the better end of its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.effect_posterior import Believed
from oneclick_pipeline.campaigns.worth import assumed
from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.contracts.offers import ARMS, OFFER_PLAN, REASONS_OF_PLAN
from oneclick_pipeline.experiment.draws import draw, uniforms
from oneclick_pipeline.experiment.exploration import NOTHING, could_draw, explore
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.offers.assignment import wanting
from oneclick_pipeline.offers.candidates import (
    Batch,
    OfferArrays,
    believed_effects,
    expected_gain,
    gathered,
    harmless,
    may_pay,
)
from oneclick_pipeline.offers.decision import NOTHING_PLANNED, Decision, code
from oneclick_pipeline.offers.gain_posterior import Given, Sample, gain_sd
from oneclick_pipeline.offers.plan_summary import summary
from oneclick_pipeline.offers.plan_table import DecidedPlan
from oneclick_pipeline.offers.policy import policy_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.effect_posterior import EffectPosterior
    from oneclick_pipeline.campaigns.worth import Worth
    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.experiment.draws import Draws
    from oneclick_pipeline.offers.candidates import Candidates, Everybody
    from oneclick_pipeline.offers.plan_summary import Summary
    from oneclick_pipeline.settings import Settings

    Numbers = NDArray[np.float64]
    Choice = NDArray[np.int16]

EXPLORED_PART = 0.5
"""Part of the budget and of every capacity that exploration may use up, so that something is left for the plan."""
SAMPLE = 50_000
"""Customers, about, of whom all is kept that the interval of the expected gain rests on."""


@dataclass(frozen=True)
class Plan:
    """A month's plan: `contracts.offers.OFFER_PLAN` in the order of the customers, and its summary."""

    table: pd.DataFrame
    summary: Summary


def offer_plan(
    customers: pd.DataFrame,
    offers: Sequence[Offer],
    beliefs: pd.DataFrame | None,
    settings: Settings,
    *,
    month: str,
    customer_effects: Numbers | None = None,
    posterior: EffectPosterior | None = None,
    worth: Worth | None = None,
) -> Plan:
    """Plan a month.

    Args:
        customers: Features, p_decline, segment and model_version, one row per customer, n rows.
        offers: Offers valid in the month, m of them; their order changes nothing.
        beliefs: `contracts.campaigns.OFFER_BELIEFS`; an offer without a row of the segment is believed by its row `all`, without
            that, or without beliefs, by the catalogue's prior.
        settings: Budget, shares, caps, horizon.
        month: Snapshot month.
        customer_effects: Effect of each offer on each customer's P(decline), shape (n, m), in the order of `offers`, NaN
            where the beliefs are to be used. The belief about the offer as a whole still decides whether it is harmful.
        posterior: By how much these effects may be wrong, offers in the same order; without it, the beliefs' sd is.
        worth: What it is worth to keep a customer from declining; without it, the settings' share of the profit over the horizon.

    Raises:
        BadInputError: If `month` is not a month.
    """
    planner = Planner(offers, beliefs, settings, month=month, worth=worth, posterior=posterior, by_segment=customer_effects is None)
    planner.add(planner.look(customers, customer_effects))
    decided = planner.decide()
    texts = {c.name: "str" for c in OFFER_PLAN.columns if c.kind == "str"}
    return Plan(decided.table(0, len(customers)).astype(texts).set_index(customers.index), decided.summary)


class Planner:
    """A plan of customers who come batch by batch; of each a few numbers are kept until it is decided.

    `look` at every batch, on any thread; `add` the results, in order; then `decide`. The batches change nothing.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        beliefs: pd.DataFrame | None,
        settings: Settings,
        *,
        month: str,
        worth: Worth | None = None,
        posterior: EffectPosterior | None = None,
        customers: int = 0,
        cuts: eligibility.Quantiles | None = None,
        by_segment: bool = True,
    ) -> None:
        """Begin a plan.

        Args:
            offers: See `offer_plan`, as for all that is not described here.
            beliefs: What is believed.
            settings: Budget, shares, caps, horizon.
            month: Snapshot month.
            worth: See `offer_plan`.
            posterior: See `offer_plan`.
            customers: How many come, where they are more than one batch.
            cuts: What `eligibility.quantiles` gives of all customers; not needed where they are one batch.
            by_segment: Whether segments have beliefs of their own; not if effects are given.

        Raises:
            BadInputError: If `month` is not a month.
        """
        self._month, self._settings, self._cuts = check_month(month), settings, cuts
        self._beliefs, self._by_segment = beliefs, by_segment
        self._worth = assumed(settings) if worth is None else worth
        self._posterior, self._sampled = posterior, min(1.0, SAMPLE / max(customers, 1))
        self._ranked = sorted(range(len(offers)), key=lambda j: offers[j].id)
        self._catalogue = [offers[j] for j in self._ranked]
        self._offers = OfferArrays.of(self._catalogue)
        self._batches: list[Batch] = []

    def look(self, customers: pd.DataFrame, customer_effects: Numbers | None = None) -> Batch:
        """The inputs of the decision for some customers."""
        import pandas as pd

        limits, cost = self._settings.offers, self._offers.cost
        fits = eligibility.fits(self._catalogue, customers, self._cuts)
        refused = eligibility.refusal(customers, fits, limits)
        rows = np.flatnonzero(refused == "")
        p, value = customers["p_decline"].to_numpy(dtype=float, na_value=np.nan), self._worth.of(customers)
        segment, segments = customers["segment"].factorize()
        believed = self._believed(list(segments))[segment[rows]]
        effect, sd = believed[..., 0], believed[..., 1]
        allowed, good = fits[rows] & harmless(effect, sd), effect < 0
        if customer_effects is not None:
            own = customer_effects[rows][:, self._ranked]
            effect = np.where(np.isnan(own), effect, own)
        expected = expected_gain(effect, p[rows, None], value[rows, None], cost)
        fits[rows] = allowed
        return Batch(
            ids=customers["customer_id"].to_numpy(dtype=np.int64),
            version=customers["model_version"].to_numpy(),
            p=p,
            value=value,
            segments=[str(name) for name in segments],
            segment=segment.astype(np.int16),
            reason=pd.Index(REASONS_OF_PLAN).get_indexer(pd.Index(refused)).astype(np.int8),
            fits=fits,
            gain=np.where(allowed & good & (effect < 0) & (expected > 0), expected, -np.inf).astype(np.float32),
            explorable=allowed & may_pay(effect, sd, p[rows, None], value[rows, None], cost),
            effect=None if customer_effects is None else effect,
            sample=self._sample(customers.iloc[rows]),
        )

    def _sample(self, candidates: pd.DataFrame) -> Sample:
        """What the interval of the expected gain rests on, of some candidates."""
        drawn = uniforms(candidates["customer_id"].to_numpy(dtype=np.int64), self._settings.offers.salt, "sample", self._month)
        rows = np.flatnonzero(drawn < self._sampled)
        some = candidates.iloc[rows]
        inputs = np.zeros((len(some), 0)) if self._posterior is None else self._posterior.inputs(some)
        return Sample(rows, inputs, self._worth.basis(some))

    def add(self, batch: Batch) -> None:
        """Take in the next customers."""
        self._batches.append(batch)

    def decide(self) -> DecidedPlan:
        """Decide on all of them; afterwards the planner is empty."""
        limits, offers = self._settings.offers, self._offers
        everybody, candidates = gathered(self._batches, limits.salt, self._month)
        draws = draw(everybody.ids[candidates.rows], limits, self._month)
        explored, waves = explore(
            candidates.explorable,
            draws,
            limits,
            cost=offers.cost,
            budget=EXPLORED_PART * limits.budget,
            capacity=np.floor(EXPLORED_PART * offers.capacity),
        )
        policy, solved = policy_choice(candidates.gain, explored, draws, offers, limits, candidates.tie)
        case = self._cases(draws, explored, policy)
        self._complete(everybody, candidates, case, explored, could_draw(candidates.explorable, draws, waves))
        del draws
        offer = np.where(explored != NOTHING, np.maximum(explored, -1), policy).astype(np.int16)
        effect, gain = self._expected(everybody, candidates, offer)
        decision = Decision(case, offer, policy, explored, effect, gain)
        figures = summary(
            everybody, candidates, decision, sd=self._gain_sd(everybody, candidates, decision), solved=solved, waves=waves, offers=offers, settings=self._settings
        )
        return DecidedPlan(figures, everybody, candidates, decision, waves, offers, limits)

    def _cases(self, draws: Draws, explored: Choice, policy: Choice) -> NDArray[np.int8]:
        """Number of each candidate's case among `plan_table.CASES`."""
        limits = self._settings.offers
        held = draws.hold_out < limits.control_share
        cases = [held, explored >= 0, explored != NOTHING, policy < 0, draws.control < limits.offer_control_share]
        return np.select(cases, range(len(cases)), len(cases)).astype(np.int8)

    @staticmethod
    def _complete(
        everybody: Everybody, candidates: Candidates, case: NDArray[np.int8], explored: Choice, could: NDArray[np.bool_]
    ) -> None:
        """Write the reasons of the candidates, and of those who explore what they could draw, beside those of all customers."""
        exploring = explored != NOTHING
        everybody.fits[candidates.rows[exploring]] = could[exploring]
        reason = code(2, REASONS_OF_PLAN)[case]
        reason[(case == NOTHING_PLANNED) & wanting(candidates.gain)] = REASONS_OF_PLAN.index("no_room")
        everybody.reason[candidates.rows] = reason

    def _expected(self, everybody: Everybody, candidates: Candidates, offer: Choice) -> tuple[Numbers, Numbers]:
        """Effect and gain of each candidate's offer, each of shape (k,); NaN where none."""
        chosen = np.flatnonzero(offer >= 0)
        rows, given = candidates.rows[chosen], offer[chosen]
        believed = self._believed(everybody.segments)[everybody.segment[rows], given]
        effect, gain = np.full(len(offer), np.nan), np.full(len(offer), np.nan)
        effect[chosen] = believed[:, 0] if candidates.effect is None else candidates.effect[chosen, given]
        gain[chosen] = expected_gain(effect[chosen], everybody.p[rows], everybody.value[rows], self._offers.cost[given])
        return effect, gain

    def _gain_sd(self, everybody: Everybody, candidates: Candidates, decision: Decision) -> float:
        """Standard deviation of the expected gain."""
        given = (code(0, ARMS)[decision.case] == ARMS.index("offer")) & (decision.offer >= 0)
        offer, p = np.where(given, decision.offer, -1), everybody.p[candidates.rows]
        kept, sample, posterior = np.where(given, np.minimum(-decision.effect, p), 0), candidates.sample, self._posterior
        if posterior is None:
            sd = self._believed(everybody.segments)[everybody.segment[candidates.rows[sample.rows]], :, 1]
            posterior, sample = Believed.of(len(self._ranked)), Sample(sample.rows, sd, sample.basis)
        else:
            offer = np.where(given, np.array([*self._ranked, -1])[offer], -1)
        who = Given(offer, kept, given & (-decision.effect < p), everybody.value[candidates.rows])
        return gain_sd(who, sample, posterior, self._worth.covariance)

    def _believed(self, segments: Sequence[str]) -> Numbers:
        """Believed effect of every offer and its standard deviation in some segments, (segments, m, 2)."""
        return believed_effects(self._catalogue, self._beliefs, segments, by_segment=self._by_segment)
