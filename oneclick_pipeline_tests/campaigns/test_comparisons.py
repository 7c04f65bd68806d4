"""Who is compared with whom: by offer and month, and customer by customer."""

import numpy as np
import pandas as pd

from oneclick_pipeline.campaigns import comparisons
from oneclick_pipeline.settings import Offers
from oneclick_pipeline_tests.campaigns import simulated
from oneclick_pipeline_tests.campaigns.simulated import OFFERS

SHARES = Offers(control_share=0.1, exploration_share=0.5, offer_control_share=0.3)


def outcome(arm, offer, assignment, fits="a,b", month="2026-01", shares=SHARES):
    drawn_with = {name: getattr(shares, name) for name in ("control_share", "exploration_share", "offer_control_share")}
    return (
        {"campaign_month": month, "arm": arm, "offer_id": offer, "assignment": assignment, "fits": fits}
        | drawn_with
        | {"p_explore": (1 - shares.control_share) * shares.exploration_share}
    )


def compared(*rows, offers=("a", "b")):
    found = comparisons.pairs(pd.DataFrame(rows), offers)
    return sorted(
        zip(found.row.tolist(), [offers[j] for j in found.offer], found.offered.tolist(), found.odds.tolist(), strict=True)
    )


def test_explored_are_compared_for_what_they_drew_and_their_controls_for_all_that_fitted():
    got = compared(
        outcome("offer", "a", "exploration"),
        outcome("control", None, "exploration"),
        outcome("offer", "b", "exploration", "b"),
        outcome("control", None, "exploration", "b"),
    )
    assert got == [(0, "a", True, 0.5), (1, "a", False, 0.5), (1, "b", False, 0.5), (2, "b", True, 0.5), (3, "b", False, 0.5)]


def test_the_plans_choice_is_compared_with_its_own_controls_and_the_hold_out():
    odds = 0.63 * 0.5 / (0.9 * 0.5 + 0.1)
    got = compared(
        outcome("offer", "a", "plan"),
        outcome("control", "a", "plan"),
        outcome("control", "a", "hold_out"),
        outcome("control", None, "hold_out"),
        outcome("offer", "gone", "plan"),
    )
    assert got == [(0, "a", True, odds), (1, "a", False, odds), (2, "a", False, odds)]


def test_where_nobody_is_held_out_the_plan_teaches_nothing():
    nobody = Offers(control_share=0, offer_control_share=0)
    assert compared(outcome("offer", "a", "plan", shares=nobody)) == []
    others = outcome("offer", "a", "plan", month="2026-02"), outcome("control", "a", "plan", month="2026-02")
    assert [row for row, *_ in compared(outcome("offer", "a", "plan", shares=nobody), *others)] == [1, 2]


def test_an_offer_that_was_not_drawn_in_a_month_has_no_controls_there():
    first = [outcome("offer", "a", "exploration"), outcome("control", None, "exploration")]
    later = [outcome("offer", "b", "exploration", month="2026-02"), outcome("control", None, "exploration", month="2026-02")]
    assert compared(*first, *later) == [(0, "a", True, 0.5), (1, "a", False, 0.5), (2, "b", True, 0.5), (3, "b", False, 0.5)]


def test_odds_are_those_of_the_simulated_draws():
    found = comparisons.pairs(simulated.campaigns(20_000, seed=1, shares=SHARES).outcomes, OFFERS)
    for odds in np.unique(found.odds):
        offered = found.offered[found.odds == odds]
        assert abs(offered.mean() - odds) < 4 * (odds * (1 - odds) / len(offered)) ** 0.5


def test_odds_are_those_of_the_month():
    shares = {
        "2026-01": Offers(control_share=0.4, exploration_share=0.3),
        "2026-02": Offers(control_share=0.05, offer_control_share=0.3),
    }
    outcomes = pd.concat(
        [simulated.campaigns(8000, (m,), seed=1, shares=s).outcomes for m, s in shares.items()], ignore_index=True
    )
    found, first = comparisons.pairs(outcomes, OFFERS), outcomes["campaign_month"] == "2026-01"
    targeted = outcomes["assignment"].to_numpy()[found.row] != "exploration"
    for month in (first.to_numpy()[found.row], ~first.to_numpy()[found.row]):
        odds, offered = found.odds[targeted & month], found.offered[targeted & month]
        assert np.ptp(odds) == 0
        assert abs(offered.mean() - odds[0]) < 4 * (odds[0] * (1 - odds[0]) / len(offered)) ** 0.5
