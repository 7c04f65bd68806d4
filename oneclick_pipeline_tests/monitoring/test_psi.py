"""The index by hand on tiny counts, its properties, and what chance does to it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.monitoring.psi import MOST_CATEGORIES, category_counts, number_counts, psi

counts = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=12)


def numbers(*values):
    return pd.Series(values, dtype=float)


def test_psi_by_hand():
    """Half a customer more in either bin: shares 50.5/101 and 80.5/101, 50.5/101 and 20.5/101."""
    found = psi(np.array([50, 50]), np.array([80, 20]))
    p, q = np.array([50.5, 50.5]) / 101, np.array([80.5, 20.5]) / 101
    assert found.value == pytest.approx(float(((q - p) * np.log(q / p)).sum()))
    assert found.value == pytest.approx(0.4063, abs=1e-4)
    assert (found.bins, found.chance) == (2, pytest.approx(0.02))
    assert found.low < found.value < found.high
    assert found.beyond_chance


def test_bin_that_nobody_is_in_does_not_count_and_one_that_was_empty_is_no_infinity():
    assert psi(np.array([50, 0, 50]), np.array([80, 0, 20])) == psi(np.array([50, 50]), np.array([80, 20]))
    found = psi(np.array([100, 0]), np.array([90, 10]))
    assert 0 < found.value < 1
    assert np.isfinite(found.high)


@pytest.mark.parametrize(("before", "now"), [([0, 0], [5, 5]), ([5, 5], [0, 0]), ([7], [9]), ([7, 0], [9, 0])])
def test_what_cannot_move_has_not_moved(before, now):
    found = psi(np.array(before), np.array(now))
    assert (found.value, found.low, found.high, found.chance) == (0, 0, 0, 0)


@given(counts)
def test_psi_is_not_negative_and_lies_in_its_interval(pairs):
    found = psi(*(np.array(column) for column in zip(*pairs, strict=True)))
    assert 0 <= found.low <= found.value <= found.high


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12))
def test_same_counts_have_not_moved(column):
    assert psi(np.array(column), np.array(column)).value == 0
    assert not psi(np.array(column), np.array(column)).beyond_chance


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(0, 3)), min_size=1, max_size=40), st.randoms())
def test_order_of_rows_changes_no_count(values, random):
    shuffled = random.sample(values, len(values))
    found = number_counts(numbers(*values), numbers(*shuffled), 5)
    np.testing.assert_array_equal(found, number_counts(numbers(*shuffled), numbers(*values), 5))
    assert found[0].sum() == found[1].sum() == len(values)


@pytest.mark.parametrize(
    ("reference", "month", "bins", "before", "now"),
    [
        # bins are quantiles up to their edge; outer ones reach beyond the reference; the last one is of no value
        (range(1, 11), (0, 2, 3, 5, 99, None), 5, [2, 2, 2, 2, 2, 0], [2, 1, 1, 0, 1, 1]),
        # a value that many share has one bin, at the bottom and at the top
        ((*[0] * 60, *range(1, 41)), (*[0] * 10, *[5] * 10), 10, [60, 10, 10, 10, 10, 0], [10, 10, 0, 0, 0, 0]),
        ((1, *[7] * 99), (1,), 10, [1, 99, 0], [1, 0, 0]),
        # a constant reference sees what leaves it either way
        ((5, 5, 5), (4, 5, 6, 6), 10, [0, 3, 0, 0], [1, 1, 2, 0]),
        # a reference without a value counts what is missing
        ((None, None), (1, None), 10, [0, 2], [1, 1]),
    ],
)
def test_bins_of_numbers(reference, month, bins, before, now):
    found = number_counts(numbers(*reference), numbers(*month), bins)
    assert [counted.tolist() for counted in found] == [before, now]


def test_flags_that_may_be_missing_are_counted():
    before, now = number_counts(pd.Series([True, False, None], dtype=object), pd.Series([True, True]), 10)
    assert (before.tolist(), now.tolist()) == ([1, 1, 1], [0, 2, 0])


def test_categories_of_the_reference_have_bins_and_new_ones_share_one():
    before, now = category_counts(pd.Series(["a", "a", "b", None]), pd.Series(["b", "x", "y", None, None], dtype="category"))
    assert before.tolist() == [2, 1, 0, 0, 1]  # a, b, rare ones, new ones, none
    assert now.tolist() == [0, 1, 0, 2, 2]


def test_rare_categories_share_a_bin():
    names = [f"c{i:03}" for i in range(MOST_CATEGORIES + 30)]
    before, now = category_counts(pd.Series([*names, *names[:MOST_CATEGORIES]]), pd.Series([names[-1]]))
    assert len(before) == MOST_CATEGORIES + 3
    assert (before[-3], now[-3], now.sum()) == (30, 1, 1)


def test_chance_alone_is_called_drift_rarely():
    """200 months of 300 customers that never moved: the index itself is beyond 0.1 often; beyond chance it nearly never is."""
    rng = np.random.default_rng(7)
    share = np.full(10, 0.1)
    found = [psi(rng.multinomial(300, share), rng.multinomial(300, share), seed) for seed in range(200)]
    values = np.array([f.value for f in found])
    assert values.mean() == pytest.approx(found[0].chance, rel=0.15)  # 9 (1/300 + 1/300) = 0.06
    assert (values > 0.1).mean() > 0.04
    assert sum(f.beyond_chance for f in found) <= 2
    assert all(f.low < f.value < f.high for f in found)  # draws have the noise twice; left so, they would lie above
    assert not any(f.beyond_chance and f.value > 0.25 for f in found)


def test_interval_holds_the_index_of_the_distributions_themselves():
    rng = np.random.default_rng(8)
    p, q = np.full(5, 0.2), np.array([0.35, 0.25, 0.15, 0.15, 0.1])
    truth = float(((q - p) * np.log(q / p)).sum())
    found = [psi(rng.multinomial(2000, p), rng.multinomial(2000, q), seed) for seed in range(60)]
    assert np.mean([f.low <= truth <= f.high for f in found]) > 0.9
    assert all(f.beyond_chance for f in found)
