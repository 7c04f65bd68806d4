"""A month against another, on tables small enough to be written down."""

import numpy as np
import pandas as pd
import pytest

from oneclick_pipeline.contracts.customers import FEATURE_NAMES
from oneclick_pipeline.contracts.monitoring import DRIFT
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.monitoring import Snapshot, drift
from oneclick_pipeline.monitoring.drift import level
from oneclick_pipeline.settings import Monitoring
from oneclick_pipeline_tests.report.months import features, scores

N = 1000
LIMITS = Monitoring()


def wide(seed=1, customers=N, **changes):
    """Customers drawn again by every seed from the same distributions."""
    rng = np.random.default_rng(seed)
    moved = {name: rng.integers(1, 9, customers).astype(float) for name in FEATURE_NAMES}
    moved |= {
        "pages_per_visit": rng.normal(10, 1, customers),
        "service_level": rng.choice(["premium", "standard"], customers),
        "favourite_category": rng.choice(["Товары для детей", "Кухонная посуда", "Косметика"], customers),
        "marketing_consent": (rng.random(customers) < 0.7).astype(object),
    }
    return features(customers, **(moved | changes))


def snapshot(table=None, month="2026-10", version=2, scored=None, rows=4 * N, quarantined=0):
    table = wide() if table is None else table
    p = np.random.default_rng(3).random(len(table)) if scored is None else scored
    return Snapshot(month, table, scores(table, version, p_decline=p), rows, quarantined)


def compared(now, reference="usual", **changes):
    reference = snapshot(month="2026-07") if isinstance(reference, str) else reference
    table = drift(now, reference, **({"settings": LIMITS, "model_version": 2} | changes))
    assert list(table.columns) == DRIFT.names
    assert not table.duplicated(list(DRIFT.key)).any()
    return table


def one(table, kind, name, category=""):
    (row,) = table[(table["kind"] == kind) & (table["name"] == name) & (table["category"] == category)].to_dict("records")
    return row


def test_same_tables_have_moved_nowhere():
    table = compared(snapshot())
    assert set(table["status"]) == {"stable"}
    assert table["psi"].dropna().eq(0).all()
    assert set(table.loc[table["kind"] == "feature", "name"]) == set(FEATURE_NAMES)
    assert set(table["reference_month"]) == {"2026-07"}
    assert set(table["model_version"]) == {2}
    assert one(table, "share", "customers")["difference"] == 0


def test_order_of_rows_changes_nothing():
    table, now = wide(2), snapshot(wide(4))
    order = np.random.default_rng(1).permutation(N)
    mixed = Snapshot(now.month, now.features.iloc[order], now.scores.iloc[order], now.rows, now.quarantined)
    pd.testing.assert_frame_equal(compared(now, snapshot(table)), compared(mixed, snapshot(table.iloc[order[::-1]])))


def test_other_customers_of_the_same_kind_have_not_moved():
    table = compared(snapshot(wide(2), scored=np.random.default_rng(9).random(N)))
    assert set(table["status"]) == {"stable"}
    assert (table["psi"].dropna() > 0).all()


@pytest.mark.parametrize(("by", "status"), [(0.0, "stable"), (0.4, "moderate"), (1.0, "shifted")])
def test_shift_is_found_in_the_feature_that_moved_and_in_no_other(by, status):
    moved = wide(2)
    moved["pages_per_visit"] += by
    table = compared(snapshot(moved)).query("kind == 'feature'").set_index("name")
    assert table.loc["pages_per_visit", "status"] == status
    assert set(table.drop(index="pages_per_visit")["status"]) == {"stable"}


def test_score_that_moved_is_found():
    row = one(compared(snapshot(scored=np.random.default_rng(1).beta(4, 2, N))), "score", "p_decline")
    assert (row["status"], row["customers"], row["reference_customers"]) == ("shifted", N, N)


def test_scores_of_another_version_are_not_compared():
    table = compared(snapshot(), snapshot(month="2026-07", version=1))
    assert one(table, "score", "p_decline")["status"] == "no_reference"
    assert np.isnan(one(table, "score", "p_decline")["psi"])
    assert one(table, "feature", "tenure_days")["status"] == "stable"


def test_month_without_scores_or_reference_says_so():
    unscored = Snapshot("2026-10", wide(), None, 4000, 200)
    table = compared(unscored, None, model_version=None)
    assert set(table.loc[table["kind"].isin(["feature", "score", "category"]), "status"]) == {"no_reference"}
    assert table["reference_month"].isna().all()
    # what needs no reference is judged all the same
    assert one(table, "share", "quarantine_share")["status"] == "shifted"
    assert one(table, "share", "complete_share")["status"] == "stable"
    assert one(table, "share", "consent_share")["status"] == "no_reference"


def test_few_customers_are_not_enough_data():
    table = compared(snapshot(wide(customers=150)))
    assert set(table.loc[table["kind"].isin(["feature", "score"]), "status"]) == {"not_enough_data"}
    assert one(table, "share", "consent_share")["status"] == "not_enough_data"


def test_customers_who_are_not_regular_do_not_count():
    odd = wide(2)
    odd["regular"] = np.arange(N) < N // 2
    odd.loc[N // 2 :, "tenure_days"] = 1e6
    row = one(compared(snapshot(odd)), "feature", "tenure_days")
    assert (row["status"], row["customers"]) == ("stable", N // 2)


def test_missing_values_are_a_shift_of_their_own():
    gone = wide(2)
    gone.loc[: N // 2, "minutes_m0"] = np.nan
    assert one(compared(snapshot(gone)), "feature", "minutes_m0")["status"] == "shifted"


def test_new_category_is_reported_with_its_customers():
    new = wide(2)
    new.loc[:2, "favourite_category"] = "Садовый инвентарь"
    new.loc[3, "favourite_category"] = "x" * 1000
    table = compared(snapshot(new))
    assert one(table, "category", "favourite_category", "Садовый инвентарь")["count"] == 3
    assert one(table, "category", "favourite_category", "x" * 200)["count"] == 1
    total = one(table, "category", "favourite_category")
    assert (total["count"], total["value"], total["status"]) == (4, 0.004, "moderate")
    assert one(table, "category", "service_level")["status"] == "stable"
    new["favourite_category"] = "Садовый инвентарь"
    assert one(compared(snapshot(new)), "category", "favourite_category")["status"] == "shifted"


def test_many_new_categories_are_listed_in_part_and_counted_in_full():
    new = wide(2, favourite_category=[f"new {i}" for i in range(N)])
    rows = compared(snapshot(new)).query("kind == 'category' and name == 'favourite_category'")
    assert len(rows) == 11
    assert rows["count"].iloc[0] == N


def missing(customers):
    return wide(2, missing_from=["money"] * customers + [""] * (N - customers))


SHARES = {
    "quarantine_share": [(lambda n=n: snapshot(quarantined=n), status, {"value": n / 4000, "customers": 4000, "count": n})
                         for n, status in ((0, "stable"), (39, "stable"), (40, "moderate"), (120, "shifted"))],
    "complete_share": [(lambda n=n: snapshot(missing(n)), status, {"count": N - n})
                       for n, status in ((9, "stable"), (20, "moderate"), (60, "shifted"))],
    "customers": [(lambda n=n: snapshot(wide(2, n)), status, {"difference": pytest.approx(n / N - 1)})
                  for n, status in ((1100, "stable"), (700, "moderate"), (400, "shifted"), (1600, "shifted"))],
}  # fmt: skip


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in SHARES.items() for case in cases])
def test_shares_are_judged_by_their_limits(name, case):
    made, status, figures = case
    row = one(compared(made()), "share", name)
    assert {key: row[key] for key in ("status", *figures)} == {"status": status} | figures


@pytest.mark.parametrize(("share", "status"), [(0.71, "stable"), (0.6, "moderate"), (0.3, "shifted")])
def test_consent_is_compared_with_the_reference(share, status):
    before = wide(1, marketing_consent=np.arange(N) < 0.7 * N)
    row = one(compared(snapshot(wide(2, marketing_consent=np.arange(N) < share * N)), snapshot(before)), "share", "consent_share")
    assert row["status"] == status
    assert row["difference"] == pytest.approx(share - 0.7)
    assert row["difference_low"] < share - 0.7 < row["difference_high"]
    assert [level(x, 0.1, 0.25) for x in (0.09, 0.1, 0.25)] == ["stable", "moderate", "shifted"]  # limits are beyond


def test_no_drift_is_called_shifted_rarely():
    """Five months of 400 customers of the same kind: 17 figures each, and hardly one is beyond a limit."""
    reference = snapshot(wide(100, customers=400))
    bad = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        table = compared(snapshot(wide(seed, customers=400), scored=rng.random(400)), reference)
        bad += int(table.loc[table["kind"].isin(["feature", "score"]), "status"].isin(["moderate", "shifted"]).sum())
    assert bad <= 1  # of 85


def test_columns_of_a_file_give_what_the_frame_gives(tmp_path):
    now, before = snapshot(wide(2)), snapshot(wide(1), month="2026-07")

    def stored(one):
        paths = {name: tmp_path / f"{name}-{one.month}.parquet" for name in ("customer_features", "customer_scores")}
        one.features.assign(marketing_consent=one.features["marketing_consent"].astype(bool)).to_parquet(
            paths["customer_features"]
        )
        one.scores.to_parquet(paths["customer_scores"])
        return Snapshot(one.month, *(Batches(name, path) for name, path in paths.items()), one.rows, one.quarantined)

    pd.testing.assert_frame_equal(compared(stored(now), stored(before)), compared(now, before))
