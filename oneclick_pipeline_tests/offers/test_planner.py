from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from oneclick_pipeline.campaigns.worth import Worth
from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.catalogue.offer import Condition, Offer
from oneclick_pipeline.contracts.offers import OFFER_PLAN
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.offers.planner import Planner, offer_plan
from oneclick_pipeline.settings import Offers, Settings

MONTH = "2026-10"
ALL = Offers(control_share=0, offer_control_share=0, budget=1e6)
few = examples(max_examples=40, deadline=None)


def offer(name="voucher", **fields):
    """An offer to everybody who left anything unpaid."""
    given = {
        "conditions": (Condition("unpaid_items", ">=", value=1),),
        "cost": 0.1,
        "capacity": None,
        "effect_mean": -0.1,
        "effect_sd": 0.05,
    }
    texts = dict.fromkeys(("title_ru", "title_en", "message_ru", "message_en", "owner"), "text")
    return Offer(id=name, channel="email", **texts, **(given | fields))


THREE = (
    offer("bundle", conditions=(Condition("categories_per_visit", "<=", value=2),), cost=0.05, effect_mean=-0.04, capacity=40),
    offer("voucher"),
    offer("premium", conditions=(Condition("service_level", "==", value="standard"),), cost=0.02, effect_mean=-0.03),
)


def people(n, seed=0):
    """Customers of all kinds: some irregular, without a score, a profit or consent, or contacted too often."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer_id": rng.permutation(n) + 215_000,
            "service_level": np.where(rng.random(n) < 0.3, "premium", "standard"),
            "marketing_consent": rng.random(n) < 0.8,
            "contacts_month": rng.integers(1, 10, n),
            "categories_per_visit": rng.integers(1, 6, n).astype(float),
            "unpaid_items": rng.integers(0, 4, n),
            "profit": rng.normal(4, 2, n),
            "regular": rng.random(n) < 0.95,
            "p_decline": rng.beta(1, 2, n),
            "segment": rng.choice(["save_first", "grow"], n),
            "model_version": 3,
        }
    )
    return frame.assign(
        profit=frame["profit"].where(rng.random(n) < 0.95), p_decline=frame["p_decline"].where(rng.random(n) < 0.95)
    )


def plain(n):
    """Customers who may all get an offer and are alike but for their risk."""
    fixed = {"service_level": "standard", "marketing_consent": True, "contacts_month": 0, "categories_per_visit": 1.0}
    fixed |= {"unpaid_items": 2, "profit": 10.0, "regular": True, "segment": "grow", "model_version": 1}
    return pd.DataFrame({"customer_id": np.arange(n), "p_decline": np.linspace(0.2, 0.8, n)}).assign(**fixed)


def belief(offer_id, mean, sd=0.01, segment="all"):
    return {"offer_id": offer_id, "segment": segment, "mean": mean, "sd": sd}


def plan(customers, offers=THREE, beliefs=None, settings=None, **more):
    beliefs = pd.DataFrame(beliefs) if beliefs else None
    return offer_plan(customers, offers, beliefs, Settings(offers=settings or Offers()), month=MONTH, **more)


def check(found, customers, offers, settings):
    """What holds of every plan."""
    table = found.table
    OFFER_PLAN.contract().validate(pl.from_pandas(table))
    assert table["customer_id"].tolist() == customers["customer_id"].tolist()
    assert not table["customer_id"].duplicated().any()
    given, drawn = table["arm"] == "offer", table["arm"] != "none"
    may = customers["marketing_consent"] & customers["regular"] & (customers["contacts_month"] < settings.contact_cap)
    assert may[drawn].all()
    counts = table["offer_id"][given].value_counts()
    assert table["cost"].sum() <= settings.budget * (1 + 1e-8)
    assert all(o.capacity is None or counts.get(o.id, 0) <= o.capacity for o in offers)
    assert table["cost"].sum() == pytest.approx(found.summary.cost)
    assert all(row.offer_id in row.fits.split(",") for row in table[given].itertuples())
    assert table["offer_id"][given].notna().all()
    assert (table["cost"][~given] == 0).all()
    assert (table["propensity"].notna() == (table["assignment"] != "none")).all()
    assert (table["propensity"].dropna() > 0).all()
    chosen = given & (table["assignment"] == "plan")
    assert (table["expected_gain"][chosen] > 0).all()
    assert (table["expected_effect"][chosen] < 0).all()
    drawn_with = [settings.control_share, found.summary.explored_share, settings.offer_control_share]
    assert (table[["control_share", "exploration_share", "offer_control_share"]] == drawn_with).all(axis=None)
    assert sum(found.summary.arms.values()) == sum(found.summary.reasons.values()) == len(customers)


shares = st.builds(
    Offers,
    budget=st.sampled_from([0.0, 0.3, 2.0, 10.0, 1000.0]),
    contact_cap=st.integers(0, 12),
    control_share=st.sampled_from([0.0, 0.1, 0.9]),
    exploration_share=st.sampled_from([0.1, 0.5, 0.9]),
    offer_control_share=st.sampled_from([0.0, 0.1, 0.9]),
    salt=st.text(min_size=1, max_size=5),
)


@few
@given(st.integers(0, 300), st.integers(0, 99), shares, st.integers(0, 3), st.integers(0, 50) | st.none())
def test_every_plan_keeps_consent_caps_budget_and_capacities(n, seed, settings, offers, capacity):
    customers, offers = people(n, seed), [dataclasses.replace(o, capacity=capacity) for o in THREE[:offers]]
    check(plan(customers, offers, settings=settings), customers, offers, settings)


@few
@given(st.integers(1, 300), st.integers(0, 99), shares, st.randoms(use_true_random=False))
def test_neither_order_nor_a_rerun_changes_the_plan(n, seed, settings, random):
    customers = people(n, seed)
    order = random.sample(range(n), n)
    effects = np.random.default_rng(seed).normal(-0.05, 0.05, (n, 3))
    found = plan(customers, settings=settings, customer_effects=effects)
    again = plan(customers, settings=settings, customer_effects=effects)
    other = plan(customers.iloc[order], THREE[::-1], settings=settings, customer_effects=effects[order][:, ::-1])
    pd.testing.assert_frame_equal(again.table, found.table)
    pd.testing.assert_frame_equal(other.table.reset_index(drop=True), found.table.iloc[order].reset_index(drop=True))
    assert repr(found.summary) == repr(again.summary) == repr(other.summary)


def test_plan_by_hand():
    """Value 10 x 3 x 0.2 = 6; keeping 0.1 of it for 0.1 gains 0.5, 0.04 for 0.05 gains 0.19."""
    found = plan(plain(2000), [dataclasses.replace(THREE[0], capacity=None), THREE[1]], settings=ALL)
    planned = found.table[found.table["assignment"] == "plan"]
    assert set(planned["offer_id"]) == {"voucher"}
    assert planned["expected_gain"].to_numpy() == pytest.approx(0.5)
    assert planned["value"].to_numpy() == pytest.approx(6)
    assert planned["expected_effect"].to_numpy() == pytest.approx(-0.1)
    assert planned["propensity"].to_numpy() == pytest.approx(0.9 + 0.1 / 3)
    assert found.summary.assignments["exploration"] == pytest.approx(200, abs=50)


def test_budget_goes_to_those_who_gain_most_and_the_rest_find_no_room():
    customers = plain(3000).assign(profit=np.linspace(5, 20, 3000))
    found = plan(customers, THREE[1:2], settings=ALL.model_copy(update={"budget": 60.0}))
    planned = found.table[found.table["assignment"] == "plan"]
    assert found.summary.cost == pytest.approx(60, abs=0.11)
    assert planned["value"][planned["arm"] == "offer"].min() > planned["value"][planned["reason"] == "no_room"].max()
    assert found.summary.price_of_budget > 0
    assert found.summary.by_risk < found.summary.without_limits


def test_shares_are_as_set_and_controls_are_told_what_they_miss():
    found = plan(plain(40_000), THREE[1:2], settings=Offers(budget=1e6, offer_control_share=0.1))
    table = found.table
    assert found.summary.assignments["hold_out"] == pytest.approx(4000, abs=250)
    assert found.summary.assignments["exploration"] == pytest.approx(3600, abs=250)
    assert (table.loc[table["assignment"] == "hold_out", "offer_id"] == "voucher").all()
    controls = (table["assignment"] == "plan") & (table["arm"] == "control")
    assert controls.sum() == pytest.approx(3240, abs=250)
    explored = table[table["assignment"] == "exploration"]
    assert (explored["arm"] == "offer").mean() == pytest.approx(0.5, abs=0.05)
    assert explored["offer_id"].isna().equals(explored["arm"] == "control")
    assert set(table.loc[table["arm"] == "offer", "propensity"].round(9)) == {round(0.9 * (0.9 * 0.9 + 0.05), 9)}


def test_receivers_and_controls_are_comparable_under_scarce_limits():
    """Whoever the limits leave out is left out by what they would gain, whether they receive or not."""
    customers = plain(20_000).assign(profit=np.random.default_rng(1).gamma(4, 2, 20_000))
    offers = [dataclasses.replace(THREE[1], capacity=700), THREE[2]]
    table = plan(customers, offers, settings=Offers(budget=100.0, offer_control_share=0.1)).table
    aimed = table[table["assignment"].isin(["plan", "hold_out"]) & table["offer_id"].notna()]
    for _, group in aimed.groupby("offer_id"):
        offered, controls = (group.loc[group["arm"] == arm, "value"] for arm in ("offer", "control"))
        error = np.sqrt(offered.var() / len(offered) + controls.var() / len(controls))
        assert abs(offered.mean() - controls.mean()) < 4 * error
        expected = 0.9 * 0.9 * 0.9 / (0.1 + 0.9 * 0.9 * 0.1 + 0.9 * 0.9 * 0.9)
        assert len(offered) / len(group) == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / len(group)))


def test_exploration_leaves_a_plan_and_its_controls_stay_one_to_one():
    offers = [dataclasses.replace(THREE[1], capacity=300), THREE[2]]
    found = plan(plain(20_000), offers, settings=ALL)
    explored = found.table[found.table["assignment"] == "exploration"]
    scarce = explored[explored["fits"].str.contains("voucher")]
    controls, offered = (scarce["arm"] == "control").sum(), (scarce["offer_id"] == "voucher").sum()
    assert 0 < (explored["offer_id"] == "voucher").sum() <= 150
    assert offered == pytest.approx(controls, abs=4 * np.sqrt(offered + controls))
    assert (explored["fits"] == "premium").any()  # after the voucher had run out
    assert found.summary.given["voucher"] == 300


@pytest.mark.parametrize(("mean", "sd"), [(0.02, 0.01), (0.0, 0.0), (0.13, 0.1)])
def test_harmful_offer_leaves_plan_and_exploration(mean, sd):
    table = plan(plain(3000), beliefs=[belief("voucher", mean, sd)], settings=ALL).table
    assert not (table["offer_id"] == "voucher").any()
    assert not table["fits"].str.contains("voucher").any()


def test_doubtful_offer_leaves_the_plan_and_is_still_explored():
    table = plan(plain(3000), beliefs=[belief("voucher", 0.01, 0.02)], settings=ALL).table
    assert set(table.loc[table["offer_id"] == "voucher", "assignment"]) == {"exploration"}
    only = plan(plain(3000), THREE[1:2], [belief("voucher", 0.01, 0.02)], ALL)
    assert only.summary.reasons["not_worth"] == only.summary.arms["none"]
    assert only.summary.expected_gain < 0  # what exploring it is expected to cost


def test_beliefs_of_a_segment_come_before_those_of_all_and_those_before_the_prior():
    customers = plain(3000).assign(segment=np.where(np.arange(3000) % 2, "grow", "core"))
    beliefs = [belief("voucher", -0.02, segment="core"), belief("voucher", -0.05), belief("gone", -0.5)]
    for rows in (beliefs, beliefs[::-1]):
        table = plan(customers, THREE[1:], rows, ALL).table
        for segment, name, effect in (("core", "voucher", -0.02), ("grow", "voucher", -0.05), ("core", "premium", -0.03)):
            chosen = (table["segment"] == segment) & (table["offer_id"] == name)
            assert table.loc[chosen, "expected_effect"].to_numpy() == pytest.approx(effect)


def test_effects_of_a_learner_come_before_beliefs_but_save_no_harmful_offer():
    customers = plain(2000)
    effects = np.full((2000, 2), np.nan)
    effects[:1000, 1] = -0.2
    effects[1000:1500, 0] = 0.05
    found = plan(customers, THREE[1:], settings=ALL, customer_effects=effects).table
    planned = found[found["assignment"] == "plan"].set_index("customer_id")["offer_id"]
    assert set(planned[planned.index < 1500]) == {"premium"}  # 0.2 of the value; and where the voucher does harm
    assert set(planned[planned.index >= 1500]) == {"voucher"}  # nothing learnt: as believed
    harmful = plan(customers, THREE[1:], [belief("premium", 0.05)], ALL, customer_effects=effects).table
    assert not (harmful["offer_id"] == "premium").any()


def test_where_customers_are_known_their_segment_cannot_save_a_harmful_offer():
    customers = plain(50)
    believed = [belief("voucher", 0.05), belief("voucher", -0.1, segment="grow")]
    effects = np.full((50, 1), -0.1)
    assert plan(customers, (offer(),), believed, ALL).summary.given["voucher"] > 0
    assert plan(customers, (offer(),), believed, ALL, customer_effects=effects).summary.given["voucher"] == 0


def test_nobody_explores_what_could_not_pay():
    customers = plain(400)
    settings = Offers(control_share=0, offer_control_share=0, budget=1e6, exploration_share=0.5)
    hopeless = plan(customers, (offer(cost=1.0),), [belief("voucher", -0.01)], settings).table
    hopeful = plan(customers, (offer(cost=1.0),), [belief("voucher", -0.01, sd=0.5)], settings).table
    assert (hopeless["assignment"] == "exploration").sum() == 0
    assert (hopeful["assignment"] == "exploration").sum() > 100


def test_effect_saves_no_more_than_there_is_to_lose():
    customers = plain(500).assign(p_decline=0.01)
    table = plan(customers, THREE[1:2], settings=ALL).table
    assert set(table.loc[table["assignment"] == "plan", "reason"]) == {"not_worth"}  # 0.01 x 6 < 0.1


def test_interval_is_that_of_effect_times_worth():
    """Value 6, and as its sd half of it; a product of the two: variances of either at the other's mean, and of both."""
    surely, hardly = (plan(plain(2000), THREE[1:2], [belief("voucher", -0.1, sd)], ALL).summary for sd in (0.0, 0.05))
    assert hardly.expected_gain == pytest.approx(surely.expected_gain)
    for found, sd in ((surely, 0.1 * 3), (hardly, ((0.05 * 6) ** 2 + (0.1 * 3) ** 2 + (0.05 * 3) ** 2) ** 0.5)):
        assert found.expected_gain_high - found.expected_gain == pytest.approx(1.959964 * sd * found.given["voucher"])
        assert found.expected_gain - found.expected_gain_low == pytest.approx(1.959964 * sd * found.given["voucher"])


def test_detectable_effects_shrink_with_the_customers_and_are_unknown_without_controls():
    small, large = (plan(plain(n), settings=Offers(budget=1e6)).summary for n in (2000, 32_000))
    assert small.detectable_effect / large.detectable_effect == pytest.approx(4, rel=0.2)
    assert all(small.detectable_effects[o.id] >= small.detectable_effect for o in THREE)
    assert np.isnan(plan(plain(2000), [], settings=ALL).summary.detectable_effect)


def test_refused_customers_get_nothing_with_the_reason():
    customers = plain(6).assign(
        regular=[False, True, True, True, True, True],
        p_decline=[0.5, np.nan, 0.5, 0.5, 0.5, 0.5],
        profit=[1.0, 1.0, np.nan, 1.0, 1.0, 1.0],
        marketing_consent=[True, True, True, False, True, True],
        contacts_month=[0, 0, 0, 0, 99, 0],
        unpaid_items=0,
    )
    table = plan(customers, THREE[1:2]).table
    assert table["reason"].tolist() == ["not_regular", "not_scored", "no_profit", "no_consent", "contact_cap", "no_offer_fits"]
    assert set(table["arm"]) == set(table["assignment"]) == {"none"}


def test_month_must_be_one():
    with pytest.raises(BadInputError):
        offer_plan(plain(1), THREE, None, Settings(), month="October")


RICH = offer("rich", conditions=(Condition("profit", ">=", quantile=0.7), Condition("p_decline", ">", quantile=0.2)), cost=0.3)


def batched(customers, rows, *, effects=None, worth=None):
    """The plan made of batches of so many rows, and written in such batches."""
    offers = (*THREE, RICH)
    cuts = eligibility.quantiles(offers, customers)
    planner = Planner(offers, None, Settings(), month=MONTH, cuts=cuts, by_segment=effects is None, worth=worth)
    for begin in range(0, max(len(customers), 1), rows):
        own = slice(begin, begin + rows)
        planner.add(planner.look(customers.iloc[own], None if effects is None else effects[own]))
    decided = planner.open().decide()
    return pd.concat([table.astype(object) for table in decided.tables(rows)], ignore_index=True), decided.summary


@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("given_effects", [False, True])
def test_batches_change_nothing(rows, given_effects):
    customers = people(300).sort_values("regular", ignore_index=True)  # the first batches hold nobody regular
    assert not customers["regular"].head(7).any()
    rng = np.random.default_rng(1)
    effects = np.where(rng.random((300, 4)) < 0.1, np.nan, rng.normal(-0.1, 0.1, (300, 4))) if given_effects else None
    worth = Worth("learned", 6, np.array([0.5, 2.0, -1.0]), np.eye(3)) if given_effects else None
    whole = offer_plan(customers, (*THREE, RICH), None, Settings(), month=MONTH, customer_effects=effects, worth=worth)
    assert whole.table["offer_id"].nunique() == 4
    found, summary = batched(customers, rows, effects=effects, worth=worth)
    tables = [table.sort_values("customer_id", ignore_index=True) for table in (found.astype(whole.table.dtypes), whole.table)]
    pd.testing.assert_frame_equal(*tables)
    assert str(summary) == str(whole.summary)  # the text, since NaN is not equal to itself


def test_nobody_is_planned_for_in_batches():
    found, summary = batched(people(5).head(0), 7)
    assert list(found) == OFFER_PLAN.names
    assert (len(found), summary.arms, summary.cost) == (0, {}, 0.0)
