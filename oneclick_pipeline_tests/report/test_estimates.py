import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from oneclick_pipeline.report import estimates


def test_share_of_nobody_is_unknown():
    assert estimates.share(0, 0) is None


def test_mean_of_few_is_not_enough_data():
    assert estimates.mean(np.r_[np.ones(19), np.nan]) is None
    found, values = estimates.mean(np.arange(30.0)), np.arange(30.0)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_difference_of_few_is_not_enough_data():
    assert estimates.difference(np.arange(19.0), np.arange(100.0)) is None
    assert estimates.difference(np.r_[np.arange(19.0), np.nan], np.arange(100.0)) is None


def brute(a, b):
    signs = np.sign(a[:, None] - b[None, :])
    n, m = signs.shape
    delta = signs.mean()
    rows, columns = signs.mean(axis=1), signs.mean(axis=0)
    variance = (
        m**2 * ((rows - delta) ** 2).sum() + n**2 * ((columns - delta) ** 2).sum() - ((signs - delta) ** 2).sum()
    ) / (n * m * (n - 1) * (m - 1))  # fmt: skip
    return delta, variance


def test_difference_is_cliffs_delta_with_the_interval_of_feng_and_cliff():
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(1, 12, 90).astype(float)
    delta, variance = brute(a, b)
    z, root = 1.959964, np.sqrt(variance)
    half = z * root * np.sqrt((1 - delta**2) ** 2 + z**2 * variance)
    scale = 1 - delta**2 + z**2 * variance
    found = estimates.difference(a, b)
    assert found.effect.estimate == pytest.approx(delta)
    assert (found.effect.low, found.effect.high) == pytest.approx(
        ((delta - delta**3 - half) / scale, (delta - delta**3 + half) / scale)
    )
    assert found.p_value == pytest.approx(stats.mannwhitneyu(a, b, method="asymptotic").pvalue)


def test_difference_of_a_yes_or_no_is_that_of_the_shares():
    a, b = np.r_[np.ones(30), np.zeros(10)], np.r_[np.ones(20), np.zeros(60)]
    assert estimates.difference(a, b).effect.estimate == pytest.approx(0.5)


def test_interval_of_the_difference_covers():
    rng = np.random.default_rng(7)
    true = 2 * stats.norm.cdf(0.5 / np.sqrt(2)) - 1
    found = [estimates.difference(rng.normal(0.5, 1, 50), rng.normal(0, 1, 80)).effect for _ in range(400)]
    assert 0.92 < np.mean([x.low <= true <= x.high for x in found]) < 0.98


def test_groups_that_do_not_overlap_have_an_interval_all_the_same():
    found = estimates.difference(np.arange(30.0) + 100, np.arange(40.0)).effect
    assert (found.estimate, found.high) == (1, 1)
    assert 0.7 < found.low < 1
    assert estimates.difference(np.arange(30.0), np.arange(40.0) + 100).effect.high == -found.low


def test_constant_feature_differs_in_nothing():
    found = estimates.difference(np.ones(30), np.ones(40))
    assert (found.effect.estimate, found.p_value) == (0, 1)


@given(st.lists(st.integers(0, 5), min_size=20, max_size=40), st.lists(st.integers(0, 5), min_size=20, max_size=40))
def test_difference_turns_with_its_groups_and_stays_in_bounds(a, b):
    a, b = np.array(a, dtype=float), np.array(b, dtype=float)
    there, back = estimates.difference(a, b), estimates.difference(b, a)
    assert there.effect.estimate == pytest.approx(-back.effect.estimate)
    assert -1 <= there.effect.low <= there.effect.estimate <= there.effect.high <= 1
