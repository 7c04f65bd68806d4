"""Which offers fit, and how likely exploration gives them: what is stored is what happens."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.experiment.chances import chances, texts
from oneclick_pipeline.experiment.draws import draw
from oneclick_pipeline.experiment.exploration import Wave, explore
from oneclick_pipeline.settings import Offers

IDS = ["a", "b", "c"]
WAVES = (Wave(0.0, 0.1, np.array([True, True, False])), Wave(0.1, 0.15, np.array([False, True, False])))


def test_what_is_stored_is_read():
    fits = np.array([[True, True, True], [True, False, True], [True, True, True], [False, False, False]])
    explorable = np.array([[True, True, False], [True, False, False], [True, True, False], [False, False, False]])
    number, different = texts(fits, explorable, IDS, WAVES, 0.2)
    assert number[0] == number[2]
    assert len(different) == 3
    found = chances(pd.DataFrame({"chances": np.array(different, dtype=object)[number]}), IDS)
    both, last, alone = 0.8 * 0.1 / 3, 0.8 * 0.05 / 2, 0.8 * 0.1 / 2
    nan = np.nan
    expected = [[both, both + last, 0], [alone, nan, 0], [both, both + last, 0], [nan, nan, nan]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_customers_and_offers_may_be_none():
    nobody = np.zeros((0, 3), dtype=bool)
    assert texts(nobody, nobody, IDS, WAVES, 0.1)[1] == []
    assert texts(np.zeros((2, 0), dtype=bool), np.zeros((2, 0), dtype=bool), [], (), 0.1)[1] == [""]
    assert chances(pd.DataFrame({"chances": ["", "a=0.5"]}), []).shape == (2, 0)


@given(fits=st.lists(st.sets(st.sampled_from(IDS)), max_size=5), p=st.floats(0, 1))
def test_ledgers_without_chances_count_what_fits_as_likely_as_control(fits, p):
    drawn = pd.DataFrame({"fits": pd.Series([",".join(sorted(own)) for own in fits], dtype=object), "p_explore": p})
    for table in (drawn, drawn.assign(chances=None)):
        found = chances(table, IDS)
        for own, row in zip(fits, found, strict=True):
            assert row.tolist() == pytest.approx([p / (len(own) + 1) if name in own else np.nan for name in IDS], nan_ok=True)


def test_offers_are_explored_as_often_as_is_stored():
    """Many customers, capacities that run out: within four standard errors for every offer and list."""
    rng, n = np.random.default_rng(1), 40_000
    explorable = rng.random((n, 3)) < [0.7, 0.5, 0.3]
    settings = Offers(control_share=0.1, exploration_share=0.4)
    choice, waves = explore(
        explorable, draw(np.arange(n), settings, "2026-01"), settings,
        cost=np.ones(3), budget=np.inf, capacity=np.array([1500.0, 2500.0, np.inf]),
    )  # fmt: skip
    assert len(waves) > 2
    number, different = texts(np.ones_like(explorable), explorable, IDS, waves, 0.1)
    p = chances(pd.DataFrame({"chances": np.array(different, dtype=object)[number]}), IDS)
    for j in range(3):
        for one in range(len(different)):
            own = number == one
            expected = p[own, j].sum()
            assert abs((choice[own] == j).sum() - expected) <= 4 * expected**0.5
