import dataclasses

import numpy as np
import pytest

from oneclick_pipeline.simulator.twin.life import Luck, expected_revenue

DECLINED, STABLE, NONE = 1, 0, -1


def test_expected_revenue_of_a_usual_customer_is_the_usual_month():
    assert expected_revenue(np.full((1, 5), 1000.0), np.array([[STABLE] * 3]), np.array([1000.0])) == pytest.approx([1000])


@pytest.mark.parametrize(
    ("revenue", "classes", "expected"),
    [
        # the month's mean of what three horizons still owe: a third of 0.8 x 3 x 1000 each, nothing paid yet
        ([1000, 1000, 1000, 1000, 1000], [DECLINED, NONE, NONE], (800 + 2 * 1000) / 3),
        # the oldest has one month left: 2400 less two months at 800
        ([800, 800, 1000, 1000, 1000], [NONE, NONE, DECLINED], (800 + 2 * 1000) / 3),
        # it has paid all already: the least a month may bring
        ([1200, 1200, 1000, 1000, 1000], [NONE, NONE, DECLINED], (150 + 2 * 1000) / 3),
        # stable below the usual month: half of the way back
        ([600, 600, 600, 600, 600], [STABLE, NONE, NONE], (800 + 2 * 1000) / 3),
        # stable above it: nothing is taken away
        ([1100, 1100, 1100, 1100, 1100], [STABLE, NONE, NONE], (1100 + 2 * 1000) / 3),
        # joined last month: the mean is that of the one month
        ([900, 0, 0, 0, 0], [DECLINED, NONE, NONE], (720 + 2 * 1000) / 3),
    ],
)
def test_expected_revenue_is_the_mean_of_what_the_horizons_owe(revenue, classes, expected):
    found = expected_revenue(np.array([revenue], dtype=float), np.array([classes]), np.array([1000.0]))
    assert found == pytest.approx([expected])


@pytest.mark.parametrize(("label", "ratio"), [(DECLINED, 0.8), (STABLE, 1.0)])
def test_quarters_of_a_lasting_class_keep_the_promised_ratio(label, ratio):
    months = [1000.0] * 5
    for _ in range(9):
        months.insert(0, expected_revenue(np.array([months[:5]]), np.array([[label] * 3]), np.array([500.0])).item())
    quarters = [sum(months[k : k + 3]) for k in range(len(months) - 2)]
    ratios = [later / earlier for later, earlier in zip(quarters, quarters[3:], strict=False)]
    assert np.mean(ratios) == pytest.approx(ratio, abs=0.03)
    assert np.abs(np.array(ratios) - ratio).max() < 0.1  # so the rule "below 0.9" always tells the classes apart


def test_luck_of_customers_is_a_pick_of_the_luck_of_all():
    luck = Luck.draw(np.random.default_rng(1), 10)
    some = luck.of(np.array([7, 2]))
    for field in dataclasses.fields(Luck):
        assert np.array_equal(getattr(some, field.name), getattr(luck, field.name)[[7, 2]]), field.name
        assert len(getattr(luck, field.name)) == 10
