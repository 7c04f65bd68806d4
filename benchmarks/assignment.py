"""Measure the assignment of offers: our dual beside an exact solver where that is quick, and beside greedy.

    python -m benchmarks.assignment [--customers N ...] [--offers M]

Prints how much of the best possible gain each earns, and the CPU seconds it takes. The best possible gain is that of
the exact solver (HiGHS, to its end) for small problems, our own bound for large ones.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from benchmarks.month import machine
from oneclick_pipeline.offers.assignment import assign

MOST_EXACT = 1500


def problem(customers: int, offers: int, seed: int = 0):
    """A month as plans have it: offers fit two customers of five, the budget is for a tenth, half the offers are scarce."""
    rng = np.random.default_rng(seed)
    cost = rng.uniform(0.02, 0.12, offers)
    effect = rng.uniform(0.02, 0.1, offers) * rng.uniform(0.3, 1.7, (customers, offers))
    gain = np.minimum(effect, rng.beta(1, 2, (customers, 1))) * rng.gamma(2, 1.2, (customers, 1)) - cost
    gain[rng.random(gain.shape) < 0.6] = -np.inf
    return gain, cost, 0.1 * cost.mean() * customers, np.where(np.arange(offers) % 2, np.inf, customers // 100)


def exact(gain, cost, budget, capacity) -> float:
    """The most that any assignment gains."""
    customer, offer = np.nonzero(gain > 0)
    ones, at = np.ones(len(offer)), np.arange(len(offer))
    each = csr_array((ones, (customer, at)), shape=(len(gain), len(at)))
    scarce = csr_array((ones, (offer, at)), shape=(len(cost), len(at)))
    rows = vstack([each, scarce, csr_array(cost[offer][None, :])])
    limits = np.concatenate([np.ones(len(gain)), capacity, [budget]])
    found = milp(
        -gain[customer, offer],
        constraints=LinearConstraint(rows, ub=limits),
        integrality=np.ones(len(at)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 1e-6, "time_limit": 120},
    )
    return -found.fun


def greedy(gain, cost, budget, capacity) -> float:
    """The highest gain first, whatever it costs, as long as there is space."""
    left, taken, total = capacity.copy(), np.zeros(len(gain), dtype=bool), 0.0
    customer, offer = np.nonzero(gain > 0)
    for at in np.argsort(-gain[customer, offer], kind="stable"):
        i, j = customer[at], offer[at]
        if not taken[i] and left[j] >= 1 and cost[j] <= budget:
            taken[i] = True
            left[j] -= 1
            budget, total = budget - cost[j], total + gain[i, j]
        if budget < cost.min():
            break
    return float(total)


def timed(function, *arguments):
    """What a function returns, and the CPU seconds it takes."""
    begin = time.process_time()
    found = function(*arguments)
    return found, time.process_time() - begin


def main() -> None:
    """Parse the arguments and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = [30, 300, 1300, 20_000, 1_000_000]
    parser.add_argument("--customers", type=int, nargs="+", default=sizes, metavar="N", help="sizes of the problem")
    parser.add_argument("--offers", type=int, default=8, metavar="M", help="number of offers (8)")
    arguments = parser.parse_args()
    where = machine()
    timed(assign, *problem(30, arguments.offers))  # imports
    print("| Customers | dual, share of best | certified gap | CPU s | greedy, share of best | exact solver, CPU s |")
    print("|---|---|---|---|---|---|")
    for customers in arguments.customers:
        month = problem(customers, arguments.offers)
        found, seconds = timed(assign, *month)
        best, longer = timed(exact, *month) if customers <= MOST_EXACT else (found.bound, float("nan"))
        simple = greedy(*month)
        ours = f"{found.value / best:.5f} | {found.gap:.1e} | {seconds:.2f}"
        print(f"| {customers:,} | {ours} | {simple / best:.4f} | {longer:.2f} |", flush=True)
    print(f"\n{where}")


if __name__ == "__main__":
    main()
