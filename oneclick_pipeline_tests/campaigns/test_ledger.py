"""The ledger: written once and whole, refused when another plan comes, and never read before it is checked."""

import os
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclick_pipeline.campaigns import ledger
from oneclick_pipeline.campaigns.ledger_rules import COLUMNS, SENT
from oneclick_pipeline.contracts.offers import CHANCES, OFFER_PLAN, PROBABILITIES, SHARES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.experiment.chances import chances
from oneclick_pipeline.settings import Offers

TODAY = Offers(control_share=0.25, exploration_share=0.5, offer_control_share=0.125)
MONTH = "2026-10"
ROWS = [
    # customer, arm, offer, assignment, propensity
    (3, "offer", "voucher", "plan", 0.7),
    (1, "control", "voucher", "plan", 0.2),
    (2, "control", None, "hold_out", 0.1),
    (5, "offer", "bundle", "exploration", 0.03),
    (4, "none", None, "none", None),
]


def plan(rows=ROWS, **columns):
    """A small OFFER_PLAN."""
    frame = pd.DataFrame(rows, columns=["customer_id", "arm", "offer_id", "assignment", "propensity"])
    frame = frame.assign(
        reason="offered", fits="voucher,bundle", segment="high_risk", p_decline=0.5, value=2.0, expected_effect=-0.1
    )
    frame = frame.assign(control_share=0.1, exploration_share=0.2, offer_control_share=0.3)
    frame = frame.assign(p_no_offer=0.5, p_control=0.15, p_explore=0.2, chances="bundle=0.03,voucher=0.03")
    return frame.assign(**{"expected_gain": 0.1, "cost": 0.05, "model_version": 1} | columns)[OFFER_PLAN.names]


def put(home, frame, month=MONTH):
    """A log that a CRM put there."""
    path = home / "ledger" / f"{month}.parquet"
    path.parent.mkdir(exist_ok=True)
    frame.to_parquet(path)
    return path


def test_publish_then_read(tmp_path):
    published = ledger.publish(tmp_path, MONTH, plan())
    assert (published.offered, published.controls, published.written, published.replaced) == (2, 2, True, None)
    assert published.path == tmp_path / "ledger" / "2026-10.parquet"
    schema = pq.read_schema(published.path)
    assert schema.names == OFFER_PLAN.names
    assert schema.metadata[b"oneclick_digest"].decode() == published.digest
    got = ledger.read(tmp_path, [MONTH], TODAY)
    assert ledger.digest(got) == published.digest
    assert list(got.columns) == ["campaign_month", *(c.name for c in COLUMNS)]
    assert got["customer_id"].tolist() == [1, 2, 3, 5]
    assert got["offer_id"].tolist() == ["voucher", None, "voucher", "bundle"]
    assert got["propensity"].tolist() == [0.2, 0.1, 0.7, 0.03]
    assert set(got["campaign_month"]) == {MONTH}
    assert not list(published.path.parent.glob(".*.part"))


@pytest.mark.parametrize("replan", [False, True])
def test_same_plan_again_changes_nothing(tmp_path, replan):
    first = ledger.publish(tmp_path, MONTH, plan())
    before = first.path.stat()
    again = ledger.publish(tmp_path, MONTH, plan().sample(frac=1, random_state=1), replan=replan)
    assert not again.written
    assert (again.digest, again.offered, again.controls) == (first.digest, 2, 2)
    after = first.path.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert ledger.published_months(tmp_path) == [MONTH]


def test_value_that_another_version_adds_up_in_another_order_is_the_same_plan(tmp_path):
    """A month that an earlier version had published was another plan to this one: 0.2 x 3 and 0.6 differ in the last bit."""
    first = ledger.publish(tmp_path, MONTH, plan(value=0.2 * 3))
    assert not ledger.publish(tmp_path, MONTH, plan(value=0.6)).written
    assert ledger.differing(ledger.handed_over(tmp_path, MONTH), plan(ROWS[:4], value=0.6)) == 0
    assert ledger.differing(ledger.handed_over(tmp_path, MONTH), plan(ROWS[:3], value=0.61)) == 4  # 3 other values, one gone
    assert ledger.digest(ledger.read(tmp_path, [MONTH], TODAY)) == first.digest


def test_another_plan_is_refused_and_changes_nothing(tmp_path):
    first = ledger.publish(tmp_path, MONTH, plan())
    content = first.path.read_bytes()
    with pytest.raises(BadInputError, match="already published") as error:
        ledger.publish(tmp_path, MONTH, plan(p_decline=0.6))
    assert error.value.file == str(first.path)
    assert "--replan" in error.value.remedy
    assert first.path.read_bytes() == content


def test_replan_keeps_every_plan_that_stood_there(tmp_path):
    contents = []
    for n, cost in enumerate([0.1, 0.2, 0.3]):
        published = ledger.publish(tmp_path, MONTH, plan(cost=cost), replan=True)
        assert (None if published.replaced is None else published.replaced.name) == (
            f"2026-10.replaced-{n}.parquet" if n else None
        )
        contents.append(published.path.read_bytes())
    kept = [(tmp_path / "ledger" / f"2026-10.replaced-{n}.parquet").read_bytes() for n in (1, 2)]
    assert kept == contents[:2]
    assert ledger.read(tmp_path, [MONTH], TODAY)["cost"].unique().tolist() == [0.3]
    assert ledger.published_months(tmp_path) == [MONTH]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_an_end_half_way_leaves_a_whole_file(tmp_path, monkeypatch, at):
    """Whichever rename or write to the disk fails, the month has the old plan or the new one."""
    ledger.publish(tmp_path, MONTH, plan(cost=0.1))
    calls = []

    def failing(call):
        def run(*arguments):
            calls.append(1)
            if len(calls) == at:
                raise KeyboardInterrupt
            return call(*arguments)

        return run

    monkeypatch.setattr(os, "fsync", failing(os.fsync))
    with pytest.raises(KeyboardInterrupt):
        ledger.publish(tmp_path, MONTH, plan(cost=0.2), replan=True)
    monkeypatch.undo()
    costs = set(ledger.read(tmp_path, [MONTH], TODAY)["cost"])
    assert costs == ({0.2} if at == 4 else {0.1})
    assert ledger.publish(tmp_path, MONTH, plan(cost=0.2), replan=True).written is (at != 4)
    assert ledger.published_months(tmp_path) == [MONTH]


@pytest.mark.parametrize("month", ["../2026-10", "2026-13", "", "2026-10/x", "2026-10\n"])
def test_only_months_become_paths(tmp_path, month):
    for call in (lambda: ledger.publish(tmp_path, month, plan()), lambda: ledger.read(tmp_path, [month], TODAY)):
        with pytest.raises(BadInputError, match="is not a month"):
            call()
    assert not list(tmp_path.rglob("*.parquet"))


def test_months_that_are_there(tmp_path):
    assert ledger.published_months(tmp_path) == []
    for month in ("2026-09", "2025-12"):
        ledger.publish(tmp_path, month, plan())
    assert ledger.published_months(tmp_path) == ["2025-12", "2026-09"]
    got = ledger.read(tmp_path, ["2026-09", "2025-12", "2026-09"], TODAY)
    assert got["campaign_month"].unique().tolist() == ["2025-12", "2026-09"]
    shutil.copy(tmp_path / "ledger" / "2026-09.parquet", tmp_path / "ledger" / "october.parquet")
    with pytest.raises(BadInputError, match="'october' is not a month") as error:
        ledger.published_months(tmp_path)
    assert error.value.file.endswith("october.parquet")


def test_no_months_and_a_month_that_was_not_published(tmp_path):
    got = ledger.read(tmp_path, [], TODAY)
    assert got.empty
    assert list(got.columns) == ["campaign_month", *(c.name for c in COLUMNS)]
    with pytest.raises(BadInputError, match="no plan was published for 2026-10"):
        ledger.read(tmp_path, [MONTH], TODAY)


def test_a_crms_own_log_may_stand_in_its_place(tmp_path):
    """Only the columns that are needed, small types, categories, an empty text for no offer."""
    log = plan()[["customer_id", "arm", "offer_id", "assignment", "propensity", "fits", "segment", "p_decline", "value", "cost"]]
    log = (
        log[log["arm"] != "none"].fillna({"offer_id": ""}).astype({"customer_id": "int32", "arm": "category", "cost": "float32"})
    )
    put(tmp_path, log.assign(cost=0.5, extra="theirs"))
    got = ledger.read(tmp_path, [MONTH], TODAY)
    assert got["offer_id"].tolist() == ["voucher", None, "voucher", "bundle"]
    assert got["customer_id"].dtype == "int64"
    with pytest.raises(BadInputError, match="already published"):
        ledger.publish(tmp_path, MONTH, plan())


def shares(home):
    """The shares of the month as they are read."""
    names = [c.name for c in SHARES]
    return ledger.read(home, [MONTH], TODAY)[names].drop_duplicates().to_numpy().tolist()


def test_shares_are_those_of_the_draw_and_today_s_where_the_month_does_not_say(tmp_path):
    ledger.publish(tmp_path, MONTH, plan())
    assert shares(tmp_path) == [[0.1, 0.2, 0.3]]
    log = plan()[lambda t: t["arm"] != "none"].drop(columns=[c.name for c in SHARES])
    put(tmp_path, log)
    assert shares(tmp_path) == [[0.25, 0.5, 0.125]]
    put(tmp_path, log.assign(control_share=0.0))
    assert shares(tmp_path) == [[0.0, 0.5, 0.125]]


def test_a_month_published_before_shares_were_kept_is_the_same_plan(tmp_path):
    first = ledger.publish(tmp_path, MONTH, plan())
    path = put(tmp_path, pd.read_parquet(first.path).drop(columns=[c.name for c in SHARES]))
    content = path.read_bytes()
    again = ledger.publish(tmp_path, MONTH, plan())
    assert (again.written, again.digest) == (False, first.digest)
    assert path.read_bytes() == content


def test_probabilities_are_those_of_the_plan_and_inferred_where_the_month_does_not_hold_them(tmp_path):
    names = [c.name for c in PROBABILITIES]
    first = ledger.publish(tmp_path, MONTH, plan())
    assert ledger.read(tmp_path, [MONTH], TODAY)[names].drop_duplicates().to_numpy().tolist() == [[0.5, 0.15, 0.2]]
    assert ledger.without_probabilities(tmp_path, [MONTH]) == []
    put(tmp_path, pd.read_parquet(first.path).drop(columns=names))
    got = ledger.read(tmp_path, [MONTH], TODAY).set_index("customer_id")
    assert got.loc[1, names].tolist() == pytest.approx([0.1 + 0.06 + 0.72 * 0.3, 0.1 + 0.06, 0.18])
    assert ledger.without_probabilities(tmp_path, [MONTH]) == [MONTH]
    assert ledger.publish(tmp_path, MONTH, plan()).written is False


def test_plan_made_before_probabilities_were_stored_is_published_without_them(tmp_path):
    ledger.publish(tmp_path, MONTH, plan().drop(columns=[c.name for c in PROBABILITIES]))
    assert ledger.without_probabilities(tmp_path, [MONTH]) == [MONTH]


BROKEN = {
    "control_share": (-0.1, 1.1, np.inf, "tenth"),
    "arm": ("none", "sent", 1),
    "assignment": ("none", "gut_feeling"),
    "propensity": (0.0, -0.1, 1.1, np.inf, "high"),
    "customer_id": (-1, "seven", 1.5, 5),
    "p_decline": (1.5, "x"),
    "value": (-1.0, np.inf),
    "cost": (-0.01,),
    "offer_id": ("", "unheard_of", 3),
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BROKEN.items() for value in values])
def test_errors_name_file_column_value_and_remedy(tmp_path, name, value):
    log = plan()[lambda t: t["arm"] != "none"].reset_index(drop=True)
    column = log[name].astype(object)
    column[0] = value
    if isinstance(value, str) != isinstance(log[name][1], str):  # Parquet holds one type a column
        column = column.astype(str)
    path = put(tmp_path, log.assign(**{name: column}))
    with pytest.raises(BadInputError) as error:
        ledger.read(tmp_path, [MONTH], TODAY)
    assert (error.value.file, error.value.column) == (str(path), name)
    assert error.value.value is not None
    assert error.value.remedy


@pytest.mark.parametrize("name", [c.name for c in COLUMNS if c != CHANCES])
def test_gaps_are_named(tmp_path, name):
    log = plan()[lambda t: t["arm"] != "none"]
    put(tmp_path, log.assign(**{name: log[name].where(log["customer_id"] != 3)}))
    with pytest.raises(
        BadInputError, match="got an offer without a name" if name == "offer_id" else "no value in row 0|type"
    ) as error:
        ledger.read(tmp_path, [MONTH], TODAY)
    assert error.value.column == name


def test_a_month_without_chances_is_read_and_the_next_plan_infers_them(tmp_path):
    """A ledger that an earlier version wrote: what fits is what is in `fits`, all of it as likely as control."""
    put(tmp_path, plan()[lambda t: t["arm"] != "none"].drop(columns="chances"))
    rows = ledger.read(tmp_path, [MONTH], TODAY)
    assert rows["chances"].isna().all()
    assert chances(rows, ["voucher", "other"])[0] == pytest.approx([0.2 / 3, np.nan], nan_ok=True)


SENT_ROWS = [row for row in ROWS if row[1] != "none"]


@pytest.mark.parametrize(
    ("log", "problem", "column", "value"),
    [
        (plan(SENT_ROWS, fits="bundle"), r"did not fit \(2 such rows\)", "offer_id", "voucher"),
        (plan([(1, "offer", "voucher", "hold_out", 0.1)]), "customer 1: was held out and got an offer", "arm", "offer"),
        (
            plan(SENT_ROWS, control_share=[0.1, 0.1, 0.2, 0.1]),
            r"customer 2: was drawn with a different share from the first \(1 such rows\)",
            "control_share",
            "0.2",
        ),
    ],
)
def test_rows_that_cannot_be_true_are_refused(tmp_path, log, problem, column, value):
    path = put(tmp_path, log)
    with pytest.raises(BadInputError, match=problem) as error:
        ledger.read(tmp_path, [MONTH], TODAY)
    assert (error.value.file, error.value.column, error.value.value) == (str(path), column, value)


def test_a_broken_plan_is_never_published(tmp_path):
    with pytest.raises(BadInputError, match="customer 1: appears twice"):
        ledger.publish(tmp_path, MONTH, plan([(1, "offer", "voucher", "plan", 0.7), (1, "control", None, "hold_out", 0.1)]))
    assert ledger.published_months(tmp_path) == []


@pytest.mark.parametrize("column", [c.name for c in SENT])
def test_missing_columns_are_named(tmp_path, column):
    put(tmp_path, plan().drop(columns=column))
    with pytest.raises(BadInputError, match=f"columns are missing: {column}"):
        ledger.read(tmp_path, [MONTH], TODAY)


@pytest.mark.parametrize("content", [b"", b"customer_id;arm\n1;offer\n", b"PAR1 but not really PAR1"])
def test_no_parquet_is_said_so(tmp_path, content):
    path = put(tmp_path, plan())
    path.write_bytes(content)
    with pytest.raises(BadInputError, match="not a readable Parquet file") as error:
        ledger.read(tmp_path, [MONTH], TODAY)
    assert error.value.file == str(path)


def rewritten(path, change):
    """The file as somebody leaves it who changes a part and keeps the rest."""
    pq.write_table(change(pq.read_table(path)), path)


def other_customers(table):
    place = table.column_names.index("customer_id")
    return table.set_column(place, "customer_id", pc.add(table.column(place), 1000))


@pytest.mark.parametrize("read", [lambda home: ledger.handed_over(home, MONTH), lambda home: ledger.read(home, [MONTH], TODAY)])
@pytest.mark.parametrize("change", [other_customers, lambda table: table.slice(1)])
def test_rows_that_were_changed_since_they_were_handed_over_are_refused(tmp_path, change, read):
    """Every value is legal; what the file says of itself is that it was another."""
    published = ledger.publish(tmp_path, MONTH, plan())
    rewritten(published.path, change)
    with pytest.raises(BadInputError, match="the rows differ from those that were published") as error:
        read(tmp_path)
    assert error.value.file == str(published.path)


@pytest.mark.parametrize("kept", [b'{"x', b"{}", b"", b"\xff", b"[]"])
def test_what_pandas_keeps_in_the_file_may_be_damaged(tmp_path, kept):
    published = ledger.publish(tmp_path, MONTH, plan())
    rewritten(published.path, lambda table: table.replace_schema_metadata({b"pandas": kept}))
    with pytest.raises(BadInputError, match="this is not a readable Parquet file"):
        ledger.handed_over(tmp_path, MONTH)


@pytest.mark.parametrize("values", [[1], {"a": 1}])
def test_column_of_lists_or_structures_is_refused_in_plain_words(tmp_path, values):
    published = ledger.publish(tmp_path, MONTH, plan())
    rewritten(
        published.path,
        lambda table: table.set_column(table.column_names.index("arm"), "arm", pa.array([values] * len(table))),
    )
    with pytest.raises(BadInputError):
        ledger.handed_over(tmp_path, MONTH)


@settings(deadline=None)  # on a busy machine a table may take its time
@given(st.data())
def test_digest_sees_every_change_and_no_order(data):
    rows = plan()[lambda t: t["arm"] != "none"].reset_index(drop=True)
    order = data.draw(st.permutations(range(len(rows))))
    assert ledger.digest(rows.iloc[order]) == ledger.digest(rows)
    place, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from([c.name for c in SENT]))
    other = rows.astype({column: object})
    other.loc[place, column] = "other" if rows[column].dtype.kind not in "if" else rows.loc[place, column] + 7
    assert ledger.digest(other.astype({column: rows[column].dtype})) != ledger.digest(rows)


def test_handed_over_is_all_that_the_file_holds_gaps_included(tmp_path):
    """Whoever is held out permanently has no offer of which an effect could be expected."""
    made = plan(expected_effect=[-0.1, -0.2, np.nan, -0.3, np.nan], expected_gain=[0.1, 0.2, np.nan, 0.3, np.nan])
    ledger.publish(tmp_path, MONTH, made)
    got = ledger.handed_over(tmp_path, MONTH)
    expected = made[made["arm"] != "none"].sort_values("customer_id", ignore_index=True)
    assert got.astype(object).fillna("empty").to_dict("records") == expected.astype(object).fillna("empty").to_dict("records")


def test_handed_over_leaves_empty_what_a_log_does_not_hold(tmp_path):
    put(tmp_path, plan()[lambda f: f["arm"] != "none"][[c.name for c in SENT]])
    got = ledger.handed_over(tmp_path, MONTH)
    assert list(got.columns) == OFFER_PLAN.names
    assert {name for name in got if got[name].isna().all()} == set(OFFER_PLAN.names) - {c.name for c in SENT}
