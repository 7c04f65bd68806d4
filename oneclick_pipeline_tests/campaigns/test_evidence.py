"""All that is learnt of single customers: what is believed, and what the DR-learner finds beyond it."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns import evidence, response
from oneclick_pipeline.campaigns.evidence import Past
from oneclick_pipeline.campaigns.outcomes import folds, known_before
from oneclick_pipeline.settings import Campaigns, Settings
from oneclick_pipeline_tests.campaigns import simulated
from oneclick_pipeline_tests.campaigns.simulated import OFFERS

PRIORS = pd.DataFrame({"offer_id": list(OFFERS), "mean": -0.05, "sd": 0.04})
BOTH, ONLY_BELIEVED = (Settings(campaigns=Campaigns(heterogeneous_from=n, min_group=50)) for n in (1000, 1_000_000))


@pytest.fixture(scope="module")
def world():
    """6,000 rows, 3,000 customers in two months."""
    return simulated.campaigns(3000, seed=1)


@pytest.fixture(scope="module")
def before(world):
    return known_before(world.outcomes, world.snapshots)


def test_held_out_has_not_seen_the_customer(world, before):
    """Other outcomes of a customer change what is held out of others, not of themselves; nor do those of their fold."""
    outcomes, seed = world.outcomes, ONLY_BELIEVED.model.seed
    first = evidence.learn(Past.of(outcomes, before, PRIORS), ONLY_BELIEVED).held_out
    fold = folds(outcomes["customer_id"].to_numpy(), seed)
    own = fold == fold[7]
    one = (outcomes["customer_id"] == outcomes["customer_id"].iloc[7]).to_numpy()
    assert one.sum() == 2
    for mine in (one, own):
        changed = outcomes.assign(declined=outcomes["declined"].where(~mine, 1 - outcomes["declined"]))
        again = evidence.learn(Past.of(changed, before, PRIORS), ONLY_BELIEVED).held_out
        np.testing.assert_array_equal(again[own], first[own])
        assert (again[~own] != first[~own]).any(axis=1).all()


def test_effects_are_the_beliefs_and_what_was_found_beyond_them(world, before):
    customers = before.head(50)
    alone, both = (evidence.learn(Past.of(world.outcomes, before, PRIORS), s) for s in (ONLY_BELIEVED, BOTH))
    assert alone.learner is None
    np.testing.assert_array_equal(alone.customer_effects(customers), alone.response.customer_effects(customers))
    np.testing.assert_array_equal(alone.held_out, response.held_out(world.outcomes, before, PRIORS, BOTH.model.seed))
    believed = both.response.customer_effects(customers)
    np.testing.assert_array_equal(both.customer_effects(customers), both.learner.customer_effects(customers, believed))
    np.testing.assert_array_equal(both.held_out, both.learner.held_out)


def test_what_is_learnt_beats_the_mean_effects_on_customers_not_seen():
    world = simulated.campaigns(10_000, seed=2)
    found = evidence.learn(Past.of(world.outcomes, known_before(world.outcomes, world.snapshots), PRIORS), BOTH)
    fits = ~np.isnan(world.effects)
    error = np.sqrt(((found.held_out - world.effects)[fits] ** 2).mean())
    assert error < 0.5 * np.sqrt(np.nanvar(world.effects, axis=0).mean())


def test_nothing_is_learnt_before_a_campaign_has_matured(world, before):
    unknown = world.outcomes.assign(declined=pd.array([pd.NA] * len(before), dtype="Int64"))
    found = evidence.learn(Past.of(unknown, before, PRIORS), BOTH)
    assert found.response is None
    assert found.learner is None
    assert found.customer_effects(before) is None
    assert (found.held_out == -0.05).all()
    nobody = evidence.learn(Past.of(unknown.head(0), before.head(0), PRIORS), BOTH)
    assert nobody.held_out.shape == (0, 4)


def test_a_month_without_offers_learns_nothing(world, before):
    found = evidence.learn(Past.of(world.outcomes, before, PRIORS.head(0)), BOTH)
    assert found.customer_effects(before) is None
    assert found.held_out.shape == (len(before), 0)
