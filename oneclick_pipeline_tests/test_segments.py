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
from oneclick_pipeline.contracts.segments import ALL, CUSTOMER_SEGMENTS, SEGMENT_PROFILES, SEGMENTS
from oneclick_pipeline.model.band_errors import BandErrors
from oneclick_pipeline.settings import Segments

CUTS = segments.Thresholds(middle_risk=0.3, high_risk=0.6, high_profit=4.0)


ERRORS = BandErrors(tuple(tuple(0.02**2 * (a == b) for a in range(10)) for b in range(10)))


def profiled(table, wide, errors=ERRORS):
    return segments.segment_profiles(table, wide, errors, meaning="forecast")


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
    profiles = profiled(table, features(len(people)))
    assert list(profiles.columns) == SEGMENT_PROFILES.names
    assert profiles["customers"][:-1].sum() == len(people)
    assert profiles["segment"].tolist() == [*(s.id for s in SEGMENTS), ALL.id]
    counted = table[table["segment"] != "irregular"]
    for name, sums in (("value_at_risk", counted["value_at_risk"]), ("expected_declines", counted["p_decline"])):
        assert profiles[name][:-1].sum() == pytest.approx(sums.sum())
        assert profiles[name].iloc[-1] == pytest.approx(sums.sum())


def test_segment_profiles_interval_of_expected_declines():
    table = segments.customer_segments(scores([(0.7, 5, True)] * 100), CUTS)
    first = profiled(table, features(100)).iloc[0]
    margin = 1.959964 * np.sqrt(100 * 0.7 * 0.3 + 100**2 * 0.02**2)
    assert first["expected_declines"] == pytest.approx(70)
    assert [first["expected_declines_low"], first["expected_declines_high"]] == pytest.approx([70 - margin, 70 + margin])
    columns = ["consent_share", "premium_share", "top_category", "mean_tenure_days"]
    assert first[columns].tolist() == [1, 1, "Книги", 10]


def test_part_of_a_band_may_be_off_by_more_than_the_band():
    table = segments.customer_segments(scores([(0.75, 5, True)] * 50 + [(0.75, 3, True)] * 150), CUTS)
    found = profiled(table, features(200)).set_index("segment")
    half = found["expected_declines_high"] - found["expected_declines"]
    chance = np.array([50, 150, 200]) * 0.75 * 0.25
    own = np.array([50, 150, 200]) ** 2 * 0.02**2 / np.array([0.25, 0.75, 1.0])
    assert half[["save_first", "save_cheaply", "all"]].to_list() == pytest.approx(list(1.959964 * np.sqrt(chance + own)))


def test_irregular_customers_have_neither_expected_declines_nor_value_at_risk():
    table = segments.customer_segments(scores([(0.7, 5, False)] * 30 + [(0.7, 5, True)]), CUTS)
    found = profiled(table, features(31)).set_index("segment")
    ends = ["", "_low", "_high"]
    figures = [f"{name}{end}" for name in ("expected_declines", "value_at_risk") for end in ends]
    assert found.loc["irregular", figures].isna().all()
    assert found.loc["irregular", "mean_p_decline"] == pytest.approx(0.7)
    assert found.loc["all", ["customers", "expected_declines"]].to_list() == [1, 0.7]


def test_interval_is_unknown_where_the_models_own_error_is():
    table = segments.customer_segments(scores([(0.7, 5, True)] * 9), CUTS)
    found = profiled(table, features(9), None).set_index("segment").loc["save_first"]
    assert found["expected_declines"] == pytest.approx(6.3)
    assert found[["expected_declines_low", "expected_declines_high", "value_at_risk_low"]].isna().all()


def test_thresholds_cut_the_profit_of_regular_customers():
    cuts = segments.thresholds(scores([(0.1, 1, True), (0.1, 3, True), (0.1, 99, False)]), Segments(high_profit=0.5))
    assert cuts.high_profit == 2


def test_segment_names_are_unique():
    for names in ([s.id for s in SEGMENTS], [s.ru for s in SEGMENTS], [s.en for s in SEGMENTS]):
        assert len(set(names)) == len(names)


def test_customers_who_are_in_one_table_only_do_not_count():
    table = segments.customer_segments(scores([(0.7, 5, True), (0.1, 5, True), (0.7, 6, True)]), CUTS)
    others = features(4).assign(tenure_days=[1, 2, 3, 4]).iloc[[3, 2, 0]].reset_index(drop=True)
    found = profiled(table, others).set_index("segment")
    assert found["customers"].to_dict() == dict.fromkeys(found.index, 0) | {"save_first": 2, "all": 2}
    assert found.loc["save_first", ["share", "mean_tenure_days", "mean_p_decline"]].tolist() == [1.0, 2.0, 0.7]


def test_map_is_a_picture_and_says_that_it_shows_a_sample():
    for customers, told in ((5000, "Regular customers by profit and risk"), (5001, "A sample of regular customers")):
        table = segments.customer_segments(scores([(0.7, 5, True)] * customers), CUTS)
        profiles = profiled(table, features(customers))
        picture = segments.segment_map(table, profiles, CUTS)
        assert picture.axes[0].get_title(loc="left").startswith(told)
        assert pictures.png(picture).startswith(b"\x89PNG")
