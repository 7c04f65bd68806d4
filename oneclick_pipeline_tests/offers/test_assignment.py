from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from oneclick_pipeline.experiment.room import ROUNDING
from oneclick_pipeline.offers.assignment import TOLERANCE, assign

few = examples(max_examples=60, deadline=None)


def exact(gain, cost, budget, capacity):
    """Most that any assignment gains: branch and bound over everything, none of our steps."""
    n, m = gain.shape
    offers = np.tile(np.eye(m), n)
    rows = np.vstack([np.kron(np.eye(n), np.ones(m)), offers, cost @ offers])
    limits = np.concatenate([np.ones(n), capacity, [budget]])
    fits = np.isfinite(gain).ravel()
    found = milp(
        -np.where(fits, gain.ravel(), 0),
        constraints=LinearConstraint(rows, ub=limits),
        integrality=np.ones(n * m),
        bounds=Bounds(0, fits.astype(float)),
        options={"mip_rel_gap": 0},
    )
    assert found.status == 0
    return -found.fun


def check_limits(found, gain, cost, budget, capacity):
    counts = np.bincount(found.choice + 1, minlength=len(cost) + 1)[1:]
    assert (counts <= capacity).all()
    assert counts @ cost <= budget * (1 + 2 * ROUNDING)
    chosen = np.flatnonzero(found.choice >= 0)
    assert (gain[chosen, found.choice[chosen]] > 0).all()
    assert found.value == pytest.approx(gain[chosen, found.choice[chosen]].sum())
    assert found.value <= found.bound
    assert found.gap == pytest.approx((found.bound - found.value) / found.bound if found.bound else 0)
    assert (found.prices >= 0).all()
    assert found.price_of_budget >= 0


@st.composite
def problems(draw, most=30):
    """Small problems: ties, negative gains, offers that do not fit, limits of nothing, limits that do not bind."""
    n, m = draw(st.integers(1, most)), draw(st.integers(1, 5))
    seed, tied = draw(st.integers(0, 2**32 - 1)), draw(st.booleans())
    rng = np.random.default_rng(seed)
    gain = rng.integers(-3, 6, (n, m)) / 2 if tied else rng.normal(1, 2, (n, m))
    gain[rng.random((n, m)) < draw(st.sampled_from([0, 0.3, 0.8]))] = -np.inf
    cost = rng.integers(0, 16, m) / 8  # exact in binary: no budget is missed by rounding
    budget = draw(st.sampled_from([0.0, 0.5, 2.0, 7.25, 1000.0, np.inf]))
    capacity = np.array(draw(st.lists(st.sampled_from([0, 1, 3, 10, 1000, np.inf]), min_size=m, max_size=m)))
    return gain, cost, budget, capacity


@few
@given(problems())
def test_assign_is_equal_to_an_exact_solver(problem):
    found = assign(*problem)
    check_limits(found, *problem)
    best = exact(*problem)
    assert found.value >= best * (1 - 1e-3) - 1e-9
    assert found.value <= best * (1 + 1e-6) + 1e-9
    assert found.bound >= best * (1 - 1e-6) - 1e-9
    assert found.gap <= TOLERANCE * 1.01 + 1e-9


@few
@given(problems(), st.randoms(use_true_random=False))
def test_order_of_the_customers_changes_nothing(problem, random):
    gain, *limits = problem
    key = np.random.default_rng(3).permutation(len(gain)).astype(np.uint64)
    order = np.array(random.sample(range(len(gain)), len(gain)))
    found, other = assign(gain, *limits, key=key), assign(gain[order], *limits, key=key[order])
    assert other.choice.tolist() == found.choice[order].tolist()
    assert (other.value, other.bound, other.price_of_budget) == (found.value, found.bound, found.price_of_budget)


@few
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 400),
    st.lists(st.floats(0, 10, allow_subnormal=False), min_size=1, max_size=4),
    st.floats(0, 100, allow_subnormal=False),
)
def test_limits_are_never_exceeded_whatever_the_numbers(seed, n, cost, budget):
    rng = np.random.default_rng(seed)
    gain, capacity = rng.gamma(1, 2, (n, len(cost))) - 1, rng.integers(0, n, len(cost)).astype(float)
    check_limits(assign(gain, np.array(cost), budget, capacity), gain, np.array(cost), budget, capacity)


def month(n, seed=0):
    """A month as plans have it: offers fit two customers of five, gains are of continuous values, some offers are scarce."""
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0.02, 0.12, 8)
    effect = np.minimum(rng.uniform(0.02, 0.1, 8) * rng.uniform(0.3, 1.7, (n, 8)), rng.beta(1, 2, (n, 1)))
    gain = effect * rng.gamma(2, 1.2, (n, 1)) - cost
    gain[rng.random((n, 8)) < 0.6] = -np.inf
    return gain, cost, 0.1 * cost.mean() * n, np.where(np.arange(8) < 4, n // 30, np.inf)


@pytest.mark.parametrize("customers", [300, 1300, 5000, 40_000])
def test_months_of_any_size_are_certified(customers):
    problem = month(customers)
    found = assign(*problem)
    check_limits(found, *problem)
    assert 0 <= found.gap < 2 * TOLERANCE
    assert found.price_of_budget > 0
    assert found.prices[4:].tolist() == [0] * 4  # never scarce


@pytest.mark.parametrize("customers", [40, 5000])
def test_single_precision_gains_as_much_within_the_limits(customers):
    gain, cost, budget, capacity = month(customers)
    single, double = (assign(gain.astype(kind), cost, budget, capacity) for kind in (np.float32, np.float64))
    check_limits(single, gain.astype(np.float32).astype(float), cost, budget, capacity)
    assert single.value == pytest.approx(double.value, rel=3 * TOLERANCE)
    assert single.bound == pytest.approx(double.bound, rel=3 * TOLERANCE)


def greedy(gain, cost, budget, capacity):
    """The highest gain first, whatever it costs."""
    left, taken, total = capacity.copy(), set(), 0.0
    for at in np.argsort(-gain, axis=None, kind="stable"):
        i, j = divmod(int(at), len(cost))
        if gain[i, j] <= 0:
            break
        if i not in taken and left[j] >= 1 and cost[j] <= budget:
            taken.add(i)
            left[j], budget, total = left[j] - 1, budget - cost[j], total + gain[i, j]
    return total


def test_greedy_loses_percents():
    problem = month(5000)
    assert greedy(*problem) < 0.99 * assign(*problem).value


@pytest.mark.parametrize(
    ("budget", "capacity"),
    [(1e4, [np.inf] * 3), (np.inf, [3000, 2000, 500]), (2e3, [3000, 2000, 500]), (0, [9, 9, 9])],
    ids=["budget", "capacity", "both", "nothing"],
)
def test_everybody_alike(budget, capacity):
    """All customers tie: prices alone say nothing about who, the repair must."""
    gain, cost, capacity = np.tile([3.0, 3.0, 2.0], (40_000, 1)), np.array([1.0, 1.0, 0.5]), np.array(capacity, dtype=float)
    found = assign(gain, cost, budget, capacity)
    check_limits(found, gain, cost, budget, capacity)
    assert found.gap <= TOLERANCE


def test_limits_that_do_not_bind_leave_everybody_their_best():
    gain = np.array([[1.0, 2.0], [3.0, -np.inf], [-1.0, -2.0], [-np.inf, 0.0]])
    found = assign(gain, np.array([1.0, 1.0]), np.inf, np.array([np.inf, 5]))
    assert found.choice.tolist() == [1, 0, -1, -1]
    assert (found.value, found.bound, found.gap, found.price_of_budget, found.prices.tolist()) == (5, 5, 0, 0, [0, 0])
    assert found.choice.dtype == np.int16


def test_three_times_a_tenth_fits_into_three_tenths():
    found = assign(np.ones((5, 1)), np.array([0.1]), 0.3, np.array([np.inf]))
    assert (found.choice >= 0).sum() == 3


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nobody_or_nothing(shape):
    found = assign(np.zeros(shape), np.ones(shape[1]), 1, np.ones(shape[1]))
    assert (found.choice.tolist(), found.value, found.bound, found.gap) == ([-1] * shape[0], 0, 0, 0)
    assert len(found.prices) == shape[1]


@pytest.mark.parametrize(
    ("gain", "cost", "budget", "capacity"),
    [
        ([[np.nan]], [1.0], 1, [1]),
        ([[np.inf]], [1.0], 1, [1]),
        ([[1.0]], [-1.0], 1, [1]),
        ([[1.0]], [np.inf], 1, [1]),
        ([[1.0]], [1.0], -1, [1]),
        ([[1.0]], [1.0], np.nan, [1]),
        ([[1.0]], [1.0], 1, [-1]),
        ([[1.0]], [1.0, 2.0], 1, [1]),
        ([1.0], [1.0], 1, [1]),
    ],
)
def test_assign_refuses_what_is_no_problem(gain, cost, budget, capacity):
    with pytest.raises(ValueError, match=r"must be numbers|needs one cost"):
        assign(np.array(gain), np.array(cost), budget, np.array(capacity))
