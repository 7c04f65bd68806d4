from __future__ import annotations

import numpy as np
import pytest
from oneclick_pipeline.offers.experiment import (
    CONTROL,
    NOTHING,
    Draws,
    Wave,
    detectable_effect,
    draw,
    explore,
    hashes,
    propensities,
    uniforms,
)
from scipy import stats

from oneclick_pipeline.settings import Offers

IDS = np.arange(100_000)
PLENTY = {"cost": np.ones(3), "budget": np.inf, "capacity": np.full(3, np.inf)}


def p_independent(a, b):
    """p-value of a chi-square test that two draws are uniform and independent on a 10 x 10 grid."""
    counts = np.histogram2d(a, b, bins=10, range=[[0, 1], [0, 1]])[0]
    return stats.chisquare(counts.ravel()).pvalue


@pytest.mark.parametrize("ids", [IDS, IDS * 1000 + 215_348, 2**40 - IDS], ids=["in a row", "far apart", "large"])
def test_uniforms_are_uniform_and_independent_of_the_id(ids):
    drawn = uniforms(ids, "salt", "explore", "2026-10")
    assert ((drawn >= 0) & (drawn < 1)).all()
    assert stats.chisquare(np.histogram(drawn, bins=1000, range=(0, 1))[0]).pvalue > 0.001
    assert p_independent(drawn[:-1], drawn[1:]) > 0.001
    assert p_independent(drawn, np.arange(len(ids)) % 10 / 10 + 0.05) > 0.001


@pytest.mark.parametrize(
    "other",
    [("salt", "arm", "2026-10"), ("salt", "explore", "2026-11"), ("other", "explore", "2026-10"), ("salt", "explore", "")],
    ids=["purpose", "month", "salt", "no month"],
)
def test_other_purposes_months_and_salts_are_independent(other):
    assert p_independent(uniforms(IDS, "salt", "explore", "2026-10"), uniforms(IDS, *other)) > 0.001


def test_parts_of_the_key_do_not_run_into_one_another():
    assert (hashes(IDS, "ab", "c") != hashes(IDS, "a", "bc")).all()


def test_hashes_of_all_customers_differ():
    assert len(np.unique(hashes(IDS, "salt", "ties"))) == len(IDS)


def test_draws_of_a_customer_depend_on_nobody_else():
    settings = Offers()
    everybody, alone = draw(IDS, settings, "2026-10"), draw(np.array([77]), settings, "2026-10")
    for name in ("hold_out", "explore", "arm", "control"):
        assert getattr(alone, name)[0] == getattr(everybody, name)[77]
        assert getattr(draw(IDS[::-1], settings, "2026-10"), name)[::-1].tolist() == getattr(everybody, name).tolist()


def test_hold_out_is_the_same_in_every_month_and_nothing_else_is():
    first, second = (draw(IDS, Offers(), month) for month in ("2026-10", "2026-11"))
    assert (first.hold_out == second.hold_out).all()
    assert all((getattr(first, name) != getattr(second, name)).all() for name in ("explore", "arm", "control"))


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


SALTS = 3000
SHARES = Offers(control_share=0.15, exploration_share=0.4, offer_control_share=0.25)
FITS = np.array([[True, True, True], [True, False, True], [False, True, False], [True, True, False], [False, False, False]])
POLICY = np.array([1, 2, 1, -1, -1], dtype=np.int16)


def realised(waves_given):
    """Frequency of every (arm, offer) of five customers over many salts, and the mean stored propensity of each."""
    people = len(FITS)
    counts, stored = {}, {}
    for number in range(SALTS):
        settings = SHARES.model_copy(update={"salt": f"salt {number}"})
        draws = draw(np.arange(people), settings, "2026-10")
        choice, waves = explore(FITS, draws, settings, **PLENTY)
        if waves_given:  # as if the second offer had run out half-way
            waves = waves_given
            late = draws.explore >= waves[1].begin
            second = explore(FITS & waves[1].is_open, draws, settings, **PLENTY)[0]
            choice = np.where(late, second, choice).astype(np.int16)
        p = propensities(FITS, POLICY, choice, waves, settings)
        for i in range(people):
            if draws.hold_out[i] < settings.control_share:
                cell, value = ("control", int(POLICY[i])), p.hold_out[i]
            elif choice[i] != NOTHING:
                cell, value = ("offer" if choice[i] >= 0 else "control", max(int(choice[i]), -1)), p.explored[i]
            elif POLICY[i] < 0:
                cell, value = ("none", -1), p.nothing[i]
            elif draws.control[i] < settings.offer_control_share:
                cell, value = ("control", int(POLICY[i])), p.hold_out[i]
            else:
                cell, value = ("offer", int(POLICY[i])), p.plan[i]
            counts[i, cell] = counts.get((i, cell), 0) + 1
            stored.setdefault((i, cell), set()).add(round(float(value), 12))
    return counts, stored


@pytest.mark.parametrize(
    "waves",
    [(), (Wave(0, 0.2, np.array([True, True, True])), Wave(0.2, 0.4, np.array([True, False, True])))],
    ids=["room for all", "an offer runs out"],
)
def test_propensities_are_the_frequencies_over_salts(waves):
    counts, stored = realised(waves)
    for cell, count in counts.items():
        assert len(stored[cell]) == 1, f"{cell}: one arm, one probability, however it came about"
        (p,) = stored[cell]
        error = np.sqrt(p * (1 - p) / SALTS)
        assert abs(count / SALTS - p) < 4 * error + 1e-9, cell
    for i in range(len(FITS)):
        assert sum(next(iter(p)) for (k, _), p in stored.items() if k == i) == pytest.approx(1)


def test_detectable_effect_of_the_real_store_with_the_score_adjusted_for():
    """38.3 % decline; a score as good as the store's takes away about 39 % of the variance."""
    groups = np.array([[650, 650], [1170, 130], [10_000, 10_000]])
    found = detectable_effect(groups[:, 0], groups[:, 1], 0.383, power=0.8, significance=0.05, explained=0.39)
    assert (100 * found).round(1).tolist() == [5.9, 9.8, 1.5]


def test_detectable_effect_is_found_as_often_as_the_power_says():
    effect = float(detectable_effect(2000, 500, 0.3, power=0.8, significance=0.05))
    rng = np.random.default_rng(2)
    a, b = rng.normal(0.3, np.sqrt(0.21 / 2000), 20_000), rng.normal(0.3 + effect, np.sqrt(0.21 / 500), 20_000)
    z = np.abs(b - a) / np.sqrt(0.21 / 2000 + 0.21 / 500)
    assert (z > stats.norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("offered", "controls", "baseline"), [(0, 10, 0.3), (10, 0, 0.3), (10, 10, np.nan), (np.nan, 10, 0.3), (1, 1, 0.5)]
)
def test_detectable_effect_is_unknown_where_nothing_can_be_seen(offered, controls, baseline):
    assert np.isnan(detectable_effect(offered, controls, baseline, power=0.8, significance=0.05))
