import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as known

from oneclick_pipeline import stats
from oneclick_pipeline.stats import Interval


def test_quantiles_are_scipys():
    assert known.norm.ppf(0.975) == stats.Z_95
    assert stats.t_95(7) == known.t.ppf(0.975, 7)


@pytest.mark.parametrize(("hits", "trials"), [(0, 5), (5, 5), (3, 40), (900, 997), (40, 40), (0, 1)])
def test_share_has_the_interval_of_wilson(hits, trials):
    result, expected = stats.wilson(hits, trials), known.binomtest(hits, trials).proportion_ci(method="wilson")
    assert (result.low, result.high) == pytest.approx((expected.low, expected.high))
    assert 0 <= result.low <= result.estimate <= result.high <= 1


def test_normal_interval_stays_within_its_bounds():
    assert stats.normal(0.5, 1.0, (0.0, 1.0)) == Interval(0.5, 0.0, 1.0)
    assert stats.normal(0.5, 0.1).high == pytest.approx(0.5 + 0.196, abs=1e-4)


def test_change_of_shares_is_that_of_newcombe():
    """Newcombe (1998), table II, (a): 56/70 less 48/80 is 0.2 (0.0524 to 0.3339)."""
    result = stats.change(stats.wilson(56, 70), stats.wilson(48, 80))
    assert (result.low, result.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_change_is_as_uncertain_as_both_together():
    assert stats.change(Interval(10, 7, 13), Interval(4, 0, 8)) == Interval(6, 1, 11)


def test_no_comparison_needs_no_correction():
    assert stats.false_discovery([]) == []
    assert stats.false_discovery(np.array([0.03])) == [0.03]


def test_detectable_effect_is_found_as_often_as_the_power_says():
    z = np.random.default_rng(2).normal(stats.detectable_effect(1.0, power=0.8, significance=0.05), 1, 100_000)
    assert (np.abs(z) > stats.Z_95).mean() == pytest.approx(0.8, abs=0.005)


POSITIVE = st.floats(1e-6, 1e6)


@given(estimate=st.floats(-10, 10), error=st.floats(1e-3, 1e3), information=POSITIVE, significance=st.floats(0.001, 0.4))
def test_an_always_valid_p_value_is_that_of_its_interval(estimate, error, information, significance):
    """Whatever is estimated, in whatever unit; and the interval is wider than one for a single look."""
    mixture = stats.Mixture.tightest_at(information)
    half, p_value = mixture.half(error, significance), mixture.p_value(estimate, error)
    assert half > -known.norm.ppf(significance / 2) * error
    if abs(abs(estimate) / half - 1) > 1e-9:
        assert (p_value < significance) == (abs(estimate) > half)
    assert 0 <= p_value <= 1
    rescaled = stats.Mixture.tightest_at(information / 100)
    assert rescaled.half(10 * error, significance) == pytest.approx(10 * half)
    assert rescaled.p_value(10 * estimate, 10 * error) == pytest.approx(p_value)


@given(information=POSITIVE, significance=st.floats(0.001, 0.3), ratio=st.floats(0.05, 20))
def test_an_always_valid_interval_is_tightest_where_it_was_asked_to_be(information, significance, ratio):
    mixture, error = stats.Mixture.tightest_at(information, significance), information**-0.5
    there, elsewhere = (mixture.half(e, significance) / e for e in (error, error * ratio))
    assert there <= elsewhere * (1 + 1e-9)


def test_always_valid_intervals_hold_at_all_looks_at_once():
    """Random walks: an interval of any of 300 looks misses the truth in fewer than 5 %, of a single one far less often."""
    looks = np.arange(1, 301)
    means = np.random.default_rng(3).normal(0, 1, (2000, 300)).cumsum(axis=1) / looks
    mixture = stats.Mixture.tightest_at(30.0)
    missed = np.abs(means) > [mixture.half(n**-0.5) for n in looks]
    assert 0.01 < missed.any(axis=1).mean() < 0.05
    assert missed.mean(axis=0).max() < 0.02
    assert (np.abs(means) > stats.Z_95 * looks**-0.5).any(axis=1).mean() > 0.4


def test_an_always_valid_detectable_effect_is_found_as_often_as_the_power_says():
    mixture = stats.Mixture.tightest_at(2.0)
    least = mixture.detectable_effect(1.0, power=0.8, significance=0.1)
    found = np.random.default_rng(2).normal(least, 1, 100_000) > mixture.half(1.0, 0.1)
    assert found.mean() == pytest.approx(0.8, abs=0.005)
