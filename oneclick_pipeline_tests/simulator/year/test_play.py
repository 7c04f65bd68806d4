from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.settings import Offers, Settings
from oneclick_pipeline.simulator.year import policies
from oneclick_pipeline.simulator.year.play import open_year, play

POLICIES = ["nobody", "random", "risk_profit", "oracle", "ours"]


def test_play_is_the_same_twice(year, plays):
    pd.testing.assert_frame_equal(play(year, policies.nobody).months, plays["nobody"].months)


@pytest.mark.parametrize("policy", [policies.random, policies.risk_profit])
def test_play_without_budget_is_nobody(year, plays, policy):
    poor = replace(year, settings=Settings(offers=Offers(budget=0)))
    pd.testing.assert_frame_equal(play(poor, policy).months, plays["nobody"].months)


@pytest.mark.parametrize("name", POLICIES)
def test_play_accounts_for_every_month(year, plays, name):
    played = plays[name]
    assert played.months["month"].tolist() == [f"2024-{m:02}" for m in range(6, 13)]
    assert played.months["cost"].sum() == pytest.approx(played.sent["cost"].sum())
    assert played.months["offers"].sum() == len(played.sent)
    assert played.months["cost"].max() <= year.settings.offers.budget * (1 + 1e-9)
    assert played.months["offers"].iloc[year.months :].sum() == 0
    assert played.months["saved"].sum() == pytest.approx(-played.sent["effect"].sum(), rel=1e-9)
    assert not played.sent.duplicated(["month", "customer_id"]).any()


def test_play_first_month_is_common(plays):
    assert len({tuple(p.months.loc[0, ["customers", "profit", "p_decline"]]) for p in plays.values()}) == 1


def test_play_lives_a_history_without_offers_first(year):
    seen = []
    played = play(replace(year, history=2), policies.nobody, watch=lambda now: seen.append((now.month, now.step, now.offers)))
    assert seen == [("2024-04", -2, ()), ("2024-05", -1, ())]
    assert played.months["month"].tolist() == [f"2024-{m:02}" for m in range(6, 13)]
    assert len(played.sent) == 0


def test_play_offers_save_profit(plays):
    oracle, nobody = plays["oracle"], plays["nobody"]
    assert oracle.months["profit"].sum() > nobody.months["profit"].sum()
    assert oracle.months["declined"].sum() < nobody.months["declined"].sum()


def test_play_refuses_what_may_not_be_sent(year):
    def everybody(now):
        return np.zeros(len(now.customers), dtype=int)

    def beyond(now):
        return policies._first(np.where(now.may_get, 1.0, 0.0), now.may_get)

    with pytest.raises(ValueError, match="may not get it"):
        play(year, everybody)
    with pytest.raises(ValueError, match="beyond the budget"):
        play(year, beyond)


def test_open_year_uses_the_settings_of_the_home_and_writes_none(tmp_path):
    """An earlier version wrote a budget into a home without settings; a budget per customer needs no file."""
    year = open_year(tmp_path, customers=2000, months=3, first="2024-06", seed=1)
    assert year.settings.offers.budget_of(2000) == 60
    assert year.last == "2024-08"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "settings.yaml").write_text("offers: {budget: 7}\n")
    assert open_year(tmp_path, customers=2000, months=3, first="2024-06", seed=1).settings.offers.budget_of(2000) == 7


def test_open_year_refuses_a_month_of_the_history_that_exists(tmp_path):
    (tmp_path / "raw" / "2024-04").mkdir(parents=True)
    with pytest.raises(BadInputError, match="exists already"):
        open_year(tmp_path, customers=2000, months=3, first="2024-06", seed=1, history=2)
    assert open_year(tmp_path, customers=2000, months=3, first="2024-06", seed=1, history=1).history == 1


def test_open_year_refuses_a_month_that_exists(tmp_path):
    (tmp_path / "raw" / "2024-08").mkdir(parents=True)
    with pytest.raises(BadInputError, match="exists already"):
        open_year(tmp_path, customers=2000, months=3, first="2024-06", seed=1)
    assert open_year(tmp_path, customers=2000, months=2, first="2024-06", seed=1).months == 2
