"""Tables of customers that exploration's tests look at."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES

CATEGORIES = np.array(["Товары для детей", "Домашний текстиль", "Кухонная посуда"])


def customers(count: int, seed: int = 1) -> pd.DataFrame:
    """Regular customers whose columns are independent, except that `pages_per_visit` goes with activity."""
    rng = np.random.default_rng(seed)
    declined = rng.random(count) < 0.4
    frame = pd.DataFrame(
        {
            "customer_id": rng.permutation(count) + 100,
            "activity": np.where(declined, "declined", "stable"),
            "service_level": rng.choice(["standard", "premium"], count),
            "marketing_consent": rng.random(count) < 0.7,
            "contacts_6m": rng.normal(4, 1, count).round(1),
            "contacts_month": rng.integers(3, 6, count),
            "tenure_days": rng.integers(100, 1000, count),
            "promo_share": rng.random(count).round(2),
            "favourite_category": rng.choice(CATEGORIES, count),
            "categories_per_visit": rng.integers(1, 7, count).astype(float),
            "unpaid_items": rng.poisson(3, count),
            "service_errors": rng.poisson(4, count),
            "pages_per_visit": rng.normal(np.where(declined, 4, 10), 2).round(1),
            "revenue_m0": rng.normal(5000, 500, count),
            "revenue_m1": rng.normal(5000, 500, count),
            "revenue_m2": rng.normal(5000, 500, count),
            "minutes_m0": rng.integers(5, 23, count).astype(float),
            "minutes_m1": rng.integers(5, 23, count).astype(float),
            "profit": rng.normal(4, 1, count).round(2),
            "regular": np.ones(count, dtype=bool),
            "regular_reason": "regular",
            "missing_from": "",
        }
    )
    return frame[CUSTOMER_FEATURES.names]


@pytest.fixture
def features() -> pd.DataFrame:
    """Three hundred regular customers."""
    return customers(300)
