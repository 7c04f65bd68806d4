"""The learner of effects customer by customer, on campaigns whose true effects are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns.dr_learner import learn
from oneclick_pipeline.campaigns.outcomes import known_before
from oneclick_pipeline.settings import Campaigns, Model, Offers, Settings
from oneclick_pipeline_tests.campaigns import simulated
from oneclick_pipeline_tests.campaigns.simulated import MEANS, OFFERS

SHARES = Offers(control_share=0.1, exploration_share=0.5, offer_control_share=0.3)


def learnt(world, *, enough=1000, offers=OFFERS, seed=1, expected=0.0):
    settings = Settings(offers=SHARES, campaigns=Campaigns(heterogeneous_from=enough), model=Model(seed=seed))
    believed = np.broadcast_to(expected, (len(world.outcomes), len(offers))).astype(float)
    return learn(world.outcomes, known_before(world.outcomes, world.snapshots), believed, offers, settings)


@pytest.fixture(scope="module")
def world():
    """40,000 rows, 20,000 customers in two months."""
    return simulated.campaigns(20_000, seed=1, shares=SHARES)


@pytest.fixture(scope="module")
def learner(world):
    return learnt(world, enough=20_000, expected=MEANS)


@pytest.fixture(scope="module")
def months():
    """Two months drawn with other shares."""
    shares = Offers(control_share=0.4, exploration_share=0.3), Offers(control_share=0.05, offer_control_share=0.3)
    names = ("2026-01", "2026-02")
    first, second = (
        simulated.campaigns(8000, (m,), seed=k, shares=s) for k, (m, s) in enumerate(zip(names, shares, strict=True))
    )
    return simulated.Campaigns(
        pd.concat([first.outcomes, second.outcomes], ignore_index=True),
        first.snapshots | second.snapshots,
        np.concatenate([first.effects, second.effects]),
        np.concatenate([first.p_control, second.p_control]),
    )


def test_mean_effects_of_months_drawn_with_other_shares_are_unbiased(months):
    found = learnt(months)
    assert (np.abs(found.means - np.nanmean(months.effects, axis=0)) < 3.5 * found.standard_errors).all()


def test_effects_follow_the_true_ones(world, learner):
    """Within the offers: that their means differ proves nothing."""
    fits = ~np.isnan(world.effects)
    estimated = (learner.held_out - learner.held_out.mean(axis=0))[fits]
    true = (world.effects - np.nanmean(world.effects, axis=0))[fits]
    assert np.corrcoef(estimated, true)[0, 1] > 0.4
    assert 0.5 < learner.slope.used <= 1


def test_effects_are_closer_to_the_truth_than_what_was_believed(world, learner):
    fits = ~np.isnan(world.effects)
    own = ((learner.held_out - world.effects)[fits] ** 2).mean()
    assert own < 0.9 * ((MEANS - world.effects)[fits] ** 2).mean()


def test_where_what_is_believed_is_true_nothing_is_found_beyond_it(world):
    true = np.where(np.isnan(world.effects), MEANS, world.effects)
    found = learnt(world, expected=true)
    assert np.sqrt(((found.held_out - true) ** 2).mean()) < 0.02  # 0.09 is what there is to be found without


def test_mean_effects_are_unbiased(world, learner):
    """Fits and choices of the simulation do not depend on the customer: the mean is that of everybody."""
    assert (np.abs(learner.means + MEANS - np.nanmean(world.effects, axis=0)) < 3.5 * learner.standard_errors).all()
    assert (learner.standard_errors < 0.02).all()


def test_new_customers_get_effects_of_the_same_kind(world, learner):
    month = world.outcomes["campaign_month"] == "2026-02"
    customers = world.snapshots["2026-02"].assign(p_decline=world.outcomes.loc[month, "p_decline"].to_numpy())
    customers.loc[:3, "favourite_category"] = ["never seen", None, "a", "b"]
    expected = np.tile(MEANS, (20_000, 1))
    got = learner.customer_effects(customers, expected)
    assert got.shape == (20_000, 4)
    assert np.isfinite(got).all()
    fits = ~np.isnan(world.effects[month])
    assert np.corrcoef((got - MEANS)[fits], (world.effects[month] - MEANS)[fits])[0, 1] > 0.4
    believed = learner.customer_effects(customers, expected - np.array([0.2, 0, 0, 0]))
    np.testing.assert_allclose(got - believed, np.tile([0.2, 0, 0, 0], (20_000, 1)), atol=1e-12)
    assert learner.customer_effects(customers.iloc[:0], expected[:0]).shape == (0, 4)


def test_without_heterogeneity_effects_are_nearly_constant():
    spreads = []
    for seed in range(2):
        found = learnt(simulated.campaigns(5000, seed=seed, spread=0.0, shares=SHARES))
        spreads.append(found.held_out.std(axis=0).max())
    assert max(spreads) < 0.02  # the simulated spread is 0.09 elsewhere


def test_too_few_rows_and_unmeasured_offers():
    small = simulated.campaigns(1000, seed=1, shares=SHARES)
    assert learnt(small, enough=20_000) is None
    unknown = small.outcomes.assign(declined=pd.array([pd.NA] * 2000, dtype="Int64"))
    assert learnt(replace(small, outcomes=unknown), enough=100) is None
    found = learnt(small, enough=500, offers=("voucher", "new"), expected=[-0.05, -0.03])
    assert np.isnan(found.means).tolist() == [False, True]
    assert (found.held_out[:, 1] == -0.03).all()
    customers = small.snapshots["2026-01"].assign(p_decline=0.3)
    assert found.customer_effects(customers, np.full((1000, 2), -0.03))[:, 1] == pytest.approx(-0.03)


def test_same_seed_same_effects():
    small = simulated.campaigns(800, seed=2, shares=SHARES)
    first, second = (learnt(small, enough=300) for _ in range(2))
    np.testing.assert_array_equal(first.held_out, second.held_out)
