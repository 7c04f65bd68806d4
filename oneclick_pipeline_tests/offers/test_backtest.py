"""The plan's assignment beside simpler ones, on campaigns with known effects."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.catalogue.offer import Condition
from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES
from oneclick_pipeline.offers.backtest import compared
from oneclick_pipeline.offers.planner import offer_plan
from oneclick_pipeline.settings import Offers, Settings
from oneclick_pipeline_tests.offers.test_planner import offer, people

SETTINGS = Settings()


@dataclass(frozen=True)
class Stub:
    id: str
    cost: float
    effect_mean: float


GOOD, HARMFUL = Stub("good", 0.05, -0.05), Stub("harmful", 0.05, -0.06)


def effects(rows: int, good: float = -0.2, harmful: float = 0.2) -> np.ndarray:
    """What is believed of everybody alike."""
    return np.tile([good, harmful], (rows, 1))


def explored(rows: int, seed: int = 1) -> pd.DataFrame:
    """An exploration in which `good` saves a fifth of the customers and `harmful` loses a fifth."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.3, 0.7, rows)
    arm = rng.integers(0, 3, rows)  # control, good, harmful
    effect = np.array([0.0, -0.2, 0.2])[arm]
    h, e = SETTINGS.offers.control_share, SETTINGS.offers.exploration_share
    frame = pd.DataFrame(
        {
            "campaign_month": "2026-01",
            "customer_id": np.arange(rows),
            "arm": np.where(arm == 0, "control", "offer"),
            "offer_id": np.array([None, "good", "harmful"], dtype=object)[arm],
            "assignment": "exploration",
            "propensity": (1 - h) * e / 3,
            "p_control": h + (1 - h) * e / 3,
            "p_explore": (1 - h) * e,
            "control_share": h,
            "exploration_share": e,
            "offer_control_share": 0.1,
            "fits": "good,harmful",
            "segment": "grow",
            "p_decline": p,
            "value": 2.0,
            "cost": np.where(arm == 0, 0.0, 0.05),
            "declined": (rng.random(rows) < p + effect).astype(float),
        }
    )
    return frame.reindex(columns=[*CAMPAIGN_OUTCOMES.names, "p_control"])


def test_the_plan_earns_what_the_good_offer_does_and_the_catalogues_best_loses():
    found = {v.policy: v for v in compared(explored(6000), [GOOD, HARMFUL], effects(6000), seed=1)}
    assert list(found) == ["nobody", "plan", "all", "risk x profit"]
    assert found["nobody"].value == 0
    assert found["plan"].low < 0.2 * 2.0 - 0.05 < found["plan"].high
    assert found["all"].low < -0.2 * 2.0 - 0.05 < found["all"].high
    assert found["plan"].treated == pytest.approx(1)
    assert found["risk x profit"].high < 0


def test_nothing_is_said_before_a_campaign_has_matured():
    rows = explored(50).assign(declined=np.nan)
    assert compared(rows, [GOOD, HARMFUL], effects(50), seed=1) == []
    assert compared(rows.head(0), [GOOD], effects(0)[:, :1], seed=1) == []


def test_a_plan_that_believes_in_nothing_gives_nothing():
    found = {v.policy: v for v in compared(explored(600), [GOOD, HARMFUL], effects(600, 0.1, 0.1), seed=1)}
    assert (found["plan"].value, found["plan"].treated) == (0, 0)
    assert found["risk x profit"].treated == 0
    assert found["all"].treated == pytest.approx(1)


def test_the_plan_goes_by_every_customers_own_effects():
    rows = explored(6000)
    own = effects(6000)
    own[rows["p_decline"] < 0.5, 0] = 0.01
    found = {v.policy: v for v in compared(rows, [GOOD, HARMFUL], own, seed=1)}
    assert found["plan"].treated == pytest.approx((rows["p_decline"] >= 0.5).mean())
    assert found["plan"].low < (0.2 * 2.0 - 0.05) / 2 < found["plan"].high


CATALOGUE = (
    offer("bundle", conditions=(Condition("categories_per_visit", "<=", value=3),), cost=0.05, effect_mean=-0.08, capacity=60),
    offer("voucher", cost=0.3, effect_mean=-0.1, capacity=400),
    offer("premium", conditions=(Condition("service_level", "==", value="standard"),), cost=0.02, effect_mean=-0.05, capacity=60),
)
BELIEVED = np.array([-0.09, -0.02, -0.06])


def judged(draws, *, customers, luck, **limits):
    """Plans of one month drawn anew, their capacities closing in the middle, and what `plan` and `all` are said to earn.

    Returns:
        Error of each value over the truth, and whether its interval holds it; shape (draws, 2).
    """
    store = people(customers)
    p, profit, unpaid = (store[name].to_numpy() for name in ("p_decline", "profit", "unpaid_items"))
    base = np.clip(0.1 + 0.5 * p**2 + 0.0125 * np.clip(profit, -2, 8) + 0.15 * (unpaid > 1), 0.02, 0.95)
    true = np.column_stack([-0.02 - 0.06 * (profit > 4), -0.15 + 0.1 * p, -0.03 - 0.06 * (store["contacts_month"] > 4)])
    true = np.maximum(true, 0.01 - base[:, None])
    costs, ids = np.array([o.cost for o in CATALOGUE]), [o.id for o in CATALOGUE]
    errors, held = [], []
    for salt in range(draws):
        shares = Offers(control_share=0.1, exploration_share=0.3, offer_control_share=0.1, salt=str(salt), **limits)
        table = offer_plan(store, CATALOGUE, None, Settings(offers=shares), month="2026-10").table
        given = np.where(table["arm"] == "offer", table["offer_id"].map({name: j for j, name in enumerate(ids)}), -1).astype(int)
        declines = base + np.where(given >= 0, true[np.arange(customers), given], 0.0)
        declined = (np.random.default_rng(salt).random(customers) < declines).astype(float) if luck else declines
        sent = table.assign(campaign_month="2026-10", declined=declined)[table["arm"] != "none"].reset_index(drop=True)
        ways = {v.policy: v for v in compared(sent, CATALOGUE, np.tile(BELIEVED, (len(sent), 1)), seed=1)}
        # what fits is a matter of the customer: whoever may get an offer, in whatever plan
        eligible = table["propensity"].notna().to_numpy()
        fit = np.column_stack(
            [store["categories_per_visit"] <= 3, store["unpaid_items"] >= 1, store["service_level"] == "standard"]
        )
        worth = table["value"].to_numpy()
        for name, effects_of in (("plan", BELIEVED), ("all", np.array([o.effect_mean for o in CATALOGUE]))):
            gain = np.where(fit, np.minimum(-effects_of, p[:, None]) * worth[:, None] - costs, -np.inf)
            best, gets = (
                gain.argmax(axis=1),
                eligible & (np.isfinite(gain.max(axis=1)) if name == "all" else gain.max(axis=1) > 0),
            )
            earned = np.where(gets, -true[np.arange(customers), best] * worth - costs[best], 0.0)[eligible].mean()
            errors.append(ways[name].value - earned)
            held.append(ways[name].low <= earned <= ways[name].high)
    return np.reshape(errors, (draws, 2)), np.reshape(held, (draws, 2))


def test_ways_earn_what_they_would_where_capacities_close_in_the_middle():
    """The real planner, without luck of the outcomes: the mean error over the draws is within three of its standard errors."""
    errors, _ = judged(25, customers=2000, luck=False, budget=1e6)
    assert (np.abs(errors.mean(axis=0)) < 3 * errors.std(axis=0) / 5).all()


@pytest.mark.soak
@pytest.mark.parametrize("budget", [1e6, 40.0])
def test_intervals_of_ways_hold_what_they_would_earn(budget):
    errors, held = judged(400, customers=3000, luck=True, budget=budget)
    assert (np.abs(errors.mean(axis=0)) < 3 * errors.std(axis=0) / 20).all()
    assert (np.abs(held.mean(axis=0) - 0.95) <= 0.025).all()
