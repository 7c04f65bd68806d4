"""The model's own error: by hand, and in stores of the twin whose future is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.model.band_errors import BandErrors, band_errors
from oneclick_pipeline.settings import Model
from oneclick_pipeline_tests.declines import LOGISTIC, Store, held


def test_errors_of_two_bands_by_hand():
    p, declined = np.array([0.25, 0.25, 0.75, 0.75]), np.array([0.0, 1.0, 1.0, 1.0])
    found = np.array(band_errors(p, declined, np.array([5, 7, 5, 9]), np.ones(4), 2).moments)
    # residuals: -0.25 and 0.75 of band 0, 0.25 and 0.25 of band 1; one customer has the first of either
    independent = 2 * 0.25 * 0.75
    assert found[0, 0] == pytest.approx((0.0625 + 0.5625) / 4)
    assert found[1, 1] == pytest.approx(independent / 4)  # never less than independent customers
    assert found[0, 1] == found[1, 0] == pytest.approx(-0.25 * 0.25 / 4)


def test_model_that_is_off_everywhere_is_known_to_be():
    p, n = np.full(1000, 0.5), 1000
    found = band_errors(p, (np.arange(n) < 700).astype(float), np.arange(n), np.ones(n), 2)
    assert found.moments[1][1] == pytest.approx(0.2**2, rel=0.02)
    assert found.moments[0][0] == 0.25  # nothing is known of this band


def test_rows_of_one_customer_count_once():
    p, declined = np.full(400, 0.5), np.repeat([0.0, 1.0], 200)
    alone, four_times = (band_errors(p, declined, np.arange(400) // rows, np.ones(400)).moments[5][5] for rows in (1, 4))
    assert four_times == pytest.approx(4 * alone)


def test_rows_that_represent_others_count_for_them():
    """A hundred customers who represent three each say as little as a hundred, of three times as many."""
    p, declined = np.full(100, 0.5), np.tile([0.0, 1.0], 50)
    one, three = (band_errors(p, declined, np.arange(100), np.full(100, weight)).moments for weight in (1.0, 3.0))
    assert np.array(one) == pytest.approx(np.array(three))
    half = band_errors(p, declined, np.arange(100), np.where(declined == 1, 3.0, 1.0)).moments[5][5]
    assert half > 0.2**2  # of the customers represented three quarters declined


def test_errors_come_back_from_their_text():
    errors = band_errors(np.linspace(0, 1, 50), np.arange(50) % 2.0, np.arange(50), np.ones(50))
    assert BandErrors.from_json(errors.to_json()) == errors


def coverage(customers: int, seeds: range, settings: Model = LOGISTIC, months: tuple[int, ...] = (3, 5)) -> pd.DataFrame:
    """Of stores of the twin: which intervals of a forecast hold the declines, and the profit of those who decline."""
    rows = []
    for seed in seeds:
        store = Store.live(max(months) + 1, customers=customers, seed=seed)
        for month in (list(store.features)[n] for n in months):
            profiles, placed = store.profiles(month, store.model(month, settings))
            rows.append(held(profiles, placed, store.declines[month]).assign(seed=seed, month=month))
    return pd.concat(rows, ignore_index=True)


def test_intervals_of_a_forecast_hold_the_declines():
    """With chance alone they held 82 % of them, and 73 % of those of all customers together."""
    found = coverage(1300, range(101, 105), months=(4,))
    assert found["expected_declines"].mean() > 0.9
    assert found["value_at_risk"].mean() > 0.9
    assert found[found["segment"] == "all"]["expected_declines"].all()


@pytest.mark.soak
@pytest.mark.parametrize(("customers", "seeds"), [(1300, range(101, 131)), (5000, range(101, 121)), (20_000, range(101, 113))])
def test_intervals_of_a_forecast_have_their_coverage(customers, seeds):
    found = coverage(customers, seeds, months=(3, 5, 8))
    assert 0.92 <= found["expected_declines"].mean() <= 0.985
    assert found["value_at_risk"].mean() >= 0.92


@pytest.mark.soak
def test_intervals_by_the_whole_training_have_their_coverage():
    found = coverage(1300, range(101, 107), Model(), months=(4, 8))
    assert found["expected_declines"].mean() >= 0.92
