from __future__ import annotations

import numpy as np
import pytest

from oneclick_pipeline.simulator.year import policies
from oneclick_pipeline.simulator.year.play import Situation, scored


@pytest.fixture(scope="module")
def now(year):
    panel = year.open()
    return Situation(year, panel, 0, scored(panel.snapshot(), year.settings), year.catalogue.offers)


def cost(now, choice):
    return now.cost[choice[choice >= 0]].sum()


def expected(now, choice, worth):
    """Expected gain of a choice, less its cost."""
    given = np.flatnonzero(choice >= 0)
    p = now.customers["p_decline"].to_numpy()[given]
    saved = np.minimum(-now.effects[given, choice[given]], p)
    return (saved * worth.of(now.customers, now.months_after)[given]).sum() - cost(now, choice)


@pytest.mark.parametrize("policy", [policies.random, policies.risk_profit])
def test_policies_spend_the_budget_and_no_more(now, policy):
    choice = policy(now)
    budget = now.budget
    assert budget - now.cost.max() < cost(now, choice) <= budget * (1 + 1e-9)
    assert now.may_get[choice >= 0, choice[choice >= 0]].all()


def test_risk_profit_takes_those_with_most_at_stake(now):
    choice = policies.risk_profit(now)
    at_stake = now.customers["value_at_risk"].to_numpy()
    could = now.may_get.any(axis=1)
    assert at_stake[choice >= 0].min() > np.quantile(at_stake[could], 0.5)
    best = np.where(now.may_get, [o.effect_mean for o in now.offers], 0.0).min(axis=1)
    given = np.flatnonzero(choice >= 0)
    assert [now.offers[j].effect_mean for j in choice[given]] == best[given].tolist()


def test_oracle_expects_more_than_the_others(now, worth):
    best = expected(now, policies.oracle(worth)(now), worth)
    for other in (policies.nobody, policies.random, policies.risk_profit):
        assert best > expected(now, other(now), worth)


def test_oracle_never_harms(now, worth):
    choice = policies.oracle(worth)(now)
    given = np.flatnonzero(choice >= 0)
    assert (now.effects[given, choice[given]] < 0).all()


def test_oracle_gains_most_over_the_year(plays):
    gain = {name: play.profit() for name, play in plays.items()}
    # chance of who declines is common to all, but not what follows from it: allow for a tenth
    best = gain["oracle"] - gain["nobody"]
    assert best > 0
    assert all(gain[name] - gain["nobody"] < 1.1 * best for name in gain)


def test_capacities_hold(now):
    wanted = np.full(len(now.customers), 3)  # premium_trial: 500 a month
    few = policies._in_order(now, wanted, np.arange(len(wanted)))
    assert (few >= 0).sum() == min(500, int(now.budget / now.cost[3] + 1e-9))
