"""Invented customers, to show a model's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.model.training_set import inputs

if TYPE_CHECKING:
    import pandas as pd

_INVENTED: tuple[dict[str, object], ...] = (
    {
        "service_level": "standard",
        "marketing_consent": True,
        "contacts_6m": 3.333,
        "contacts_month": 3,
        "tenure_days": 333,
        "promo_share": 0.333,
        "favourite_category": "Товары для детей",
        "categories_per_visit": 3.333,
        "unpaid_items": 3,
        "service_errors": 3,
        "pages_per_visit": 3.333,
        "revenue_m0": 3333.333,
        "revenue_m1": 3333.333,
        "revenue_m2": 3333.333,
        "minutes_m0": 3.333,
        "minutes_m1": 3.333,
    },
    {
        "service_level": "premium",
        "marketing_consent": False,
        "contacts_6m": 7.777,
        "contacts_month": 7,
        "tenure_days": 777,
        "promo_share": 0.777,
        "favourite_category": "Кухонная посуда",
        "categories_per_visit": 7.777,
        "unpaid_items": 7,
        "service_errors": 7,
        "pages_per_visit": 7.777,
        "revenue_m0": 7777.777,
        "revenue_m1": 7777.777,
        "revenue_m2": 7777.777,
        "minutes_m0": 7.777,
        "minutes_m1": 7.777,
    },
)
"""The same digit everywhere, clearly invented; the store rounds to hundredths, so no real customer is like them."""


def invented_customers() -> pd.DataFrame:
    """Two made-up customers as a model is shown them, within the features' ranges.

    >>> invented_customers()["revenue_m0"].tolist()
    [3333.333, 7777.777]
    """
    import pandas as pd

    return inputs(pd.DataFrame(list(_INVENTED)))
