"""Several months through the real graph, up to the training set: which months it joins, what it tells, what stops it."""

import logging
import shutil
import warnings

import dagster as dg
import numpy as np
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.orchestration.assets import clean, features, model, raw
from oneclick_pipeline.orchestration.assets.model import _WINDOW
from oneclick_pipeline.orchestration.partitions import by_month
from oneclick_pipeline.orchestration.resources import Home, TableIO
from oneclick_pipeline.orchestration.table_months import Months
from oneclick_pipeline.settings import Labels, Value
from oneclick_pipeline_tests.conftest import HEADERS, market_row
from oneclick_pipeline_tests.orchestration.homes import environment_kept, materialize, new_home, table, told

MONTHS = ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]
EMPTY = "2026-09"
"""The store has classed nobody."""
ASSETS = [*raw.ASSETS, *clean.ASSETS, *features.ASSETS, *model.ASSETS]
SELECTION = [*(s.file for s in SOURCES), *(s.name for s in SOURCES), "rejected_rows", "corrections"]
SELECTION += ["customer_features", "training_set"]
PEOPLE = 60
VANISHED = 5
"""Customers who are in no file of the last month."""


def declines(customer, month):
    """The class that the store delivers in a month; nothing else in the export tells it."""
    return (customer * 7 + int(month[5:]) * 3) % 5 < 2


def revenue(customer, month):
    """What a customer paid in a month, the same in every export that tells of the month."""
    return float(np.random.default_rng([customer, int(month[5:])]).integers(500, 1500)) + customer / 100


def export(month, *, classes=True, customers=range(1, PEOPLE + 1)):
    """The four exports of a month; the classes may be empty."""
    words = {True: "Снизилась", False: "Прежний уровень"}
    past = [add_months(month, -k) for k in range(3)]
    rng = np.random.default_rng(int(month[5:]))
    market = [
        market_row(
            i, words[declines(i, month)] if classes else "", tenure_days=str(rng.integers(100, 999)), unpaid_items=str(i % 7)
        )
        for i in customers
    ]
    periods = ("текущий_месяц", "предыдущий_месяц", "препредыдущий_месяц")
    lines = {
        "market_file": market,
        "market_money": [f"{i},{p},{revenue(i, m)}" for i in customers for p, m in zip(periods, past, strict=True)],
        "market_time": [f"{i},{p},{rng.integers(5, 20)}" for i in customers for p in periods[:2]],
        "money": [f"{i};{i},25" for i in customers],
    }
    headers = HEADERS | {"money": HEADERS["money"].replace(",", ";")}
    return {file: "\n".join([headers[file], *rows]) + "\n" for file, rows in lines.items()}


def train_on(home, month, **changes):
    return materialize(home, month=month, assets=ASSETS, selection=SELECTION, **changes)


@pytest.fixture(scope="module")
def months(tmp_path_factory):
    """A home of five months: September without classes, October without five customers; and what came of each."""
    home = tmp_path_factory.mktemp("months") / "home"
    for month in MONTHS:
        people = range(1, PEOPLE + 1 - VANISHED) if month == MONTHS[-1] else range(1, PEOPLE + 1)
        new_home(home, month=month, settings="", texts=export(month, classes=month != EMPTY, customers=people))
    return home, {month: train_on(home, month) for month in MONTHS}


def metadata(result):
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("training_set")]
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_every_month_learns_from_the_months_that_lie_three_back(months):
    home, results = months
    assert [told(result) for result in results.values()] == [""] * len(MONTHS)
    joined = {
        month: sorted(set(table(home, "training_set", month).select("feature_month", "label_month").iter_rows()))
        for month in MONTHS
    }
    assert joined == {
        "2026-06": [("2026-06", "2026-06")],
        "2026-07": [("2026-07", "2026-07")],
        "2026-08": [("2026-08", "2026-08")],
        "2026-09": [("2026-06", "2026-09")],
        "2026-10": [("2026-06", "2026-09"), ("2026-07", "2026-10")],
    }


def test_labels_are_the_classes_of_the_label_month_and_where_empty_the_rule(months):
    home, _ = months
    got = table(home, "training_set", "2026-10")
    assert {(m, s): n for m, s, n in got.group_by("label_month", "label_source").len().iter_rows()} == {
        (EMPTY, "revenue_rule"): PEOPLE,
        ("2026-10", "delivered"): PEOPLE - VANISHED,
        ("2026-10", "vanished"): VANISHED,
    }
    for customer, label_month, source, declined in got.select(
        "customer_id", "label_month", "label_source", "declined"
    ).iter_rows():
        before, after = (sum(revenue(customer, add_months(label_month, -k)) for k in past) for past in (range(3, 6), range(3)))
        expected = {"delivered": declines(customer, label_month), "revenue_rule": after < 0.9 * before, "vanished": True}
        assert declined == expected[source]
        assert (source == "vanished") == (label_month == "2026-10" and customer > PEOPLE - VANISHED)
    assert got.group_by("customer_id").agg(pl.col("copies").n_unique())["copies"].max() == 1


def test_metadata_tells_rule_sources_agreement_and_leaks(months):
    _, results = months
    now = metadata(results["2026-10"])
    assert (now["feature months"], now["label months"]) == ("2026-06, 2026-07", "2026-09, 2026-10")
    assert (now["labels delivered"], now["labels revenue_rule"], now["labels vanished"]) == (PEOPLE - VANISHED, PEOPLE, VANISHED)
    assert now["customers"] == PEOPLE
    for part in ("true forecast", "2026-07 -> 2026-10", "10% below", "in no file of the label month"):
        assert part in now["label rule"]
    assert f"of {PEOPLE - VANISHED} customers" in now["revenue rule and delivered class agree"]
    assert len([name for name in now if name.endswith(" alone")]) == 5
    assert 0.5 <= now["ROC-AUC of customer_id in the export (kept from the model)"] <= 1
    alone = metadata(results["2026-08"])
    assert "the same snapshot" in alone["label rule"]
    assert alone["revenue rule and delivered class agree"].startswith("not enough data")


def test_checks_tell_their_figures(months):
    _, results = months
    checks = {
        month: {e.check_name: e for e in result.get_asset_check_evaluations() if e.asset_key == dg.AssetKey("training_set")}
        for month, result in results.items()
    }
    assert checks["2026-08"]["rule_agrees"].passed
    assert checks["2026-08"]["rule_agrees"].metadata["customers"].value == 0
    judged = checks["2026-10"]
    # the class of this store has nothing to do with its revenue, and that is said
    assert not judged["rule_agrees"].passed
    assert judged["rule_agrees"].metadata["customers"].value == PEOPLE - VANISHED
    assert judged["no_feature_is_the_label"].passed
    assert judged["nothing_from_the_future"].passed
    assert 0.5 <= judged["no_feature_is_the_label"].metadata["roc_auc"].value < 0.97
    assert judged["nothing_from_the_future"].metadata["comparisons"].value > 20


def test_a_month_that_was_there_later_changes_nothing_for_an_earlier_one(months):
    """All five months are in the home when August is made again: it learns from what it learnt from."""
    home, _ = months
    before = table(home, "training_set", "2026-08")
    assert materialize(home, month="2026-08", assets=ASSETS, selection=["training_set"]).success
    assert table(home, "training_set", "2026-08").equals(before)


def spoil(home, month, expression):
    """Change `customer_features` of a month in place."""
    path = table_file(home, "customer_features", month)
    pl.read_parquet(path).with_columns(expression).write_parquet(path)


@pytest.fixture
def copy(months, tmp_path):
    return shutil.copytree(months[0], tmp_path / "home")


def stopped(home):
    """Make the training set of October from the tables that are there; return what the run says, and its failed checks."""
    before = table(home, "training_set", "2026-10")
    result = materialize(home, month="2026-10", assets=ASSETS, selection=["training_set"])
    assert not result.success
    assert table(home, "training_set", "2026-10").equals(before)
    return told(result), {e.check_name: e for e in result.get_asset_check_evaluations() if not e.passed}


def test_feature_that_is_the_label_stops_the_run_with_its_name_and_auc(copy):
    for month in MONTHS[:2]:
        of_month = table(copy, "training_set", "2026-10").filter(feature_month=month)
        classes = dict(of_month.select("customer_id", "declined").rows())
        spoil(copy, month, (pl.col("customer_id").replace_strict(classes) * 10).alias("pages_per_visit").cast(float))
    message, failed = stopped(copy)
    assert "market_file.csv, column «Страниц_за_визит»: pages_per_visit alone tells declined from stable" in message
    assert "ROC-AUC 1.000" in message
    assert "What to do: deliver the column as it stood at the end of the month" in message
    assert failed.keys() == {"no_feature_is_the_label", "rule_agrees"}
    assert failed["no_feature_is_the_label"].metadata["feature"].value == "pages_per_visit"
    assert failed["no_feature_is_the_label"].metadata["roc_auc"].value == 1.0


def test_column_from_the_next_month_stops_the_run_with_its_name_and_share(copy):
    following = dict(table(copy, "customer_features", "2026-07").select("customer_id", "revenue_m0").rows())
    spoil(copy, "2026-06", pl.col("customer_id").replace_strict(following).alias("revenue_m0"))
    message, failed = stopped(copy)
    assert "market_money.csv, column «Выручка»: revenue_m0 of 2026-06 equals revenue_m0 of 2026-07" in message
    assert "for 100.0% of 60 customers" in message
    assert "nothing_from_the_future" in failed
    assert failed["nothing_from_the_future"].metadata["share_equal"].value == 1.0


def test_missing_own_month_says_what_to_materialize(copy):
    table_file(copy, "customer_features", "2026-10").unlink()
    message, _ = stopped(copy)
    assert "What to do: materialize customer_features for 2026-10 first" in message


def test_months_are_read_when_asked_for_and_only_the_columns_wanted(months):
    home, _ = months
    paths = {month: table_file(home, "customer_features", month) for month in reversed(MONTHS)}
    found = Months("customer_features", paths | {"2026-03": home / "nowhere.parquet"})
    assert "2026-03" in found  # neither this nor the list of the months reads anything
    assert "2026-02" not in found
    assert list(found) == ["2026-03", *MONTHS]
    assert len(found) == 6
    frame = found.only("customer_id", "activity")["2026-07"]
    assert list(frame) == ["customer_id", "activity"]
    assert frame["customer_id"].is_monotonic_increasing
    with pytest.raises(FileNotFoundError):
        found["2026-03"]
    with pytest.raises(KeyError):
        found["2026-02"]


def test_window_covers_the_most_that_the_settings_allow():
    most = Labels.model_fields["history_months"].metadata, Value.model_fields["horizon_months"].metadata
    (history,), (horizon,) = ([m.le for m in found if hasattr(m, "le")] for found in most)
    assert history + horizon - 1 == _WINDOW


def test_months_that_are_not_there_are_no_noise_and_those_that_are_make_the_lineage(months):
    """Of the window's months the instance knows one, then two: its silence, and the data version of what was read, show it."""
    place, versions = Home(path=str(months[0])), []
    with warnings.catch_warnings(record=True) as caught, environment_kept(), dg.DagsterInstance.ephemeral() as instance:
        warnings.simplefilter("always")
        for month, selection in (
            ("2026-10", ["customer_features", "training_set"]),
            ("2026-07", ["customer_features"]),
            ("2026-10", ["training_set"]),
            ("2026-10", ["training_set"]),
        ):
            resources = {"home": place, "tables": TableIO(home=place)}
            result = dg.materialize(
                by_month(ASSETS), partition_key=month, selection=selection, resources=resources, instance=instance
            )
            loud = [e for e in instance.all_logs(result.run_id) if e.level >= logging.WARNING]
            assert [e.message for e in loud if not e.dagster_event] == []
            event = instance.get_latest_materialization_event(dg.AssetKey("training_set"))
            versions.append(event.asset_materialization.tags["dagster/input_data_version/customer_features"])
    assert versions[0] == versions[1] != versions[2] == versions[3]
    assert [str(w.message) for w in caught if "partition" in str(w.message).lower()] == []


def test_customers_whose_label_an_offer_may_have_influenced_are_left_out(copy):
    """A CRM's own log says who got an offer in August: between the features of July and their labels in October."""
    path = ledger_file(copy, "2026-08")
    path.parent.mkdir()
    sent = pd.DataFrame({
        "customer_id": range(1, 21), "arm": ["offer"] * 10 + ["control"] * 10, "offer_id": "a",
        "propensity": [0.8] * 10 + [0.2] * 10, "assignment": "plan", "p_no_offer": 0.2, "p_control": 0.1, "p_explore": 0.0,
        "control_share": 0.1,
    })  # fmt: skip
    sent.assign(fits="a", segment="", p_decline=0.5, value=1.0, cost=1.0).to_parquet(path)
    result = materialize(copy, month="2026-10", assets=ASSETS, selection=["training_set"])
    assert result.success, told(result)
    rows = table(copy, "training_set", "2026-10")
    for month in MONTHS[:2]:  # the labels of September and October are both about August
        of_month = rows.filter(feature_month=month)
        assert set(of_month["customer_id"]) & set(range(1, 21)) == set(range(11, 21))
        assert set(of_month.filter(pl.col("customer_id").is_between(11, 20))["weight"]) == {5.0}
        assert set(of_month["offered_left_out"]) == {10}
    assert metadata(result)["customers left out, because an offer may have influenced their label"] == 20
    assert metadata(result)["largest weight of a customer"] == 5.0


def test_sample_of_months_is_of_the_same_customers_in_every_month(tmp_path):
    paths = {}
    for month, ids in (("2026-05", range(2000)), ("2026-06", range(1000, 3000))):
        paths[month] = tmp_path / f"{month}.parquet"
        pd.DataFrame({"customer_id": ids, "profit": 1.0}).sample(frac=1, random_state=3).to_parquet(paths[month])
    months = Months("profit", paths)
    assert months.sample(2000, seed=7) is months
    drawn = {month: set(frame["customer_id"]) for month, frame in months.sample(500, seed=7).items()}
    assert all(400 < len(ids) < 600 for ids in drawn.values())
    both = range(1000, 2000)
    assert drawn["2026-05"] & set(both) == drawn["2026-06"] & set(both)
    assert set(months.sample(500, seed=8)["2026-05"]["customer_id"]) != drawn["2026-05"]
    assert set(months.where(lambda rows: rows["customer_id"] < 3)["2026-05"]["customer_id"]) == {0, 1, 2}
    assert list(months.of(pd.Series([2, 1000, 2]))["2026-06"]["customer_id"]) == [1000]


def test_training_takes_a_sample_where_there_are_more_than_enough_and_says_so(copy, monkeypatch):
    monkeypatch.setattr(model, "_DRAWN", 0.0015)  # of max_rows 20,000: about 30 of the 60
    result = materialize(copy, month="2026-08", assets=ASSETS, selection=["training_set"])
    assert result.success, told(result)
    drawn = table(copy, "training_set", "2026-08")["customer_id"].n_unique()
    assert 15 < drawn < 45
    assert metadata(result)["customers drawn"] == "a random sample: there are more than needed"
    assert metadata(result)["customers"] == drawn
