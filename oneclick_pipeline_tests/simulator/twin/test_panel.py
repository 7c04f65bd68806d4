import dataclasses

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from oneclick_pipeline import features
from oneclick_pipeline.clean.export import clean_export
from oneclick_pipeline.contracts.customers import CUSTOMER_FEATURES, FEATURE_NAMES
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.engine import files
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import read
from oneclick_pipeline.settings import Settings
from oneclick_pipeline.simulator.twin import month as month_module
from oneclick_pipeline.simulator.twin import panel as panel_module
from oneclick_pipeline.simulator.twin.life import JOIN, uncoupled
from oneclick_pipeline.simulator.twin.panel import PERSISTENT, Panel, write_months
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline.simulator.twin.quirks import Quirks
from oneclick_pipeline_tests.simulator.twin.conftest import CLEAN, probability

PROFILE = Profile.load()
MONTHS = 16
REVENUES = ["revenue_m0", "revenue_m1", "revenue_m2"]


def opened(customers=300, seed=1, month="2026-01", **more):
    return Panel.open(PROFILE, customers=customers, seed=seed, month=month, **more)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def year():
    """Snapshots and outcomes of an untreated store of 20,000, by place of the month, indexed by customer."""
    panel = opened(20_000)
    lived = [(panel.snapshot().set_index("customer_id"), panel.advance().set_index("customer_id")) for _ in range(MONTHS)]
    return [list(each) for each in zip(*lived, strict=True)]


def test_panel_is_the_same_for_the_same_seed_only():
    same, again, other = opened(), opened(), opened(seed=2)
    for _ in range(3):
        assert_frame_equal(same.snapshot(), again.snapshot())
        assert_frame_equal(same.advance(), again.advance())
        assert not other.snapshot().equals(same.snapshot())
        other.advance()


def test_months_follow_the_calendar():
    panel, seen = opened(50, month="2027-11"), []
    tenure = panel.snapshot().set_index("customer_id")["tenure_days"]
    for days in (31, 31, 29):  # to the ends of December, January and February
        panel.advance()
        seen.append(panel.month)
        now = panel.snapshot().set_index("customer_id")["tenure_days"]
        stayed = now.index.intersection(tenure.index)
        assert (now[stayed] - tenure[stayed] == days).all()
        assert (now.drop(stayed) < days).all()
        tenure = now
    assert seen == ["2027-12", "2028-01", "2028-02"]


def test_first_month_has_everyone_regular_and_classed():
    first = opened().snapshot()
    assert len(first) == 300
    assert (first[REVENUES] > 0).all(axis=None)
    assert set(first["activity"]) == {"stable", "declined"}


def test_revenues_and_minutes_are_carried_to_the_next_month(year):
    for before, after in zip(year[0], year[0][1:], strict=False):
        stayed = before.index.intersection(after.index)
        carried = {"revenue_m1": "revenue_m0", "revenue_m2": "revenue_m1", "minutes_m1": "minutes_m0"}
        for now, then in carried.items():
            assert (after.loc[stayed, now] == before.loc[stayed, then]).all()


def test_class_is_what_was_drawn_three_months_before(year):
    snapshots, outcomes = year
    for now, then in zip(snapshots[3:], outcomes, strict=False):
        stayed = then.index.intersection(now.index)
        assert (now.loc[stayed, "activity"] == np.where(then.loc[stayed, "declines"], "declined", "stable")).all()
        assert now.drop(stayed)["activity"].isna().all()  # who was not there has none yet


def test_who_is_gone_three_months_later_had_declined(year):
    snapshots, outcomes = year
    gone = [then.drop(then.index.intersection(now.index)) for now, then in zip(snapshots[3:], outcomes, strict=False)]
    assert all(len(each) > 0 and each["declines"].all() for each in gone)


def test_truth_is_the_probability_of_what_the_snapshot_shows(year):
    for snapshot, outcome in list(zip(*year, strict=True))[:3]:
        assert (probability(uncoupled(PROFILE), snapshot) == snapshot["p_decline"]).all()
        assert (outcome["p_decline"] == snapshot["p_decline"]).all()
        assert (outcome["p_treated"] == outcome["p_decline"]).all()


def test_truth_is_calibrated_in_every_tenth_of_all_months(year):
    drawn = pd.concat(year[1])
    tenth = pd.qcut(drawn["p_decline"], 10, labels=False, duplicates="drop")
    for _, part in drawn.groupby(tenth):
        p = part["p_decline"]
        error = np.sqrt((p * (1 - p)).sum()) / len(p)
        assert abs(part["declines"].mean() - p.mean()) < 4 * error  # draws are independent given the features


def test_truth_knows_as_much_in_every_month_as_in_the_store(year):
    for outcome in year[1]:
        assert 0.88 < roc_auc_score(outcome["declines"], outcome["p_decline"]) < 0.93


def test_store_neither_dwindles_nor_explodes(year):
    snapshots, outcomes = year
    columns = {column.name: column for column in PROFILE.columns}
    share = PROFILE.decline_share * (1 - PROFILE.look_active)
    for snapshot, outcome in zip(snapshots, outcomes, strict=True):
        assert len(snapshot) == pytest.approx(20_000, rel=0.03)
        assert outcome["declines"].mean() == pytest.approx(PROFILE.decline_share, abs=0.06)
        assert snapshot["revenue_m0"].mean() == pytest.approx(snapshots[0]["revenue_m0"].mean(), rel=0.05)
        assert snapshot["profit"].mean() == pytest.approx(3.9, abs=0.25)
        assert snapshot["revenue_m0"].min() > 0
        for name in ("contacts_6m", "contacts_month", "promo_share", "unpaid_items", "pages_per_visit", "minutes_m0"):
            column = columns[name]
            expected = share * column.shares[1] + (1 - share) * column.shares[0]
            found = np.bincount(column.cell(column.encode(snapshot[name])), minlength=len(expected)) / len(snapshot)
            assert np.abs(found - expected).sum() / 2 < 0.06, name  # total variation


def test_revenue_rule_agrees_with_the_class(year):
    snapshots, outcomes = year
    for start in range(2, MONTHS - 3):
        now, later = snapshots[start], snapshots[start + 3]
        both = now.index[(now[REVENUES] > 0).all(axis=1)].intersection(later.index)
        fell = later.loc[both, REVENUES].mean(axis=1) < 0.9 * now.loc[both, REVENUES].mean(axis=1)
        declines = outcomes[start].loc[both, "declines"]
        assert 0.75 < (fell == declines).mean() < 0.95
        assert fell[declines].mean() > 0.6
        assert fell[~declines].mean() < 0.06


def test_customers_recover_from_a_decline(year):
    snapshots, outcomes = year
    low = snapshots[1].index[snapshots[1]["revenue_m0"] < 3000]
    stable = low.intersection(outcomes[1].index[~outcomes[1]["declines"]])
    later = [stable.intersection(snapshots[k].index) for k in (4, 13)]
    mean = [snapshots[k].loc[ids, REVENUES].to_numpy().mean() for k, ids in zip((4, 13), later, strict=True)]
    assert mean[0] > 1.1 * snapshots[1].loc[stable, REVENUES].to_numpy().mean()
    assert mean[1] > 1.3 * snapshots[1].loc[stable, REVENUES].to_numpy().mean()


def test_profit_follows_the_revenue_of_the_three_months(year):
    before, after = year[0][2], year[0][5]
    both = before.index[(before[REVENUES] > 0).all(axis=1)].intersection(after.index)
    revenue = np.log(after.loc[both, REVENUES].mean(axis=1) / before.loc[both, REVENUES].mean(axis=1))
    profit = np.log(after.loc[both, "profit"] / before.loc[both, "profit"])
    slope = np.cov(revenue, profit)[0, 1] / revenue.var()
    assert slope == pytest.approx(1, abs=0.05)
    assert np.corrcoef(before.loc[both, "profit"], after.loc[both, "profit"])[0, 1] > 0.7


def test_static_columns_hardly_change_and_fast_ones_do(year):
    before, after = year[0][0], year[0][6]
    both = before.index.intersection(after.index)
    for name in ("service_level", "marketing_consent", "favourite_category"):
        assert 0 < (before.loc[both, name] != after.loc[both, name]).mean() < 0.1
    slow, fast = (np.corrcoef(before.loc[both, n], after.loc[both, n])[0, 1] for n in ("contacts_6m", "contacts_month"))
    assert slow > 0.5
    assert fast < 0.2


def test_a_model_of_one_month_knows_the_labels_three_months_later_as_well_as_can_be():
    panel = opened(5000, seed=7)
    first = panel.snapshot().set_index("customer_id")
    for _ in range(3):
        panel.advance()
    later = panel.snapshot().set_index("customer_id")
    both = first.index.intersection(later.index)
    x = pd.get_dummies(first.loc[both, list(FEATURE_NAMES)]).astype(float)
    y = later.loc[both, "activity"] == "declined"
    half = np.arange(len(both)) % 2 == 0
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(x[half], y[half])
    best = roc_auc_score(y[~half], first.loc[both, "p_decline"][~half])
    assert best > 0.88
    assert roc_auc_score(y[~half], model.predict_proba(x[~half])[:, 1]) > best - 0.03


def test_effect_changes_the_classes_of_those_it_is_meant_for_only():
    treated, control = opened(6000, seed=3), opened(6000, seed=3)
    chosen = np.arange(6000) % 2 == 0
    effect = np.where(chosen, -0.3, 0.0)
    outcome, untreated = treated.advance(effect), control.advance()
    assert (outcome["declines_untreated"] == untreated["declines"]).all()
    assert (outcome["declines"] == outcome["declines_untreated"])[~chosen].all()
    assert not (outcome["declines"] & ~outcome["declines_untreated"]).any()  # nobody is hurt by what helps
    saved = (outcome["declines_untreated"] & ~outcome["declines"])[chosen].mean()
    p = outcome.loc[chosen, "p_decline"]
    expected = np.minimum(p, 0.3)
    assert (p - outcome.loc[chosen, "p_treated"] - expected).abs().max() < 1e-9
    assert saved == pytest.approx(expected.mean(), abs=4 * np.sqrt(0.25 / chosen.sum()))

    treated_ids = set(outcome["customer_id"][chosen])
    for _ in range(4):  # their lives, and those of who joins, go on as they would have
        with_it, without = (panel.snapshot().set_index("customer_id") for panel in (treated, control))
        ids = [i for i in without.index if i not in treated_ids]
        assert_frame_equal(with_it.loc[ids], without.loc[ids])
        treated.advance()
        control.advance()


def test_saved_customers_bring_more_than_they_would_have():
    treated, control = opened(5000, seed=3), opened(5000, seed=3)
    outcome = treated.advance(np.full(5000, -1.0))
    control.advance()
    assert not outcome["declines"].any()
    assert not outcome["leaves"].any()
    saved = outcome.loc[outcome["declines_untreated"], "customer_id"]
    for _ in range(2):
        treated.advance()
        control.advance()
    with_it, without = (panel.snapshot().set_index("customer_id") for panel in (treated, control))
    both = without.index.intersection(saved)
    for name in ("profit", "revenue_m0"):
        assert with_it.loc[both, name].mean() > 1.05 * without.loc[both, name].mean()


def test_harmful_effect_is_cut_to_certainty():
    outcome = opened().advance(np.full(300, 2.0))
    assert (outcome["p_treated"] == 1).all()
    assert outcome["declines"].all()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), customers=st.integers(1, 200), strength=st.floats(-1, 1), months=st.integers(1, 8))
def test_customers_are_accounted_for(seed, customers, strength, months):
    panel, ever, joined_in_all = opened(customers, seed=seed), set(), 0
    for _ in range(months):
        before = set(panel.snapshot()["customer_id"])
        ever |= before
        outcome = panel.advance(np.full(len(before), strength))
        left = set(outcome.loc[outcome["leaves"], "customer_id"])
        now = set(panel.snapshot()["customer_id"])
        joined = now - before
        assert now == (before - left) | joined
        assert not joined & ever  # ids are never given twice
        joined_in_all += len(joined)
    assert joined_in_all == int(JOIN * customers * months + 0.5)


def test_who_joins_is_not_regular_for_two_months():
    panel = opened(500)
    ids = set(panel.snapshot()["customer_id"])
    panel.advance()
    new = sorted(set(panel.snapshot()["customer_id"]) - ids)
    assert len(new) == 8
    for months in range(3):
        here = panel.snapshot().set_index("customer_id").reindex(new).dropna(subset="revenue_m0")
        bought = (here[REVENUES] > 0).sum(axis=1)
        assert set(bought) == {months + 1}
        assert here["activity"].isna().all()
        panel.advance()
    assert panel.snapshot().set_index("customer_id")["activity"].reindex(new).notna().any()


@pytest.mark.parametrize("month", ["2026-01", "2026-03"])
def test_written_month_comes_back_through_the_pipeline(tmp_path, month):
    write_months(PROFILE, tmp_path, first="2026-01", last="2026-03", customers=800, seed=4)
    panel = opened(800, seed=4)
    while panel.month != month:
        panel.advance()
    tables, corrected = {}, []
    for table in SOURCES:
        frame, _ = read(tmp_path / "raw" / month / f"{table.file}.csv", table.file, tmp_path)
        cleaned = clean_export(frame, table, Settings().cleaning)
        assert (cleaned.rejected_rows, cleaned.duplicates) == (0, 0)
        corrected += cleaned.corrections.collect()["rule"].to_list()
        tables[table.name] = cleaned.table
    assert set(corrected) == {"spelling"}  # no revenue is taken for an error
    wide = files.conform(features.customer_features(**tables), CUSTOMER_FEATURES)
    found = wide.collect().to_pandas().sort_values("customer_id", ignore_index=True)
    expected = panel.snapshot()
    columns = ["customer_id", *FEATURE_NAMES, "profit", "activity"]
    assert_frame_equal(found[columns], expected[columns], check_dtype=False)
    assert (found["regular"] == (expected[REVENUES] > 0).all(axis=1)).all()
    assert found["activity"].isna().any() == (month != "2026-01")

    truth = pd.read_parquet(tmp_path / "twin" / f"{month}.parquet")
    assert list(truth) == ["customer_id", "p_decline", "declines", "activity"]
    assert (truth["p_decline"] == expected["p_decline"]).all()
    assert (truth["declines"] == panel.advance()["declines"]).all()
    assert (truth["activity"].fillna("") == expected["activity"].fillna("")).all()


def test_rows_stand_by_class_with_newcomers_last(tmp_path):
    write_months(PROFILE, tmp_path, first="2026-01", last="2026-02", customers=800, seed=4)
    classes = pl.read_csv(tmp_path / "raw/2026-02/market_file.csv")["Покупательская активность"]
    assert classes.rle().struct.field("value").to_list() == ["Снизилась", "Прежний уровень"] * 3 + [None]


def test_without_quirks_rows_stand_by_id(tmp_path):
    panel = opened(quirks=CLEAN)
    panel.advance()
    panel.write(tmp_path / "m")
    table = pl.read_csv(tmp_path / "m" / "market_file.csv")
    assert table["id"].to_list() == panel.snapshot()["customer_id"].to_list()
    assert set(table["Тип сервиса"]) == {"стандарт", "премиум"}


def test_writing_a_month_changes_nobodys_life(tmp_path):
    written, other = opened(), opened()
    written.write(tmp_path / "m")
    assert_frame_equal(written.advance(), other.advance())
    assert_frame_equal(written.snapshot(), other.snapshot())


def test_write_months_gives_the_same_bytes_for_the_same_seed_and_any_last_month(tmp_path):
    seen = []
    for name, last, seed in (("a", "2026-04", 5), ("b", "2026-05", 5), ("c", "2026-04", 6)):
        arguments = {"first": "2026-02", "last": last, "customers": 60, "seed": seed}
        write_months(PROFILE, tmp_path / name, **arguments, progress=lambda *step, name=name: seen.append((name, *step)))
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert len(a) == 3 * 5
    assert a == {name: content for name, content in b.items() if "2026-05" not in name}
    assert all(a[name] != c[name] for name in a)
    assert seen[:3] == [("a", 1, 3), ("a", 2, 3), ("a", 3, 3)]


def test_write_months_refuses_what_exists_before_it_writes_anything(tmp_path):
    write_months(PROFILE, tmp_path, first="2026-03", last="2026-03", customers=20, seed=1)
    before = contents(tmp_path)
    with pytest.raises(BadInputError, match="exists already"):
        write_months(PROFILE, tmp_path, first="2026-01", last="2026-04", customers=20, seed=2)
    assert contents(tmp_path) == before
    assert write_months(PROFILE, tmp_path, first="2026-01", last="2026-04", customers=20, seed=2, overwrite=True) == 4
    assert contents(tmp_path).keys() > before.keys()
    assert list(tmp_path.rglob(".*")) == []


def test_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("disk full")

    monkeypatch.setattr(panel_module, "export_tables", fails)
    with pytest.raises(OSError, match="disk full"):
        opened(20).write(tmp_path / "m", truth=tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []
    assert month_module.export_tables is not fails


@pytest.mark.parametrize(("first", "last", "told"), [("2026-05", "2026-04", "is before"), ("2026-5", "2026-06", "no")])
def test_write_months_refuses_impossible_months(tmp_path, first, last, told):
    with pytest.raises(BadInputError, match=told):
        write_months(PROFILE, tmp_path, first=first, last=last, customers=20, seed=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [{"customers": 0}, {"seed": -1}, {"month": "2026-13"}, {"quirks": Quirks()}, {"quirks": Quirks(copies=0.0, non_regular=0.0)}],
)
def test_open_refuses_impossible_arguments(arguments):
    with pytest.raises(BadInputError):
        opened(**arguments)


@pytest.mark.parametrize("effect", [[0.1], np.zeros((300, 1)), np.full(300, np.nan)])
def test_advance_refuses_an_effect_that_is_not_one_number_a_customer(effect):
    panel = opened()
    with pytest.raises(BadInputError, match="300 in all"):
        panel.advance(effect)
    assert panel.month == "2026-01"


def test_a_handful_lives_for_years(tmp_path):
    panel = opened(2)
    for _ in range(40):
        panel.advance()
    panel.write(tmp_path / "m")
    assert len(pl.read_csv(tmp_path / "m/market_money.csv")) == 3 * len(panel.snapshot())


def test_persistent_quirks_are_the_stores_but_for_copies_and_errors():
    differing = {f.name for f in dataclasses.fields(Quirks) if getattr(PERSISTENT, f.name) != getattr(Quirks(), f.name)}
    assert differing == {"non_regular", "copies", "customers_per_error"}
