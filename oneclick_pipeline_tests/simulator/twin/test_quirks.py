"""Each quirk, counted in the files as they were written."""

import polars as pl
import pytest

from oneclick_pipeline.contracts.exports import CUSTOMERS, SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin.month import write_month
from oneclick_pipeline.simulator.twin.quirks import Quirks
from oneclick_pipeline_tests.simulator.twin.conftest import CLEAN

ACTIVITY = CUSTOMERS["activity"].header


def read(folder, file):
    return pl.read_csv(folder / f"{file}.csv", separator=";" if file == "money" else ",")


def wide(folder):
    """One row a customer as written: market_file, then months side by side."""
    table = read(folder, "market_file")
    for file in ("market_money", "market_time"):
        long = read(folder, file)
        table = table.join(long.pivot(on="Период", index="id", values=long.columns[2]), on="id", suffix=f"_{file}")
    return table


def auc(score, positive):
    ranks, n = score.rank(), positive.sum()
    return (ranks.filter(positive).sum() - n * (n + 1) / 2) / (n * (len(score) - n))


@pytest.fixture(scope="module")
def folder(written):
    return written / "raw/2026-10"


@pytest.fixture(scope="module")
def large(profile, tmp_path_factory):
    """Enough customers to count rare things."""
    folder = tmp_path_factory.mktemp("large") / "m"
    write_month(profile, folder, customers=26_000, seed=5)
    return folder


def test_files_have_the_stores_headers_and_sizes(folder):
    for source, rows in zip(SOURCES, (1300, 3900, 2600, 1300), strict=True):
        table = read(folder, source.file)
        assert table.columns == [column.header for column in source.columns]
        assert len(table) == rows


def test_money_is_a_spreadsheets_and_the_others_are_not(folder):
    for source in SOURCES:
        content = (folder / f"{source.file}.csv").read_bytes()
        content.decode("utf-8")
        assert not content.startswith(b"\xef\xbb\xbf")
        excel = source.file == "money"
        assert (content.count(b"\r\n") == content.count(b"\n")) == excel
        assert (b";" in content) == excel
        assert (b"\r" in content) == excel
    text = (folder / "money.csv").read_text(encoding="utf-8")
    assert "." not in text
    assert read(folder, "money")["Прибыль"].cast(pl.String).str.contains(r"^-?\d+(,\d{1,2})?$").all()


def test_numbers_are_written_with_the_stores_decimals(folder):
    table = pl.read_csv(folder / "market_file.csv", infer_schema=False)
    for header, pattern in {
        "Маркет_актив_6_мес": r"^\d\.\d$",
        "Акционные_покупки": r"^0\.\d{1,2}$",
        "Страниц_за_визит": r"^\d+$",
        "Длительность": r"^\d+$",
    }.items():
        assert table[header].str.contains(pattern).all(), header
    assert pl.read_csv(folder / "market_money.csv", infer_schema=False)["Выручка"].str.contains(r"^\d+\.\d$").all()
    assert pl.read_csv(folder / "market_time.csv", infer_schema=False)["минут"].str.contains(r"^\d+$").all()


def test_misspellings(folder, large):
    assert set(read(folder, "market_time")["Период"]) == {"текущий_месяц", "предыдцщий_месяц"}
    assert set(read(folder, "market_money")["Период"]) == {"текущий_месяц", "предыдущий_месяц", "препредыдущий_месяц"}
    categories = set(read(folder, "market_file")["Популярная_категория"])
    assert "Косметика и аксесуары" in categories
    assert len(categories) == 6
    service = read(large, "market_file")["Тип сервиса"]
    assert set(service) == {"стандарт", "стандартт", "премиум"}
    share = (service == "стандартт").sum() / (service != "премиум").sum()
    assert share == pytest.approx(0.005, abs=0.0021)  # 4 binomial errors of 18,000
    assert (read(folder, "market_file")["Тип сервиса"] == "стандартт").sum() > 0


@pytest.mark.parametrize(("name", "errors"), [("folder", 1), ("large", 20)])
def test_wrong_revenues_stand_in_the_current_month(request, name, errors):
    wrong = read(request.getfixturevalue(name), "market_money").filter(pl.col("Выручка") > 50_000)
    assert wrong["Выручка"].to_list() == [106862.2] * errors
    assert set(wrong["Период"]) == {"текущий_месяц"}


def test_three_customers_are_not_regular(folder):
    nothing = read(folder, "market_money").filter(pl.col("Выручка") == 0)
    assert nothing["id"].n_unique() == 3
    assert sorted(nothing["Период"]) == ["предыдущий_месяц"] * 3 + ["препредыдущий_месяц"] * 3


def test_copies_have_other_ids_and_the_same_everything(folder):
    table = wide(folder).with_columns(pl.col("Тип сервиса").replace("стандартт", "стандарт"))
    assert len(table) - table.drop("id").n_unique() == round(0.021 * 1300)
    profit = table.join(read(folder, "money"), on="id")
    assert profit.drop("id").n_unique() > 1290  # their profits are their own


def test_ids_and_row_order_give_the_class_away(folder):
    table = read(folder, "market_file")
    assert table["id"].to_list() == list(range(215_348, 216_648))
    assert auc(-table["id"], table[ACTIVITY] == "Снизилась") == pytest.approx(0.98, abs=0.015)
    for file in ("market_money", "market_time", "money"):
        assert read(folder, file)["id"].unique(maintain_order=True).to_list() == table["id"].to_list()


def test_order_of_periods_gives_the_class_away(large):
    orders = read(large, "market_money").group_by("id", maintain_order=True).agg(pl.col("Период").str.join(">"))
    table = orders.join(read(large, "market_file").select("id", (pl.col(ACTIVITY) == "Снизилась").alias("y")), on="id")
    rate = pl.col("y").mean().over("Период")
    assert table["Период"].n_unique() == 6
    assert auc(table.select(rate).to_series(), table["y"]) == pytest.approx(0.63, abs=0.04)


def test_without_quirks_the_export_is_clean(profile, tmp_path):
    write_month(profile, tmp_path / "m", customers=2600, seed=5, quirks=CLEAN)
    table = wide(tmp_path / "m")
    assert table.drop("id").n_unique() == 2600
    assert set(table["Тип сервиса"]) == {"стандарт", "премиум"}
    assert "Косметика и аксессуары" in set(table["Популярная_категория"])
    assert "предыдущий_месяц" in set(read(tmp_path / "m", "market_time")["Период"])
    money = read(tmp_path / "m", "market_money")["Выручка"]
    assert money.min() > 0
    assert money.max() < 50_000
    assert auc(table["id"], table[ACTIVITY] == "Снизилась") == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("change", [{"copies": 0.3}, {"non_regular": -0.1}, {"customers_per_error": 5}])
def test_quirks_refuse_what_leaves_nobody_untouched(change):
    with pytest.raises(BadInputError, match=next(iter(change))):
        Quirks(**change)
