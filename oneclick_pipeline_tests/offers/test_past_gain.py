"""What a plan would have gained in the past, on campaigns whose truth is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from oneclick_pipeline.campaigns.worth import assumed
from oneclick_pipeline.offers.candidates import OfferArrays
from oneclick_pipeline.offers.past_gain import Earlier, _drawn, past_gains
from oneclick_pipeline.settings import Offers, Settings
from oneclick_pipeline_tests.campaigns.simulated import COSTS, MEANS, OFFERS, campaigns

SHARES = Offers(control_share=0.1, exploration_share=0.3, offer_control_share=0.2)
PRICES = np.array(list(COSTS.values()))
ARRAYS = OfferArrays(OFFERS, PRICES, np.full(4, np.inf))
SETTINGS = Settings(offers=SHARES)


def solution(price, budget=1e6, explored=0.3):
    solved = SimpleNamespace(prices=np.zeros(4), price_of_budget=price)
    return SimpleNamespace(budget=budget, solved=solved, waves=(SimpleNamespace(end=explored),) if explored else ())


def truth(world, price):
    """What a plan at this price would gain of one of these customers, over all that chance may do."""
    fits, value = ~np.isnan(world.effects), world.outcomes["value"].to_numpy()[:, None]
    gain = np.where(fits, np.minimum(-MEANS, world.outcomes["p_decline"].to_numpy()[:, None]) * value - PRICES, -np.inf)
    best = (gain - price * PRICES).argmax(axis=1)
    row, true = np.arange(len(best)), -np.nan_to_num(world.effects) * value - PRICES
    policy = np.where((gain - price * PRICES)[row, best] > 0, true[row, best], 0)
    explored = (true * fits).sum(axis=1) / (fits.sum(axis=1) + 1)
    return (0.9 * (0.3 * explored + 0.7 * 0.8 * policy)).mean()


def judged(world, solutions):
    effects = np.broadcast_to(MEANS, world.effects.shape)
    return past_gains(Earlier(world.outcomes, effects), solutions, ARRAYS, SETTINGS)


@pytest.mark.parametrize("price", [0.0, 0.8])
def test_intervals_hold_what_the_plan_would_have_gained(price):
    errors, covered = [], []
    for seed in range(60):
        world = campaigns(2000, ("2026-01",), seed=seed, shares=SHARES)
        (found,) = judged(world, [solution(price)])
        true = truth(world, price)
        errors.append(found.estimate - true)
        covered.append(found.low <= true <= found.high)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(60)
    assert 0.87 <= np.mean(covered) <= 1


def test_plan_without_a_budget_gains_nothing_and_a_dearer_budget_gives_fewer():
    world = campaigns(4000, seed=1, shares=SHARES)
    nothing, some, all_of_them = judged(world, [solution(0.0, 0.0, explored=0), solution(3.0), solution(0.0)])
    assert (nothing.estimate, nothing.low, nothing.high) == (0, 0, 0)
    assert some.estimate < all_of_them.estimate


def test_earlier_customers_are_valued_as_the_plan_values_its_own():
    world = campaigns(300, seed=2)
    outcomes = world.outcomes.assign(declined=world.outcomes["declined"].where(world.outcomes["customer_id"] > 100))
    found = Earlier.of(outcomes, world.effects, OFFERS, tuple(reversed(OFFERS)), assumed(SETTINGS))
    known = outcomes["declined"].notna()
    assert len(found.outcomes) == known.sum() < len(outcomes)
    assert found.outcomes["value"].to_numpy() == pytest.approx(0.2 * 3 * outcomes.loc[known, "profit_before"].to_numpy())
    np.testing.assert_array_equal(found.effects, world.effects[known][:, ::-1])


def test_nothing_is_judged_before_a_campaign_has_matured():
    world = campaigns(100, seed=3)
    young = world.outcomes.assign(declined=np.nan)
    assert Earlier.of(young, world.effects, OFFERS, OFFERS, assumed(SETTINGS)) is None
    assert Earlier.of(world.outcomes, world.effects[:, :0], (), (), assumed(SETTINGS)) is None
    planned = world.outcomes.assign(assignment="plan")
    assert Earlier.of(planned, world.effects, OFFERS, OFFERS, assumed(SETTINGS)) is None


def test_chance_leaves_its_shares_of_a_plan():
    """Without the hold-out the whole was a tenth too large, within what the intervals of so few customers allow."""
    n = 200_000
    uniform, both = np.random.default_rng(1).random((4, n)), np.ones((n, 2), dtype=bool)
    drawn = _drawn(np.zeros(n, dtype=int), both, uniform, solution(0.0), SHARES)
    each = 0.9 * 0.3 / 3
    assert np.bincount(drawn + 1) / n == pytest.approx([1 - 2 * each - 0.9 * 0.7 * 0.8, each + 0.9 * 0.7 * 0.8, each], abs=0.005)
