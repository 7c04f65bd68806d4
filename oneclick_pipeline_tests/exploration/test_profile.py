from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES
from oneclick_pipeline.contracts.exploration import DATA_PROFILE
from oneclick_pipeline.exploration import EXPLORED, data_profile
from oneclick_pipeline.exploration.profile import normality
from oneclick_pipeline.settings import Exploration

SETTINGS = Exploration()
RNG = np.random.default_rng(7)


def tiny(**columns: list[object]) -> pd.DataFrame:
    """Regular customers of whom only these columns are known."""
    count = len(next(iter(columns.values())))
    known = {"customer_id": range(count), "regular": [True] * count, **columns}
    return pd.DataFrame({name: known.get(name, [None] * count) for name in CUSTOMER_FEATURES.names})


def row(frame: pd.DataFrame, column: str) -> dict[str, object]:
    profile = data_profile(frame, SETTINGS)
    return profile[profile["column"] == column].iloc[0].to_dict()


def assert_contract(profile: pd.DataFrame) -> None:
    DATA_PROFILE.contract().validate(pl.from_pandas(profile))
    assert profile["column"].tolist() == [c.name for c in EXPLORED]


def test_data_profile_quantity():
    got = row(tiny(tenure_days=[1, 2, 3, 4, 100, None]), "tenure_days")
    assert (got["feature_group"], got["kind"], got["rows"], got["missing"], got["distinct"]) == ("customer", "int", 6, 1, 5)
    assert (got["minimum"], got["q25"], got["median"], got["q75"], got["maximum"]) == (1, 2, 3, 4, 100)
    assert (got["mean"], got["outliers"]) == (22, 1)
    assert got["sd"] == pytest.approx(np.std([1, 2, 3, 4, 100], ddof=1))
    assert got["skewness"] > 1
    assert got["normality_test"] == "Shapiro-Wilk"
    assert got["normal"] is False or not got["normal"]
    assert pd.isna(got["top_value"])


def test_data_profile_category():
    got = row(tiny(marketing_consent=[True, True, False, None]), "marketing_consent")
    assert (got["missing"], got["distinct"], got["top_value"]) == (1, 2, "True")
    assert got["top_share"] == pytest.approx(2 / 3)
    assert pd.isna([got["mean"], got["outliers"], got["normal"]]).all()
    tied = row(tiny(service_level=["standard", "premium"]), "service_level")
    assert tied["top_value"] == "premium"  # by the alphabet


def test_data_profile_constant_no_test():
    got = row(tiny(promo_share=[0.1] * 50), "promo_share")
    assert (got["distinct"], got["sd"], got["outliers"]) == (1, pytest.approx(0), 0)
    assert pd.isna([got["skewness"], got["normality_test"], got["normal"]]).all()


def test_data_profile_nobody_regular(features):
    profile = data_profile(features.assign(regular=False), SETTINGS)
    assert_contract(profile)
    assert (profile["rows"] == 0).all()
    assert profile["mean"].isna().all()


def test_data_profile_any_order_same_table(features):
    profile = data_profile(features, SETTINGS)
    assert_contract(profile)
    pd.testing.assert_frame_equal(profile, data_profile(features.sample(frac=1, random_state=3), SETTINGS))


def test_data_profile_sample_says_rows(features):
    frame = pd.concat([features] * 4).assign(customer_id=range(1200))
    assert set(data_profile(frame, Exploration(max_rows=1000))["rows"]) == {1000}


def test_data_profile_level(features):
    p = row(features, "contacts_6m")["normality_p"]
    for level, normal in ((p * 0.9, True), (min(p * 1.1, 0.999), False)):
        profile = data_profile(features, Exploration(normality_level=level))
        assert bool(profile.loc[profile["column"] == "contacts_6m", "normal"].item()) is normal


@pytest.mark.parametrize(("count", "test"), [(3, "Shapiro-Wilk"), (5_000, "Shapiro-Wilk"), (5_001, "D'Agostino-Pearson K²")])
def test_normality_rule(count, test):
    assert normality(RNG.normal(size=count))[0] == test


@pytest.mark.parametrize("count", [500, 20_000])
def test_normality_tells_normal_from_exponential(count):
    rng = np.random.default_rng(11)
    assert normality(rng.normal(1e6, 1e-3, count))[2] > 0.01
    assert normality(rng.exponential(1, count))[2] < 1e-6


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [0.1] * 30])
def test_normality_nothing_to_test(values):
    assert normality(np.array(values)) is None


NUMBERS = st.one_of(st.none(), st.just(0.0), st.floats(-1e9, 1e9), st.sampled_from([0.1, 0.2]))
TEXTS = st.one_of(st.none(), st.text(max_size=5))
COLUMNS = {  # one of each kind: the rest is empty
    "activity": st.sampled_from([None, "declined", "stable"]),
    "marketing_consent": st.one_of(st.none(), st.booleans()),
    "tenure_days": st.one_of(st.none(), st.integers(0, 3)),
    "favourite_category": TEXTS,
    "profit": NUMBERS,
    "regular": st.booleans(),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Any customers: nulls, constants, few or none."""
    count = draw(st.integers(0, 12))
    return tiny(**{name: draw(st.lists(values, min_size=count, max_size=count)) for name, values in COLUMNS.items()})


@settings(max_examples=25, deadline=None)
@given(frames())
def test_data_profile_any_frame_contract(frame):
    assert_contract(data_profile(frame, SETTINGS))
