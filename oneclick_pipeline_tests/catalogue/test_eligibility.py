"""Eligibility: conditions as they are written, unknown values fit nothing, and every refusal has its reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.catalogue import eligibility
from oneclick_pipeline.catalogue.offer import AnyOf, Condition, Offer
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.contracts.offers import REASONS_OF_PLAN
from oneclick_pipeline.settings import Offers


def offer(*conditions, message="Привет"):
    return Offer("gift", "Подарок", "Gift", message, message, "push", "Retention", conditions, 0.1, None, -0.05, 0.04)


def fitted(condition, **columns):
    frame = pd.DataFrame(columns)
    return eligibility.fits([offer(condition)], frame)[:, 0].tolist()


@pytest.mark.parametrize(
    ("op", "value", "fit"),
    [
        (">=", 4.0, [False, True, True, False]),
        (">", 4.0, [False, False, True, False]),
        ("<=", 4.0, [True, True, False, False]),
        ("<", 4.0, [True, False, False, False]),
        ("==", 4.0, [False, True, False, False]),
        ("!=", 4.0, [True, False, True, False]),
        ("in", (3.0, 5.0), [True, False, True, False]),
    ],
)
@pytest.mark.parametrize("dtype", ["float64", "Int64"])
def test_numbers_are_compared_and_the_unknown_never_fits(op, value, fit, dtype):
    numbers = pd.Series([3, 4, 5, None], dtype=dtype)
    assert fitted(Condition("unpaid_items", op, value=value), unpaid_items=numbers) == fit


@pytest.mark.parametrize(
    ("op", "value", "fit"),
    [
        ("==", "premium", [True, False, False]),
        ("!=", "premium", [False, True, False]),
        ("in", ("premium", "standard"), [True, True, False]),
    ],
)
@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_texts_are_compared_and_the_unknown_never_fits(op, value, fit, dtype):
    levels = pd.Series(["premium", "standard", None], dtype=dtype)
    assert fitted(Condition("service_level", op, value=value), service_level=levels) == fit


@pytest.mark.parametrize(("op", "value", "fit"), [("==", False, [False, True, False]), ("!=", False, [True, False, False])])
@pytest.mark.parametrize("dtype", ["object", "boolean"])
def test_truths_are_compared_and_the_unknown_never_fits(op, value, fit, dtype):
    consent = pd.Series([True, False, None], dtype=dtype)
    assert fitted(Condition("marketing_consent", op, value=value), marketing_consent=consent) == fit


def test_column_is_compared_with_another_of_the_same_customer():
    minutes = {"minutes_m0": [1.0, 2.0, np.nan, 1.0], "minutes_m1": [2.0, 2.0, 2.0, np.nan]}
    for op in ("<", "!="):
        assert fitted(Condition("minutes_m0", op, column_value="minutes_m1"), **minutes) == [True, False, False, False]


def test_quantile_is_that_of_the_regular_customers():
    profit, regular = [1.0, 2.0, 3.0, 90.0, 99.0, np.nan], [True, True, True, False, False, True]
    above = Condition("profit", ">=", quantile=0.5)
    assert fitted(above, profit=profit, regular=regular) == [False, True, True, True, True, False]
    assert fitted(above, profit=profit, regular=[False] * 6) == [False] * 6


def test_any_of_needs_one_of_its_conditions_and_all_conditions_must_hold():
    few = AnyOf((Condition("pages_per_visit", "<=", value=4.0), Condition("unpaid_items", ">=", value=9.0)))
    frame = pd.DataFrame({"pages_per_visit": [3.0, 9.0, np.nan, 9.0], "unpaid_items": [0, 9, 9, 0], "service_errors": 7})
    both = [offer(few), offer(few, Condition("service_errors", ">", value=7.0)), offer()]
    assert eligibility.fits(both, frame).T.tolist() == [[True, True, True, False], [False] * 4, [True] * 4]


def test_offer_whose_message_needs_an_unknown_value_does_not_fit():
    frame = pd.DataFrame({"favourite_category": ["Книги", None]})
    assert eligibility.fits([offer(message="«{favourite_category}»")], frame)[:, 0].tolist() == [True, False]


def test_without_offers_nothing_fits():
    assert eligibility.fits([], pd.DataFrame({"profit": [1.0, 2.0]})).shape == (2, 0)


NUMBERS = (
    "unpaid_items", "categories_per_visit", "profit", "service_errors", "pages_per_visit", "minutes_m0", "minutes_m1",
    "tenure_days",
)  # fmt: skip
numbers = st.sampled_from([None, 0.0, 1.0, 3.0, 7.0, 9.0])


@settings(max_examples=40, deadline=None)  # eight offers on a frame take longer than a list of numbers
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "service_level": st.sampled_from([None, "standard", "premium"]),
                "favourite_category": st.sampled_from([None, "Книги", "Мелкая бытовая техника и электроника"]),
                "regular": st.booleans(),
                "p_decline": st.none() | st.floats(0, 1),
                "promo_share": st.none() | st.floats(0, 1),
            }
            | dict.fromkeys(NUMBERS, numbers)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_bundled_offers_fit_as_the_issue_says(rows):
    frame = pd.DataFrame(rows)
    offers = Catalogue.bundled().offers
    fit = pd.DataFrame(eligibility.fits(offers, frame), columns=[o.id for o in offers])
    middle = frame.loc[frame["regular"], "profit"].astype(float).median()
    for i, c in enumerate(rows):
        nan = {key: np.nan if value is None else value for key, value in c.items()}
        category = c["favourite_category"] is not None
        wanted = {
            "basket_voucher": nan["unpaid_items"] >= 4,
            "category_promo": category and nan["promo_share"] > 0.5 and nan["p_decline"] >= 0.6,
            "cross_category_bundle": category and nan["categories_per_visit"] <= 2,
            "premium_trial": c["service_level"] == "standard"
            and nan["profit"] >= middle
            and 0.3 <= nan["p_decline"] < 0.6
            and c["tenure_days"] is not None,
            "premium_perks": c["service_level"] == "premium",
            "apology_bonus": nan["service_errors"] >= 7,
            "content_selection": category and (nan["pages_per_visit"] <= 4 or nan["minutes_m0"] < nan["minutes_m1"]),
            "appliance_accessories": category and "техника" in c["favourite_category"] and nan["promo_share"] <= 0.3,
        }
        assert fit.loc[i].to_dict() == {name: bool(value) for name, value in wanted.items()}


GOOD = {"regular": True, "p_decline": 0.5, "profit": 4.0, "marketing_consent": True, "contacts_month": 4}


def reason(*, fits_some=True, cap=8, **values):
    frame = pd.DataFrame({name: [value] for name, value in (GOOD | values).items()})
    return eligibility.refusal(frame, np.array([[fits_some, False]]), Offers(contact_cap=cap)).tolist()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, ""),
        ({"regular": False}, "not_regular"),
        ({"p_decline": None}, "not_scored"),
        ({"profit": None}, "no_profit"),
        ({"profit": -1.0}, ""),
        ({"marketing_consent": False}, "no_consent"),
        ({"marketing_consent": None}, "no_consent"),
        ({"contacts_month": 7}, ""),
        ({"contacts_month": 8}, "contact_cap"),
        ({"contacts_month": None}, "contact_cap"),
        ({"fits_some": False}, "no_offer_fits"),
        ({"cap": 0}, "contact_cap"),
    ],
)
def test_refusal_says_why(values, why):
    assert reason(**values) == [why]


def test_refusal_tells_the_first_reason():
    bad = {"regular": False, "p_decline": None, "profit": None, "marketing_consent": False, "contacts_month": 99}
    bad["fits_some"] = False
    for k, first in enumerate(eligibility.REASONS):
        assert reason(**dict(list(bad.items())[k:])) == [first]
    assert set(eligibility.REASONS) < set(REASONS_OF_PLAN)


def test_refusal_without_any_offer_is_that_none_fits():
    frame = pd.DataFrame({name: [value] for name, value in GOOD.items()})
    assert eligibility.refusal(frame, np.empty((1, 0), dtype=bool), Offers()).tolist() == ["no_offer_fits"]
