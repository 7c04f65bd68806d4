"""What the home promises: whole tables or none, nothing left behind, and the old table until the new one is good."""

import gc
import subprocess
import sys

import dagster as dg
import narwhals as nw
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline.engine import digest
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.checks import check
from oneclick_pipeline.orchestration.partitions import FIRST, months_from
from oneclick_pipeline.orchestration.resources import Home, _scratch_folder
from oneclick_pipeline_tests.orchestration.homes import MONTH, files, materialize, table, told

OLD = pl.DataFrame({"customer_id": [1, 2], "profit": [1.0, 2.0]})
NEW = pl.DataFrame({"customer_id": [1, 2, 3], "profit": [7.0, 8.0, 9.0]})
TWICE = pl.DataFrame({"customer_id": [1, 1], "profit": [7.0, 8.0]})


def publisher(frame, *, passed=True, blocking=True, why=""):
    """An asset `profit` that publishes `frame`; its one check is of the table customers' declaration."""
    name = "rejected_share" if blocking else "nothing_rejected"

    @dg.asset(
        name="profit",
        partitions_def=months_from(FIRST),
        io_manager_key="tables",
        check_specs=[dg.AssetCheckSpec(name, asset="profit", blocking=blocking)],
    )
    def asset(context: dg.AssetExecutionContext, home: Home):
        with home.step(context) as step:
            declared = check("profit", name, passed=passed) if blocking else check("rejected_rows", name, passed=passed)
            result = dg.AssetCheckResult(
                asset_key="profit", check_name=name, passed=declared.passed, severity=declared.severity, metadata={"rows": 1}
            )
            yield from step.publish(step.stage("profit", nw.from_native(frame.lazy())), checks=[result], why=why)

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


def test_failed_blocking_check_without_words_names_itself(home):
    assert told(materialize(home, assets=publisher(NEW, passed=False))) == "blocking checks failed: rejected_share"


def test_failed_warning_lets_the_table_pass(home):
    assert materialize(home, assets=publisher(NEW, passed=False, blocking=False)).success
    assert table(home, "profit").equals(NEW)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (TWICE, "('customer_id',) stand"),
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
    @dg.asset(name="profit", partitions_def=months_from(FIRST), io_manager_key="tables")
    def asset(context: dg.AssetExecutionContext, home: Home):
        with home.step(context) as step:
            step.stage("profit", nw.from_native(NEW.lazy()))
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

    @dg.asset(partitions_def=months_from(FIRST))
    def reader(profit: pd.DataFrame) -> None:
        seen.append(profit["customer_id"].tolist())

    assert materialize(home, assets=[*publisher(NEW.reverse()), reader]).success
    assert table(home, "profit")["customer_id"].to_list() == [3, 2, 1]
    assert seen == [[1, 2, 3]]


def test_scratch_folder_is_there_while_the_step_works_and_gone_afterwards(tmp_path):
    with _scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        (folder / "part.parquet").write_text("")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), _scratch_folder(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_scratch_folders_of_dead_steps_go_and_those_of_living_ones_stay(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from oneclick_pipeline.orchestration.resources import _scratch_folder\n"
        f"with _scratch_folder(Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'part').write_text(''); print(folder.name, flush=True); sys.stdin.read(1); os._exit(9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as other:
        name = other.stdout.readline().strip()
        with _scratch_folder(tmp_path):
            assert (tmp_path / name / "part").exists()
        assert (tmp_path / name / "part").exists()
        other.stdin.write("x")
        other.stdin.flush()
        assert other.wait(timeout=60) == 9
    assert (tmp_path / name / "part").exists()
    with _scratch_folder(tmp_path) as mine:
        assert {p.name.removesuffix(".lock") for p in tmp_path.iterdir()} == {mine.name}
    assert list(tmp_path.iterdir()) == []


def test_scratch_folder_keeps_what_is_not_its_own_kind(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with _scratch_folder(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_scratch_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="the home cannot be written"), _scratch_folder(tmp_path / "file"):
        pass


def test_home_is_absolute_and_reads_its_settings_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    home = Home(path="h")
    assert home.root == tmp_path / "h"
    assert home.settings().value.horizon_months == 3
    home.root.mkdir()
    (home.root / "settings.yaml").write_text("value: {horizon_months: 6}")
    assert home.settings().value.horizon_months == 6
