"""The plan of a month: who gets which offer, who is held out, who gets nothing, and why.

The policy gives the offers that are expected to gain most (`policy`), the experiment leaves a part of that to chance
(`experiment`), so that the effects can be measured.

Three rules keep poor offers out: the policy never gives one whose believed effect is 0 or above; no one gets one that
harms with a probability of `candidates.HARMFUL` or more; and no one explores one that would not pay for itself with
this customer even at the better end of its 95 % interval.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from oneclick_pipeline.campaigns.effect_posterior import Believed
from oneclick_pipeline.campaigns.worth import assumed
from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.contracts.offers import OFFER_PLAN, REASONS_OF_PLAN
from oneclick_pipeline.experiment.draws import uniforms
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.offers.candidates import (
    Batch,
    OfferArrays,
    believed_effects,
    expected_gain,
    gathered,
    harmless,
    may_pay,
)
from oneclick_pipeline.offers.gain_posterior import GainPosterior
from oneclick_pipeline.offers.gain_sample import Sample
from oneclick_pipeline.offers.open_plan import OpenPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from oneclick_pipeline.campaigns.effect_posterior import Learned
    from oneclick_pipeline.campaigns.worth import Worth
    from oneclick_pipeline.catalogue.offer import Offer
    from oneclick_pipeline.offers.plan_summary import Summary
    from oneclick_pipeline.settings import Settings

    Numbers = NDArray[np.float64]

SAMPLE = 20_000
"""Customers, about, of whom is kept what the interval of the expected gain rests on."""


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
    posterior: Learned | None = None,
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
    planner = Planner(
        offers, beliefs, settings, month=month, worth=worth, posterior=posterior, by_segment=customer_effects is None
    )
    planner.add(planner.look(customers, customer_effects))
    decided = planner.open().decide()
    texts = {c.name: "str" for c in OFFER_PLAN.columns if c.kind == "str"}
    return Plan(decided.table(0, len(customers)).astype(texts).set_index(customers.index), decided.summary)


class Planner:
    """A plan of customers who come batch by batch; of each a few numbers are kept until it is decided.

    `look` at every batch, on any thread; `add` the results, in order; then `open` the plan and decide it. How the customers are
    divided into batches changes nothing.
    """

    def __init__(
        self,
        offers: Sequence[Offer],
        beliefs: pd.DataFrame | None,
        settings: Settings,
        *,
        month: str,
        worth: Worth | None = None,
        posterior: Learned | None = None,
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
        self._effects, self._sampled = posterior, min(1.0, SAMPLE / max(customers, 1))
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
            sample=self._sample(customers, rows),
        )

    def _sample(self, customers: pd.DataFrame, candidates: NDArray[np.intp]) -> Sample:
        """What the interval of the expected gain rests on, of some of those who may get an offer."""
        ids = customers["customer_id"].to_numpy(dtype=np.int64)[candidates]
        rows = np.flatnonzero(uniforms(ids, self._settings.offers.salt, "sample", self._month) < self._sampled)
        some = customers.iloc[candidates[rows]]
        inputs = np.zeros((len(some), 0)) if self._effects is None else self._effects.inputs(some)
        return Sample(rows, inputs, self._worth.basis(some))

    def add(self, batch: Batch) -> None:
        """Take in the next customers."""
        self._batches.append(batch)

    def open(self) -> OpenPlan:
        """The plan of all of them, still to be decided; afterwards the planner is empty."""
        everybody, candidates = gathered(self._batches, self._settings.offers.salt, self._month)
        believed = self._believed(everybody.segments)
        if self._effects is None:
            posterior = GainPosterior(Believed.of(len(self._ranked)), list(range(len(self._ranked))), self._worth.covariance)
            sample = candidates.sample
            sds = believed[everybody.segment[candidates.rows[sample.rows]], :, 1]
            candidates = replace(candidates, sample=replace(sample, inputs=sds))
        else:
            posterior = GainPosterior(self._effects, self._ranked, self._worth.covariance)
        return OpenPlan(self._month, everybody, candidates, self._offers, believed[..., 0], posterior, self._settings)

    def _believed(self, segments: Sequence[str]) -> Numbers:
        """Believed effect of every offer and its standard deviation in some segments, (segments, m, 2)."""
        return believed_effects(self._catalogue, self._beliefs, segments, by_segment=self._by_segment)
