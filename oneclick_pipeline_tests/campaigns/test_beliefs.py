from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from oneclick_pipeline.campaigns import beliefs
from oneclick_pipeline.campaigns.effects import offer_effects
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Campaigns, Offers
from oneclick_pipeline.tables import OFFER_BELIEFS, OFFER_EFFECTS
from oneclick_pipeline_tests.campaigns.drawn import campaign_outcomes

PRIOR = pd.DataFrame({"offer_id": ["voucher"], "mean": [-0.05], "sd": [0.04]})


def effects_of(*rows):
    """`tables.OFFER_EFFECTS` of (offer, segment, effect, standard error) over all campaigns, and one campaign of each offer."""
    month = [("2025-01", offer, "all", effect, error) for offer, segment, effect, error in rows if segment == "all"]
    frame = pd.DataFrame(
        [("all", *row) for row in rows] + month, columns=["campaigns", "offer_id", "segment", "effect", "standard_error"]
    )
    frame = frame.assign(comparison="pooled", outcome="declined", offered=300, controls=100, status="measured")
    return frame.reindex(columns=OFFER_EFFECTS.names)


def test_posterior_is_the_mean_weighted_by_precision():
    table = beliefs.offer_beliefs(PRIOR, effects_of(("voucher", "all", 0.03, 0.02)))
    precision = np.array([0.04, 0.02]) ** -2.0
    found = table.iloc[0]
    assert found["mean"] == pytest.approx(precision @ [-0.05, 0.03] / precision.sum())
    assert found["sd"] == pytest.approx(precision.sum() ** -0.5)
    assert found[["measured_mean", "measured_sd", "customers", "campaigns"]].tolist() == [0.03, 0.02, 400, 1]


def test_offer_never_measured_keeps_its_prior():
    table = beliefs.offer_beliefs(PRIOR, effects_of(("other", "all", 0.03, 0.02)))
    assert table[["offer_id", "segment", "mean", "sd", "campaigns", "customers"]].values.tolist() == [
        ["voucher", "all", -0.05, 0.04, 0, 0]
    ]
    assert table["measured_mean"].isna().all()


@pytest.mark.parametrize("change", [{"status": "not_enough_data"}, {"outcome": "profit"}, {"comparison": "targeted"}])
def test_what_is_not_the_measured_pooled_effect_on_decline_moves_nothing(change):
    table = beliefs.offer_beliefs(PRIOR, effects_of(("voucher", "all", 0.03, 0.02)).assign(**change))
    assert table[["mean", "sd"]].values.tolist() == [[-0.05, 0.04]]


def test_segments_that_differ_by_chance_alone_are_believed_as_the_offer():
    rows = [("voucher", "all", -0.02, 0.01), ("voucher", "watch", -0.021, 0.02), ("voucher", "core", -0.019, 0.02)]
    table = beliefs.offer_beliefs(PRIOR, effects_of(*rows))
    assert len(set(table["mean"])) == len(set(table["sd"])) == 1


def test_segments_that_differ_keep_much_of_their_own():
    rows = [("voucher", "all", 0.0, 0.005), ("voucher", "watch", 0.1, 0.01), ("voucher", "core", -0.1, 0.01)]
    table = beliefs.offer_beliefs(PRIOR, effects_of(*rows)).set_index("segment")
    assert 0.09 < table.loc["watch", "mean"] < 0.1
    assert -0.1 < table.loc["core", "mean"] < -0.09


def test_between_variance_by_hand():
    y, sd = np.array([0.1, 0.0, -0.2]), np.array([0.05, 0.1, 0.05])
    w = sd**-2
    mean = (w * y).sum() / w.sum()
    known = ((w * (y - mean) ** 2).sum() - 2) / (w.sum() - (w**2).sum() / w.sum())
    assert beliefs.between_variance(y, sd) == pytest.approx(known)
    assert beliefs.between_variance([0.3], [0.1]) == 0


number = st.floats(-1, 1)
error = st.floats(0.001, 10)


@hypothesis_settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["all", "core", "watch", "grow"]), number, error), unique_by=lambda r: r[0]),
    number,
    st.floats(0.001, 1),
    st.randoms(use_true_random=False),
)
def test_beliefs_are_sure_of_themselves_and_of_nothing_else(rows, mean, sd, random):
    effects = effects_of(*[("voucher", *row) for row in rows])
    priors = pd.DataFrame({"offer_id": ["voucher", "new"], "mean": [mean, 0.0], "sd": [sd, 0.1]})
    table = beliefs.offer_beliefs(priors, effects)
    OFFER_BELIEFS.contract().validate(pl.from_pandas(table))
    assert (table["sd"] <= table["prior_sd"]).all()
    assert (table["sd"] > 0).all()
    low, high = min(mean, *[r[1] for r in rows], mean), max(mean, *[r[1] for r in rows], mean)
    assert table.loc[table["offer_id"] == "voucher", "mean"].between(low - 1e-12, high + 1e-12).all()
    order = list(range(len(effects)))
    random.shuffle(order)
    again = beliefs.offer_beliefs(priors.iloc[::-1], effects.iloc[order])
    pd.testing.assert_frame_equal(again, table, rtol=1e-9, atol=1e-12)


def test_beliefs_from_campaigns_leave_a_harmful_offer():
    offers, true = Offers(), {"voucher": -0.08, "nuisance": 0.08}
    priors = pd.DataFrame({"offer_id": list(true), "mean": -0.05, "sd": 0.04})
    outcomes = campaign_outcomes(true, offers, customers=20_000, seed=2, months=2)
    table = beliefs.offer_beliefs(priors, offer_effects(outcomes, Campaigns(), offers))
    for offer, effect in true.items():
        rows = table[table["offer_id"] == offer]
        assert set(rows["segment"]) == {"all", "save_first", "watch"}
        assert (rows["mean"] - effect).abs().max() < 0.05
        assert (rows["campaigns"] == 2).all()
    assert (table.loc[table["offer_id"] == "nuisance", "mean"] > 0).all()


@pytest.mark.parametrize(
    ("priors", "words"),
    [
        ({"offer_id": ["a"], "mean": [0.0], "sd": [0.0]}, ["'a'", "sd 0.0", "above 0"]),
        ({"offer_id": ["a"], "mean": [np.nan], "sd": [1.0]}, ["'a'", "mean nan"]),
        ({"offer_id": ["a", "a"], "mean": [0.0, 0.0], "sd": [1.0, 1.0]}, ["'a'", "twice"]),
    ],
)
def test_priors_that_are_none_are_refused(priors, words):
    with pytest.raises(BadInputError) as error:
        beliefs.offer_beliefs(pd.DataFrame(priors), effects_of())
    assert all(word in str(error.value) for word in words)
