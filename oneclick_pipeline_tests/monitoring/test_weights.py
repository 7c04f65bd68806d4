"""The probability of no offer: by hand, and against draws of the real plan."""

import numpy as np
import pandas as pd
import pytest
from oneclick_pipeline.monitoring.untreated import COLUMNS, alone, weights

from oneclick_pipeline.offers import experiment
from oneclick_pipeline.settings import Offers

H, E, C = 0.1, 0.2, 0.05


def row(customer=1, **changes):
    known = {
        "customer_id": customer, "arm": "control", "offer_id": None, "assignment": "hold_out", "propensity": 0.5,
        "control_share": H, "exploration_share": E, "offer_control_share": C, "fits": "a,b,c",
    }  # fmt: skip
    return known | changes


BY_CHANCE = (1 - H) * E / 4
REST = (1 - H) * (1 - E)
OF_PLAN, OF_NONE = H + BY_CHANCE + REST * C, H + BY_CHANCE + REST


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"offer_id": "a"}, OF_PLAN),
        ({"offer_id": "a", "assignment": "plan"}, OF_PLAN),
        ({}, OF_NONE),
        ({"assignment": "exploration", "propensity": BY_CHANCE}, OF_PLAN),
        ({"assignment": "exploration", "propensity": BY_CHANCE + H}, OF_NONE),
        ({"arm": "none", "assignment": "none", "propensity": REST}, OF_NONE),
        ({"arm": "none", "assignment": "none", "propensity": None, "fits": ""}, 1.0),
        ({"offer_id": "a", "fits": ""}, H + (1 - H) * C),
    ],
)
def test_probability_of_no_offer_by_hand(changes, expected):
    (found,) = alone(pd.DataFrame([row(**changes)])).to_dict("records")
    assert found == {"customer_id": 1, "offered": False, "p_alone": pytest.approx(expected), "held_out": H}


def test_probability_is_that_of_the_plan():
    """Sixty kinds of customers, 3,000 of each, drawn as the plan draws: so many are left alone as was told."""
    kinds, each, m = 60, 3000, 3
    rng = np.random.default_rng(3)
    kind_fits = rng.random((kinds, m)) < 0.7
    liked = rng.integers(0, m, kinds)
    chosen = np.where((rng.random(kinds) < 0.6) & kind_fits[np.arange(kinds), liked], liked, -1)
    kind = np.repeat(np.arange(kinds), each)
    n, fits, policy = len(kind), kind_fits[kind], chosen[kind].astype(np.int16)
    settings = Offers(control_share=H, exploration_share=E, offer_control_share=C)
    draws = experiment.draw(np.arange(n), settings, "2026-10")
    plenty = {"cost": np.ones(m), "budget": 1e9, "capacity": np.full(m, 1e9)}
    explored, waves = experiment.explore(fits, draws, settings, **plenty)
    chances = experiment.propensities(fits, policy, explored, waves, settings)
    held = draws.hold_out < H
    exploring = ~held & (explored != experiment.NOTHING)
    kept = ~held & ~exploring & (draws.control < C) & (policy >= 0)
    given = np.where(exploring, explored, np.where(held | kept, -1, policy))
    logged = np.select([held | kept, exploring, policy >= 0], [chances.hold_out, chances.explored, chances.plan], chances.nothing)
    words = np.array([",".join(f"o{j}" for j in np.flatnonzero(f)) for f in kind_fits])
    named = np.where(exploring, explored, policy)
    table = pd.DataFrame(
        {
            "customer_id": np.arange(n),
            "arm": np.select([given >= 0, held | exploring | kept], ["offer", "control"], "none"),
            "offer_id": pd.Series(named).map({j: f"o{j}" for j in range(m)}),
            "assignment": np.select([held, exploring, policy >= 0], ["hold_out", "exploration", "plan"], "none"),
            "propensity": logged,
            "control_share": H,
            "exploration_share": E,
            "offer_control_share": C,
            "fits": words[kind],
        }
    )
    found = alone(table).assign(kind=kind)
    assert (found["offered"] == (given >= 0)).all()
    left = found[~found["offered"]].groupby("kind")["p_alone"]
    told = left.mean().to_numpy()
    assert left.std().max() < 1e-9  # one and the same, whichever way they were left alone
    assert np.abs(left.size() / each - told).max() < 4 * np.sqrt(0.25 / each)
    # together those who are left stand for all
    assert (1 / found.loc[~found["offered"], "p_alone"]).sum() == pytest.approx(n, rel=0.01)
    assert set(COLUMNS) == set(table.columns)


def test_weights_of_one_month_are_inverse_probabilities():
    month = alone(pd.DataFrame([row(1, offer_id="a"), row(2, arm="offer", offer_id="a", assignment="plan")]))
    offered, weight = weights(pd.Series([2, 1, 3]), [month])
    assert offered.tolist() == [True, False, False]
    assert weight[1:] == pytest.approx([1 / OF_PLAN, 1.0])


def test_weights_of_months_know_that_the_hold_out_is_for_good():
    months = [alone(pd.DataFrame([row(1, offer_id="a")]))] * 3
    _, weight = weights(pd.Series([1]), months)
    each = (OF_PLAN - H) / (1 - H)
    assert weight == pytest.approx([1 / (H + (1 - H) * each**3)])
    assert weights(pd.Series([1]), [])[1].tolist() == [1.0]
