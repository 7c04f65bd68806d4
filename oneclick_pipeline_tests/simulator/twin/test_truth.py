import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.simulator.twin.conftest import probability


def test_probability_is_what_the_activity_was_drawn_with(profile, customers):
    assert (probability(profile, customers) == customers["p_decline"]).all()


def test_probability_is_calibrated(customers):
    declined = (customers["activity"] == "declined").to_numpy()
    bins = np.digitize(customers["p_decline"], np.linspace(0.05, 0.95, 19))
    for number in np.unique(bins):
        inside = bins == number
        p = customers["p_decline"].to_numpy()[inside]
        error = np.sqrt((p * (1 - p)).sum()) / inside.sum()
        assert abs(declined[inside].mean() - p.mean()) < 4 * error  # 4 binomial errors, 20 bins: fails once in 800 seeds


def test_probability_does_not_look_at_profit_or_at_order(profile, customers):
    some = customers.head(100)
    other = some.assign(profit=-1e6)[::-1]
    assert (probability(profile, other)[::-1] == probability(profile, some)).all()


def test_best_possible_auc_is_as_low_as_the_stores(customers):
    # Rank statistic of Mann and Whitney; real models reach 0.904 to 0.914.
    declined = (customers["activity"] == "declined").to_numpy()
    ranks = customers["p_decline"].rank().to_numpy()
    n = declined.sum()
    auc = (ranks[declined].sum() - n * (n + 1) / 2) / (n * (~declined).sum())
    assert 0.895 < auc < 0.92


@settings(max_examples=20, deadline=None)
@given(
    numbers=st.lists(st.floats(0, 1e6), min_size=13, max_size=13),
    consent=st.booleans(),
    level=st.sampled_from(["standard", "premium"]),
)
def test_probability_lies_between_0_and_1_for_any_customer(numbers, consent, level):
    profile = Profile.load()
    names = [n for n in FEATURE_NAMES if n not in {"service_level", "marketing_consent", "favourite_category"}]
    row = dict(zip(names, numbers, strict=True))
    row |= {"service_level": level, "marketing_consent": consent, "favourite_category": "Товары для детей"}
    assert 0 < probability(profile, pd.DataFrame([row]))[0] < 1
