"""What the home promises: whole tables or none, nothing left behind, and the old table until the new one is good."""

import gc

import dagster as dg
import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.engine.content_digest import digest
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.checks import PROMISES, Promise, check
from oneclick_pipeline.orchestration.resources import Home
from oneclick_pipeline_tests.orchestration.homes import MONTH, files, materialize, table, told

OLD = pl.DataFrame({"customer_id": [1, 2], "profit": [1.0, 2.0]})
NEW = pl.DataFrame({"customer_id": [1, 2, 3], "profit": [7.0, 8.0, 9.0]})
TWICE = pl.DataFrame({"customer_id": [1, 1], "profit": [7.0, 8.0]})


def publisher(frame, *, passed=True, blocking=True, why=""):
    """An asset `profit` that publishes `frame` with one check."""

    @dg.asset(
        name="profit",
        io_manager_key="tables",
        check_specs=[dg.AssetCheckSpec("rejected_share", asset="profit", blocking=blocking)],
    )
    def asset(context: dg.AssetExecutionContext, home: Home):
        with home.step(context) as step:
            yield from step.publish(
                step.stage(nw.from_native(frame.lazy())), [check("rejected_share", passed=passed, share=0.51234)], why=why
            )

    return [asset]


@pytest.fixture
def home(tmp_path):
    """A home with the table profit."""
    assert materialize(tmp_path, assets=publisher(OLD)).success
    return tmp_path


def test_table_is_replaced_and_a_reader_of_the_old_one_reads_on(home):
    path = table_file(home, "profit", MONTH)
    with path.open("rb") as reader:
        assert reader.read(4) == b"PAR1"
        assert materialize(home, assets=publisher(NEW)).success
        reader.seek(0)
        assert pl.read_parquet(reader.read()).equals(OLD)
    assert table(home, "profit").equals(NEW)
    assert files(home / "staging") == []


def test_step_that_dagster_drops_between_two_events_leaves_nothing_behind(home, monkeypatch):
    kept = []  # as a log handler keeps a traceback, and with it the step
    written = dg.DagsterInstance.handle_new_event

    def full(self, event, **options):
        if event.is_dagster_event and event.dagster_event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            kept.append(OSError("No space left on device"))
            raise kept[0]
        return written(self, event, **options)

    monkeypatch.setattr(dg.DagsterInstance, "handle_new_event", full)
    gc.disable()
    try:
        assert not materialize(home, assets=publisher(NEW)).success
        assert kept[0].__traceback__ is not None
        assert files(home / "staging") == []
    finally:
        gc.enable()
    assert table(home, "profit").equals(OLD)


def test_failed_blocking_check_leaves_the_old_table(home):
    result = materialize(home, assets=publisher(NEW, passed=False, why="rows are missing. What to do: look"))
    assert not result.success
    assert told(result) == "rows are missing. What to do: look"
    assert table(home, "profit").equals(OLD)
    assert files(home / "staging") == []
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.description == f"{PROMISES['profit']['rejected_share'].fails} (share 0.512)"
    assert evaluation.metadata["share"].value == 0.5123


def test_failed_blocking_check_says_what_is_wrong(home):
    assert told(materialize(home, assets=publisher(NEW, passed=False))) == (
        "rejected_share: More rows were rejected than the settings allow, or none are left (share 0.512)"
    )


def test_failed_warning_lets_the_table_pass(home, monkeypatch):
    monkeypatch.setitem(PROMISES["profit"], "rejected_share", Promise("It holds", "It fails"))
    assert materialize(home, assets=publisher(NEW, passed=False, blocking=False)).success
    assert table(home, "profit").equals(NEW)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (TWICE, "('customer_id',) appear"),
        (NEW.with_columns(customer_id=-pl.col("customer_id")), "profit breaks its contract"),
        (NEW.with_columns(profit=None), "profit breaks its contract"),
    ],
)
def test_table_that_breaks_its_contract_is_refused(home, frame, message):
    result = materialize(home, assets=publisher(frame))
    assert not result.success
    assert message in told(result)
    assert "please report it" in told(result)
    assert table(home, "profit").equals(OLD)
    assert files(home / "staging") == []


def test_error_of_the_code_leaves_the_old_table_and_no_scratch(home):
    @dg.asset(name="profit", io_manager_key="tables")
    def asset(context: dg.AssetExecutionContext, home: Home):
        with home.step(context) as step:
            step.stage(nw.from_native(NEW.lazy()))
            raise ZeroDivisionError

    assert not materialize(home, assets=[asset]).success
    assert table(home, "profit").equals(OLD)
    assert files(home / "staging") == []


def test_metadata_and_data_version_are_those_of_the_table(home):
    result = materialize(home, assets=publisher(NEW))
    (event,) = result.asset_materializations_for_node("profit")
    path = table_file(home, "profit", MONTH)
    assert event.metadata["dagster/row_count"].value == 3
    assert event.metadata["path"].value == str(path)
    assert event.metadata["digest"].value == event.tags["dagster/data_version"] == digest(path)


def test_missing_upstream_table_is_told_with_the_remedy(tmp_path):
    result = materialize(tmp_path, selection=["customer_features"])
    assert not result.success
    assert "profit/2026-10.parquet: the table is missing. What to do: materialize profit for 2026-10 first" in told(
        result
    ) or "What to do: materialize customers for 2026-10 first" in told(result)
    assert not (tmp_path / "tables").exists()


def test_pandas_input_stands_in_the_order_of_its_key(home):
    seen = []

    @dg.asset
    def reader(profit: pd.DataFrame) -> None:
        seen.append(profit["customer_id"].tolist())

    assert materialize(home, assets=[*publisher(NEW.reverse()), reader]).success
    assert table(home, "profit")["customer_id"].to_list() == [3, 2, 1]
    assert seen == [[1, 2, 3]]


def test_home_is_absolute_and_reads_its_settings_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home(path="h")
    assert home.root == tmp_path / "h"
    assert home.settings().value.horizon_months == 3
    home.root.mkdir()
    (home.root / "settings.yaml").write_text("value: {horizon_months: 6}")
    assert home.settings().value.horizon_months == 6
