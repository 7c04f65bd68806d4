"""Outcomes of campaigns, rule by rule on tiny tables: nobody is lost, nothing looks ahead."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.campaigns.ledger_rules import COLUMNS
from oneclick_pipeline.campaigns.outcomes import FOLDS, campaign_outcomes, folds, known_before, sampled, with_probabilities
from oneclick_pipeline.contracts.campaigns import CAMPAIGN_OUTCOMES
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.model.decline import REVENUES
from oneclick_pipeline.model.labels import labels
from oneclick_pipeline.settings import Labels

NAN = float("nan")


def sent(customers, month="2026-01", **columns):
    """A ledger: half of the customers got an offer."""
    ids = list(customers)
    frame = pd.DataFrame(
        {"campaign_month": month, "customer_id": ids, "arm": ["offer", "control"] * (len(ids) // 2) + ["offer"][: len(ids) % 2]}
    )
    frame = frame.assign(offer_id="voucher", assignment="plan", propensity=0.5, fits="voucher", segment="all", p_decline=0.4)
    frame = frame.assign(control_share=0.1, exploration_share=0.2, offer_control_share=0.3)
    frame = frame.assign(p_no_offer=0.5, p_control=0.15, p_explore=0.2, chances="bundle=0.03,voucher=0.03")
    return frame.assign(value=2.0, cost=0.1, **columns)[["campaign_month", *(c.name for c in COLUMNS)]]


def snapshot(rows):
    """customer -> (class, profit, revenue of this month, the one before, the one before that)."""
    columns = ["customer_id", "activity", "profit", *REVENUES]
    frame = pd.DataFrame([(i, *values) for i, values in rows.items()], columns=columns)
    return frame.astype({"activity": object} | dict.fromkeys(columns[2:], float)).assign(regular=True)


def outcomes(rows, snapshots, month, *, horizon=3, history=12, vanished=True):
    rules = Labels(vanished_declined=vanished)
    return campaign_outcomes(rows, snapshots, month=month, horizon=horizon, history=history, rules=rules)


def of(table, customer, *names):
    row = table.set_index("customer_id").loc[customer]
    return tuple(None if pd.isna(row[name]) else row[name] for name in names)


STEADY = (None, 5.0, 100.0, 100.0, 100.0)


def test_every_rule_of_a_whole_campaign():
    months = {
        "2026-01": snapshot({1: (None, 5, 90, 100, 110), 2: STEADY, 3: STEADY, 4: STEADY, 5: STEADY}),
        "2026-02": snapshot({1: (None, 5, 60, 90, 100), 2: STEADY, 3: STEADY, 4: STEADY, 5: STEADY}),
        "2026-03": snapshot({1: (None, 6, 30, 60, 90), 2: STEADY, 4: STEADY, 5: STEADY}),
        "2026-04": snapshot(
            {1: ("stable", 7, 90, 30, 60), 2: (None, 4, 80, 80, 80), 4: ("declined", 1, 70, 100, 100), 5: (None, 3, 91, 91, 91)}
        ),
    }
    got = outcomes(sent([1, 2, 3, 4, 5]), months, "2026-04")
    names = ("revenue_before", "profit_before", "months_observed", "revenue_after", "profit_after", "declined", "vanished")
    assert of(got, 1, *names) == (100, 5, 3, 60, 7, 0, False)  # the store's class goes before the rule
    assert of(got, 2, *names) == (100, 5, 3, (100 + 100 + 80) / 3, 4, 1, False)  # 80 is more than 10 % below 100
    assert of(got, 3, *names) == (100, 5, 3, 100 / 3, 0, 1, True)  # vanished after the first month
    assert of(got, 4, *names) == (100, 5, 3, 90, 1, 1, False)
    assert of(got, 5, "declined") == (0,)  # 91 is not
    assert got["offer_id"].tolist() == ["voucher"] * 5
    assert list(got.columns) == CAMPAIGN_OUTCOMES.names


def test_a_store_that_renumbered_its_customers_does_not_know_what_became_of_them():
    """All of them counted as vanished and declined, offered or not, so that no offer of the months before had an effect."""
    customers, later = range(1, 31), snapshot(dict.fromkeys(range(101, 131), STEADY))
    months = {"2026-01": snapshot(dict.fromkeys(customers, STEADY)), "2026-02": snapshot(dict.fromkeys(customers, STEADY))}
    got = outcomes(sent(customers), months | {"2026-03": later, "2026-04": later}, "2026-04")
    assert got["months_observed"].eq(1).all()
    assert got["revenue_after"].eq(100).all()
    assert not got["vanished"].any()
    assert got[["declined", "profit_after"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("month", "observed", "revenue", "declined"),
    [("2026-02", 1, 60, None), ("2026-03", 2, 45, None), ("2026-04", 3, 40, 1), ("2026-05", 3, 40, 1)],
)
def test_revenue_at_once_and_class_after_the_horizon(month, observed, revenue, declined):
    after = {
        "2026-01": (100, 100, 100),
        "2026-02": (60, 100, 100),
        "2026-03": (30, 60, 100),
        "2026-04": (30, 30, 60),
        "2026-05": (9, 30, 30),
    }
    months = {m: snapshot({1: (None, 5, *r)}) for m, r in after.items() if m <= month}
    got = outcomes(sent([1]), months, month)
    assert of(got, 1, "months_observed", "revenue_after", "declined") == (observed, revenue, declined)


@pytest.mark.parametrize("month", ["2026-01", "2025-12"])
def test_nothing_to_see_yet(month):
    got = outcomes(sent([1, 2]), {month: snapshot({1: STEADY, 2: STEADY})}, month)
    assert got.empty
    assert list(got.columns) == CAMPAIGN_OUTCOMES.names


def test_a_snapshot_after_the_month_is_refused():
    months = {m: snapshot({1: STEADY}) for m in ("2026-01", "2026-02", "2026-03")}
    with pytest.raises(BadInputError, match="outcomes of 2026-02 were given data that was only known in 2026-03"):
        outcomes(sent([1]), months, "2026-02")


def test_a_missing_snapshot_is_carried_by_a_later_one():
    months = {"2026-01": snapshot({1: STEADY, 2: STEADY}), "2026-03": snapshot({1: (None, 5, 30, 60, 100)})}
    got = outcomes(sent([1, 2]), months, "2026-03")
    assert of(got, 1, "months_observed", "revenue_after", "vanished") == (2, 45, False)
    assert of(got, 2, "months_observed", "revenue_after", "profit_after", "vanished") == (2, 0, None, True)


@pytest.mark.parametrize(("month", "profit"), [("2026-02", None), ("2026-03", None), ("2026-04", 4), ("2026-05", 4)])
@pytest.mark.parametrize("horizon", [1, 3, 4])
def test_profit_is_that_of_the_three_months_after_the_offer_and_of_no_other(month, profit, horizon):
    """A month brings 9 before the offer and 4 after it; a snapshot holds the mean of three, that of the next month 22/3."""
    means = {"2026-01": 9, "2026-02": 22 / 3, "2026-03": 17 / 3, "2026-04": 4, "2026-05": 4}
    months = {m: snapshot({1: (None, mean, 100, 100, 100)}) for m, mean in means.items() if m <= month}
    months["2026-01"] = snapshot({1: (None, 9, 100, 100, 100), 2: STEADY})
    got = outcomes(sent([1, 2]), months, month, horizon=horizon)
    assert of(got, 1, "profit_after") == (profit,)
    assert of(got, 2, "vanished", "profit_after") == (True, None if profit is None else 0)


def test_no_later_snapshot_stands_in_for_the_profit_of_the_three_months():
    """Neither of customers who are there nor of those who vanished: it covers other months."""
    months = {m: snapshot({1: STEADY}) for m in ("2026-01", "2026-02", "2026-03", "2026-05", "2026-06")}
    got = outcomes(sent([1, 2]), months, "2026-06")
    assert got["profit_after"].isna().all()
    assert got["revenue_after"].tolist() == [100, 0]


def test_without_the_snapshot_of_the_horizon_the_class_stays_unknown():
    months = {"2026-01": snapshot({1: STEADY}), "2026-05": snapshot({1: ("declined", 5, 10, 20, 30)})}
    got = outcomes(sent([1]), months, "2026-05")
    assert of(got, 1, "months_observed", "revenue_after", "declined", "profit_after") == (2, 25, None, None)


def test_without_the_campaigns_own_snapshot_only_what_was_before_is_missing():
    got = outcomes(sent([1, 2]), {"2026-04": snapshot({1: ("stable", 5, 10, 20, 30)})}, "2026-04")
    assert of(got, 1, "revenue_before", "profit_before", "revenue_after", "declined") == (None, None, 20, 0)
    assert of(got, 2, "revenue_after", "declined", "vanished") == (0, 1, True)


def test_revenue_that_no_file_tells_is_unknown_and_not_nothing():
    months = {
        "2026-01": snapshot({1: STEADY, 2: STEADY}),
        "2026-02": snapshot({1: (None, NAN, NAN, NAN, NAN), 2: (None, 5, NAN, 100, 100)}),
        "2026-03": snapshot({1: (None, NAN, NAN, NAN, NAN), 2: (None, 5, 50, 70, 100)}),
    }
    got = outcomes(sent([1, 2]), months, "2026-03")
    assert of(got, 1, "revenue_after", "profit_after", "vanished") == (None, None, False)
    assert of(got, 2, "revenue_after") == (60,)


def test_who_came_back_bought_nothing_while_away_unless_the_store_says_so():
    months = {"2026-01": snapshot({1: STEADY}), "2026-02": snapshot({}), "2026-03": snapshot({1: (None, 5, 50, 20, 100)})}
    assert of(outcomes(sent([1]), months, "2026-03"), 1, "revenue_after", "vanished") == (35, False)


def test_every_month_keeps_the_shares_that_it_was_drawn_with():
    rows = pd.concat([sent([1, 2]), sent([1, 2], "2026-02").assign(control_share=0.4)])
    got = outcomes(rows, {"2026-03": snapshot({1: STEADY, 2: STEADY})}, "2026-03")
    assert got.groupby("campaign_month")["control_share"].unique().map(list).to_dict() == {"2026-01": [0.1], "2026-02": [0.4]}
    assert (got[["exploration_share", "offer_control_share"]] == [0.2, 0.3]).all(axis=None)


def test_campaigns_go_back_so_many_months():
    rows = pd.concat([sent([1], month) for month in ("2026-01", "2026-02", "2026-03", "2026-04")])
    months = {m: snapshot({1: STEADY}) for m in ("2026-01", "2026-02", "2026-03", "2026-04")}
    got = outcomes(rows, months, "2026-04", history=2)
    assert got["campaign_month"].tolist() == ["2026-02", "2026-03"]


@pytest.mark.parametrize("vanished", [True, False])
@pytest.mark.parametrize("horizon", [2, 3])
def test_classes_are_those_that_a_model_learns(vanished, horizon):
    """The same rows by `model.labels`: class, rule and vanished are one rule."""
    rng = np.random.default_rng(1)
    ids = range(1, 400)

    def drawn(kept):
        return snapshot(
            {i: (rng.choice(["declined", "stable", None]), 5, *rng.uniform(50, 100, 3)) for i in ids if rng.random() < kept}
        )

    before, after = drawn(1.0), drawn(0.8)
    known = labels(before, after, horizon=horizon, settings=Labels(vanished_declined=vanished)).set_index("customer_id")
    end = add_months("2026-01", horizon)
    got = outcomes(sent(ids), {"2026-01": before, end: after}, end, horizon=horizon, vanished=vanished)
    own = got.set_index("customer_id")["declined"].dropna()
    assert own.astype("int64").to_dict() == known["declined"].to_dict()


def test_table_keeps_its_contract():
    rows = pd.concat([sent(range(1, 9), month) for month in ("2026-01", "2026-03")])
    rows["offer_id"] = rows["offer_id"].astype(object).where(rows["customer_id"] > 2, None)
    months = {m: snapshot(dict.fromkeys(range(2, 9), STEADY)) for m in ("2026-01", "2026-02", "2026-03", "2026-04")}
    table = pl.from_pandas(outcomes(rows, months, "2026-04"), schema_overrides={"offer_id": pl.String})
    CAMPAIGN_OUTCOMES.contract().validate(table)
    assert outcomes(rows, {}, "2026-04").empty


@given(data=st.data())
@settings(deadline=None)  # building a dozen tables takes as long as it takes
def test_nobody_is_lost(data):
    """Rows out: all customers of every campaign of which a later snapshot shows anything, once each, whatever became of them."""
    every = [add_months("2026-01", k) for k in range(8)]
    known = data.draw(st.sets(st.sampled_from(every)))
    campaigns = data.draw(st.sets(st.sampled_from(every), min_size=1))
    month = data.draw(st.sampled_from(every))
    horizon = data.draw(st.integers(1, 4))
    amounts = st.one_of(st.none(), st.floats(0, 1e6))
    classes = st.sampled_from([None, "declined", "stable"])
    months = {
        m: snapshot(data.draw(st.dictionaries(st.integers(1, 6), st.tuples(classes, amounts, amounts, amounts, amounts))))
        for m in known
        if m <= month
    }
    rows = pd.concat([sent(data.draw(st.sets(st.integers(1, 6), min_size=1)), m) for m in campaigns])
    got = outcomes(rows.sample(frac=1, random_state=1), months, month, horizon=horizon)
    reach = {c: [add_months(c, k) for k in range(1, horizon + 3)] for c in campaigns}
    shown = {
        c
        for c in campaigns
        if c < month and any(m in months and (k < horizon or add_months(m, -2) < month) for k, m in enumerate(reach[c]))
    }
    expected = rows[rows["campaign_month"].isin(shown)]
    keys = ["campaign_month", "customer_id"]
    assert got[keys].to_numpy().tolist() == expected.sort_values(keys)[keys].to_numpy().tolist()
    assert (got["months_observed"] >= 1).all()
    assert (got["months_observed"] <= horizon).all()
    whole = got["campaign_month"].map(lambda c: add_months(c, 3) in months)
    assert got.loc[~whole, "profit_after"].isna().all()
    assert (got.loc[whole & got["vanished"] & (horizon == 3), "profit_after"] == 0).all()
    assert (got["revenue_after"].dropna() >= 0).all()


def test_probabilities_come_from_the_ledger_and_are_inferred_of_who_is_in_it_no_longer():
    ledgers = pd.concat([sent([1, 2]), sent([1, 2], "2026-02", p_explore=0.25)], ignore_index=True)
    rows = ledgers.iloc[[3, 0, 2]].drop(columns=["p_no_offer", "p_control", "p_explore", "chances"]).set_axis([7, 8, 9])
    got = with_probabilities(rows, ledgers[ledgers["customer_id"] == 1])
    assert got.index.tolist() == [7, 8, 9]
    assert got["p_explore"].tolist() == pytest.approx([0.9 * 0.2, 0.2, 0.25])
    pd.testing.assert_frame_equal(got[rows.columns], rows)


def sent_to(*rows):
    return pd.DataFrame(rows, columns=["campaign_month", "customer_id", "p_decline"])


def features(customers, tenure):
    columns = {name: ["x"] * len(customers) for name in FEATURE_NAMES} | {"tenure_days": tenure}
    return pd.DataFrame({"customer_id": customers} | columns)


def test_known_before_is_of_the_month_and_the_customer_row_by_row():
    rows = sent_to(("2025-02", 7, 0.1), ("2025-01", 7, 0.2), ("2025-02", 8, 0.3), ("2025-01", 9, 0.4), ("2024-12", 7, 0.5))
    rows.index = [5, 5, 1, 0, 2]  # whatever the index says
    found = known_before(rows, {"2025-01": features([8, 7], [1, 2]), "2025-02": features([7, 8, 9], [3, 4, 5])})
    assert list(found.columns) == [*FEATURE_NAMES, "p_decline"]
    assert found.index.tolist() == [0, 1, 2, 3, 4]
    assert found["tenure_days"].fillna(-1).tolist() == [3, 2, 4, -1, -1]
    assert found["p_decline"].tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert len(known_before(rows.head(0), {})) == 0


def test_folds_keep_a_customer_together_and_are_alike():
    customer = np.tile(np.arange(301), 3)
    fold = folds(customer, seed=1)
    assert (fold.reshape(3, -1) == fold[:301]).all()
    sizes = np.bincount(fold[:301], minlength=FOLDS)
    assert sizes.max() - sizes.min() <= 1
    np.testing.assert_array_equal(folds(customer, seed=1), fold)
    assert (folds(customer, seed=2) != fold).any()


def test_a_sample_has_all_rows_of_some_customers():
    rows = sent_to(*((f"2025-0{m}", c, 0.5) for m in (1, 2, 3) for c in range(200)))
    found = sampled(rows, 150, seed=1)
    assert len(found) == 150
    assert (found.groupby("customer_id").size() == 3).all()
    assert found.index.tolist() == list(range(150))
    pd.testing.assert_frame_equal(found, sampled(rows, 150, seed=1))
    assert set(sampled(rows, 150, seed=2)["customer_id"]) != set(found["customer_id"])
    pd.testing.assert_frame_equal(sampled(rows.iloc[::-1], 600, seed=1), rows.iloc[::-1].reset_index(drop=True))
