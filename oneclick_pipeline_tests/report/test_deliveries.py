from dataclasses import replace

import polars as pl
import pytest

from oneclick_pipeline.contracts.clean import CORRECTIONS, REJECTED_ROWS
from oneclick_pipeline.raw.facts import FileFacts
from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.report.deliveries import deliveries
from oneclick_pipeline.report.languages import language
from oneclick_pipeline.report.page import _Tools
from oneclick_pipeline.report.source import _missing
from oneclick_pipeline_tests.report.months import DELIVERED, month
from oneclick_pipeline_tests.report.test_languages import plain

MONEY = replace(DELIVERED, file="market_money")
FRENCH = {"customer_id": NumberFormat(), "revenue": NumberFormat(",", " ")}
EXCEL = replace(
    MONEY, encoding="utf-16-le", delimiter="\t", formats=FRENCH, set_aside={"totals rows": (1, 9), "repeated headers": (2, 5)}
)


@pytest.mark.parametrize(
    ("facts", "missing", "ru", "en"),
    [
        (MONEY, {}, "UTF-8, разделитель — запятая", "UTF-8, delimited by commas"),
        (
            replace(MONEY, formats={"customer_id": NumberFormat(), "revenue": NumberFormat(".")}),
            {},
            "UTF-8, разделитель — запятая, числа вида 1234.5",
            "UTF-8, delimited by commas, numbers like 1234.5",
        ),
        (
            EXCEL,
            {"-": 12},
            "UTF-16, разделитель — табуляция, числа вида 1 234,5; строк итогов: 1; повторов заголовка: 2; пропуски «-»: 12",
            "UTF-16, delimited by tabs, numbers like 1 234,5; totals rows: 1; repeated headers: 2; missing values “-”: 12",
        ),
        (
            replace(MONEY, container="zip", encoding="utf-8 read as cp1251", formats={"customer_id": NumberFormat()}),
            {},
            "в архиве zip, UTF-8, прочитанная как cp1251 и записанная снова, разделитель — запятая, числа вида 1234",
            "packed as zip, UTF-8 that was read as cp1251 and written again, delimited by commas, numbers like 1234",
        ),
        (
            replace(MONEY, encoding="koi8-r", formats={"customer_id": NumberFormat("", "'"), "revenue": NumberFormat(".", ",")}),
            {},
            "KOI8-R, разделитель — запятая, числа вида 1&#39;234 (id), числа вида 1,234.5 (Выручка)",
            "KOI8-R, delimited by commas, numbers like 1&#39;234 (id), numbers like 1,234.5 (Выручка)",
        ),
    ],
)
def test_line_of_a_file_says_how_it_was_written(facts, missing, ru, en):
    (one,) = deliveries(month(facts={"market_money": facts}, missing={"market_money": missing}))
    assert plain(_Tools(language("ru")).written(one)) == f"Файл market_money.csv: {ru}."
    assert plain(_Tools(language("en")).written(one)) == f"File market_money.csv: {en}."


def test_hostile_marker_is_escaped():
    (one,) = deliveries(month(facts={"market_money": MONEY}, missing={"market_money": {"<b>": 1}}))
    assert "«&lt;b&gt;»" in _Tools(language("ru")).written(one)


def test_facts_are_kept_with_a_table_and_those_of_a_previous_version_are_read():
    assert FileFacts.from_json(EXCEL.to_json()) == EXCEL
    assert (DELIVERED.container, DELIVERED.formats, DELIVERED.set_aside) == ("plain", {}, {})


def test_missing_values_are_counted_by_file_and_marker_where_rows_were_kept_and_rejected(tmp_path):
    def written(table, rows):
        path = tmp_path / f"{table.name}.parquet"
        pl.DataFrame(rows, schema={c.name: getattr(pl, c.type.polars) for c in table.columns}, orient="row").write_parquet(path)
        return path

    corrections = written(
        CORRECTIONS,
        [
            ("market_file", 2, "Покупательская активность", "NULL", None, "missing_marker"),
            ("market_file", 3, "Покупательская активность", "-", None, "missing_marker"),
            ("market_file", 3, "Тип сервиса", "стандартт", "стандарт", "spelling"),
        ],
    )
    rejected = written(
        REJECTED_ROWS,
        [
            ("market_file", 4, "Тип сервиса", "-", "is missing"),
            ("market_file", 5, "Тип сервиса", None, "is missing"),
            ("money", 5, "Прибыль", "?", "is not a number"),
            ("money", 6, "Прибыль", "н/д", "is missing"),
        ],
    )
    assert _missing(corrections, rejected) == {"market_file": {"-": 2, "NULL": 1}, "money": {"н/д": 1}}
