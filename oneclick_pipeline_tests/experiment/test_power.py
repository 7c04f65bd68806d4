import numpy as np
import pytest

from oneclick_pipeline.experiment.power import Comparison, detectable_by_all, detectable_difference
from oneclick_pipeline.settings import Campaigns


@pytest.mark.parametrize(("offered", "controls", "expected"), [(650, 650, 5.9), (1170, 130, 9.8), (10_000, 10_000, 1.5)])
def test_difference_of_the_real_store_with_the_score_adjusted_for(offered, controls, expected):
    """38.3 % decline; a score as good as the store's takes away about 39 % of the variance."""
    effect = detectable_difference(offered, controls, 0.383, power=0.8, significance=0.05, explained=0.39)
    assert 100 * effect == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(
    ("offered", "controls", "baseline"), [(0, 10, 0.3), (10, 0, 0.3), (10, 10, np.nan), (np.nan, 10, 0.3), (1, 1, 0.5)]
)
def test_difference_is_unknown_where_nothing_can_be_seen(offered, controls, baseline):
    assert np.isnan(detectable_difference(offered, controls, baseline, power=0.8, significance=0.05))


def test_two_comparisons_show_less_than_either_alone():
    p, first = np.full(2000, 0.3), np.arange(2000) < 1000
    arm = np.arange(2000) % 2 == 0
    halves = [Comparison(part & arm, part & ~arm) for part in (first, ~first)]
    alone, both = (detectable_by_all(p, some, Campaigns()) for some in (halves[:1], halves))
    assert both == pytest.approx(alone / 2**0.5)
    assert np.isnan(detectable_by_all(p, [Comparison(arm, np.zeros(2000, dtype=bool))], Campaigns()))
