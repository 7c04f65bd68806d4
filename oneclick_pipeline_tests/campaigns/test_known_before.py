"""What learning from outcomes starts from: what was known before, folds and samples of customers."""

import numpy as np
import pandas as pd

from oneclick_pipeline.campaigns.outcomes import FOLDS, folds, known_before, sampled
from oneclick_pipeline.contracts.customers import FEATURE_NAMES


def outcomes(*rows):
    return pd.DataFrame(rows, columns=["campaign_month", "customer_id", "p_decline"])


def snapshot(customers, tenure):
    columns = {name: ["x"] * len(customers) for name in FEATURE_NAMES} | {"tenure_days": tenure}
    return pd.DataFrame({"customer_id": customers} | columns)


def test_known_before_is_of_the_month_and_the_customer_row_by_row():
    rows = outcomes(("2025-02", 7, 0.1), ("2025-01", 7, 0.2), ("2025-02", 8, 0.3), ("2025-01", 9, 0.4), ("2024-12", 7, 0.5))
    rows.index = [5, 5, 1, 0, 2]  # whatever the index says
    found = known_before(rows, {"2025-01": snapshot([8, 7], [1, 2]), "2025-02": snapshot([7, 8, 9], [3, 4, 5])})
    assert list(found.columns) == [*FEATURE_NAMES, "p_decline"]
    assert found.index.tolist() == [0, 1, 2, 3, 4]
    assert found["tenure_days"].fillna(-1).tolist() == [3, 2, 4, -1, -1]
    assert found["p_decline"].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert len(known_before(rows.head(0), {})) == 0


def test_folds_keep_a_customer_together_and_are_alike():
    customer = np.tile(np.arange(301), 3)
    fold = folds(customer, seed=1)
    assert (fold.reshape(3, -1) == fold[:301]).all()
    sizes = np.bincount(fold[:301], minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(folds(customer, seed=1), fold)
    assert (folds(customer, seed=2) != fold).any()


def test_a_sample_has_all_rows_of_some_customers():
    rows = outcomes(*((f"2025-0{m}", c, 0.5) for m in (1, 2, 3) for c in range(200)))
    found = sampled(rows, 150, seed=1)
    assert len(found) == 150
    assert (found.groupby("customer_id").size() == 3).all()
    assert found.index.tolist() == list(range(150))
    pd.testing.assert_frame_equal(found, sampled(rows, 150, seed=1))
    assert set(sampled(rows, 150, seed=2)["customer_id"]) != set(found["customer_id"])
    pd.testing.assert_frame_equal(sampled(rows.iloc[::-1], 600, seed=1), rows.iloc[::-1].reset_index(drop=True))
