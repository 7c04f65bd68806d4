import numpy as np
import pytest
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
