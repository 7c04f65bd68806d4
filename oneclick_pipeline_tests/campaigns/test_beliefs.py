from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.campaigns import beliefs, response
from oneclick_pipeline.campaigns.offer_effects import offer_effects
from oneclick_pipeline.contracts.campaigns import OFFER_BELIEFS
from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.model.training_set import TEXTS
from oneclick_pipeline.settings import Campaigns, Offers
from oneclick_pipeline_tests.campaigns.drawn import campaign_outcomes

TRUE = {"voucher": -0.08, "nuisance": 0.08}
PRIORS = pd.DataFrame({"offer_id": list(TRUE), "mean": -0.05, "sd": 0.04})
OFFERS, SETTINGS = Offers(offer_control_share=0.1), Campaigns()


def known_of(outcomes, seed=1):
    """Features of no consequence, and the score."""
    rng = np.random.default_rng(seed)
    known = pd.DataFrame({name: rng.random(len(outcomes)) for name in FEATURE_NAMES})
    return known.assign(**dict.fromkeys(TEXTS, "x"), p_decline=outcomes["p_decline"].to_numpy())


def believed(outcomes, priors=PRIORS, effects=None, known=None):
    known = known_of(outcomes) if known is None else known
    effects = offer_effects(outcomes, SETTINGS) if effects is None else effects
    return beliefs.offer_beliefs(priors, effects, response.learn(outcomes, known, priors), outcomes, known)


@pytest.fixture(scope="module")
def outcomes():
    return campaign_outcomes(TRUE, OFFERS, customers=20_000, seed=2, months=2)


@pytest.fixture(scope="module")
def table(outcomes):
    return believed(outcomes)


def test_beliefs_follow_the_campaigns_and_leave_a_harmful_offer(table):
    OFFER_BELIEFS.contract().validate(pl.from_pandas(table))
    for offer, effect in TRUE.items():
        rows = table[table["offer_id"] == offer]
        assert rows["segment"].tolist() == ["all", "save_first", "watch"]
        assert (rows["mean"] - effect).abs().max() < 0.03
        assert (rows["campaigns"] == 2).all()
        assert (rows["sd"] < rows["prior_sd"] / 2).all()
    assert (table.loc[table["offer_id"] == "nuisance", "mean"] > 0).all()
    assert beliefs.apart(table) < beliefs.FAR


def test_a_belief_is_the_average_over_whom_the_offer_fitted(outcomes, table):
    known = known_of(outcomes)
    found = response.learn(outcomes, known, PRIORS)
    fitted = outcomes["fits"].str.split(",").map(lambda names: "voucher" in names).to_numpy()
    for segment in ("all", "watch"):
        here = fitted & ((outcomes["segment"] == segment) | (segment == "all")).to_numpy()
        row = table[(table["offer_id"] == "voucher") & (table["segment"] == segment)].iloc[0]
        assert row["mean"] == pytest.approx(found.customer_effects(known[here])[:, 0].mean())
        measured = found.average(known, np.column_stack([here, here]))[1][0]
        assert row["sd"] == pytest.approx(measured)


def test_measured_figures_stand_beside_the_belief(outcomes, table):
    effects = offer_effects(outcomes, SETTINGS)
    pooled = effects[(effects["comparison"] == "pooled") & (effects["outcome"] == "declined") & (effects["campaigns"] == "all")]
    for _, row in table.iterrows():
        found = pooled[(pooled["offer_id"] == row["offer_id"]) & (pooled["segment"] == row["segment"])].iloc[0]
        assert row["customers"] == found["offered"] + found["controls"]
        assert (row["measured_mean"], row["measured_sd"]) == (found["effect"], found["standard_error"])


@pytest.mark.parametrize(
    "change", [{"status": "not_enough_data"}, {"outcome": "profit"}, {"comparison": "targeted"}, {"offer_id": "withdrawn"}]
)
def test_segments_stand_only_where_their_effect_is_measured(outcomes, change):
    found = believed(outcomes, effects=offer_effects(outcomes, SETTINGS).assign(**change))
    assert found[["offer_id", "segment"]].to_numpy().tolist() == [["nuisance", "all"], ["voucher", "all"]]
    assert found["measured_mean"].isna().all()
    assert (found["customers"] == 0).all()
    assert (found["sd"] < PRIORS["sd"].iloc[0]).all()  # what the regression learnt does not need the measurement


def test_one_segment_of_one_offer(outcomes):
    effects = offer_effects(outcomes, SETTINGS)
    hidden = (effects["segment"] == "watch") & (effects["offer_id"] == "voucher")
    found = believed(outcomes, effects=effects[~hidden])
    assert set(zip(found["offer_id"], found["segment"], strict=True)) == {
        *((offer, segment) for offer in TRUE for segment in ("all", "save_first")),
        ("nuisance", "watch"),
    }


def test_an_offer_that_fitted_nobody_keeps_its_prior(outcomes):
    priors = pd.concat([PRIORS, pd.DataFrame({"offer_id": ["new"], "mean": [-0.02], "sd": [0.03]})])
    row = believed(outcomes, priors).set_index(["offer_id", "segment"]).loc[("new", "all")]
    assert (row["mean"], row["sd"], row["campaigns"], row["customers"]) == (-0.02, 0.03, 0, 0)


def test_without_a_matured_campaign_all_offers_keep_their_prior(outcomes):
    early = outcomes.assign(declined=np.nan)
    found = believed(early)
    assert found[["mean", "sd"]].to_numpy().tolist() == [[-0.05, 0.04]] * 2
    assert beliefs.apart(found) == 0
    assert len(believed(outcomes.head(0))) == 2
    assert len(believed(outcomes, PRIORS.head(0))) == 0


def test_order_of_rows_changes_nothing(outcomes, table):
    order = np.random.default_rng(1).permutation(len(outcomes))
    effects = offer_effects(outcomes, SETTINGS).sample(frac=1, random_state=1)
    again = believed(outcomes.iloc[order], PRIORS.iloc[::-1], effects, known_of(outcomes).iloc[order])
    pd.testing.assert_frame_equal(again, table, rtol=1e-7, atol=1e-9)


def test_how_far_beliefs_are_from_what_was_measured():
    rows = [("a", "all", -0.05, 0.03, 0.0, 0.04), ("a", "core", -0.05, 0.03, 5.0, 0.04), ("b", "all", 0.0, 0.1, np.nan, np.nan)]
    table = pd.DataFrame(rows, columns=["offer_id", "segment", "mean", "sd", "measured_mean", "measured_sd"])
    assert beliefs.apart(table) == pytest.approx(1)
    assert beliefs.apart(table.assign(measured_mean=0.45)) == pytest.approx(10)
    assert beliefs.apart(table[table["offer_id"] == "b"]) == 0
    assert beliefs.apart(table.head(0)) == 0


@pytest.mark.parametrize(
    ("priors", "words"),
    [
        ({"offer_id": ["a"], "mean": [0.0], "sd": [0.0]}, ["'a'", "sd 0.0", "above 0"]),
        ({"offer_id": ["a"], "mean": [np.nan], "sd": [1.0]}, ["'a'", "mean nan"]),
        ({"offer_id": ["a", "a"], "mean": [0.0, 0.0], "sd": [1.0, 1.0]}, ["'a'", "twice"]),
    ],
)
def test_priors_that_are_none_are_refused(outcomes, priors, words):
    with pytest.raises(BadInputError) as error:
        believed(outcomes.head(0), pd.DataFrame(priors))
    assert all(word in str(error.value) for word in words)
