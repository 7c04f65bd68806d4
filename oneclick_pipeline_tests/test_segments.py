from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from oneclick_pipeline import pictures, segments
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES
from oneclick_pipeline.contracts.segments import CUSTOMER_SEGMENTS, SEGMENT_PROFILES, SEGMENTS
from oneclick_pipeline.settings import Segments

CUTS = segments.Thresholds(middle_risk=0.3, high_risk=0.6, high_profit=4.0)


def scores(rows):
    """`contracts.scores.CUSTOMER_SCORES` of (p_decline, profit, regular)."""
    frame = pd.DataFrame(rows, columns=["p_decline", "profit", "regular"]).astype({"p_decline": float, "profit": float})
    return frame.assign(customer_id=range(len(frame)), value_at_risk=frame["p_decline"] * frame["profit"].clip(0) * 3)


def features(n):
    frame = pd.DataFrame({c.name: [None] * n for c in CUSTOMER_FEATURES.columns})
    return frame.assign(
        customer_id=range(n), marketing_consent=True, service_level="premium", favourite_category="Книги", tenure_days=10
    )


@pytest.mark.parametrize(
    ("p", "profit", "regular", "segment"),
    [
        (0.6, 4.0, True, "save_first"),
        (0.6, 3.9, True, "save_cheaply"),
        (0.3, 4.0, True, "support"),
        (0.59, -1.0, True, "watch"),
        (0.29, 9.0, True, "core"),
        (0.0, 0.0, True, "grow"),
        (0.9, 9.0, False, "irregular"),
        (None, 9.0, False, "unknown"),
        (0.9, None, True, "unknown"),
        (0.9, None, False, "irregular"),
    ],
)
def test_customer_segments_by_risk_and_profit(p, profit, regular, segment):
    assert segments.customer_segments(scores([(p, profit, regular)]), CUTS)["segment"].tolist() == [segment]


person = st.tuples(st.none() | st.floats(0, 1), st.none() | st.floats(-10, 10), st.booleans())


@examples(deadline=None)
@given(st.lists(person, min_size=1, max_size=30))
def test_every_customer_is_in_exactly_one_segment_and_profiles_add_up(people):
    table = segments.customer_segments(scores(people), CUTS)
    texts = {c.name: "str" for c in CUSTOMER_SEGMENTS.columns if c.kind == "str"}
    CUSTOMER_SEGMENTS.contract().validate(pl.from_pandas(table.astype(texts)))
    assert table["customer_id"].tolist() == list(range(len(people)))
    profiles = segments.segment_profiles(table, features(len(people)))
    assert list(profiles.columns) == SEGMENT_PROFILES.names
    assert profiles["customers"].sum() == len(people)
    assert profiles["segment"].tolist() == [s.id for s in SEGMENTS]
    assert profiles["value_at_risk"].sum() == pytest.approx(table["value_at_risk"].sum())


def test_segment_profiles_interval_of_expected_declines():
    table = segments.customer_segments(scores([(0.7, 5, True)] * 100), CUTS)
    first = segments.segment_profiles(table, features(100)).iloc[0]
    margin = 1.959964 * np.sqrt(100 * 0.7 * 0.3)
    assert first["expected_declines"] == pytest.approx(70)
    assert [first["expected_declines_low"], first["expected_declines_high"]] == pytest.approx([70 - margin, 70 + margin])
    columns = ["consent_share", "premium_share", "top_category", "mean_tenure_days"]
    assert first[columns].tolist() == [1, 1, "Книги", 10]


def test_thresholds_cut_the_profit_of_regular_customers():
    cuts = segments.thresholds(scores([(0.1, 1, True), (0.1, 3, True), (0.1, 99, False)]), Segments(high_profit=0.5))
    assert cuts.high_profit == 2


def test_segment_names_are_unique():
    for names in ([s.id for s in SEGMENTS], [s.ru for s in SEGMENTS], [s.en for s in SEGMENTS]):
        assert len(set(names)) == len(names)


def test_customers_who_are_in_one_table_only_do_not_count():
    table = segments.customer_segments(scores([(0.7, 5, True), (0.1, 5, True), (0.7, 6, True)]), CUTS)
    others = features(4).assign(tenure_days=[1, 2, 3, 4]).iloc[[3, 2, 0]].reset_index(drop=True)
    found = segments.segment_profiles(table, others).set_index("segment")
    assert found["customers"].to_dict() == dict.fromkeys(found.index, 0) | {"save_first": 2}
    assert found.loc["save_first", ["share", "mean_tenure_days", "mean_p_decline"]].tolist() == [1.0, 2.0, 0.7]


def test_map_is_a_picture_and_says_that_it_shows_a_sample():
    for customers, told in ((5000, "Regular customers by profit and risk"), (5001, "A sample of regular customers")):
        table = segments.customer_segments(scores([(0.7, 5, True)] * customers), CUTS)
        profiles = segments.segment_profiles(table, features(customers))
        picture = segments.segment_map(table, profiles, CUTS)
        assert picture.axes[0].get_title(loc="left").startswith(told)
        assert pictures.png(picture).startswith(b"\x89PNG")
