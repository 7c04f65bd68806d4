"""The exact interval of a difference of shares: it covers whatever the shares are, by counting every table there can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.stats import binom

from oneclick_pipeline.campaigns.shares import Count, exact_difference
from oneclick_pipeline.stats import change, wilson


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 3), (4, 4), (6, 3), (9, 7)])
def test_interval_covers_and_p_value_keeps_its_level_whatever_the_shares_are(n, m):
    tables = [[exact_difference(Count(a, n), Count(b, m)) for b in range(m + 1)] for a in range(n + 1)]
    low, high, p_value = (np.array([[getattr(d, name) for d in row] for row in tables]) for name in ("low", "high", "p_value"))
    shares = np.linspace(0, 1, 51)
    of_n, of_m = (binom.pmf(np.arange(k + 1), k, shares[:, None]) for k in (n, m))
    for share, chances in zip(shares, of_n, strict=True):
        for share_2, chances_2 in zip(shares, of_m, strict=True):
            chance, difference = np.outer(chances, chances_2), share - share_2
            assert chance[(low <= difference + 1e-9) & (difference - 1e-9 <= high)].sum() >= 0.95
            if share == share_2:
                assert chance[p_value < 0.05].sum() <= 0.05


def test_all_of_one_group_and_none_of_the_other_has_a_limit_in_closed_form():
    found = exact_difference(Count(100, 100), Count(0, 100))
    assert (found.estimate, found.high) == (1, 1)
    assert found.low == pytest.approx(2 * 0.025 ** (1 / 200) - 1, abs=1e-5)  # ((1 + d) / 2) ** 200 is 2.5 %
    assert 0 < found.p_value < 1e-5


def test_nothing_in_either_group_leaves_room_for_what_so_many_customers_would_not_show():
    found = exact_difference(Count(0, 100), Count(0, 100))
    assert (found.estimate, found.p_value) == (0, 1)
    assert found.high == -found.low == pytest.approx(1 - 0.025**0.01, abs=1e-4)


@hypothesis_settings(deadline=None, max_examples=40)
@given(st.data())
def test_interval_and_p_value_agree_and_groups_may_be_swapped(data):
    n, m = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 60))
    offered, controls = Count(data.draw(st.integers(0, n)), n), Count(data.draw(st.integers(0, m)), m)
    found, swapped = exact_difference(offered, controls), exact_difference(controls, offered)
    assert -1 <= found.low <= found.estimate <= found.high <= 1
    assert found.low < found.high
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)
    assert (swapped.low, swapped.high, swapped.p_value) == pytest.approx((-found.high, -found.low, found.p_value), abs=1e-6)


@pytest.mark.parametrize(("offered", "controls"), [((0, 10_000), (3000, 10_000)), ((5, 1_000_000), (500_000, 1_000_000))])
def test_of_many_customers_it_is_newcombes(offered, controls):
    found, known = exact_difference(Count(*offered), Count(*controls)), change(wilson(*offered), wilson(*controls))
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-4)
