"""The worth of a kept customer, learnt from the history of a store whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.campaigns import worth
from oneclick_pipeline.campaigns.worth import assumed, learn
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.decline import REVENUES
from oneclick_pipeline.settings import Settings, Value
from oneclick_pipeline.simulator.twin.panel import Panel
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.year.worth import Worth

FIRST, NOW, END = "2024-01", "2024-08", "2024-10"
SETTINGS = Settings()


def with_regular(snapshot):
    return snapshot.assign(regular=(snapshot[list(REVENUES)] > 0).all(axis=1))


@pytest.fixture(scope="module")
def history():
    """Ten months of a store without offers, two of them after the one in which it is asked."""
    panel = Panel.open(Profile.load(), customers=3000, seed=1, month=FIRST)
    months = {}
    while panel.month <= END:
        months[panel.month] = with_regular(panel.snapshot())
        panel.advance()
    return months


@pytest.fixture(scope="module")
def found(history):
    return learn(history, month=NOW, settings=SETTINGS)


def test_learnt_worth_is_near_the_true_one(history, found):
    customers = history[NOW]
    true = Worth(Profile.load(), customers=4000, seed=9, months=6).of(customers, 6)
    learnt = found.of(customers)
    assert learnt.mean() == pytest.approx(true.mean(), rel=0.45)  # who declines was in for more than what was seen tells
    assert np.corrcoef(learnt, true)[0, 1] > 0.7
    assert np.corrcoef(assumed(SETTINGS).of(customers), true)[0, 1] < 0.3
    assert (learnt >= 0).all()
    assert (found.months, found.customers) == (6, sum(history[m]["regular"].sum() for m in ("2024-01", "2024-02")))
    assert 0 < found.standard_error < found.mean / 4
    assert f"{found.mean:.2f} (" in str(found)
    assert "over 6 months" in str(found)


def test_nothing_of_later_months_is_used(history, found):
    spoilt = {m: s if m <= NOW else s.assign(profit=1e6, activity="declined") for m, s in history.items()}
    again = learn(spoilt, month=NOW, settings=SETTINGS)
    assert (again.mean, again.standard_error) == (found.mean, found.standard_error)
    np.testing.assert_array_equal(again.of(history[NOW]), found.of(history[NOW]))
    assert learn({m: history[m] for m in history if m <= NOW}, month=NOW, settings=SETTINGS).mean == found.mean


@pytest.mark.parametrize(("now", "months"), [("2024-03", None), ("2024-06", 3), ("2024-07", 6), ("2024-10", 6)])
def test_as_many_months_count_as_the_history_has(history, now, months):
    got = learn(history, month=now, settings=SETTINGS)
    assert (got and got.months) == months


def test_a_horizon_that_is_not_over_teaches_nothing(history):
    late = SETTINGS.model_copy(update={"value": Value(horizon_months=8)})
    assert learn(history, month=NOW, settings=late) is None
    whole = worth._history(history, NOW, SETTINGS.model_copy(update={"value": Value(worth_months=8)}))
    assert [part[3] for part in whole] == [6, 6]  # whole quarters: the profit column is a mean of three months


def test_too_few_of_a_class_teach_nothing(history):
    few = {m: s.head(300) for m, s in history.items()}
    assert learn(few, month=NOW, settings=SETTINGS) is None
    stable = {m: s.assign(activity="stable") for m, s in history.items()}
    kept = SETTINGS.model_copy(update={"labels": SETTINGS.labels.model_copy(update={"vanished_declined": False})})
    assert learn(stable, month=NOW, settings=kept) is None
    assert learn(history, month=NOW, settings=kept) is not None
    assert learn({}, month=NOW, settings=SETTINGS) is None
    nobody = {m: s.head(0) for m, s in history.items()}
    assert learn(nobody, month=NOW, settings=SETTINGS) is None


def test_a_worth_that_is_not_there_is_not_believed(history):
    """Who declines brings as much as who does not, and nobody vanishes: only chance makes a difference."""
    rng, there = np.random.default_rng(1), set.intersection(*(set(s["customer_id"]) for s in history.values()))
    stayed = {m: s[s["customer_id"].isin(there)] for m, s in history.items()}
    alike = {m: s.assign(profit=rng.uniform(1, 9, len(s))) for m, s in stayed.items()}
    assert learn(alike, month=NOW, settings=SETTINGS) is None


def snapshots(*profits, declined=("declined", "stable", "stable")):
    """Three months apart: three customers with the profits of each month, None of who has vanished."""
    made = {}
    for k, profit in enumerate(profits):
        columns = dict.fromkeys([c.name for c in worth.FEATURES if c.kind in ("int", "float")], 1.0)
        snapshot = pd.DataFrame({"customer_id": [3, 1, 2], "profit": profit, "activity": declined, "regular": True})
        snapshot = snapshot.assign(**(columns | dict.fromkeys(REVENUES, 100.0)))
        made[add_months("2025-01", 3 * k)] = snapshot[[p is not None for p in profit]]
    return made


def test_who_vanished_brings_nothing_and_whose_profit_is_unknown_does_not_count():
    months = snapshots((1.0, 2.0, 3.0), (4.0, None, np.nan), (None, 6.0, 7.0))
    settings = SETTINGS.model_copy(update={"labels": SETTINGS.labels.model_copy(update={"vanished_declined": True})})
    (part,) = worth._history(months, "2025-07", settings)
    customer, inputs, declined, count, profit = part
    assert count == 6
    assert dict(zip(customer.tolist(), profit.tolist(), strict=True)) == {3: 12.0, 1: 18.0}
    assert dict(zip(customer.tolist(), declined.tolist(), strict=True)) == {3: 1.0, 1: 1.0}
    assert dict(zip(customer.tolist(), inputs[:, 0].tolist(), strict=True)) == {3: 1.0, 1: 2.0}


def test_worth_of_an_unknown_profit_is_unknown(history, found):
    customers = history[NOW].head(4).assign(profit=[5.0, np.nan, 2.0, 0.0])
    got = found.of(customers)
    assert np.isnan(got).tolist() == [False, True, False, False]
    assert found.of(customers.head(0)).shape == (0,)


def test_order_of_rows_and_more_rows_than_are_learnt_from(history, found, monkeypatch):
    shuffled = {m: s.sample(frac=1, random_state=1) for m, s in history.items()}
    assert learn(shuffled, month=NOW, settings=SETTINGS).mean == pytest.approx(found.mean, rel=1e-6)
    monkeypatch.setattr(worth, "MAX_ROWS", 4000)
    fewer = learn(history, month=NOW, settings=SETTINGS)
    assert fewer.customers == 4000
    assert fewer.mean == pytest.approx(found.mean, rel=0.3)
