"""Probabilities of months that do not hold them: by hand, and against those of the real plan."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.experiment.draws import draw
from oneclick_pipeline.experiment.exploration import NOTHING, explore
from oneclick_pipeline.experiment.old_ledgers import with_probabilities
from oneclick_pipeline.experiment.probabilities import probabilities
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
def test_probabilities_by_hand(changes, expected):
    inferred = with_probabilities(pd.DataFrame([row(**changes)])).iloc[0]
    assert inferred["p_no_offer"] == pytest.approx(expected)
    drawn = expected < 1
    assert inferred["p_control"] == pytest.approx((H + (BY_CHANCE if row(**changes)["fits"] else 0)) * drawn)
    assert inferred["p_explore"] == pytest.approx((1 - H) * E * drawn * bool(row(**changes)["fits"]))


def test_inferred_probabilities_are_those_of_the_plan():
    """Sixty kinds of customers, 3,000 of each, drawn as the plan draws: what is inferred is what the plan would have stored."""
    kinds, each, m = 60, 3000, 3
    rng = np.random.default_rng(3)
    kind_fits = rng.random((kinds, m)) < 0.7
    liked = rng.integers(0, m, kinds)
    chosen = np.where((rng.random(kinds) < 0.6) & kind_fits[np.arange(kinds), liked], liked, -1)
    kind = np.repeat(np.arange(kinds), each)
    n, fits, policy = len(kind), kind_fits[kind], chosen[kind].astype(np.int16)
    settings = Offers(control_share=H, exploration_share=E, offer_control_share=C)
    draws = draw(np.arange(n), settings, "2026-10")
    plenty = {"cost": np.ones(m), "budget": 1e9, "capacity": np.full(m, 1e9)}
    explored, waves = explore(fits, draws, settings, **plenty)
    chances = probabilities(fits, policy, explored, waves, settings)
    held = draws.hold_out < H
    exploring = ~held & (explored != NOTHING)
    kept = ~held & ~exploring & (draws.control < C) & (policy >= 0)
    given = np.where(exploring, explored, np.where(held | kept, -1, policy))
    logged = np.select([held | kept, exploring, policy >= 0], [chances.withheld, chances.explored, chances.plan], chances.nothing)
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
    inferred = with_probabilities(table)
    without = given < 0  # an offer that was explored does not say whether the policy had another one
    np.testing.assert_allclose(inferred.loc[without, "p_no_offer"], chances.no_offer[without], atol=1e-12)
    np.testing.assert_allclose(inferred["p_control"], chances.control, atol=1e-12)
    np.testing.assert_allclose(inferred["p_explore"], chances.explore, atol=1e-12)
    left = inferred[without].groupby(kind[without])["p_no_offer"]
    assert np.abs(left.size() / each - left.mean()).max() < 4 * np.sqrt(0.25 / each)
    # together those without an offer stand for all
    assert (1 / inferred.loc[without, "p_no_offer"]).sum() == pytest.approx(n, rel=0.01)


def test_what_is_stored_is_kept_and_only_the_rest_is_inferred():
    stored = {"p_no_offer": 0.5, "p_control": 0.4, "p_explore": 0.3}
    rows = pd.DataFrame([row(1, **stored), row(2)])
    got = with_probabilities(rows).set_index("customer_id")[list(stored)]
    assert got.loc[1].to_dict() == stored
    assert got.loc[2, "p_control"] == pytest.approx(H + BY_CHANCE)
    pd.testing.assert_frame_equal(with_probabilities(rows.head(1)), rows.head(1))
