"""Sampled Shapley values against their definition, enumerated over all sets of features."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.model.shapley import shapley


def enumerated(output, customers, background):
    """The definition: every set of the other features, weighed by the orders in which it comes first."""
    names = list(customers)
    values = np.zeros((len(customers), len(names)))
    for row in range(len(customers)):
        worth = {}
        for size in range(len(names) + 1):
            for chosen in combinations(range(len(names)), size):
                mixed = background.copy()
                for i in chosen:
                    mixed[names[i]] = customers[names[i]].iloc[row]
                worth[chosen] = output(mixed).mean()
        for i in range(len(names)):
            for chosen, value in worth.items():
                if i not in chosen:
                    weight = factorial(len(chosen)) * factorial(len(names) - len(chosen) - 1) / factorial(len(names))
                    values[row, i] += weight * (worth[tuple(sorted((*chosen, i)))] - value)
    return values


def rows(n, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.integers(0, 4, size=(n, 4)).astype(float), columns=["a", "b", "c", "d"])
    return frame.assign(e=pd.Series(rng.choice(["x", "y", "z"], n), dtype=object))


def pairwise(frame):
    a, b, c, e = frame["a"], frame["b"], frame["c"], (frame["e"] == "y")
    return (np.exp(a / 3) - 2 * b + a * b + 0.5 * c * e + 3 * e).to_numpy(dtype=float)


def threefold(frame):
    return pairwise(frame) + (frame["a"] * frame["b"] * (frame["e"] == "x")).to_numpy(dtype=float)


def test_shapley_is_exact_where_at_most_two_features_interact():
    customers, background = rows(6, seed=1), rows(5, seed=2)
    found = shapley(pairwise, customers, background, seed=[7])
    np.testing.assert_allclose(found, enumerated(pairwise, customers, background), atol=1e-12)


def test_shapley_of_three_interacting_features_comes_near_with_many_orders():
    customers, background = rows(3, seed=1), rows(4, seed=2)
    true = enumerated(threefold, customers, background)
    many = np.mean([shapley(threefold, customers, background, seed=[7, i]) for i in range(300)], axis=0)
    np.testing.assert_allclose(many, true, atol=0.15)
    assert np.abs(true).max() > 3


@pytest.mark.parametrize("output", [pairwise, threefold])
def test_shapley_values_add_up_to_the_output_less_the_mean_of_the_background_in_any_batches(output, monkeypatch):
    customers, background = rows(20, seed=3), rows(7, seed=4)
    found = shapley(output, customers, background, seed=[1])
    np.testing.assert_allclose(found.sum(axis=1), output(customers) - output(background).mean(), atol=1e-12)
    assert output is pairwise or (found[:, 3] == 0).all()  # d has no effect
    monkeypatch.setattr("oneclick_pipeline.model.shapley._BATCH", 1)
    np.testing.assert_allclose(shapley(output, customers, background, seed=[1]), found, atol=1e-12)


def test_shapley_of_features_that_mean_the_same_is_the_same():
    def product(frame):
        return (frame["a"] * frame["b"]).to_numpy()

    customers, background = (frame.assign(b=frame["a"]) for frame in (rows(20, seed=3), rows(7, seed=4)))
    found = shapley(product, customers, background, seed=[1])
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=1e-12)


def test_shapley_of_a_line_is_slope_times_distance_from_the_mean():
    slopes = np.array([2.0, -1.0, 0.5, 4.0])

    def line(frame):
        return frame[["a", "b", "c", "d"]].to_numpy() @ slopes

    customers, background = rows(20, seed=3), rows(7, seed=4)
    found = shapley(line, customers, background, seed=[1])
    away = customers[["a", "b", "c", "d"]].to_numpy() - background[["a", "b", "c", "d"]].to_numpy().mean(axis=0)
    np.testing.assert_allclose(found, np.column_stack([away * slopes, np.zeros(20)]), atol=1e-12)


def test_shapley_passes_empty_values_on():
    def empty(frame):
        return frame["a"].isna().to_numpy(dtype=float) + 2 * frame["e"].isna().to_numpy(dtype=float)

    customers = rows(2, seed=1).assign(a=[np.nan, 1.0], e=pd.Series(["x", np.nan], dtype=object))
    found = shapley(empty, customers, rows(5, seed=2), seed=[1])
    np.testing.assert_allclose(found, [[1, 0, 0, 0, 0], [0, 0, 0, 0, 2]])
