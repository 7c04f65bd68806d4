import pandas as pd
import pytest

from oneclick_pipeline.experiment.weights import weights

H, P = 0.1, 0.3


def month(*rows):
    """A month's ledger of (customer, arm, probability of no offer)."""
    return pd.DataFrame(rows, columns=["customer_id", "arm", "p_no_offer"]).assign(control_share=H)


def test_weights_of_one_month_are_inverse_probabilities():
    offered, weight = weights(pd.Series([2, 1, 3, 4]), [month((1, "control", P), (2, "offer", P), (4, "control", 0.001))])
    assert offered.tolist() == [True, False, False, False]
    assert weight[1:] == pytest.approx([1 / P, 1.0, 100.0])  # nobody counts for more than a hundred


def test_weights_of_months_know_that_the_hold_out_is_for_good():
    _, weight = weights(pd.Series([1]), [month((1, "control", P))] * 3)
    assert weight == pytest.approx([1 / (H + (1 - H) * ((P - H) / (1 - H)) ** 3)])
    assert weights(pd.Series([1]), [])[1].tolist() == [1.0]


def test_customers_of_whom_nothing_was_drawn_count_once():
    _, weight = weights(pd.Series([1, 2]), [month((1, "none", 1.0), (2, "control", P)), month((2, "none", 1.0))])
    assert weight == pytest.approx([1.0, 1 / P])
