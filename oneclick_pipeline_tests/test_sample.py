"""The committed month: the twin's bytes, with every quirk of the store's real export."""

from pathlib import Path

import polars as pl
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.simulator.twin.month import write_month
from oneclick_pipeline.simulator.twin.profile import Profile

SAMPLE = Path(__file__).resolve().parents[1] / "data" / "raw" / "2026-10"


@pytest.fixture(scope="module")
def market_file():
    return pl.read_csv(SAMPLE / "market_file.csv")


@pytest.fixture(scope="module")
def market_money():
    return pl.read_csv(SAMPLE / "market_money.csv")


def test_sample_is_what_the_twin_writes(tmp_path):
    write_month(Profile.load(), tmp_path / "month", customers=1300, seed=2026)
    assert sorted(p.name for p in SAMPLE.iterdir()) == sorted(f"{s.file}.csv" for s in SOURCES)
    for source in SOURCES:
        name = f"{source.file}.csv"
        assert (SAMPLE / name).read_bytes() == (tmp_path / "month" / name).read_bytes(), name


def test_sample_has_1300_customers_in_every_file(market_file, market_money):
    ids = set(market_file["id"])
    assert len(ids) == market_file.height == 1300
    assert (market_money.height, set(market_money["id"])) == (3900, ids)


def test_sample_has_three_customers_who_are_not_regular(market_money):
    assert market_money.filter(pl.col("Выручка") == 0)["id"].n_unique() == 3


def test_sample_has_the_three_misspellings(market_file):
    assert (market_file["Тип сервиса"] == "стандартт").any()
    assert market_file["Популярная_категория"].str.contains("аксесуары").any()
    market_time = pl.read_csv(SAMPLE / "market_time.csv")
    assert sorted(market_time["Период"].unique()) == ["предыдцщий_месяц", "текущий_месяц"]


def test_sample_has_one_wrong_revenue(market_money):
    wild = market_money.filter(pl.col("Выручка") > 50_000)
    assert wild.select("Период", "Выручка").rows() == [("текущий_месяц", 106862.2)]


def test_sample_has_copies_under_other_ids(market_file, market_money):
    revenue = market_money.pivot(on="Период", index="id", values="Выручка")
    wide = market_file.join(revenue, on="id").drop("id")
    assert wide.height - wide.unique().height > 10


def test_sample_is_sorted_by_the_class(market_file):
    changes = (market_file["Покупательская активность"] != market_file["Покупательская активность"].shift()).sum()
    assert changes < 10  # customers who are not regular stand at the ends of the blocks
    assert market_file["Покупательская активность"].unique().sort().to_list() == ["Прежний уровень", "Снизилась"]
    assert market_file["id"].is_sorted()


def test_sample_money_is_a_spreadsheets_export_and_the_others_are_not():
    money = (SAMPLE / "money.csv").read_bytes()
    assert money.startswith("id;Прибыль\r\n".encode())
    assert money.count(b"\r\n") == money.count(b"\n") == 1301
    assert b"." not in money
    for file in ("market_file", "market_money", "market_time"):
        assert b"\r" not in (SAMPLE / f"{file}.csv").read_bytes()
