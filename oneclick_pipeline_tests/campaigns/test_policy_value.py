"""The value of policies, on campaigns whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns.policy_value import NOBODY, policy_value
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Offers
from oneclick_pipeline_tests.campaigns.simulated import COSTS, OFFERS, campaigns

SHARES = Offers(control_share=0.1, exploration_share=0.3, offer_control_share=0.2)
DRAWN_WITH = {
    "2026-01": Offers(control_share=0.5, exploration_share=0.3, offer_control_share=0.2),
    "2026-02": Offers(control_share=0.02, exploration_share=0.3, offer_control_share=0.2),
}
PRICES = np.array(list(COSTS.values()))


def policies(world):
    """Rules that look at what is known before: some that agree with the plan often, one that never asks it."""
    fits, p = ~np.isnan(world.effects), world.outcomes["p_decline"].to_numpy()
    last = np.where(fits, np.arange(len(OFFERS)), -1).max(axis=1)
    first = fits.argmax(axis=1)
    risky = p * world.outcomes["value"].to_numpy() > 0.9
    return {"first": first, "last": last, "risk x value": np.where(risky, first, -1)}


def ids(numbers):
    return [OFFERS[j] if j >= 0 else None for j in numbers]


def truth(world, numbers):
    """What the policy earns on these very customers in expectation, per customer."""
    row = np.arange(len(numbers))
    earned = -world.effects[row, numbers] * world.outcomes["value"].to_numpy() - PRICES[numbers]
    return np.where(numbers >= 0, earned, 0.0).mean()


def test_intervals_hold_the_truth():
    """120 small worlds: the estimate is unbiased and its 95 % interval holds the truth in 95 % ± 5 of them."""
    errors, covered = {}, {}
    for seed in range(120):
        world = campaigns(2000, ("2026-01",), seed=seed, shares=SHARES)
        given = policies(world)
        found = policy_value(world.outcomes, {name: ids(numbers) for name, numbers in given.items()}, COSTS)
        for told in found[1:]:
            true = truth(world, given[told.policy])
            errors.setdefault(told.policy, []).append(told.value - true)
            covered.setdefault(told.policy, []).append(told.low <= true <= told.high)
    for name, own in errors.items():
        assert abs(np.mean(own)) < 3 * np.std(own) / np.sqrt(len(own)), name
        assert 0.9 <= np.mean(covered[name]) <= 0.99, (name, np.mean(covered[name]))


def two_months(seed):
    """Two months of other shares; in the first, half of those who would stay decline whatever they get."""
    first, second = (campaigns(1000, (m,), seed=2 * seed + k, shares=s) for k, (m, s) in enumerate(DRAWN_WITH.items()))
    leave = np.random.default_rng(seed).random(1000) < 0.5
    left = first.outcomes.assign(declined=first.outcomes["declined"].where(~leave, 1))
    outcomes = pd.concat([left, second.outcomes], ignore_index=True).assign(value=1.0)
    return replace(first, outcomes=outcomes, effects=np.concatenate([first.effects / 2, second.effects]))


def test_months_keep_their_own_shares():
    """Unbiased although no model tells the months apart; with the shares of the second for both it is far off."""
    errors, misread, covered = [], [], []
    for seed in range(100, 160):
        world = two_months(seed)
        first = (~np.isnan(world.effects)).argmax(axis=1)
        true = truth(world, first)
        told = policy_value(world.outcomes, {"first": ids(first)}, COSTS)[1]
        errors.append(told.value - true)
        covered.append(told.low <= true <= told.high)
        wrong = world.outcomes.assign(control_share=0.02, p_explore=0.98 * 0.3, p_control=0.02 + 0.98 * 0.3 / 4)
        misread.append(policy_value(wrong, {"first": ids(first)}, COSTS)[1].value - true)
    error = np.std(errors) / np.sqrt(len(errors))
    assert abs(np.mean(errors)) < 3 * error
    assert np.mean(covered) >= 0.85
    assert np.mean(misread) > 8 * error


def test_months_count_by_their_customers():
    """Nobody gets anything in one month: half of the customers, however few of them were left to chance."""
    world = two_months(1)
    first = np.where(world.outcomes["campaign_month"] == "2026-01", (~np.isnan(world.effects)).argmax(axis=1), -1)
    found = policy_value(world.outcomes, {"first": ids(first)}, COSTS)[1]
    assert found.treated == pytest.approx(0.5, abs=0.05)


def test_a_wrong_score_costs_precision_but_no_truth():
    """The model speaks nonsense of controls and offers alike: the corrections put it right."""
    errors = []
    for seed in range(60):
        world = campaigns(1000, seed=seed, shares=SHARES)
        nonsense = world.outcomes.assign(p_decline=np.random.default_rng(seed).random(len(world.outcomes)))
        given = policies(world)["first"]
        errors.append(policy_value(nonsense, {"first": ids(given)}, COSTS)[1].value - truth(world, given))
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))


def test_nobody_is_worth_nothing_by_definition():
    world = campaigns(500, seed=1, shares=SHARES)
    nobody, nothing = policy_value(world.outcomes, {"nothing": [None] * len(world.outcomes)}, COSTS)
    assert nobody.policy == NOBODY
    for told in (nobody, nothing):
        assert (told.value, told.low, told.high, told.treated, told.matched) == (0, 0, 0, 0, 0)


def test_an_offer_that_costs_more_is_worth_so_much_less():
    world = campaigns(500, seed=1, shares=SHARES)
    given = {"first": ids(policies(world)["first"])}
    cheap, dear = (policy_value(world.outcomes, given, {o: c + more for o, c in COSTS.items()})[1] for more in (0, 0.5))
    assert dear.value == pytest.approx(cheap.value - 0.5)
    assert dear.high - dear.low == pytest.approx(cheap.high - cheap.low)


def test_clip_and_support_are_told():
    world = campaigns(500, seed=1, shares=SHARES)
    given = {"first": ids(policies(world)["first"])}
    assert policy_value(world.outcomes, given, COSTS)[1].clipped == 0
    told = policy_value(world.outcomes, given, COSTS, clip=3.0)[1]
    assert told.clip == 3.0
    assert 0 < told.clipped < 1
    misfit = ids(np.isnan(world.effects).argmax(axis=1))
    assert policy_value(world.outcomes, {"misfit": misfit}, COSTS)[1].unsupported > 0.5
    assert policy_value(world.outcomes, given, COSTS)[1].unsupported == 0
    closed = world.outcomes.assign(chances=world.outcomes["fits"].str.replace(",", "=0.0,") + "=0.0")
    assert policy_value(closed, given, COSTS)[1].unsupported > 0.2  # what fits, but could not be drawn


def test_rows_without_a_class_are_left_out():
    world = campaigns(500, seed=1, shares=SHARES)
    first = ids(policies(world)["first"])
    unknown = world.outcomes["campaign_month"] == "2026-02"
    part = world.outcomes.assign(declined=world.outcomes["declined"].where(~unknown))
    kept = world.outcomes[~unknown]
    alone = policy_value(kept, {"first": [o for o, u in zip(first, unknown, strict=True) if not u]}, COSTS)
    assert policy_value(part, {"first": first}, COSTS) == alone


def test_what_cannot_be_judged_is_refused():
    world = campaigns(100, seed=1, shares=SHARES)
    with pytest.raises(BadInputError, match="gives an offer without a cost") as error:
        policy_value(world.outcomes, {"odd": ["gold"] * 200}, COSTS)
    assert error.value.value == "gold"
    with pytest.raises(BadInputError, match="covers 1 customers, the outcomes cover 200"):
        policy_value(world.outcomes, {"odd": ["voucher"]}, COSTS)
    with pytest.raises(BadInputError, match="no explored or held-out customer"):
        policy_value(world.outcomes[world.outcomes["assignment"] == "plan"], {}, COSTS)
