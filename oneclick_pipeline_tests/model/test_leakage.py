"""The guards: what must stop a training set, what must not, and what the order of the export gives away."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.labels import labels
from oneclick_pipeline.model.leakage import (
    CHANCE,
    ENOUGH,
    column_from_the_future,
    disguised_label,
    future_shares,
    order_leaks,
    single_feature_auc,
    unknown_columns,
)
from oneclick_pipeline.model.training_set import training_set
from oneclick_pipeline.settings import Labels

from .conftest import label, make_features, make_training, real_features

STORE = Path(__file__).parents[3] / "shared/data/store"
LIMIT = Labels().max_single_auc
MONTHS = ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]


@pytest.fixture(scope="module")
def large():
    return make_training(2000)


def test_single_feature_auc_is_that_of_the_order_where_that_is_all(large):
    aucs = single_feature_auc(large)
    assert set(aucs.index) == set(FEATURE_NAMES)
    assert aucs.is_monotonic_decreasing
    expected = 1 - roc_auc_score(large["declined"], large["pages_per_visit"])
    assert aucs["pages_per_visit"] == pytest.approx(expected, abs=0.01)
    for limit, stops in ((LIMIT, False), (aucs.iloc[0], True), (aucs.iloc[0] + 0.001, False)):
        assert (disguised_label(aucs, limit=limit) is not None) == stops
    assert unknown_columns(large) is None
    assert "to predate the label: churned_later" in str(unknown_columns(large.assign(churned_later=1)))


def test_feature_that_says_nothing_gets_a_half(large):
    constant = large.assign(promo_share=0.5, favourite_category="Кухонная посуда", tenure_days=np.nan)
    aucs = single_feature_auc(constant)
    assert (aucs[["promo_share", "favourite_category", "tenure_days"]] == CHANCE).all()
    assert aucs["service_errors"] < 0.56


@pytest.mark.parametrize(
    ("feature", "leak", "place"),
    [
        ("promo_share", lambda t: t["declined"] * 1.0, "market_file.csv, column «Акционные_покупки»"),
        ("unpaid_items", lambda t: 9 - t["declined"], "market_file.csv, column «Неоплаченные_продукты_штук_квартал»"),
        ("revenue_m2", lambda t: t["declined"] * (np.arange(len(t)) % 2 * 2 - 1.0), "market_money.csv, column «Выручка»"),
        ("minutes_m1", lambda t: np.where(t["declined"] == 1, np.nan, 3), "market_time.csv, column «минут»"),
        ("service_level", lambda t: np.where(t["declined"] == 1, "a", "b"), "market_file.csv, column «Тип сервиса»"),
        (
            "favourite_category",
            lambda t: np.where(t["declined"] == 1, None, "b"),
            "market_file.csv, column «Популярная_категория»",
        ),
    ],
)
def test_feature_that_is_the_label_stops_with_its_name_and_figure(large, feature, leak, place):
    aucs = single_feature_auc(large.assign(**{feature: leak(large)}))
    assert (aucs.index[0], aucs.iloc[0]) == (feature, 1.0)
    error = disguised_label(aucs, limit=LIMIT)
    assert str(error).startswith(f"{place}: {feature} alone tells declined from stable with ROC-AUC 1.000 (limit 0.97)")
    assert "labels.max_single_auc" in error.remedy


def test_handful_of_customers_sets_no_guard_off(large):
    leaking = large.assign(promo_share=large["declined"] * 1.0)
    few = pd.concat([leaking[leaking["declined"] == 0], leaking[leaking["declined"] == 1].head(ENOUGH - 1)])
    for rows in (few, leaking[leaking["declined"] == 1]):
        assert single_feature_auc(rows).empty
        assert disguised_label(single_feature_auc(rows), limit=LIMIT) is None
        assert order_leaks(rows, *exported(rows)) == {}


def living(**changes):
    """Five honest monthly snapshots: every month's revenue and minutes are drawn once and told by each snapshot alike."""
    base, rng = make_features(200), np.random.default_rng(4)
    revenue = {add_months("2026-04", k): rng.uniform(100, 9000, 200).round(1) for k in range(7)}
    minutes = {month: rng.integers(1, 30, 200) * 1.0 for month in revenue}
    return {
        month: base.assign(
            activity=rng.permutation(base["activity"]),
            **{f"revenue_m{k}": revenue[add_months(month, -k)] for k in range(3)},
            **{f"minutes_m{k}": minutes[add_months(month, -k)] for k in range(2)},
        )
        for month in MONTHS
    }


def compared(snapshots):
    training = training_set(snapshots, month="2026-10", horizon=3, settings=Labels())
    return future_shares(training, snapshots, horizon=3)


def test_honest_months_pass():
    snapshots = living()
    assert (snapshots["2026-07"]["revenue_m1"] == snapshots["2026-06"]["revenue_m0"]).all()
    shares = compared(snapshots)
    assert set(shares["feature"]) == {"revenue_m0", "revenue_m1", "revenue_m2", "minutes_m0", "minutes_m1"}
    assert set(zip(shares["feature_month"], shares["later_month"], strict=True)) == {
        (feature, later) for feature in MONTHS[:2] for later in MONTHS if feature < later <= add_months(feature, 3)
    }
    assert shares["share"].max() < 0.15
    assert column_from_the_future(shares, limit=0.5) is None


@pytest.mark.parametrize(
    ("column", "taken", "month", "words"),
    [
        ("revenue_m0", "revenue_m0", "2026-08", "market_money.csv, column «Выручка»: revenue_m0 of 2026-07 equals revenue_m0"),
        ("revenue_m2", "revenue_m1", "2026-10", "market_money.csv, column «Выручка»: revenue_m2 of 2026-07 equals revenue_m"),
        ("minutes_m1", "minutes_m0", "2026-09", "market_time.csv, column «минут»: minutes_m1 of 2026-07 equals minutes_m"),
    ],
)
def test_column_from_a_later_month_stops_with_its_name_and_share(column, taken, month, words):
    snapshots = living()
    later = snapshots[month][taken].where(np.arange(200) % 10 != 0, 1.5)
    snapshots["2026-07"] = snapshots["2026-07"].assign(**{column: later})
    error = column_from_the_future(compared(snapshots), limit=0.5)
    assert str(error).startswith(words)
    # of the minutes, whole and few, some are the same in both months by chance: those customers tell nothing
    assert re.search(r"for (89|90)\.\d% of (19\d|200) customers \(limit 50%\): it comes from the future", error.problem)
    assert "deliver 2026-07 again" in error.remedy
    snapshots = living()
    snapshots["2026-08"] = snapshots["2026-07"]  # one export for two months
    error = column_from_the_future(compared(snapshots), limit=0.5)
    assert "of 2026-08, a later month's value, for 100.0% of 200 customers" in error.problem


def test_customers_who_pay_the_same_for_ever_and_zeros_are_no_leak():
    snapshots = living()
    for month, frame in snapshots.items():
        still = {name: frame[name].where(np.arange(200) < 50, 500) for name in frame if name.startswith("revenue")}
        snapshots[month] = frame.assign(**still, minutes_m0=0.0)
    shares = compared(snapshots)
    assert shares["share"].max() < 0.15
    assert set(shares.loc[shares["feature"].str.startswith("revenue"), "customers"]) == {50}
    assert "minutes_m0" not in set(shares["feature"])


def test_same_snapshot_has_no_later_month(training):
    shares = future_shares(training, {"2026-10": make_features()}, horizon=3)
    assert shares.empty
    assert column_from_the_future(shares, limit=0.5) is None


def exported(rows, *, orders=("m0", "m1", "m2")):
    """Raw rows of customers in the order given, all texts; each customer's periods in their own order."""
    ids = rows["customer_id"].astype(str).to_numpy()
    market = pd.DataFrame({"line": np.arange(len(ids)) + 2, "customer_id": ids})
    periods = np.tile(orders, len(ids)) if isinstance(orders, tuple) else np.concatenate(orders)
    return market, pd.DataFrame({"line": np.arange(3 * len(ids)) + 2, "customer_id": np.repeat(ids, 3), "period": periods})


def test_order_and_ids_that_give_the_class_away_are_measured(large):
    """Blocks: declined, stable, declined; a monotone score would see half of it."""
    decliners = large[large["declined"] == 1]
    blocks = pd.concat([decliners[::2], large[large["declined"] == 0], decliners[1::2]], ignore_index=True)
    blocks["customer_id"] = np.arange(1000, 1000 + len(blocks))
    orders = [("m2", "m0", "m1") if d else ("m0", "m1", "m2") for d in blocks["declined"]]
    mixed = blocks.sample(frac=1, random_state=1)
    market, money = exported(blocks, orders=orders)
    aucs = order_leaks(mixed, market.sample(frac=1, random_state=2), money.sample(frac=1, random_state=3))
    assert list(aucs) == ["customer_id", "line in market_file", "order of periods in market_money"]
    assert aucs["customer_id"] == aucs["line in market_file"] > 0.97
    assert aucs["order of periods in market_money"] == 1.0


def test_order_that_gives_nothing_away_is_chance(large):
    aucs = order_leaks(large.sample(frac=1, random_state=1), *exported(large))
    assert aucs["customer_id"] == pytest.approx(0.99, abs=0.02), "the store of the tests is numbered by class"
    assert aucs["line in market_file"] < 0.56
    assert aucs["order of periods in market_money"] == CHANCE


def test_raw_rows_that_are_broken_are_left_out(large):
    market, money = exported(large)
    market.loc[0, "customer_id"] = "abc"
    money.loc[[0, 4], "period"] = None
    money.loc[7, "customer_id"] = None
    market = pd.concat([market, market.tail(5).assign(line=99_999)])
    assert order_leaks(large, market, money).keys() == order_leaks(large, *exported(large)).keys()


@pytest.mark.skipif(not STORE.exists(), reason="the store's real export does not lie beside the project")
def test_real_export_passes_the_guards_and_its_order_is_reported():
    features = real_features(STORE)
    training = label(features)
    aucs = single_feature_auc(training)
    assert 0.75 < aucs.iloc[0] < 0.9
    assert disguised_label(aucs, limit=LIMIT) is None
    raw = [pd.read_csv(STORE / f"{file}.csv", dtype=str).reset_index(names="line") for file in ("market_file", "market_money")]
    leaks = order_leaks(training, *(table.rename(columns={"id": "customer_id", "Период": "period"}) for table in raw))
    assert leaks["customer_id"] >= 0.95
    assert leaks["line in market_file"] >= 0.95
    assert leaks["order of periods in market_money"] > 0.55
    assert len(labels(features, features, horizon=3, settings=Labels())) == len(training)
