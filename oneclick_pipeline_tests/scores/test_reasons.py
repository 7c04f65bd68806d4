"""Reasons: the three strongest, signed, and every word of them true."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.exports import CUSTOMERS
from oneclick_pipeline.contracts.scores import REASONS
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.scores.reasons import AMOUNTS, VALUES, reasons

from .conftest import make_contributions


def customer(**values):
    usual = dict.fromkeys(FEATURE_NAMES, 10.0) | {
        "service_level": "standard",
        "favourite_category": "Товары для детей",
        "marketing_consent": True,
    }
    return usual | values


def reasons_of(contributions, *customers):
    return reasons(pd.DataFrame(list(customers)), np.full(len(customers), 0.5), contributions)


def only(contributions, **values):
    row = reasons_of(contributions, customer(**values)).iloc[0]
    return row["reason_1"], row["reason_1_effect"], row["reason_1_ru"], row["reason_1_en"]


@pytest.mark.parametrize(
    ("now", "before", "effect", "ru", "en"),
    [
        (7, 12, 3, "времени на сайте меньше, чем месяц назад: риск выше", "less time on site than a month ago: higher risk"),
        (12, 11, -2, "времени на сайте больше, чем месяц назад: риск ниже", "more time on site than a month ago: lower risk"),
        (7, 6, 3, "времени на сайте в этом месяце меньше, чем у типичного покупателя: риск выше", None),
        (7, 7, 3, "времени на сайте в этом месяце меньше, чем у типичного покупателя: риск выше", None),
        (12, None, -2, "времени на сайте в этом месяце больше, чем у типичного покупателя: риск ниже", None),
        (None, 12, -1, "нет данных о времени на сайте в этом месяце: риск ниже", "no data: time on site this month: lower risk"),
    ],
)
def test_time_on_site(now, before, effect, ru, en):
    found = only(make_contributions(minutes_m0=-1), minutes_m0=now, minutes_m1=before)
    assert found[:3] == ("minutes_m0", effect, ru)
    assert en is None or found[3] == en


@pytest.mark.parametrize(
    ("values", "ru", "en"),
    [
        ({"service_level": "premium"}, "обслуживание премиум: риск ниже", "premium service: lower risk"),
        ({"service_level": None}, "нет данных об уровне обслуживания: риск выше", "no data on the level of service: higher risk"),
        ({"service_level": "gold"}, "иной уровень обслуживания: риск выше", "another level of service: higher risk"),
    ],
)
def test_words(values, ru, en):
    assert only(make_contributions(service_level=0.5), **values)[2:] == (ru, en)


def test_value_as_usual_is_said_to_be_so():
    contributions = make_contributions()
    curves = [replace(c, contributions=(0.4, 0.4)) if c.feature == "unpaid_items" else c for c in contributions.curves]
    found = only(replace(contributions, curves=tuple(curves)))
    assert found[2] == "неоплаченных товаров в корзине как у типичного покупателя: риск выше"


def test_reasons_are_the_strongest_by_absolute_contribution_ties_in_the_order_of_the_features():
    contributions = make_contributions(tenure_days=0.1, unpaid_items=-0.3, revenue_m2=0.2, contacts_6m=0.2)
    row = reasons_of(contributions, customer(tenure_days=11, unpaid_items=11, revenue_m2=11, contacts_6m=11)).iloc[0]
    assert [row[f"reason_{k}"] for k in (1, 2, 3)] == ["unpaid_items", "contacts_6m", "revenue_m2"]
    assert [row[f"reason_{k}_effect"] for k in (1, 2, 3)] == pytest.approx([-0.3, 0.2, 0.2])


def test_what_contributes_next_to_nothing_is_no_reason():
    row = reasons_of(make_contributions(tenure_days=0.1, unpaid_items=0.004), customer(tenure_days=11, unpaid_items=11)).iloc[0]
    assert row["reason_1"] == "tenure_days"
    assert row[["reason_2", "reason_2_effect", "reason_2_ru", "reason_2_en", "reason_3"]].isna().all()


def test_every_feature_and_every_known_word_has_phrases():
    assert {*AMOUNTS, *VALUES} == set(FEATURE_NAMES)
    assert set(VALUES["favourite_category"]) == set(CUSTOMERS["favourite_category"].known)
    assert set(VALUES["service_level"]) == set(CUSTOMERS["service_level"].values.values())
    phrases = [text for amount in AMOUNTS.values() for pair in amount.texts() for text in pair]
    phrases += [text for words in VALUES.values() for pair in words.values() for text in pair]
    assert not [text for text in phrases if re.search(r"\d", text)]


EARLIER = {"minutes_m0": "minutes_m1", "revenue_m0": "revenue_m1", "contacts_month": "contacts_6m"}
number = st.one_of(st.none(), st.sampled_from([0.0, 9.0, 10.0, 11.0, 500.0]), st.floats(0, 1e6))
amounts = st.fixed_dictionaries(dict.fromkeys(AMOUNTS, number))
words = st.fixed_dictionaries(
    {
        "service_level": st.sampled_from(["standard", "premium", None]),
        "marketing_consent": st.sampled_from([True, False, None]),
        "favourite_category": st.sampled_from([*CUSTOMERS["favourite_category"].known, "Автотовары", None]),
    }
)
slopes = st.fixed_dictionaries(dict.fromkeys(FEATURE_NAMES, st.floats(-2, 2)))


people = st.lists(st.builds(lambda a, w: a | w, amounts, words), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(rows=people, slope=slopes)
def test_every_reason_is_true(rows, slope):
    contributions = make_contributions(**slope)
    found = reasons_of(contributions, *rows)
    adds = contributions.of(pd.DataFrame(rows), np.full(len(rows), 0.5))
    for i, row in enumerate(rows):
        for k in (1, 2, 3):
            name, effect, ru, en = (found[f"reason_{k}{end}"].iloc[i] for end in ("", "_effect", "_ru", "_en"))
            if pd.isna(name):
                assert np.sort(np.abs(adds[i]))[-k] < 0.005
                continue
            assert effect == adds[i, FEATURE_NAMES.index(name)]
            assert abs(effect) == np.sort(np.abs(adds[i]))[-k]
            assert ru.endswith("риск выше" if effect > 0 else "риск ниже")
            assert en.endswith("higher risk" if effect > 0 else "lower risk")
            assert ("нет данных" in ru) == ("no data" in en) == (row[name] is None)
            if name in VALUES or row[name] is None:
                continue
            by_month = "month ago" in en or "mean month" in en
            reference = row[EARLIER[name]] if by_month else 10.0
            less, more = " меньше, чем" in ru, " больше, чем" in ru
            assert (less, more) == (row[name] < reference, row[name] > reference)
            assert less == bool(re.match(r"fewer|less|a smaller", en))
            assert more == bool(re.match(r"more|a larger", en))


def test_reasons_keep_the_contract_and_need_every_feature():
    import pandera.polars as pa

    rows = [customer(minutes_m0=m, unpaid_items=u, service_level=s) for m in (None, 3) for u, s in ((9, None), (12, "premium"))]
    found = reasons_of(make_contributions(minutes_m0=-1, unpaid_items=0.3, service_level=0.2), *rows)
    types = {"str": str, "float": float}
    contract = {c.name: pa.Column(types[c.kind], nullable=True) for c in REASONS}
    assert list(reasons_of(make_contributions(), customer()).head(0)) == [c.name for c in REASONS]
    nobody = pd.DataFrame([customer()]).head(0)
    assert list(reasons(nobody, np.empty(0), make_contributions())) == [c.name for c in REASONS]
    with pytest.raises(BadInputError, match="features are missing: minutes_m1"):
        reasons(nobody.drop(columns="minutes_m1"), np.empty(0), make_contributions())
    pa.DataFrameSchema(contract, strict=True, ordered=True).validate(
        pl.from_pandas(found.astype({c.name: types[c.kind] for c in REASONS}))
    )
