from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.contracts.exploration import CORRELATIONS
from oneclick_pipeline.exploration import EXPLORED, Correlations, correlations
from oneclick_pipeline.settings import Exploration
from oneclick_pipeline_tests.exploration.conftest import customers

SETTINGS = Exploration(phik_bins=5)  # a quarter of the time of ten
NAMES = [c.name for c in EXPLORED]


def only(features: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """The customers with these columns; all others are empty, and so in no pair."""
    empty = dict.fromkeys(set(NAMES) - set(columns))
    return features.assign(**(empty | columns))


def pair(frame: pd.DataFrame, a: str, b: str, settings: Exploration = SETTINGS) -> dict[str, object]:
    table = correlations(frame, settings).table
    return table[(table["column_a"] == a) & (table["column_b"] == b)].iloc[0].to_dict()


@pytest.fixture(scope="module")
def found() -> Correlations:
    """All pairs of three hundred customers, computed once."""
    return correlations(customers(300), SETTINGS)


def test_correlations_contract_and_pairs(found):
    got = found
    CORRELATIONS.contract().validate(pl.from_pandas(got.table))
    assert list(zip(got.table["column_a"], got.table["column_b"], strict=True)) == list(combinations(NAMES, 2))
    assert (got.left_out, got.customers, got.description) == ((), 300, "all 300 regular customers")
    assert np.isfinite(got.table[["phik", "significance"]]).all(axis=None)


def test_correlations_finds_dependence_only(found):
    table = found.table.set_index(["column_a", "column_b"])
    assert table.loc[("activity", "pages_per_visit"), "phik"] > 0.7
    assert table.loc[("activity", "pages_per_visit"), "significance"] > 10
    independent = table.drop(index=("activity", "pages_per_visit"))
    assert independent["phik"].median() < 0.1
    assert independent["significance"].max() < 5


NOISE = np.random.default_rng(2).normal(0, 5, 300)
PAIRS = {
    "a noisy copy": (lambda t: {"revenue_m0": t["revenue_m0"], "revenue_m1": t["revenue_m0"] + NOISE}, 0.95, 1, True),
    "a copy of texts": (
        lambda t: {"service_level": t["service_level"], "favourite_category": t["service_level"] + "!"}, 0.95, 1, True,
    ),
    "a parabola": (lambda t: {"contacts_6m": t["contacts_6m"], "promo_share": (t["contacts_6m"] - 4) ** 2}, 0.7, 1, None),
    "a copy of the profit": (lambda t: {"revenue_m0": t["profit"], "profit": t["profit"]}, 0.95, 1, False),
    "many categories": (
        lambda t: {"activity": t["activity"], "favourite_category": [f"Категория {i % 90}" for i in range(300)]}, 0, 0.5, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PAIRS)
def test_correlations_of_a_pair(features, what):
    """Any dependence shows, chance does not, and only features are collinear: neither the target nor the profit is one."""
    columns, low, high, collinear = PAIRS[what]
    known = columns(features)
    got = pair(only(features, **known), *known)
    assert low <= got["phik"] <= high
    assert collinear is None or got["collinear"] == collinear


def test_correlations_collinear_strongest_first(features):
    m0 = features["revenue_m0"]
    frame = only(features, revenue_m0=m0, revenue_m1=m0 + 200 * np.sin(np.arange(300)), revenue_m2=m0)
    collinear = correlations(frame, Exploration(phik_bins=5, collinearity_threshold=0.5)).collinear
    assert collinear.loc[0, ["column_a", "column_b"]].tolist() == ["revenue_m0", "revenue_m2"]
    assert collinear["phik"].is_monotonic_decreasing
    assert len(collinear) == 3


def test_correlations_agrees_with_phik_matrix(features):
    """With few values a column, our bins are its values, and phik's own function for frames says the same."""
    from phik.phik import phik_matrix
    from phik.significance import significance_from_array

    names = ["activity", "service_level", "contacts_month", "pages_per_visit"]
    frame = features[names].assign(pages_per_visit=(features["pages_per_visit"] // 5))
    got = correlations(only(features, **{n: frame[n] for n in names}), Exploration(phik_bins=10)).table
    expected = phik_matrix(frame, interval_cols=[], njobs=1)
    for a, b, phik, significance in got[["column_a", "column_b", "phik", "significance"]].itertuples(index=False):
        assert phik == pytest.approx(expected.loc[a, b], abs=1e-4)
        z = significance_from_array(frame[a].astype(str), frame[b].astype(str), significance_method="asymptotic")[1]
        assert significance == pytest.approx(max(z, 0))


def test_correlations_constant_and_empty_left_out(features):
    got = correlations(features.assign(service_level="standard", activity=None, unpaid_items=0), Exploration(phik_bins=3))
    assert got.left_out == ("activity", "service_level", "unpaid_items")
    assert not {*got.left_out} & {*got.table["column_a"], *got.table["column_b"]}
    assert len(got.table) == 15 * 14 / 2


def test_correlations_pair_never_known_together_left_out(features):
    half = np.arange(300) < 150
    m0 = features["revenue_m0"]
    frame = only(features, revenue_m0=m0.where(half), revenue_m1=m0.where(~half), revenue_m2=m0)
    got = correlations(frame, SETTINGS)
    assert got.table[["column_a", "column_b"]].to_numpy().tolist() == [["revenue_m0", "revenue_m2"], ["revenue_m1", "revenue_m2"]]
    assert (got.table["phik"] >= 0.95).all()


def test_correlations_one_extreme_value_changes_little(features):
    m0, m1 = features["revenue_m0"], features["revenue_m0"] + 100 * np.sin(np.arange(300))
    usual = pair(only(features, revenue_m0=m0, revenue_m1=m1), "revenue_m0", "revenue_m1")["phik"]
    extreme = pair(only(features, revenue_m0=m0.where(m0.index > 0, 1e6), revenue_m1=m1), "revenue_m0", "revenue_m1")["phik"]
    assert extreme == pytest.approx(usual, abs=0.05)


@pytest.mark.parametrize("most", [0.0, 100.0])
def test_correlations_nearly_constant_quantity_is_kept(features, most):
    """Most values on either end: every quantile is the same, and yet the others must not fall into their bin."""
    rare = np.arange(300) % 30 == 0
    values = np.where(rare, 1.0 + np.arange(300) / 10, most)
    got = correlations(only(features, promo_share=values, service_level=np.where(rare, "premium", "standard")), SETTINGS)
    assert got.left_out == tuple(n for n in NAMES if n not in ("service_level", "promo_share"))
    assert len(got.table) == 1


def test_correlations_any_order_same_table(features):
    frame = only(features, **{n: features[n] for n in ("activity", "favourite_category", "pages_per_visit", "profit")})
    shuffled = frame.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(correlations(frame, SETTINGS).table, correlations(shuffled, SETTINGS).table)


def test_correlations_nobody_regular(features):
    got = correlations(features.assign(regular=False), SETTINGS)
    CORRELATIONS.contract().validate(pl.from_pandas(got.table))
    assert got.left_out == tuple(NAMES)
    assert got.table.empty
    assert got.collinear.empty


def test_correlations_sample_said(features):
    frame = only(pd.concat([features] * 4), activity=None).assign(customer_id=range(1200))
    got = correlations(frame, Exploration(max_rows=1000))
    assert (got.customers, got.description) == (1000, "random sample of 1,000 of 1,200 regular customers")


VALUES = st.one_of(st.none(), st.just(1.0), st.floats(0, 1e6))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 12).flatmap(lambda n: st.tuples(*[st.lists(VALUES, min_size=n, max_size=n)] * 3)))
def test_correlations_any_frame_contract(columns):
    m0, m1, m2 = columns
    count = len(m0)
    frame = pd.DataFrame(dict.fromkeys(NAMES, [None] * count) | {"revenue_m0": m0, "revenue_m1": m1, "revenue_m2": m2})
    frame = frame.assign(customer_id=range(count), regular=[True] * count)
    CORRELATIONS.contract().validate(pl.from_pandas(correlations(frame, Exploration(phik_bins=3)).table))
