"""Scores say what happens without an offer, though offers were sent in the months that their labels speak of."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.experiment.weights import COLUMNS
from oneclick_pipeline.model import predict, train, training_set
from oneclick_pipeline.settings import Labels, Model
from oneclick_pipeline.simulator.twin.panel import Panel
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.year import our_policy
from oneclick_pipeline.simulator.year.play import open_year, play

HELD_OUT, WITHHELD = 0.1, 0.02
LINE = Model(families=("logistic_regression",), repeats=1, folds=2, inner_folds=2, draws=1, nested_draws=1, out_of_time_months=0)


def lived(customers=2500, months=7, *, effect, seed=1):
    """Snapshots of a store, and its plans: an offer to those with most at stake, held out and withheld as plans do."""
    panel = Panel.open(Profile.load(), customers=customers, seed=seed, month="2024-01")
    rng, snapshots, plans = np.random.default_rng(seed), {}, {}
    held = pd.Series(rng.random(customers * 2) < HELD_OUT)
    for _ in range(months):
        now = panel.snapshot()
        now["regular"] = (now[["revenue_m0", "revenue_m1", "revenue_m2"]] > 0).all(axis=1)
        at_stake = now["p_decline"] * now["profit"]
        planned = (at_stake > at_stake.median()).to_numpy()
        kept = held[now["customer_id"] - panel.snapshot()["customer_id"].min()].to_numpy() | (rng.random(len(now)) < WITHHELD)
        offered = planned & ~kept
        plans[panel.month] = pd.DataFrame({
            "customer_id": now["customer_id"], "arm": np.select([offered, planned], ["offer", "control"], "none"),
            "p_no_offer": np.where(planned, HELD_OUT + (1 - HELD_OUT) * WITHHELD, 1.0), "control_share": HELD_OUT,
        })  # fmt: skip
        snapshots[panel.month] = now
        panel.advance(np.where(offered, effect, 0.0))
    return snapshots, plans


def error_of_those_offered(snapshots, plans, drawn, settings=LINE):
    """Mean p_decline of a model for the last month less the truth, of those to whom its plan gives an offer."""
    month = max(plans)
    known = {m: rows for m, rows in snapshots.items() if m <= month}
    rows = training_set(known, month=month, horizon=3, settings=Labels(), drawn={m: p for m, p in drawn.items() if m < month})
    now = snapshots[month]
    chosen = now["customer_id"].isin(plans[month].query("arm == 'offer'")["customer_id"]).to_numpy()
    error = predict(train(rows, settings).pipeline, now) - now["p_decline"].to_numpy()
    return float(error[chosen].mean())


def test_scores_of_those_offered_are_those_of_a_store_without_offers():
    snapshots, plans = lived(effect=-0.2)
    free = error_of_those_offered(*lived(effect=0.0), {})  # a line does not fit the twin: what it misses without any offer
    assert error_of_those_offered(snapshots, plans, {}) < free - 0.08
    assert error_of_those_offered(snapshots, plans, plans) == pytest.approx(free, abs=0.025)


@pytest.mark.soak
def test_scores_of_those_offered_are_right_in_a_year_of_our_own_policy(tmp_path, monkeypatch):
    """20,000 customers, twelve months of plans with the default shares; 2.2 points too low when offers were forgotten."""
    plans, plan = {}, our_policy.offer_plan

    def kept(*tables, month, **further):
        made = plan(*tables, month=month, **further)
        plans[month] = made.table
        return made

    monkeypatch.setattr(our_policy, "offer_plan", kept)
    policy = our_policy.FastPolicy()
    year = open_year(tmp_path / "home", customers=20_000, months=12, first="2024-01", seed=105, history=3)
    play(year, policy, None, policy.watch)
    boosted = Model(families=("hist_gradient_boosting",), repeats=1, folds=3, draws=4, nested_draws=2, out_of_time_months=0)
    drawn = {month: rows[list(COLUMNS)] for month, rows in plans.items()}
    assert error_of_those_offered(policy._snapshots, plans, {}, boosted) < -0.018
    assert abs(error_of_those_offered(policy._snapshots, plans, drawn, boosted)) < 0.0075  # 0.5 points, and chance
