"""A table that is cut off, overwritten, emptied or not even a file: named with the remedy, and mended by it."""

import shutil

import polars as pl
import pytest

from oneclick_pipeline import serving
from oneclick_pipeline.engine.verification import damage
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import ledger_file, table_file
from oneclick_pipeline.report import files as pages
from oneclick_pipeline_tests.faults.homes import CLEAN, materialize, refused
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests

BEFORE = "2026-09"


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def footer_overwritten(path):
    content = bytearray(path.read_bytes())
    content[-200:-100] = bytes(byte ^ 0xFF for byte in content[-200:-100])
    path.write_bytes(content)


def data_overwritten(path):
    content = bytearray(path.read_bytes())
    third = len(content) // 3
    content[4:third] = bytes(byte ^ 0xFF for byte in content[4:third])
    path.write_bytes(content)


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()


WAYS = [cut, emptied, footer_overwritten, data_overwritten, folder_in_its_place]


MENDED = [(table, way) for table in ("market_money", "revenue") for way in WAYS]
QUICK = {("market_money", cut), ("revenue", data_overwritten)}
"""One way a table in the normal suite, all ways in the long one."""


@pytest.mark.parametrize(
    ("table", "way"), [pytest.param(*case, marks=() if case in QUICK else pytest.mark.soak) for case in MENDED]
)
def test_damaged_table_is_named_by_its_reader_and_made_anew(small, tmp_path, table, way):
    reader = CLEAN if table not in CLEAN else ("customer_features",)
    home = shutil.copytree(small, tmp_path / "home")
    path = table_file(home, table, MONTH)
    whole = digests(home)
    way(path)
    message = refused(home, *reader)
    assert str(path) in message
    assert "the table is damaged and cannot be read" in message
    assert f"materialize {table} again for {MONTH}" in message
    assert materialize(home, *(CLEAN if table in CLEAN else (table,))).success
    assert materialize(home, *reader).success
    assert digests(home) == whole


READERS = [
    ("training_set", "model_explanation"),  # read by pandas
    ("customer_segments", "monthly_report"),  # read by the report itself
    ("offer_plan", "offers_export"),  # read in batches
]


@pytest.mark.soak
@pytest.mark.parametrize(("table", "reader", "way"), [(*pair, way) for pair, way in zip(READERS, WAYS[1:], strict=False)])
def test_damaged_table_is_named_however_it_is_read(home, table, reader, way):
    path = table_file(home, table, MONTH)
    way(path)
    assert f"{path}" in refused(home, reader)


def test_damaged_table_of_an_earlier_month_is_named_with_that_month(home):
    path = table_file(home, "customer_features", BEFORE)
    shutil.copyfile(table_file(home, "customer_features", MONTH), path)
    shutil.copyfile(ledger_file(home, MONTH), ledger_file(home, "2026-08"))
    data_overwritten(path)
    message = refused(home, "campaign_outcomes")
    assert str(path) in message
    assert f"materialize customer_features again for {BEFORE}" in message


@pytest.mark.parametrize(("month", "reader"), [(BEFORE, "campaign_outcomes"), (MONTH, "offers_export")])
def test_damaged_ledger_is_named_and_nothing_is_published_over_it(home, month, reader):
    path = ledger_file(home, month)
    if month != MONTH:
        shutil.copyfile(ledger_file(home, MONTH), path)
    data_overwritten(path)
    left = path.read_bytes()
    message = refused(home, reader)
    assert str(path) in message
    assert "restore it from a backup" in message
    assert path.read_bytes() == left


def test_ledger_that_was_moved_away_is_written_anew_by_the_same_plan(home):
    path = ledger_file(home, MONTH)
    before = pl.read_parquet(path)
    path.rename(path.with_suffix(".damaged"))
    assert materialize(home, "offers_export").success
    assert pl.read_parquet(path).equals(before)


def test_values_that_no_column_allows_are_damage(home):
    path = table_file(home, "customer_scores", MONTH)
    pl.read_parquet(path).with_columns(p_decline=pl.lit(2.0)).write_parquet(path)
    assert "customer_scores breaks its contract" in damage(path)


@pytest.mark.parametrize("way", WAYS)
def test_command_that_reads_a_damaged_table_names_it(small, tmp_path, way):
    home = shutil.copytree(small, tmp_path / "home")
    path = table_file(home, "customer_features", MONTH)
    way(path)
    with pytest.raises(BadInputError, match=r"damaged.*materialize customer_features again for 2026-10") as told:
        serving.score_customer(home, 1, month=MONTH, horizon_months=3)
    assert told.value.file == str(path)


def test_report_command_names_a_damaged_table(home):
    path = table_file(home, "customer_scores", MONTH)
    cut(path)
    with pytest.raises(BadInputError, match=r"damaged.*materialize customer_scores again for 2026-10"):
        pages.make(home, MONTH)


def test_error_of_the_code_is_no_damage(home, monkeypatch):
    monkeypatch.setattr("oneclick_pipeline.report.source._version", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        pages.make(home, MONTH)


def test_whole_table_and_one_that_is_not_there_are_not_damaged(small):
    assert damage(table_file(small, "customers", MONTH)) is None
    assert damage(table_file(small, "customers", BEFORE)) is None
