"""A hundred thousand rows that break a rule: all are listed, and nothing that people read grows with them."""

import resource
import shutil

import polars as pl
import pytest

from oneclick_pipeline.cli import summary
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.report import files as pages
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import MONTH, table, told

pytestmark = pytest.mark.soak

REJECTED, LONG = 100_000, 500
CELL = "x" * 60_000
MEGABYTES = 400


@pytest.fixture(scope="module")
def flooded(tmp_path_factory):
    """A home with so many bad lines in market_money, some of them very long, up to customer_features; and the run's result."""
    texts = export_text(100)
    texts["market_money"] += "".join(f"{i},текущий_месяц,{CELL if i < LONG else 'много'}\n" for i in range(REJECTED))
    home = homes.new_home(tmp_path_factory.mktemp("flooded") / "home", settings="cleaning: {max_rejected_share: 1}", texts=texts)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = homes.materialize(home)
    return home, result, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def test_hundred_thousand_bad_rows_are_all_listed_within_bounds_of_memory(flooded):
    home, result, megabytes = flooded
    assert result.success, told(result)
    rejected = table(home, "rejected_rows")
    assert rejected.height == REJECTED
    assert rejected["line"].n_unique() == REJECTED
    assert rejected["line"].min() == 302
    assert table(home, "customer_features").height == 100
    assert megabytes < MEGABYTES


def test_what_people_read_of_them_stays_short(flooded):
    home, result, _ = flooded
    (event,) = [e for e in result.get_asset_materialization_events() if e.asset_key.path == ["rejected_rows"]]
    assert len(event.materialization.metadata["worst rules"].value) < 2_000
    messages = summary.quarantined(home, MONTH)
    assert len(messages) == 21
    assert messages[-1].startswith(f"and {REJECTED - 20} more in ")
    assert max(map(len, messages)) < 600


def test_page_counts_them_and_does_not_grow(home, flooded):
    before = pages.make(home, MONTH).html
    shutil.copyfile(table_file(flooded[0], "rejected_rows", MONTH), table_file(home, "rejected_rows", MONTH))
    after = pages.make(home, MONTH).html
    assert abs(len(after) - len(before)) < 2_000
    assert CELL[:1000] not in after
    assert pl.read_parquet(table_file(home, "rejected_rows", MONTH)).height == REJECTED
