"""`oneclick simulate` over the real graph: what every month planned, sent, measured and reported belongs together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.campaigns.ledger_rules import COLUMNS
from oneclick_pipeline.catalogue.reader import Catalogue
from oneclick_pipeline.cli import app
from oneclick_pipeline.contracts.offers import SHARES
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.simulator.year import report
from oneclick_pipeline_tests.orchestration.homes import environment_kept

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.simulator.year.play import Play

MONTHS = ["2024-06", "2024-07", "2024-08", "2024-09"]
"""As few as let a campaign mature: the class of the first month's customers is known in the fourth."""
SETTINGS = """\
exploration: {phik_bins: 3}
model: {families: [logistic_regression], folds: 2, repeats: 1, inner_folds: 2, draws: 1, nested_draws: 1, out_of_time_months: 0}
campaigns: {min_group: 5}
offers: {budget: 12, control_share: 0.2, exploration_share: 0.5, offer_control_share: 0.1}
"""


@dataclass(frozen=True)
class Lived:
    """A year in a home."""

    home: Path
    plays: dict[str, Play]

    def table(self, name: str, month: str) -> pd.DataFrame:
        """A finished table, by its key."""
        return pd.read_parquet(table_file(self.home, name, month)).sort_values("customer_id", ignore_index=True)

    def exported(self, month: str) -> pd.DataFrame:
        """What the CRM was told to send."""
        return pd.read_csv(self.home / "exports" / month / "offers.csv", sep=";")


@pytest.mark.soak
def test_a_year_over_the_graph(tmp_path, monkeypatch, capsys):
    (tmp_path / "settings.yaml").write_text(SETTINGS, encoding="utf-8")
    plays, made = {}, report.report

    def kept(found, *others):
        plays.update(found)
        return made(found, *others)

    monkeypatch.setattr(report, "report", kept)
    year = ["--from", MONTHS[0], "--months", str(len(MONTHS)), "--history", "0", "--retrain-every", "9"]
    with environment_kept():
        app.app(["simulate", "--home", str(tmp_path), "--customers", "400", *year], standalone_mode=False)
    lived = Lived(tmp_path, plays)
    for month in MONTHS:
        plan_is_what_was_sent(lived, month)
        export_keeps_consent_hold_out_and_budget(lived, month)
        outcomes_know_nothing_later(lived, month)
    controls_declined_as_was_their_fate(lived)
    beliefs_rest_on_what_was_measured(lived)
    report_adds_up(lived, capsys.readouterr().out)


def plan_is_what_was_sent(lived, month):
    """Plan, ledger, export, and what the twin's customers really got."""
    columns = [c.name for c in COLUMNS]
    drawn = lived.table("offer_plan", month).query("arm != 'none'")[columns].reset_index(drop=True)
    kept = ledger.read(lived.home, [month], Settings().offers)
    pd.testing.assert_frame_equal(*(rows.fillna({"offer_id": ""}) for rows in (kept[columns], drawn)), check_dtype=False)
    assert kept[["control_share", "offer_control_share"]].drop_duplicates().to_numpy().tolist() == [[0.2, 0.1]]
    assert 0 < kept["exploration_share"].iloc[0] <= 0.5
    sent = lived.plays["ours"].sent.query("month == @month").sort_values("customer_id")
    pairs = [t[["customer_id", "offer_id"]].to_numpy().tolist() for t in (drawn[drawn["arm"] == "offer"], sent)]
    assert pairs[0] == pairs[1] == lived.exported(month)[["customer_id", "offer_id"]].to_numpy().tolist()
    assert pairs[0]


def export_keeps_consent_hold_out_and_budget(lived, month):
    """Against the wide table, the catalogue and the plans of all months."""
    sent = lived.exported(month)
    consent = lived.table("customer_features", month).set_index("customer_id")["marketing_consent"]
    assert consent.loc[sent["customer_id"]].eq(True).all()
    assert not consent.dropna().all()
    held_out = pd.concat([lived.table("offer_plan", m).query("assignment == 'hold_out'")["customer_id"] for m in MONTHS])
    assert set(held_out).isdisjoint(sent["customer_id"])
    costs = {offer.id: offer.cost for offer in Catalogue.load(lived.home).offers}
    assert sent["offer_id"].map(costs).sum() <= 12 * (1 + 1e-9)


def outcomes_know_nothing_later(lived, month):
    """Every earlier campaign, with as many months as have passed; the newest with the revenue of this very month."""
    outcomes, features = lived.table("campaign_outcomes", month), lived.table("customer_features", month)
    passed = {campaign: MONTHS.index(month) - k for k, campaign in enumerate(MONTHS) if campaign < month}
    assert outcomes.groupby("campaign_month")["months_observed"].unique().map(list).to_dict() == {
        c: [n] for c, n in passed.items()
    }
    known = set(outcomes.loc[outcomes["declined"].notna(), "campaign_month"])
    assert known == {campaign for campaign, n in passed.items() if n >= 3}
    sent = ledger.read(lived.home, passed, Settings().offers)
    keys = ["campaign_month", "customer_id", *(c.name for c in SHARES)]
    pd.testing.assert_frame_equal(outcomes.sort_values(keys[:2], ignore_index=True)[keys], sent[keys], check_dtype=False)
    newest = outcomes[outcomes["months_observed"] == 1]
    revenue = features.set_index("customer_id")["revenue_m0"].reindex(newest["customer_id"])
    assert newest["revenue_after"].tolist() == revenue.fillna(0).tolist()


def controls_declined_as_was_their_fate(lived):
    """The class of those who got nothing is the one that the twin had in store for them."""
    outcomes = lived.table("campaign_outcomes", MONTHS[-1]).query("campaign_month == @MONTHS[0] and arm == 'control'")
    truth = pd.read_parquet(lived.home / "twin" / f"{MONTHS[0]}.parquet").set_index("customer_id")["declines"]
    assert len(outcomes) > 50
    assert outcomes["declined"].astype(int).tolist() == truth.loc[outcomes["customer_id"]].astype(int).tolist()


def beliefs_rest_on_what_was_measured(lived):
    """One campaign in the last month, none before; where an effect has not enough data, no figure is made of it."""
    for month in MONTHS:
        beliefs, effects = (pd.read_parquet(table_file(lived.home, name, month)) for name in ("offer_beliefs", "offer_effects"))
        whole = beliefs[beliefs["segment"] == "all"].set_index("offer_id")
        assert set(whole.index) == {offer.id for offer in Catalogue.load(lived.home).valid_in(month)}
        found = effects.query("campaigns == 'all' and segment == 'all' and comparison == 'pooled' and outcome == 'declined'")
        status = found.set_index("offer_id")["status"]
        measured = whole["measured_mean"].notna()
        assert set(measured[measured].index) == set(status[status == "measured"].index)
        assert bool(len(status)) == bool(measured.any()) == (month == MONTHS[-1])
        assert set(status) <= {"measured", "not_enough_data"}
        assert whole["campaigns"].max() == int(month == MONTHS[-1])
        assert (whole["mean"] == whole["prior_mean"]).all() == (month != MONTHS[-1])


def report_adds_up(lived, told):
    """The files that were written, by themselves and against what was sent."""
    folder = lived.home / "twin" / "year"
    tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("policies", "months", "effects", "beliefs", "gains")}
    for name, table in tables.items():
        assert len(pd.read_csv(folder / f"{name}.csv")) == len(table) > 0
    assert (folder / "year.png").read_bytes().startswith(b"\x89PNG")
    policies, months = tables["policies"].set_index("policy"), tables["months"]
    assert set(policies.index) == {"nobody", "random", "risk_profit", "oracle", "ours"}
    profit = (months["profit"] - months["cost"]).groupby(months["policy"]).sum()
    assert (profit - profit["nobody"]).to_dict() == pytest.approx(policies["gain"].to_dict(), abs=1e-6)
    assert policies["regret"].to_dict() == pytest.approx((policies["gain"]["oracle"] - policies["gain"]).to_dict(), abs=1e-6)
    sent = ledger.read(lived.home, MONTHS, Settings().offers).query("arm == 'offer'")
    assert policies.loc["ours", ["cost", "offers"]].tolist() == pytest.approx([sent["cost"].sum(), len(sent)])
    gains = tables["gains"].set_index("month")
    assert gains.index.tolist() == MONTHS
    for month, row in gains.iterrows():
        figures = pd.read_parquet(table_file(lived.home, "plan_summary", month)).iloc[0]
        assert row[["expected_gain", "low", "high"]].tolist() == figures.filter(regex="^expected_gain").tolist()
        assert row[["offers", "cost"]].tolist() == pytest.approx([figures["offers"], figures["cost"]])
    assert gains["effects"].tolist() == ["catalogue", "catalogue", "catalogue", "learned"]
    assert set(tables["effects"]["campaigns"]) <= {MONTHS[0], "all"}
    assert all(name in told for name in policies.index)
