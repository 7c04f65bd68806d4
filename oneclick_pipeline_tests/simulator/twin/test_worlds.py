from __future__ import annotations

import numpy as np
import pytest

from oneclick_pipeline.catalogue.eligibility import fits
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.offers import effects
from oneclick_pipeline.simulator.twin.panel import Panel
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.twin.worlds import WORLDS, check_world, true_effects

OFFERS = Catalogue.bundled().offers


@pytest.fixture(scope="module")
def customers():
    return Panel.open(Profile.load(), customers=1500, seed=4, month="2024-06").snapshot().assign(regular=True)


def test_the_twin_is_the_same_in_every_history(customers):
    found = true_effects("twin", OFFERS, customers, fits(OFFERS, customers), 7)
    assert np.array_equal(found, effects([o.id for o in OFFERS], customers, 7))


def test_a_catalogue_that_is_right_is_so_over_histories(customers):
    """Means over those whom an offer fits are drawn from what the catalogue says, as far as an effect can go."""
    fitting = fits(OFFERS, customers)
    tables = [true_effects("catalogue_right", OFFERS, customers, fitting, seed) for seed in range(60)]
    means = np.array([[table[fitting[:, j], j].mean() for j in range(len(OFFERS))] for table in tables])
    expected, sd = np.array([(o.effect_mean, o.effect_sd) for o in OFFERS]).T
    standard = (means - expected) / sd
    assert np.abs(standard.mean(axis=0)).max() < 3.5 / 60**0.5
    assert standard.std() == pytest.approx(1, abs=0.12)


def test_an_offer_that_fits_nobody_has_an_effect(customers):
    found = true_effects("catalogue_right", OFFERS[:1], customers, np.zeros((len(customers), 1), dtype=bool), 1)
    assert np.isfinite(found).all()


def test_worlds_have_names():
    assert check_world("twin") == "twin"
    with pytest.raises(BadInputError, match=r"no such world.*catalogue_right"):
        check_world("flat")
    assert "twin" in WORLDS
