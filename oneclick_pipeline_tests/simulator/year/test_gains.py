"""What plans promise against the truth: by hand, in a month of many worlds, and (soak) over years."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns.worth import assumed
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.offers.planner import offer_plan
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.twin.worlds import true_effects
from oneclick_pipeline.simulator.year.gains import Promise, gains
from oneclick_pipeline.simulator.year.our_policy import FastPolicy
from oneclick_pipeline.simulator.year.play import Situation, Year, play, scored
from oneclick_pipeline.simulator.year.worth import Worth
from oneclick_pipeline.stats import Z_95


def test_gains_by_hand():
    """Two offers: 0.1 x 6 x 10 and -0.05 x 6 x 2 kept, at a cost of 1 each; then a month in which nobody got one."""
    sent = pd.DataFrame({"month": "2024-06", "effect": [-0.1, 0.05], "cost": 1.0, "profit": [10.0, 2.0]})
    worth = SimpleNamespace(of=lambda customers, months: months * customers["profit"].to_numpy())
    promises = {
        "2024-06": Promise(5.0, 4.0, 6.0, 6, "catalogue", "learned"),
        "2024-07": Promise(0.0, 0.0, 0.0, 3, "learned", "assumed"),
    }
    found = gains(promises, sent, worth).set_index("month")
    assert found["true_gain"].tolist() == pytest.approx([6 - 0.6 - 2, 0])
    assert found["covered"].tolist() == [False, True]
    assert found[["offers", "cost"]].to_numpy().tolist() == [[2, 2.0], [0, 0.0]]
    assert found["horizon_months"].tolist() == [6, 3]
    assert found["effects"].tolist() == ["catalogue", "learned"]
    assert found["worth"].tolist() == ["learned", "assumed"]


def history(customers, seed, *, world="catalogue_right", months=12):
    """A store that has lived six months without offers."""
    return Year(Profile.load(), Catalogue.bundled(), Settings(), customers, months, "2024-01", seed, 6, world)


def test_the_first_plan_holds_what_it_promises():
    """Effects drawn from the catalogue, worth from what is assumed of it: the interval is neither too narrow nor too wide.

    An interval of effects alone, with offers in quadrature, holds the truth in five of six draws.
    """
    year = history(1300, 1, months=1)
    panel = year.open()
    now = Situation(year, panel, 0, scored(panel.snapshot(), year.settings), year.catalogue.valid_in("2023-07"))
    plan = offer_plan(now.customers, now.offers, None, year.settings, month=now.month)
    given = np.flatnonzero(plan.table["arm"] == "offer")
    offer = plan.table["offer_id"].iloc[given].map({o.id: j for j, o in enumerate(now.offers)}).to_numpy(dtype=int)
    level, basis, rng = assumed(year.settings), assumed(year.settings).basis(now.customers)[given], np.random.default_rng(2)
    true = []
    for seed in range(120):
        effects = true_effects("catalogue_right", now.offers, now.customers, now.fitting, seed)[given, offer]
        worth = basis @ rng.multivariate_normal(level.coefficients, level.covariance)
        true.append(-effects @ worth - plan.summary.cost)
    said = plan.summary
    assert said.expected_gain + said.cost == pytest.approx(np.mean(true) + said.cost, rel=0.15)
    assert 0.75 < np.std(true) / ((said.expected_gain_high - said.expected_gain_low) / (2 * Z_95)) < 1.05
    assert np.mean([said.expected_gain_low <= gain <= said.expected_gain_high for gain in true]) >= 0.9


@pytest.mark.soak
@pytest.mark.parametrize(("customers", "histories"), [(1300, 30), (4000, 12), (20_000, 3)])
def test_years_hold_what_they_promise(customers, histories):
    """Where the catalogue is right, before and after anything is learned; months of one history are wrong together."""
    worth = Worth(Profile.load(), customers=20_000, seed=999, months=12)
    parts = []
    for seed in range(101, 101 + histories):
        ours = FastPolicy()
        played = play(history(customers, seed), ours, None, ours.watch)
        parts.append(gains(ours.promises, played.sent, worth).assign(seed=seed))
    for source, months in pd.concat(parts).groupby("effects"):
        few = 2.5 * (0.05 * 0.95 / histories) ** 0.5
        assert 0.9 - few <= months["covered"].mean() <= 0.98 + few, source
        assert 0.9 - few <= months["expected_gain"].sum() / months["true_gain"].sum() <= 1.15 + few, source
