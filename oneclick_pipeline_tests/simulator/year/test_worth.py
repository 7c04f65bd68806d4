from __future__ import annotations

import numpy as np
import pytest

from oneclick_pipeline.simulator.year.worth import monthly_profit


def test_monthly_profit_of_three_months_is_the_profit_column(year):
    panel = year.open()
    seen = []
    for _ in range(3):
        snapshot = panel.snapshot()
        seen.append(snapshot.set_index("customer_id").assign(month=monthly_profit(snapshot)))
        panel.advance()
    mean = sum(s["month"].reindex(seen[-1].index) for s in seen) / 3
    there = mean.notna()
    # margins drift a little from month to month
    assert np.corrcoef(mean[there], seen[-1].loc[there, "profit"])[0, 1] > 0.97
    assert mean[there].mean() == pytest.approx(seen[-1].loc[there, "profit"].mean(), rel=0.01)


def test_worth_grows_with_time_and_risk(year, worth):
    customers = year.open().snapshot()
    three, six = worth.of(customers, 3), worth.of(customers, 6)
    assert (three >= 0).all()
    assert six.mean() > three.mean() > 0
    risky = (customers["p_decline"] > 0.9).to_numpy()
    assert six[risky].mean() > 1.3 * six[~risky].mean()
    assert worth.of(customers, 0).tolist() == [0.0] * len(customers)


def test_lost_share_is_a_share(worth):
    assert 0.1 < worth.lost_share(3, 3) < worth.lost_share(6, 3) < 0.5
