from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.exploration import EXPLORED, regular_sample
from oneclick_pipeline.settings import Exploration

SETTINGS = Exploration()
SMALL = Exploration(max_rows=1000)


def many(features: pd.DataFrame, copies: int) -> pd.DataFrame:
    frame = pd.concat([features] * copies, ignore_index=True)
    # the value says who it is, since customer_id is not in the sample
    return frame.assign(customer_id=range(len(frame)), profit=np.arange(len(frame), dtype=float))


def test_explored_names_features_activity_profit():
    assert {c.name for c in EXPLORED} == {*FEATURE_NAMES, "activity", "profit"}
    assert EXPLORED[0].name == "activity"
    assert EXPLORED[-1].name == "profit"


def test_regular_sample_regular_customers_only(features):
    features["regular"] = np.arange(300) < 120
    sample = regular_sample(features, SETTINGS)
    assert len(sample.frame) == sample.regular_customers == 120
    assert sample.description == "all 120 regular customers"


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_regular_sample_types_alike(features, backend):
    features.loc[3, ["activity", "profit"]] = None
    other = features.convert_dtypes(dtype_backend=backend)
    pd.testing.assert_frame_equal(regular_sample(other, SETTINGS).frame, regular_sample(features, SETTINGS).frame)


def test_regular_sample_missing_values(features):
    features["marketing_consent"] = features["marketing_consent"].astype(object).where(features.index > 9, None)
    features.loc[0, "revenue_m0"] = np.inf
    frame = regular_sample(features, SETTINGS).frame
    assert frame[["marketing_consent", "revenue_m0"]].isna().sum().tolist() == [10, 1]
    assert set(frame["marketing_consent"].dropna()) == {"True", "False"}


def test_regular_sample_size_and_words(features):
    sample = regular_sample(many(features, 5), SMALL)
    assert (len(sample.frame), sample.regular_customers) == (1000, 1500)
    assert sample.description == "random sample of 1,000 of 1,500 regular customers"


def test_regular_sample_any_order_same_customers(features):
    frame = many(features, 5)
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(regular_sample(frame, SMALL).frame, regular_sample(shuffled, SMALL).frame)


def test_regular_sample_is_random(features):
    drawn = regular_sample(many(features, 10), SMALL).frame["profit"]
    # uniform on 0...2999: the mean of 1000 draws has a standard error of 27; and no pattern of the id is preferred
    assert abs(drawn.mean() - 1499.5) < 90
    assert abs((drawn % 2).mean() - 0.5) < 0.05
