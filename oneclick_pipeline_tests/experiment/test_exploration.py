import numpy as np
import pytest

from oneclick_pipeline.experiment.draws import Draws, draw
from oneclick_pipeline.experiment.exploration import CONTROL, NOTHING, Wave, could_draw, explore
from oneclick_pipeline.settings import Offers

PLENTY = {"cost": np.ones(3), "budget": np.inf, "capacity": np.full(3, np.inf)}


def drawn(*rows):
    """Draws of (hold_out, explore, arm, control)."""
    return Draws(*np.array(rows, dtype=float).T)


def test_explore_by_hand():
    fits = np.array([[True, False, True]] * 5 + [[False] * 3])
    rows = [(0.5, 0.05, 0.3, 0), (0.5, 0.05, 0.6, 0), (0.5, 0.05, 0.9, 0), (0.05, 0.05, 0.3, 0), (0.5, 0.5, 0, 0), (0.5, 0, 0, 0)]
    choice, waves = explore(fits, drawn(*rows), Offers(), **PLENTY)
    assert choice.tolist() == [0, 2, CONTROL, NOTHING, NOTHING, NOTHING]  # last three: held out, not drawn, nothing fits
    assert [(w.begin, w.end, w.is_open.tolist()) for w in waves] == [(0.0, 0.1, [True] * 3)]


def test_explore_draws_an_offer_no_more_once_it_has_no_room():
    rows = [(0.5, 0.01 * i, 0.1, 0) for i in range(1, 7)]
    limits = {"cost": np.array([1.0, 2.0]), "budget": 5.0, "capacity": np.array([2.0, np.inf])}
    choice, waves = explore(np.ones((6, 2), dtype=bool), drawn(*rows), Offers(), **limits)
    assert choice.tolist() == [0, 0, 1, NOTHING, NOTHING, NOTHING]
    assert [(w.begin, w.end, w.is_open.tolist()) for w in waves] == [(0, 0.03, [True, True]), (0.03, 0.04, [False, True])]


@pytest.mark.parametrize("seed", range(20))
def test_explore_never_exceeds_its_part(seed):
    rng = np.random.default_rng(seed)
    cost, budget, capacity = rng.uniform(0, 1, 4), rng.uniform(0, 40), rng.integers(0, 40, 4)
    fits = rng.random((3000, 4)) < 0.6
    settings = Offers(salt=str(seed))
    choice, waves = explore(
        fits, draw(np.arange(3000), settings, "2026-10"), settings, cost=cost, budget=budget, capacity=capacity
    )
    counts = np.bincount(choice[choice >= 0], minlength=4)
    assert (counts <= capacity).all()
    assert counts @ cost <= budget * (1 + 1e-8)
    assert fits[choice >= 0, choice[choice >= 0]].all()
    assert [w.begin for w in waves[1:]] == [w.end for w in waves[:-1]]
    assert all(w.begin <= w.end <= settings.exploration_share for w in waves)


def test_explore_with_nobody_or_nothing():
    nobody = drawn((0.5, 0.5, 0.5, 0.5))
    assert explore(np.ones((1, 3), dtype=bool), nobody, Offers(), **PLENTY)[0].tolist() == [NOTHING]
    nothing = {"cost": np.empty(0), "budget": 1.0, "capacity": np.empty(0)}
    choice, waves = explore(np.ones((1, 0), dtype=bool), drawn((0.5, 0, 0, 0)), Offers(), **nothing)
    assert (choice.tolist(), waves) == ([NOTHING], ())


def test_customers_could_draw_what_was_open_in_their_own_wave():
    waves = (Wave(0.0, 0.2, np.array([True, True])), Wave(0.2, 0.4, np.array([False, True])))
    explorable = np.array([[True, False], [True, True], [True, True]])
    draws = drawn((0.5, 0.1, 0, 0), (0.5, 0.3, 0, 0), (0.5, 0.9, 0, 0))
    assert could_draw(explorable, draws, waves).tolist() == [[True, False], [False, True], [True, True]]
