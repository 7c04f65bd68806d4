from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from oneclick_pipeline import pictures
from oneclick_pipeline.contracts.scores import PROFIT_CURVE
from oneclick_pipeline.scores import profit_curve, profit_picture
from oneclick_pipeline.scores.treatment import break_even, gain, value_of
from oneclick_pipeline.settings import Value

OFFER = Value(offer_cost=1.0, saved_share=0.5, horizon_months=2)
EXPECTED = ["expected_profit", "by_risk_profit", "random_profit"]
REALISED = ["realised_profit", "realised_profit_low", "realised_profit_high", "realised_random_profit"]
MONEY = ["last_gain", "expected_profit_low", "expected_profit_high", *EXPECTED, *REALISED]


def customers(rows):
    """`contracts.scores.CUSTOMER_SCORES` and classes of (p_decline, monthly profit, activity)."""
    frame = pd.DataFrame(rows, columns=["p_decline", "profit", "activity"]).astype({"p_decline": float, "profit": float})
    scores = frame.assign(customer_id=range(100, 100 + len(frame)), score_basis="out_of_fold", regular=True)
    return scores.drop(columns="activity"), scores[["customer_id", "activity"]]


def curve(rows, settings=OFFER):
    return profit_curve(*customers(rows), settings)


def at(found, share):
    """The row of a treated share, or the rows of several."""
    return found.table.set_index("treated_share").loc[share]


# expected gains 0.5 * p * 2 * profit - 1: 8, 3, -0.75, -1
FOUR = [(0.9, 10, "declined"), (0.5, 8, "stable"), (0.125, 2, "declined"), (0.95, -3, "declined")]

chance = st.floats(0, 1) | st.sampled_from([0, 0.5, 1])
activity = st.sampled_from(["declined", "stable"])
people = st.lists(st.tuples(chance, st.floats(-20, 20), activity | st.none()), min_size=1, max_size=30)
offers = st.builds(Value, offer_cost=st.floats(0, 20), saved_share=chance, horizon_months=st.integers(1, 12))
few = examples(max_examples=25, deadline=None)


def test_profit_curve_by_hand():
    found = curve(FOUR)
    assert at(found, 0.0)[["customers", "expected_profit", "realised_profit"]].tolist() == [0, 0, 0]
    rows = at(found, [0.25, 0.5, 0.75, 1.0])
    assert rows["expected_profit"].tolist() == pytest.approx([8, 11, 10.25, 9.25])
    assert rows["last_gain"].tolist() == pytest.approx([8, 3, -0.75, -1])
    # the first declined, and half of 20 is kept; the second, stable, only costs; the third keeps 2; the last has nothing to keep
    assert rows["realised_profit"].tolist() == pytest.approx([9, 8, 9, 8])
    assert rows["random_profit"].tolist() == pytest.approx([9.25 * k / 4 for k in (1, 2, 3, 4)])
    assert rows["realised_random_profit"].tolist() == pytest.approx([2, 4, 6, 8])
    assert rows["by_risk_profit"].tolist() == pytest.approx([-1, 7, 10, 9.25])
    assert rows["by_risk_threshold"].tolist() == [0.95, 0.9, 0.5, 0.125]


def test_best_treatment_is_everybody_above_break_even():
    found = curve(FOUR)
    assert (found.best.customers, found.best.share, found.customers, found.left_out) == (2, 0.5, 4, 0)
    assert (found.best.profit, found.best.realised, found.best.realised_random) == pytest.approx((11, 8, 4))
    assert found.best.realised_customers == 2
    assert found.break_even == pytest.approx(1 / (0.5 * 2 * 5))  # median profit 5
    assert str(found.best) == "2 customers (50%), profit 11.0 (-2.0 to 34.0)"  # at worst nobody is kept, at best both
    dear = curve(FOUR, Value(offer_cost=50, saved_share=0.5, horizon_months=2))  # costs more than it keeps
    assert (dear.best.customers, dear.best.share, dear.best.profit, dear.best.low, dear.best.high) == (0, 0, 0, 0, 0)
    assert str(dear.best).startswith("no one")
    assert (dear.table["expected_profit"].iloc[1:] <= 0).all()
    whole_steps = at(curve(FOUR[:3]), [0.16, 0.17, 0.49, 0.5, 0.83, 0.84])
    assert whole_steps["customers"].tolist() == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize(
    ("declines", "expected"),
    [(1.0, 9.0), (0.0, -1.0), (0.5, 4.0)],
    ids=["a decliner pays", "a stable customer costs", "in between"],
)
def test_gain_signs(declines, expected):
    assert gain(np.array([declines]), np.array([20.0]), OFFER).tolist() == [expected]
    assert value_of(np.array([-5.0, 0.0, 5.0]), OFFER).tolist() == [0, 0, 10]  # who costs the store money is worth nothing


def test_break_even_is_infinite_where_nothing_can_be_kept():
    assert break_even(np.array([0.0, 4.0]), OFFER).tolist() == [np.inf, 0.5]
    assert break_even(np.array([4.0]), Value(saved_share=0)).tolist() == [np.inf]
    assert break_even(np.array([5e-324]), Value(offer_cost=20, saved_share=1)).tolist() == [np.inf]
    assert break_even(np.array([0.0, 4.0]), Value(offer_cost=0)).tolist() == [np.inf, 0]


@few
@given(st.lists(st.tuples(chance, st.integers(0, 100)), min_size=1), st.integers(1, 50), st.sampled_from([0, 0.25, 0.5, 1]))
def test_treating_pays_exactly_above_break_even(pairs, cost, saved):
    settings = Value(offer_cost=cost, saved_share=saved)
    p, value = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    threshold, gains = break_even(value, settings), gain(p, value, settings)
    assert (gains[p > threshold + 1e-9] > 0).all()
    assert (gains[p < threshold - 1e-9] < 0).all()


@few
@given(people, offers)
def test_curve_keeps_its_contract_and_treating_nobody_is_nothing(rows, settings):
    found = curve(rows, settings)
    table = pl.from_pandas(found.table).with_columns(pl.col(REALISED).cast(pl.Float64))
    PROFIT_CURVE.contract().validate(table)
    assert found.table["treated_share"].tolist() == [k / 100 for k in range(101)]
    assert found.table["customers"].iloc[[0, -1]].tolist() == [0, len(rows)]
    money = found.table.iloc[0][[*EXPECTED, "expected_profit_low", "expected_profit_high", *REALISED]]
    assert set(money.dropna()) == {0.0}


@few
@given(people, offers, st.integers(0, 100), st.data())
def test_missed_decliner_adds_nothing(rows, settings, percent, data):
    """Whoever is not treated may turn out as they like: the profit is that of the treated."""
    found = curve(rows, settings)
    scores, _ = customers(rows)
    treated = int(found.table["customers"][percent])
    treated_ids = in_order(scores, settings)[:treated]
    other = [
        (p, profit, was if i in treated_ids or was is None else data.draw(activity))
        for i, (p, profit, was) in zip(scores["customer_id"], rows, strict=True)
    ]
    columns = ["realised_profit", "realised_profit_low", "realised_profit_high", "realised_customers"]
    pd.testing.assert_frame_equal(curve(other, settings).table[columns].head(percent + 1), found.table[columns].head(percent + 1))


def in_order(scores, settings):
    """Ids in the order in which the curve treats them, found from outside: who is best, alone, then with one more."""
    hashed = pd.util.hash_array(scores["customer_id"].to_numpy())
    gains = gain(scores["p_decline"].to_numpy(), value_of(scores["profit"].to_numpy(), settings), settings)
    return [i for _, _, i in sorted(zip(-gains, hashed, scores["customer_id"], strict=True))]


@few
@given(people.filter(lambda rows: all(was is not None for *_, was in rows)), offers, st.integers(0, 29))
def test_treated_decliner_who_turns_out_stable_costs_what_would_have_been_kept(rows, settings, place):
    place %= len(rows)
    p, profit, _ = rows[place]
    all_treated = [
        at(curve([*rows[:place], (p, profit, was), *rows[place + 1 :]], settings), 1.0)["realised_profit"]
        for was in ("declined", "stable")
    ]
    kept = settings.saved_share * max(profit, 0) * settings.horizon_months
    assert all_treated[0] - all_treated[1] == pytest.approx(kept, abs=1e-6)


@few
@given(people, st.floats(0, 20))
def test_useless_offer_loses_exactly_its_cost(rows, cost):
    found = curve(rows, Value(offer_cost=cost, saved_share=0))
    lost = -cost * found.table["customers"]
    for name in ("expected_profit_low", "expected_profit_high", *EXPECTED):
        assert (found.table[name] == lost).all(), name
    for name in REALISED:
        known = found.table[name].notna()
        assert (found.table[name][known] == -cost * found.table["realised_customers"][known]).all(), name
    assert (found.best.customers, found.best.profit, found.break_even) == (0, 0, np.inf)


@few
@given(people, offers)
def test_highest_expected_gain_first_is_the_best_order_and_at_the_end_all_are_equal(rows, settings):
    table = curve(rows, settings).table
    tolerance = 1e-9 * (1 + table[EXPECTED].abs().to_numpy().max())
    assert (table["expected_profit"] >= table[EXPECTED].max(axis=1) - tolerance).all()
    assert table[EXPECTED].iloc[-1].tolist() == pytest.approx([table["expected_profit"].iloc[-1]] * 3, abs=tolerance)
    assert (table["last_gain"].dropna().diff().dropna() <= 0).all()
    assert (table["expected_profit_low"] <= table["expected_profit"] + tolerance).all()
    assert (table["expected_profit"] <= table["expected_profit_high"] + tolerance).all()


@few
@given(people, offers, st.data())
def test_no_other_order_earns_more(rows, settings, data):
    found = curve(rows, settings)
    order = data.draw(st.permutations(range(len(rows))))
    p, profit = (np.array([row[i] for row in rows], dtype=float)[order] for i in (0, 1))
    other = np.append(0, np.cumsum(gain(p, value_of(profit, settings), settings)))
    assert (found.table["expected_profit"] >= other[found.table["customers"]] - 1e-6).all()
    assert found.best.profit >= other.max() - 1e-6
    assert found.best.profit >= found.table["expected_profit"].max() - 1e-6


@few
@given(people, offers, st.sampled_from([0.25, 2, 1024]))
def test_profit_is_in_the_unit_of_profit_and_cost(rows, settings, unit):
    scaled = settings.model_copy(update={"offer_cost": settings.offer_cost * unit})
    table = curve(rows, settings).table
    other = curve([(p, profit * unit, was) for p, profit, was in rows], scaled).table
    pd.testing.assert_frame_equal(other, table.assign(**{name: table[name] * unit for name in MONEY}))


@few
@given(people, offers, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(rows, settings, random):
    scores, classes = customers(rows)
    order = random.sample(range(len(rows)), len(rows))
    found = profit_curve(scores, classes, settings)
    shuffled = profit_curve(scores.iloc[order], classes.iloc[order[::-1]], settings)
    pd.testing.assert_frame_equal(shuffled.table, found.table, check_exact=True)


def test_ties_are_not_treated_in_the_order_of_the_ids():
    """The store's file is sorted by class: among customers who look alike, low ids must not come first."""
    rows = [(0.5, 4, "declined")] * 500 + [(0.5, 4, "stable")] * 500
    half = at(curve(rows), 0.5)
    assert half["realised_profit"] == pytest.approx(half["realised_random_profit"], abs=4 * 4 * 0.5 * np.sqrt(500))
    assert half["realised_profit"] != 500 * 4 - 500  # that would be all decliners first


def test_customers_without_score_or_profit_and_irregular_ones_are_left_out_and_counted():
    scores, classes = customers([*FOUR, (None, 5, "declined"), (0.5, None, "declined"), (0.9, 9, "declined")])
    found = profit_curve(scores.assign(regular=[True] * 6 + [False]), classes, OFFER)
    assert (found.customers, found.left_out) == (4, 3)
    pd.testing.assert_frame_equal(found.table, curve(FOUR).table)


def test_nobody_on_the_curve():
    found = curve([(None, 5, "declined")])
    assert (found.customers, found.left_out, found.best.customers, found.break_even) == (0, 1, 0, np.inf)
    assert len(found.table) == 101
    assert set(found.table["expected_profit"]) == {0.0}
    assert found.table["realised_profit"].isna().all()


def test_realised_profit_counts_known_classes_and_out_of_fold_scores_only():
    scores, classes = customers(FOUR)
    scores["score_basis"] = ["out_of_fold", "model", "out_of_fold", "out_of_fold"]
    found = profit_curve(scores, classes.iloc[:3], OFFER)  # the last has no class at all
    assert at(found, 1.0)["realised_customers"] == 2
    rows = at(found, [0.25, 0.5, 0.75, 1.0])
    assert rows["realised_profit"].tolist() == pytest.approx([9, 9, 10, 10])
    assert rows["realised_random_profit"].tolist() == pytest.approx([5, 5, 10, 10])


@pytest.mark.parametrize("classes", [slice(0, 0), slice(0, 4)], ids=["no class", "scores of the model"])
def test_nothing_is_realised_where_no_comparison_is_honest(classes):
    scores, known = customers(FOUR)
    found = profit_curve(scores.assign(score_basis="model"), known.iloc[classes], OFFER)
    assert found.table[REALISED].isna().all(axis=None)
    assert found.table["realised_customers"].tolist() == [0] * 101
    assert np.isnan(found.best.realised)
    assert found.table["expected_profit"].tolist() == curve(FOUR).table["expected_profit"].tolist()


def test_interval_holds_what_happens_nineteen_times_of_twenty():
    rng = np.random.default_rng(5)
    p, profit = rng.beta(1, 2, 400), rng.gamma(4, 1, 400)
    rows = [(*pair, "declined") for pair in zip(p, profit, strict=True)]
    row = at(curve(rows), 1.0)
    kept = (rng.random((20_000, 400)) < p) & (rng.random((20_000, 400)) < OFFER.saved_share)
    made = kept @ value_of(profit, OFFER) - OFFER.offer_cost * 400
    assert made.mean() == pytest.approx(row["expected_profit"], rel=0.01)
    assert ((row["expected_profit_low"] < made) & (made < row["expected_profit_high"])).mean() == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize("rows", [FOUR, [(p, profit, None) for p, profit, _ in FOUR], []], ids=["classes", "no class", "nobody"])
def test_profit_picture_shows_the_realised_curve_only_where_every_class_is_known(rows):
    found = curve(rows)
    picture = profit_picture(found, OFFER)
    texts = [text.get_text() for text in picture.axes[0].get_legend().get_texts()]
    assert ("realised" in texts) == (rows == FOUR)
    assert texts[-1] == f"best: {found.best}"
    assert pictures.png(picture).startswith(b"\x89PNG")
