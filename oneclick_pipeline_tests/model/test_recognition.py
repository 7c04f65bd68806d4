"""A store's first three months: its scores recognise the class of the month, and their intervals hold that, not the future."""

from __future__ import annotations

import pandas as pd
import pytest

from oneclick_pipeline.contracts.scores import FORECAST, RECOGNITION
from oneclick_pipeline.model.decline import CLASSES
from oneclick_pipeline_tests.declines import Store, held


def first_months(seed: int, months: int, customers: int = 1300) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Which intervals hold the classes of the month, and which the declines of the three months after it."""
    store, of_the_class, of_the_future = Store.live(months, customers=customers, seed=seed), [], []
    for month, shown in store.features.items():
        model = store.model(month)
        assert model.meaning == RECOGNITION
        profiles, placed = store.profiles(month, model)
        assert set(profiles["meaning"]) == {RECOGNITION}
        of_the_class.append(held(profiles, placed, shown.set_index("customer_id")["activity"].map(CLASSES)))
        of_the_future.append(held(profiles, placed, store.declines[month]))
    return pd.concat(of_the_class), pd.concat(of_the_future)


def test_intervals_of_the_first_month_are_about_its_classes_and_not_about_the_future():
    of_the_class, of_the_future = first_months(seed=101, months=1)
    assert of_the_class[["expected_declines", "value_at_risk"]].all(axis=None)
    assert of_the_future["expected_declines"].mean() < 0.7


def test_fourth_month_is_a_forecast():
    store = Store.live(4, customers=600, seed=101)
    assert store.model(max(store.features)).meaning == FORECAST


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(101, 107))
def test_intervals_of_the_first_three_months_are_about_their_classes(seed):
    of_the_class, of_the_future = first_months(seed, months=3)
    assert of_the_class[["expected_declines", "value_at_risk"]].mean().min() >= 0.95
    assert of_the_future["expected_declines"].mean() < 0.7
