"""Months with an absent period, or with amounts of another scale: they stop before anything of them is published."""

from __future__ import annotations

import csv
import io
import shutil

import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.simulator.twin.panel import write_months
from oneclick_pipeline.simulator.twin.profile import Profile
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.orchestration.homes import digests, materialize, new_home, run, told

BEFORE, MONTH = "2026-08", "2026-10"  # no month between them was run
CLEAN = [source.name for source in SOURCES]
GOOD = export_text(customers=20)
COLUMNS = {"market_money": "Выручка", "market_time": "минут", "money": "Прибыль", "market_file": "Длительность"}


def scaled(file: str, factor: float, period: str = "") -> str:
    """An export with the amounts, of a period or all, times a factor."""
    mark = ";" if file == "money" else ","
    rows = list(csv.DictReader(io.StringIO(GOOD[file]), delimiter=mark))
    for row in rows:
        if not period or row["Период"] == period:
            amount = float(row[COLUMNS[file]].replace(",", ".")) * factor
            row[COLUMNS[file]] = f"{amount:.0f}" if file == "market_file" else f"{amount:.6f}"
    return "\n".join([mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]) + "\n"


def without(file: str, period: str, keep: int = 0) -> str:
    """An export without the rows of a period, but for some customers'."""
    lines = GOOD[file].splitlines()
    dropped = [line for line in lines if line.split(",")[1] == period][keep:]
    return "\n".join(line for line in lines if line not in dropped) + "\n"


def deliver(home, month=MONTH, **texts):
    folder = home / "raw" / month
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in (GOOD | texts).items():
        (folder / f"{file}.csv").write_text(text, encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A home in which an earlier month was cleaned."""
    home = new_home(tmp_path_factory.mktemp("begun") / "home", month=BEFORE, texts=GOOD)
    assert materialize(home, month=BEFORE).success
    return home


@pytest.fixture
def home(begun, tmp_path):
    return shutil.copytree(begun, tmp_path / "home")


@pytest.mark.parametrize(
    ("file", "factor"), [("market_money", 0.001), ("market_time", 100), ("money", 1000), ("market_file", 0.01)]
)
def test_month_of_another_scale_stops_before_a_table_is_published(home, file, factor):
    deliver(home, **{file: scaled(file, factor)})
    result = materialize(home)
    assert not result.success
    assert f"{file}.csv, column «{COLUMNS[file]}»: the median is " in told(result)
    assert all(part in told(result) for part in (MONTH, BEFORE, f'accept_scale: ["{MONTH}"]'))
    assert digests(home, [*CLEAN, "customer_features"]) == {}
    failed = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert [evaluation.check_name for evaluation in failed] == ["plausible_scale"]


def test_december_is_no_other_scale(home):
    assert materialize(deliver(home, **{file: scaled(file, 5) for file in COLUMNS})).success


@pytest.mark.parametrize(("file", "period"), [("market_money", "текущий_месяц"), ("market_time", "предыдущий_месяц")])
def test_period_of_another_scale_than_the_others_stops_the_first_month_too(tmp_path, file, period):
    result = materialize(deliver(tmp_path, **{file: scaled(file, 1000, period)}))
    assert not result.success
    assert told(result).count("the median is ") == 1
    assert f"{MONTH}, текущий_месяц" in told(result)


def test_first_month_is_compared_with_none_and_an_accepted_one_passes_once(home):
    (home / "settings.yaml").write_text(f'cleaning: {{accept_scale: ["{MONTH}"]}}', encoding="utf-8")
    deliver(home, MONTH, **{file: scaled(file, 1000) for file in COLUMNS})
    assert materialize(home).success
    assert materialize(home).success  # it is not compared with itself
    deliver(home, "2026-09")  # later than the first, and not accepted
    assert materialize(home, month="2026-09").success
    (home / "settings.yaml").unlink()
    deliver(home, "2026-09", money=scaled("money", 1000))
    assert not materialize(home, month="2026-09").success
    assert not materialize(home).success  # the month before it is of the old scale


@pytest.mark.parametrize(
    ("file", "period"),
    [("market_money", period) for period in ("текущий_месяц", "предыдущий_месяц", "препредыдущий_месяц")]
    + [("market_time", period) for period in ("текущий_месяц", "предыдущий_месяц")],
)
def test_period_that_nobody_has_stops_the_run(tmp_path, file, period):
    home = deliver(tmp_path, **{file: without(file, period)})
    result = materialize(home)
    assert not result.success
    assert f"{file}.csv, column «Период»: no row that can be used is of the period «{period}»" in told(result)
    assert digests(home, [*CLEAN, "customer_features"]) == {}


def test_period_of_which_every_row_was_rejected_is_absent(tmp_path):
    home = deliver(tmp_path, market_money=scaled("market_money", -1, "препредыдущий_месяц"))
    (home / "settings.yaml").write_text("cleaning: {max_rejected_share: 0.5}", encoding="utf-8")
    assert "of the period «препредыдущий_месяц»" in told(materialize(home))


def test_period_that_some_have_and_a_class_that_nobody_has_are_as_they_are(tmp_path):
    nobody = GOOD["market_file"].replace("Снизилась", "").replace("Прежний уровень", "")
    home = deliver(tmp_path, market_money=without("market_money", "препредыдущий_месяц", keep=1), market_file=nobody)
    assert materialize(home).success


@pytest.mark.parametrize("text", [scaled("market_money", 1000), without("market_money", "препредыдущий_месяц")])
def test_nothing_is_scored_or_written_for_the_crm(home, text):
    steps = []
    outcome = run(deliver(home, market_money=text), progress=lambda step, state: steps.append((step, state)))
    assert not outcome.success
    assert "market_money.csv" in outcome.errors[0]
    assert {step for step, state in steps if state == "start"} == {*COLUMNS, "clean"}
    assert not list((home / "exports").rglob("*"))
    assert not list((home / "ledger").rglob("*.parquet"))


def test_months_of_the_twin_are_of_one_scale(tmp_path):
    write_months(Profile.load(), tmp_path, first="2026-09", last=MONTH, customers=300, seed=1)
    for month in ("2026-09", MONTH):
        result = materialize(tmp_path, month=month)
        assert result.success, told(result)
    found = [e.metadata for e in result.get_asset_check_evaluations() if e.check_name == "plausible_scale"]
    ratios = [one["median"].value / one["other"].value for one in found]
    assert len(ratios) == len(CLEAN)
    assert all(1 / 1.5 < ratio < 1.5 for ratio in ratios)


def test_engines_agree(home):
    deliver(home, money=scaled("money", 1000))
    assert told(materialize(home, engine="pandas")) == told(materialize(home))
