"""The plan's assignment beside simpler ones, on campaigns with known effects."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES
from oneclick_pipeline.offers.backtest import compared
from oneclick_pipeline.settings import Settings

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
    return frame.reindex(columns=[*CAMPAIGN_OUTCOMES.names, "p_control", "p_explore"])


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
