from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline import stats
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.settings import Offers, Settings
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.year.gains import Promise
from oneclick_pipeline.simulator.year.our_policy import FastPolicy, FullPolicy, no_longer_planned
from oneclick_pipeline.simulator.year.play import Year, play


def test_fast_learns_from_matured_campaigns_only(year, plays, ours):
    assert ours.outcomes.loc[ours.outcomes["declined"].notna(), "campaign_month"].unique().tolist() == ["2024-06"]
    assert sorted(ours.beliefs) == sorted(ours.truths) == ["2024-06", "2024-07", "2024-08", "2024-09"]
    measured = ours.beliefs["2024-09"]["measured_mean"].notna()
    assert measured.any()
    assert not ours.beliefs["2024-08"]["measured_mean"].notna().any()


def test_fast_holds_customers_out(plays, ours):
    held = set(ours.outcomes.loc[ours.outcomes["assignment"] == "hold_out", "customer_id"])
    assert held
    assert held.isdisjoint(plays["ours"].sent["customer_id"])


def test_fast_is_the_same_twice(year, plays):
    pd.testing.assert_frame_equal(play(year, FastPolicy()).sent, plays["ours"].sent)


def test_watch_keeps_the_history_and_learns_the_worth_from_it(year):
    """With four months behind it, the first plan knows what a kept customer is worth; without, it assumes it."""
    short = replace(year, months=1, history=4)
    told = {}
    for name, watched in (("assumed", False), ("learnt", True)):
        ours = FastPolicy()
        values = []

        def policy(now, ours=ours, values=values):
            choice = ours(now)
            values.append(ours._ledger[-1].set_index("customer_id")["value"])
            return choice

        play(short, policy, watch=ours.watch if watched else None)
        told[name] = values[0]
    both = pd.concat(told, axis=1, join="inner").dropna()
    assert len(both) > 100
    assert both.corr().loc["assumed", "learnt"] < 0.9


def test_full_exports_the_history_and_prepares_it(year, tmp_path):
    ran = []
    now = SimpleNamespace(panel=year.open(), month="2024-06")
    FullPolicy(tmp_path, lambda job, month: ran.append((job, month)), retrain_every=3).watch(now)
    assert ran == [("prepare", "2024-06")]
    assert (tmp_path / "raw" / "2024-06" / "market_file.csv").exists()


def test_full_refuses_to_train_never(tmp_path):
    with pytest.raises(BadInputError, match="at most once a month"):
        FullPolicy(tmp_path, print, retrain_every=0)


def test_no_longer_planned_counts_from_the_last_time():
    given = {"2024-01": {"a": 0, "b": 5}, "2024-02": {"a": 2, "b": 0}, "2024-03": {"a": 0, "b": 0}}
    assert no_longer_planned(given) == {"a": "2024-03", "b": "2024-02"}


def test_full_exports_runs_and_sends_what_the_plan_says(year, plays, tmp_path):
    ran = []

    def run(job, month):
        """Stands for the graph: it finds the month's exports and plans an offer for nobody."""
        ran.append((job, month, len((tmp_path / "raw" / month / "market_file.csv").read_text().splitlines()) - 1))
        customers = pd.read_parquet(tmp_path / "twin" / f"{month}.parquet")["customer_id"]
        nothing = pd.DataFrame({"customer_id": customers, "arm": "none", "offer_id": None, "assignment": "none"})
        figures = dict.fromkeys(("expected_gain", "expected_gain_low", "expected_gain_high"), 0.0)
        figures |= {"worth_months": 6, "effects": "catalogue", "worth": "learned"}
        tables = dict.fromkeys(("offer_beliefs", "campaign_outcomes", "offer_effects"), nothing.iloc[:0])
        for name, table in (tables | {"offer_plan": nothing, "plan_summary": pd.DataFrame([figures])}).items():
            path = table_file(tmp_path, name, month)
            path.parent.mkdir(parents=True, exist_ok=True)
            table.to_parquet(path)

    full = FullPolicy(tmp_path, run, retrain_every=3)
    played = play(year, full)
    assert full.promises["2024-09"] == Promise(0.0, 0.0, 0.0, 6, "catalogue", "learned")
    jobs = ["retrain", "refresh", "refresh", "retrain"]
    there = plays["nobody"].months[["month", "customers"]].iloc[: year.months]
    assert ran == [(job, row.month, row.customers) for job, row in zip(jobs, there.itertuples(), strict=True)]
    pd.testing.assert_frame_equal(played.months, plays["nobody"].months)
    truth = pd.read_parquet(tmp_path / "twin" / "effects" / "2024-09.parquet")
    assert list(truth.columns) == ["customer_id", *(offer.id for offer in year.catalogue.offers)]


class Unsent(FastPolicy):
    """Plans as ever, and sends nothing: offers that do nothing. Keeps what was measured month by month."""

    def __init__(self):
        super().__init__()
        self.measured = []

    def __call__(self, now):
        planned = super().__call__(now)
        if len(self.effects):
            self.measured.append(self.effects.assign(month=now.month))
        return np.full_like(planned, -1)


@pytest.mark.soak
def test_offers_that_do_nothing_get_a_verdict_in_at_most_5_percent_of_the_years():
    """Eight years of a store of 1,300, by offer, comparison and outcome: fixed intervals are wrong in more than 15 %."""
    settings = Settings(offers=Offers(budget=0.03 * 1300))
    wrong = {"fixed": [], "always_valid": []}
    for seed in range(101, 109):
        policy = Unsent()
        play(Year(Profile.load(), Catalogue.bundled(), settings, 1300, 15, "2024-01", seed, 1), policy, None, policy.watch)
        read = pd.concat(policy.measured)
        read = read[(read["status"] == "measured") & (read["campaigns"] == "all") & (read["segment"] == "all")]
        distance = (read["effect"] / read["standard_error"]).abs()
        held = {"fixed": distance <= stats.Z_95, "always_valid": read["effect_low"].le(0) & read["effect_high"].ge(0)}
        for kind, inside in held.items():
            wrong[kind] += (~inside).groupby([read[name] for name in ("offer_id", "comparison", "outcome")]).any().tolist()
    assert np.mean(wrong["fixed"]) > 0.15
    assert np.mean(wrong["always_valid"]) <= 0.05
