"""The rule of decline: which of its three sources decides."""

import numpy as np
import pytest

from oneclick_pipeline.model.decline import decided, revenue_rule
from oneclick_pipeline.settings import Labels

NAN = np.nan


def test_the_rule_on_revenue_needs_all_six_months():
    before = np.array([[100, 100, 100], [100, NAN, 100], [90, 120, 90]])
    after = np.array([[NAN, 100, 100], [100, 100, 100], [80, 80, 80]])
    assert np.array_equal(revenue_rule(before, after, limit=0.1), [NAN, NAN, 1.0], equal_nan=True)


@pytest.mark.parametrize(
    ("delivered", "after", "there", "horizon", "vanished", "expected"),
    [
        (0, 1, True, 3, True, (0, "delivered")),
        (1, 100, True, 3, True, (1, "delivered")),
        (NAN, 89, True, 3, True, (1, "revenue_rule")),
        (NAN, 90, True, 3, True, (0, "revenue_rule")),
        (NAN, 89, True, 2, True, (NAN, "")),  # of another horizon the rule says nothing
        (NAN, NAN, True, 3, True, (NAN, "")),
        (NAN, NAN, False, 2, True, (1, "vanished")),
        (NAN, NAN, False, 3, False, (NAN, "")),
    ],
)
def test_the_first_source_that_applies_decides(delivered, after, there, horizon, vanished, expected):
    got = decided(
        np.array([delivered], dtype=float),
        np.full((1, 3), 100.0),
        np.full((1, 3), after, dtype=float),
        np.array([there]),
        horizon=horizon,
        rules=Labels(vanished_declined=vanished),
    )
    np.testing.assert_equal((got.declined[0], got.source[0]), expected)
