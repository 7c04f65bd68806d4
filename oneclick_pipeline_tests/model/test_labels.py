"""Labels over several months: which month's class or revenue decides, and that nothing later ever does."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES, FEATURES
from oneclick_pipeline.contracts.model import TRAINING_SET
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.decline import REVENUES
from oneclick_pipeline.model.labels import agreement, labels, pairs, rule_in_words
from oneclick_pipeline.model.training_set import digest, training_set
from oneclick_pipeline.settings import Labels
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.simulator.twin.conftest import sample

MONTHS = ["2026-04", "2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]
CUSTOMERS = 60


def snapshot(rows, *, regular=True):
    """A few customers: id -> (class, revenue of the three months, the same each)."""
    frame = pd.DataFrame([(i, c, r, r, r) for i, (c, r) in rows.items()], columns=["customer_id", "activity", *REVENUES])
    return frame.astype({"activity": object}).assign(regular=regular)


def class_of(month, customers):
    """A class that changes from month to month, and that nothing in the features tells."""
    return np.where((customers * 7 + int(month[5:]) * 3) % 5 < 2, "declined", "stable")


@pytest.fixture(scope="module")
def panel():
    """Seven monthly snapshots of the same customers, whose class in every month is known."""
    ids, floats = np.arange(1, CUSTOMERS + 1), {c.name: float for c in FEATURES if c.kind == "float"}
    drawn = {month: sample(Profile.load(), CUSTOMERS, seed=k).astype(floats) for k, month in enumerate(MONTHS)}
    return {m: frame.assign(customer_id=ids, activity=class_of(m, ids), regular=True) for m, frame in drawn.items()}


def upto(panel, month):
    return {m: frame for m, frame in panel.items() if m <= month}


def built(snapshots, month="2026-10", *, horizon=3, **settings):
    return training_set(snapshots, month=month, horizon=horizon, settings=Labels(**settings))


@pytest.mark.parametrize(
    ("month", "expected"),
    [
        ("2026-10", {"2026-04": "2026-07", "2026-05": "2026-08", "2026-06": "2026-09", "2026-07": "2026-10"}),
        ("2026-08", {"2026-04": "2026-07", "2026-05": "2026-08"}),
        ("2026-07", {"2026-04": "2026-07"}),
        ("2026-06", {"2026-06": "2026-06"}),
        ("2026-04", {"2026-04": "2026-04"}),
    ],
)
def test_labels_are_those_three_months_later_where_history_allows(panel, month, expected):
    got = built(upto(panel, month), month)
    assert dict(got[["feature_month", "label_month"]].drop_duplicates().itertuples(index=False)) == expected
    assert len(got) == CUSTOMERS * len(expected)
    for feature_month, label_month in expected.items():
        part = got[got["feature_month"] == feature_month].sort_values("customer_id")
        assert (part["declined"] == (class_of(label_month, part["customer_id"].to_numpy()) == "declined")).all()
        features = panel[feature_month].set_index("customer_id").loc[part["customer_id"], list(FEATURE_NAMES)]
        pd.testing.assert_frame_equal(
            part.set_index("customer_id")[list(FEATURE_NAMES)], features, check_dtype=False, check_names=False
        )
    assert (got["label_month"] <= month).all()


@pytest.mark.parametrize("month", MONTHS[:-1])
def test_a_month_after_the_models_is_refused(panel, month):
    with pytest.raises(
        BadInputError, match=f"a training set for {month} was given data that was only known in .*2026-10"
    ) as error:
        built(panel, month)
    assert error.value.remedy == f"pass the months up to {month}"
    with pytest.raises(BadInputError, match="only known in"):
        agreement(panel, month=month, settings=Labels())


def test_training_set_of_several_months_keeps_its_contract_and_a_customer_in_one_group(panel):
    got = built(panel)
    TRAINING_SET.contract().validate(pl.from_pandas(got))
    assert not got.duplicated(list(TRAINING_SET.key)).any()
    assert got.groupby("customer_id")["copies"].nunique().max() == 1
    assert got["copies"].nunique() == CUSTOMERS


def test_history_is_limited_by_the_setting_and_a_missing_month_is_not_replaced(panel):
    assert set(built(panel, history_months=2)["feature_month"]) == {"2026-06", "2026-07"}
    some = {m: panel[m] for m in MONTHS if m != "2026-08"}
    assert set(built(some)["feature_month"]) == {"2026-04", "2026-06", "2026-07"}


def test_order_of_rows_and_of_months_changes_nothing(panel):
    mixed = {m: panel[m].sample(frac=1, random_state=3) for m in reversed(MONTHS)}
    pd.testing.assert_frame_equal(built(panel), built(mixed))


def test_new_numbers_of_customers_change_no_row_and_no_group(panel):
    """The real export numbers its customers by class: nothing but who is who over the months may come from the ids."""
    number = np.random.default_rng(1).permutation(np.arange(1, CUSTOMERS + 1))
    other = built({m: frame.assign(customer_id=number[frame["customer_id"] - 1]) for m, frame in panel.items()})
    one = built(panel)
    assert digest(one) != digest(other)
    pd.testing.assert_frame_equal(one.drop(columns="customer_id"), other.drop(columns="customer_id"))


def test_another_horizon_takes_another_month_and_delivered_classes_only(panel):
    empty = {m: frame.assign(activity=None) if m == "2026-10" else frame for m, frame in panel.items()}
    got = built(empty, horizon=2)
    assert dict(got[["feature_month", "label_month"]].drop_duplicates().itertuples(index=False)) == {
        "2026-04": "2026-06",
        "2026-05": "2026-07",
        "2026-06": "2026-08",
        "2026-07": "2026-09",
    }
    assert set(got["label_source"]) == {"delivered"}


def test_empty_classes_are_marked_by_the_rule_on_revenue(panel):
    emptied = {m: frame.assign(activity=None) for m, frame in panel.items()}
    got = built(emptied)
    assert len(got) == 4 * CUSTOMERS
    assert set(got["label_source"]) == {"revenue_rule"}
    for feature_month, part in got.groupby("feature_month"):
        before, after = (
            panel[m].set_index("customer_id").loc[part["customer_id"], list(REVENUES)].mean(axis=1)
            for m in (feature_month, add_months(feature_month, 3))
        )
        assert (part["declined"].to_numpy() == (after < 0.9 * before).to_numpy()).all()
    assert built(emptied, decline_limit=0.5)["declined"].sum() < got["declined"].sum()


def test_pairs_with_nothing_but_vanished_customers_are_no_history(panel):
    renumbered = {m: frame.assign(customer_id=frame["customer_id"] + 1000 * k) for k, (m, frame) in enumerate(panel.items())}
    got = built(renumbered)
    assert set(got["feature_month"]) == set(got["label_month"]) == {"2026-10"}


def test_label_is_the_delivered_class_or_the_rule_or_a_vanished_customer():
    before = snapshot({1: ("stable", 100), 2: (None, 100), 3: (None, 100), 4: ("stable", 100), 5: (None, 100), 6: (None, 100)})
    after = snapshot({1: ("declined", 100), 2: ("stable", 1), 3: (None, 89), 4: (None, 90), 5: (None, np.nan), 7: (None, 1)})
    got = labels(before, after, horizon=3, settings=Labels())
    assert list(got.itertuples(index=False, name=None)) == [
        (1, 1, "delivered"),
        (2, 0, "delivered"),
        (3, 1, "revenue_rule"),
        (4, 0, "revenue_rule"),
        (6, 1, "vanished"),
    ]
    stay = labels(before, after, horizon=3, settings=Labels(vanished_declined=False))
    assert stay["customer_id"].to_list() == [1, 2, 3, 4]
    assert labels(before, after, horizon=4, settings=Labels())["label_source"].to_list() == ["delivered", "delivered", "vanished"]


def test_label_of_a_customer_who_bought_nothing_any_more_is_declined_and_who_was_not_regular_has_none():
    before = snapshot({1: (None, 100), 2: (None, 100)}).assign(regular=[True, False])
    after = snapshot({1: (None, 0), 2: (None, 0)}, regular=False)
    got = labels(before, after, horizon=3, settings=Labels())
    assert list(got.itertuples(index=False, name=None)) == [(1, 1, "revenue_rule")]


def test_agreement_counts_where_both_speak(panel):
    before = snapshot(dict.fromkeys(range(1, 7), (None, 100))).assign(regular=[True] * 5 + [False])
    after = snapshot({1: ("declined", 50), 2: ("declined", 100), 3: ("stable", 100), 4: (None, 50), 5: ("stable", np.nan)})
    got = agreement({"2026-07": before, "2026-10": after}, month="2026-10", settings=Labels())
    assert (got.customers, got.share.estimate) == (3, pytest.approx(2 / 3))
    assert str(got) == "0.667 (0.208 to 0.939) of 3 customers"
    whole = agreement(panel, month="2026-10", settings=Labels())
    assert whole.customers == 4 * CUSTOMERS
    assert 0 < whole.share.low < whole.share.estimate < whole.share.high < 1
    nothing = agreement(upto(panel, "2026-06"), month="2026-06", settings=Labels())
    assert (nothing.customers, nothing.share) == (0, None)
    assert str(nothing).startswith("not enough data")


def test_pairs_never_reach_past_the_month():
    for month in MONTHS:
        for horizon in (1, 3, 12):
            for feature_month, label_month in pairs(MONTHS, month=month, horizon=horizon, history=60):
                assert label_month <= month
                assert add_months(feature_month, horizon) == label_month


def test_rule_in_words(panel):
    settings = Labels(decline_limit=0.2)
    some = {m: frame.head(50).assign(activity=frame["activity"].where(frame.index < 10)) for m, frame in panel.items()}
    some["2026-10"] = some["2026-10"].tail(30)
    words = rule_in_words(built(some), settings)
    for part in ("2026-07 -> 2026-10", "20% below", "in no file of the label month"):
        assert part in words
    assert "same snapshot" in rule_in_words(built({"2026-10": panel["2026-10"]}), settings)
    assert "empty" not in rule_in_words(built(panel), settings)
