"""Earlier customers, whether they declined, and what they brought afterwards."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns.worth_rows import rows
from oneclick_pipeline.contracts.customers import FEATURES
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.decline import REVENUES
from oneclick_pipeline.settings import Settings, Value

SETTINGS = Settings()


def snapshot(profits, revenue=(100.0, 100.0, 100.0), activity=("declined", "stable", "stable")):
    """Three customers with these profits, None of who is not there."""
    columns = {c.name: 1.0 if c.type.is_number else "text" for c in FEATURES} | dict(zip(REVENUES, revenue, strict=True))
    table = pd.DataFrame({"customer_id": [3, 1, 2], "profit": profits, "activity": activity, "regular": True}).assign(**columns)
    return table[[p is not None for p in profits]].astype({"profit": float})


def after(months, month):
    """Profit of the quarters after the first snapshot, None where it is unknown, and whether they declined, by customer."""
    found = rows({add_months("2025-01", k): s for k, s in months.items()}, month=month, settings=SETTINGS, most=100)
    customers, first = np.unique(found.customer, return_index=True)
    quarters = [[None if np.isnan(v) else v for v in row] for row in found.after[first]]
    return dict(zip(customers, quarters, strict=True)), dict(zip(customers, found.declined[first], strict=True))


def test_who_vanished_brings_nothing_and_an_unknown_profit_is_unknown():
    quarters, declined = after(
        {0: snapshot((1.0, 2.0, 3.0)), 3: snapshot((4.0, None, np.nan)), 6: snapshot((None, 6.0, 7.0))}, "2025-07"
    )
    assert quarters == {3: [12.0, 0.0, None, None], 1: [0.0, 18.0, None, None], 2: [None, 21.0, None, None]}
    assert declined == {3: 1.0, 1: 1.0, 2: 0.0}


def test_who_left_within_a_quarter_brought_the_months_before():
    """Of the mean of 6 in three months, the newest brought a half of a month: 3, and nothing came after it."""
    between = snapshot((6.0, 6.0, 6.0), revenue=(50.0, 100.0, 150.0))
    months = {0: snapshot((1.0, 1.0, 1.0)), 1: between, 2: snapshot((6.0, None, 6.0)), 3: snapshot((2.0, None, None))}
    quarters, _ = after(months, "2025-04")
    assert {customer: values[0] for customer, values in quarters.items()} == {3: 6.0, 1: 3.0, 2: 9.0}


def renumbered(table):
    return table.assign(customer_id=table["customer_id"] + 1000)


def test_customers_of_a_store_that_renumbered_them_have_not_all_declined():
    """They counted as vanished, and as having brought nothing: the worth was more than twice the true one."""
    there = snapshot((1.0, 2.0, 3.0))
    months = {0: there, 1: there, 3: there, 4: renumbered(there), 6: renumbered(there)}
    found = rows({add_months("2025-01", k): s for k, s in months.items()}, month="2025-07", settings=SETTINGS, most=100)
    assert found.customer.tolist() == [3, 1, 2]  # of the first month, not of the second
    assert np.isfinite(found.after).sum(axis=0).tolist() == [3, 0, 0, 0]
    assert rows({"2025-01": there, "2025-04": renumbered(there)}, month="2025-04", settings=SETTINGS, most=100) is None


@pytest.mark.parametrize(("value", "columns"), [(Value(worth_months=8), 2), (Value(worth_months=12), 4)])
def test_whole_quarters_count(value, columns):
    months = {"2025-01": snapshot((1.0, 2.0, 3.0)), "2025-04": snapshot((1.0, 2.0, 3.0))}
    found = rows(months, month="2025-04", settings=SETTINGS.model_copy(update={"value": value}), most=100)
    assert found.after.shape == (3, columns)
    assert rows(months, month="2025-03", settings=SETTINGS, most=100) is None
    assert rows({}, month="2025-03", settings=SETTINGS, most=100) is None


def test_a_sample_is_taken_of_every_snapshot():
    months = {month: snapshot((1.0, 2.0, 3.0)) for month in ("2025-01", "2025-02", "2025-04", "2025-05")}
    assert len(rows(months, month="2025-05", settings=SETTINGS, most=6).customer) == 6
    sample = rows(months, month="2025-05", settings=SETTINGS, most=4)
    assert len(sample.customer) == 4
    assert set(sample.profit) <= {1.0, 2.0, 3.0}
