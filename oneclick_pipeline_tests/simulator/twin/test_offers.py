from __future__ import annotations

import numpy as np
import pytest

from oneclick_pipeline.catalogue.eligibility import fits
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.simulator.twin.offers import DRIVERS, EDGE, OWN, RESPONSES, effects, response
from oneclick_pipeline.simulator.twin.panel import Panel
from oneclick_pipeline.simulator.twin.profile import Profile

OFFERS = [*RESPONSES, "a_new_offer"]


@pytest.fixture(scope="module")
def panel():
    return Panel.open(Profile.load(), customers=3000, seed=4, month="2024-06")


@pytest.fixture(scope="module")
def customers(panel):
    return panel.snapshot()


@pytest.fixture(scope="module")
def fitting(customers):
    """True effects on those whom the bundled offers fit, by offer, with their p_decline."""
    known = customers.assign(regular=True)
    offers = Catalogue.bundled().offers
    table, mask = effects([o.id for o in offers], customers, seed=1), fits(offers, known)
    return {offer: table[mask[:, k], k] for k, offer in enumerate(offers)}


def test_effects_leave_a_probability(customers):
    p = customers["p_decline"].to_numpy()[:, None]
    after = p + effects(OFFERS, customers, seed=1)
    assert after.shape == (3000, len(OFFERS))
    assert (after >= np.minimum(p, EDGE) - 1e-12).all()
    assert (after <= np.maximum(p, 1 - EDGE) + 1e-12).all()


def test_effects_depend_on_nobody_else(customers):
    some = customers.sample(100, random_state=1)
    whole = effects(OFFERS, customers, seed=1)
    assert np.array_equal(effects(OFFERS[::-1], some, seed=1)[:, ::-1], whole[some.index])


def test_effects_own_part_is_small_and_the_same_in_every_month(customers):
    later = customers.assign(customer_id=customers["customer_id"].to_numpy()[::-1])
    offer = ["premium_perks"]
    middle = customers["p_decline"].between(0.2, 0.8).to_numpy()
    difference = (effects(offer, later, seed=1) - effects(offer, customers, seed=1))[middle]
    assert difference.std() == pytest.approx(OWN * np.sqrt(2), rel=0.15)
    other_seed = (effects(offer, customers, seed=2) - effects(offer, customers, seed=1))[middle]
    assert other_seed.std() == pytest.approx(OWN * np.sqrt(2), rel=0.15)


def test_effects_are_known_of_every_bundled_offer():
    assert {offer.id for offer in Catalogue.bundled().offers} == set(RESPONSES)


def test_effects_near_and_off_what_the_catalogue_expects(fitting):
    off = {o.id: (table.mean() - o.effect_mean) / o.effect_sd for o, table in fitting.items()}
    assert abs(off["category_promo"]) < 0.3
    assert abs(off["premium_trial"]) < 0.3
    assert off["cross_category_bundle"] > 0.5  # less than expected
    assert off["content_selection"] > 0.5
    assert off["apology_bonus"] < -0.4  # more than expected


def test_effects_some_harm(fitting):
    mean = {o.id: table.mean() for o, table in fitting.items()}
    harmed = {o.id: (table > 0).mean() for o, table in fitting.items()}
    assert mean["content_selection"] > 0.01
    assert 0.2 < harmed["appliance_accessories"] < 0.8
    assert max(mean[name] for name in ("basket_voucher", "category_promo", "premium_perks", "apology_bonus")) < -0.02


def test_effects_differ_by_what_a_store_sees(customers):
    basket = effects(["basket_voucher"], customers, seed=1)[:, 0]
    middle = customers[customers["p_decline"].between(0.2, 0.9)]
    many, few = (basket[middle.index[mask]].mean() for mask in (middle["unpaid_items"] >= 6, middle["unpaid_items"] <= 2))
    assert many < few - 0.02
    late, middling = (basket[customers["p_decline"].between(low, high)].mean() for low, high in ((0.99, 1), (0.3, 0.8)))
    assert late > middling + 0.02


@pytest.mark.parametrize("name", DRIVERS)
def test_drivers_lie_between_minus_one_and_one(customers, name):
    values = DRIVERS[name](customers)
    assert -1 <= values.min() < values.max() <= 1


def test_response_of_an_unknown_offer_follows_from_its_id():
    assert response("a_new_offer") == response("a_new_offer")
    assert response("a_new_offer") != response("another")
    means = [response(f"offer_{k}").mean for k in range(300)]
    assert np.mean(means) == pytest.approx(-0.03, abs=0.006)
    assert np.std(means) == pytest.approx(0.03, abs=0.005)
