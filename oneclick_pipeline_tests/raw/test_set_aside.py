"""Lines that are no rows are counted by kind; rows are never among them."""

import pytest

from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.raw.set_aside import DELIMITERS_ONLY, EMPTY, HEADERS, SEPARATOR, TOTALS, kind_of

HEADER = ["id", "Город", "Прибыль"]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("", EMPTY),
        ("   ", EMPTY),
        (";;", DELIMITERS_ONLY),
        (" ; ;\xa0", DELIMITERS_ONLY),
        (";;;;", DELIMITERS_ONLY),
        ("id;Город;Прибыль", HEADERS),
        ("id; Город ;Прибыль;", HEADERS),
        ("ID;город;ПРИБЫЛЬ", HEADERS),
        ("\ufeffid;Город;Прибыль", HEADERS),  # of the second of two files that were joined
        ("id;Город;Прибыль 2", None),
        ("Итого;;5", TOTALS),
        ("ИТОГО:;;5", TOTALS),
        (";Всего по магазину;5", TOTALS),
        ("Общий итог;5", TOTALS),
        ("Итого 1300;;5", TOTALS),
        ("Total;;5", TOTALS),
        (";Grand Total;5", TOTALS),
        (";;5", None),
        ("7;Итого;5", None),
        ("7;;", None),
        ("Клиент;Омск;5", None),
        (";Totally;5", None),
        ("id;Город;5", None),
    ],
)
def test_kind_of(line, kind):
    assert kind_of(line.split(";"), HEADER, 0) == kind


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16"])
def test_lines_that_are_no_rows_are_counted_wherever_they_stand(tmp_path, quote, encoding):
    lines = ["", "id;Прибыль", "1;2", ";", "Итого;2", "", "id;Прибыль", "3;4", "Всего;6", ";", "   "]
    quoted = [";".join(f"{quote}{cell}{quote}" for cell in line.split(";")) if ";" in line else line for line in lines]
    path = tmp_path / "money.csv"
    path.write_bytes("\r\n".join(["sep=;", *quoted]).encode(encoding))
    export = open_export(path, "money", tmp_path)
    assert export.lines().sort("line").collect().select("line", "customer_id", "profit").rows() == [(4, "1", "2"), (9, "3", "4")]
    expected = {SEPARATOR: (1, 1), EMPTY: (3, 2), DELIMITERS_ONLY: (2, 5), TOTALS: (2, 6), HEADERS: (1, 8)}
    assert export.facts.set_aside == expected
    assert type(export.facts).from_json(export.facts.to_json()) == export.facts


@pytest.mark.parametrize("columns", ["id;Прибыль", "Прибыль;id"])
def test_id_decides_wherever_its_column_is(tmp_path, columns):
    order = slice(None, None, 1 if columns.startswith("id") else -1)
    rows = [f"{i};{i}" for i in range(50_000)]
    lines = [";".join(row.split(";")[order]) for row in [*rows, "Итого;9", ";", *rows]]
    path = tmp_path / "money.csv"
    path.write_text("\n".join([columns, *lines]), encoding="utf-8")
    export = open_export(path, "money", tmp_path)
    assert export.facts.plain_rows == 100_000
    assert export.facts.set_aside == {TOTALS: (1, 50_002), DELIMITERS_ONLY: (1, 50_003)}
    assert len(export.lines().collect()) == 100_000
