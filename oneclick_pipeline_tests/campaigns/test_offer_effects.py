from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.campaigns import offer_effects as effects
from oneclick_pipeline.campaigns import pictures
from oneclick_pipeline.contracts.campaigns import OFFER_EFFECTS
from oneclick_pipeline.pictures import png
from oneclick_pipeline.settings import Campaigns, Offers
from oneclick_pipeline_tests.campaigns.drawn import campaign_outcomes

SETTINGS = Campaigns()
OFFERS = Offers()
SHARES = (0.3, 0.3, 0.2), (0.05, 0.1, 0.1)
TRUE = {"voucher": -0.08, "nothing": 0.0, "nuisance": 0.08}


@pytest.fixture(scope="module")
def outcomes():
    return campaign_outcomes(TRUE, OFFERS, customers=20_000, seed=3, months=3, matured=2)


@pytest.fixture(scope="module")
def table(outcomes):
    return effects.offer_effects(outcomes, SETTINGS)


def row(table, **key):
    key = {"campaigns": "all", "segment": "all", "comparison": "pooled", "outcome": "declined"} | key
    found = table[np.logical_and.reduce([table[name] == value for name, value in key.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_offer_effects_keep_the_contract(table):
    OFFER_EFFECTS.contract().validate(pl.from_pandas(table))
    assert not table.duplicated(list(OFFER_EFFECTS.key)).any()
    assert set(table["offer_id"]) == {*TRUE, "all"}
    assert set(table.loc[table["offer_id"] == "all", "comparison"]) == {"targeted"}
    assert set(table.loc[table["campaigns"] != "all", "segment"]) == {"all"}
    assert set(table.loc[table["campaigns"] == "all", "segment"]) == {"all", "save_first", "watch"}


def test_offer_effects_find_the_truth(table):
    for offer, true in TRUE.items():
        for outcome, scale in (("declined", 1), ("revenue", -1000), ("profit", -1)):
            found = row(table, offer_id=offer, outcome=outcome)
            assert found["effect"] == pytest.approx(scale * true, abs=3.5 * found["standard_error"])
    assert row(table, offer_id="voucher")["significant"]
    assert row(table, offer_id="nuisance", outcome="profit")["significant"]
    assert not row(table, offer_id="nothing")["significant"]


def test_declines_are_counted_where_they_are_known(table):
    assert set(table.loc[table["outcome"] == "declined", "campaigns"]) == {"2025-01", "2025-02", "all"}
    assert set(table.loc[table["outcome"] == "revenue", "campaigns"]) == {"2025-01", "2025-02", "2025-03", "all"}
    months = [row(table, offer_id="voucher", campaigns=month)["offered"] for month in ("2025-01", "2025-02")]
    assert row(table, offer_id="voucher")["offered"] == sum(months)


def test_pooled_is_both_comparisons_and_sharper_than_either(table):
    pooled, targeted, fitting = (row(table, offer_id="nuisance", comparison=c) for c in ("pooled", "targeted", "fitting"))
    assert pooled["offered"] == targeted["offered"] + fitting["offered"]
    assert pooled["standard_error"] < min(targeted["standard_error"], fitting["standard_error"])
    assert min(targeted["effect"], fitting["effect"]) <= pooled["effect"] <= max(targeted["effect"], fitting["effect"])


def test_order_of_rows_changes_nothing(outcomes, table):
    shuffled = outcomes.sample(frac=1, random_state=1, ignore_index=True)
    pd.testing.assert_frame_equal(effects.offer_effects(shuffled, SETTINGS), table, rtol=1e-9, atol=1e-12)


def test_broken_offer_is_stopped_and_the_others_are_read(outcomes):
    rng = np.random.default_rng(1)
    mine = (outcomes["offer_id"] == "voucher") & (outcomes["arm"] == "offer") & (outcomes["campaign_month"] == "2025-01")
    table = effects.offer_effects(outcomes[~(mine & (rng.random(len(outcomes)) < 0.4))], SETTINGS)
    for comparison in ("targeted", "fitting", "pooled"):
        found = row(table, offer_id="voucher", campaigns="2025-01", comparison=comparison)
        assert found["status"] == "sample_ratio_mismatch"
        assert found[["effect", "effect_low", "effect_high", "standard_error", "p_value", "mean_controls"]].isna().all()
        assert not found["significant"]
    assert row(table, offer_id="nuisance", campaigns="2025-01")["status"] == "measured"
    assert row(table, offer_id="voucher")["offered"] == row(table, offer_id="voucher", campaigns="2025-02")["offered"]


def test_hold_out_that_has_drifted_apart_is_left_out():
    drawn = campaign_outcomes({"voucher": -0.08}, OFFERS, customers=20_000, seed=1, drift=1.6)
    found = row(effects.offer_effects(drawn, SETTINGS), offer_id="voucher", comparison="targeted")
    own = drawn[(drawn["assignment"] == "plan") & (drawn["arm"] == "control")]
    assert (found["status"], found["controls"]) == ("measured", len(own))


def test_expected_ratio_follows_what_could_be_explored():
    """Room for exploration ended at 2 %, not at 10 %: as if the plan had more customers."""
    drawn = campaign_outcomes({"voucher": -0.08}, Offers(exploration_share=0.4), customers=20_000, seed=1, explored=0.02)
    found = row(effects.offer_effects(drawn, SETTINGS), offer_id="voucher", comparison="targeted")
    held_out = drawn[(drawn["assignment"] != "exploration") & (drawn["arm"] == "control") & (drawn["offer_id"] == "voucher")]
    assert (found["status"], found["controls"]) == ("measured", len(held_out))
    assert found["sample_ratio_p"] > 0.001


def test_months_drawn_with_other_shares_are_read_by_their_own():
    """A store that lowered its hold-out: both months are read, and together; by today's shares the first would be broken."""
    wide, narrow = (Offers(control_share=h, exploration_share=e, offer_control_share=c) for h, e, c in SHARES)
    first = campaign_outcomes(TRUE, wide, customers=20_000, seed=1)
    second = campaign_outcomes(TRUE, narrow, customers=20_000, seed=2).assign(campaign_month="2025-02")
    second["customer_id"] += 20_000
    both = pd.concat([first, second], ignore_index=True)
    found = effects.offer_effects(both, SETTINGS)
    assert set(found["status"]) == {"measured"}
    held_out = both[(both["assignment"] != "exploration") & (both["arm"] == "control") & both["offer_id"].notna()]
    for offer, true in TRUE.items():
        for month in ("2025-01", "2025-02", "all"):
            for comparison in ("targeted", "fitting", "pooled"):
                seen = row(found, offer_id=offer, campaigns=month, comparison=comparison)
                assert seen["effect"] == pytest.approx(true, abs=3.5 * seen["standard_error"]), (offer, month, comparison)
        assert row(found, offer_id=offer, comparison="targeted")["controls"] == (held_out["offer_id"] == offer).sum()
    today = both.assign(control_share=narrow.control_share, offer_control_share=narrow.offer_control_share)
    assert (effects.offer_effects(today, SETTINGS)["status"] == "sample_ratio_mismatch").any()


def test_offers_that_were_not_in_the_draw_are_not_compared_with_its_controls(outcomes):
    without = outcomes[(outcomes["assignment"] != "exploration") | (outcomes["offer_id"] != "nuisance")]
    table = effects.offer_effects(without, SETTINGS)
    assert set(table.loc[table["offer_id"] == "nuisance", "comparison"]) == {"targeted", "pooled"}


def test_no_campaign_is_no_effect(outcomes):
    table = effects.offer_effects(outcomes.head(0), SETTINGS)
    assert len(table) == 0
    OFFER_EFFECTS.contract().validate(pl.from_pandas(table))


def test_significant_is_benjamini_hochberg():
    p = [0.01, 0.02, 0.03, 0.04, 0.2]  # all four of them lie under their step 0.01, 0.02, 0.03, 0.04
    table = pd.DataFrame({"campaigns": "all", "outcome": "declined", "p_value": [*p, np.nan]})
    assert effects.significant(table, SETTINGS).tolist() == [True] * 4 + [False] * 2
    lonely = table.assign(p_value=[0.03, *[0.9] * 4, np.nan])
    assert not effects.significant(lonely, SETTINGS).any()
    assert effects.significant(lonely.assign(campaigns=list("abcdef")), SETTINGS).tolist() == [True] + [False] * 5


def test_forest_cumulates_months(table):
    known = pictures.cumulative(table, "voucher")
    assert known["month"].tolist() == ["2025-01", "2025-02"]
    first, second = (row(table, offer_id="voucher", campaigns=month) for month in known["month"])
    assert known["effect"].iloc[0] == pytest.approx(first["effect"])
    weights = np.array([first["standard_error"], second["standard_error"]]) ** -2.0
    assert known["effect"].iloc[1] == pytest.approx(weights @ [first["effect"], second["effect"]] / weights.sum())
    assert known["high"].iloc[1] - known["low"].iloc[1] == pytest.approx(2 * 1.96 * weights.sum() ** -0.5, rel=1e-4)


def test_forest_is_drawn_of_anything(table):
    from matplotlib.image import imread

    for effects_shown in (table, table.head(0), table[table["outcome"] == "revenue"], table.assign(status="not_enough_data")):
        image = png(pictures.forest(effects_shown))
        assert imread(BytesIO(image)).shape[1] > 300
        assert image == png(pictures.forest(effects_shown))
