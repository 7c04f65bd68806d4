"""One odd number among plain ones: it is read as anybody would read it, or its row is rejected; the others are untouched."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, SITE_MINUTES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline_tests.conftest import HEADERS, market_row
from oneclick_pipeline_tests.raw.test_dialects import read_and_clean

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Table

ROWS = 12
ODD = 5  # the row whose cell is replaced

FRACTIONS = {
    "5,230": (),
    "1,000": (),
    "-5,230": (),
    "5,230 ₽": (),
    "1 234": (1234,),
    "1\u00a0234": (1234,),
    "1\u202f234.5": (1234.5,),
    "1'234.5": (1234.5,),
    "1,234.5": (1234.5,),
    "1,234,567": (1234567,),
    "1.234,5": (1234.5,),
    "1.000.000": (1000000,),
    "1,00,000": (),
    "12 34": (),
    "1 00": (),
    "1 2345": (),
    "1 234 56": (),
    "12,34.5": (),
    "1.2.3": (),
    "1,2,3": (),
    "1,2.3": (),
    "1.234,567.8": (),
    "1,5": (1.5,),
    "0,123": (0.123,),
    "1,0000": (1,),
    "4810,250": (4810.25,),
    ",5": (0.5,),
    ".5": (0.5,),
    "5.": (5,),
    "4.810": (4.81,),
    "0.810": (0.81,),
    "01.02": (1.02,),
    "1e5": (100000,),
    "1E+2": (100,),
    "1e400": (),
    "inf": (),
    "Infinity": (),
    "0x10": (),
    "0b1": (),
    "1_000": (),
    "1_0.5": (),
    "١٢": (12,),
    "１２": (12,),
    "१२": (12,),
    "1٫5": (1.5,),
    "٫": (),
    "1²": (),
    "½": (),
    "1/2": (),
    "Ⅷ": (),
    "5О": (),
    "l0": (),
    "1O0": (),
    "1\u200b2": (12,),
    "\ufeff12": (12,),
    "1\u00ad2": (12,),
    "5-": (-5,),
    "(5)": (-5,),
    "(-5)": (),
    "--5": (),
    "+-5": (),
    "-(5)": (),
    "(5": (),
    "5)": (),
    "- 5": (-5,),
    "−5": (-5,),
    "+5": (5,),
    "5+": (),
    "5%": (0.05,),
    "45 %": (0.45,),
    "5%%": (),
    "%": (),
    "5 ₽": (5,),
    "$5": (5,),
    "$5$": (5,),
    "5 kg": (),
    "5 тыс.": (5000,),
    "5k": (5000,),
    "руб": (),
    "5 р.": (5,),
    "5 руб 30": (),
    "01.02.2024": (),
    "2024-01-05": (),
    "янв.45": (),
    "12:30": (),
    "#####": (),
    "=1+1": (),
    "5;": (),
    ".": (),
    ",": (),
    "+": (),
    "e5": (),
    "1e": (),
    "1 e5": (),
    "TRUE": (),
    "да": (),
    "": (),
    "-": (),
    "NaN": (),
    "nan": (),
    "NULL": (),
    "#Н/Д": (),
    "#DIV/0!": (),
}
"""What a cell of a column of fractions with a decimal point may be read as, beside being rejected."""

INTEGERS = {
    "1,000": (1000,),
    "1,064": (1064,),
    "1.000": (1000,),
    "1.064": (1064,),
    "1 064": (1064,),
    "1,064,000": (1064000,),
    "1.064,0": (1064,),
    "1,0640": (),
    "0,064": (),
    "1,5": (),
    "1.5": (),
    "1.0": (1,),
    "1,00": (1,),
    "1,0000": (1,),
    "12 34": (),
    "1.2.3": (),
    "00012": (12,),
    "1e3": (1000,),
    "1.5e3": (1500,),
    "1e-3": (),
    "1_000": (),
    "0x10": (),
    "١٢": (12,),
    "１２": (12,),
    "9999999999999999999": (),
    "99999999999999999999999": (),
    "45%": (),
    "500%": (5,),
    "- 5": (),
    "TRUE": (),
    "inf": (),
    "nan": (),
}
"""The same for a column of whole numbers."""

IDS = {
    "700,005": (700005,),
    "700,000": (700000,),
    "700.000": (700000,),
    "700 005": (700005,),
    "700005.0": (700005,),
    "7e5": (),
    "7.00005E+05": (),
    "7.00E+05": (),
    "700005.5": (),
    "7000,05": (),
    "700_005": (),
    "７００００５": (700005,),
    "#700005": (),
    "700005a": (),
    "A700005": (),
    "0700005": (700005,),
    "700005-": (),
    "-700005": (),
    "70000%": (),
    "900719925474099301": (900719925474099301,),
    "9007199254740993011234": (),
}
"""The same for ids."""


def month(table: Table) -> list[list[str]]:
    """Plain rows with values below and above a thousand, with and without a fraction."""
    ids = [str(700100 + i) for i in range(ROWS)]
    amounts = [f"{i * 997 % 5003}.{i}" for i in range(1, ROWS + 1)]
    if table.file == "market_file":
        tenure = [str(i * 397 % 4001) for i in range(1, ROWS + 1)]
        rows = [market_row(int(c), tenure_days=t, pages_per_visit=a) for c, t, a in zip(ids, tenure, amounts, strict=True)]
        return [row.split(",") for row in rows]
    if table.file == "money":
        return [[c, a] for c, a in zip(ids, amounts, strict=True)]
    return [[c, "текущий_месяц", a] for c, a in zip(ids, amounts, strict=True)]


CELLS = [
    *((PROFIT, "profit", text, values) for text, values in FRACTIONS.items()),
    *((CUSTOMERS, "tenure_days", text, values) for text, values in INTEGERS.items()),
    *((SITE_MINUTES, "customer_id", text, values) for text, values in IDS.items()),
]
SWAPPED = str.maketrans(".,", ",.")


@pytest.mark.parametrize("mark", [".", pytest.param(",", marks=pytest.mark.soak)])
@pytest.mark.parametrize("table", [PROFIT, CUSTOMERS, SITE_MINUTES], ids=lambda table: table.file)
def test_single_cell_is_read_rightly_or_rejected_alone(tmp_path, table, mark):
    """In columns with a decimal comma all marks are swapped."""
    wrong = []
    path, delimiter = tmp_path / f"{table.file}.csv", "," if mark == "." else ";"
    for name, text, values in (cell[1:] for cell in CELLS if cell[0] is table):
        rows, place = month(table), table.names.index(name)
        true = {row[0]: row[place] for i, row in enumerate(rows) if i != ODD}
        rows[ODD][place] = text
        cells = [[field.translate(SWAPPED) if mark == "," and i != 1 else field for i, field in enumerate(row)] for row in rows]
        lines = [HEADERS[table.file].replace(",", delimiter), *(delimiter.join(map(quoted, row)) for row in cells)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        frame = read_and_clean(path, table, tmp_path)[0].table.collect().to_native()
        odd = (
            frame.filter(~frame["customer_id"].cast(str).is_in(list(true)))
            if name == "customer_id"
            else frame.filter(frame["customer_id"] == 700100 + ODD)
        )
        others = {str(row["customer_id"]): row[name] for row in frame.rows(named=True)}
        if any(others.get(key) != float(Decimal(value)) for key, value in true.items() if name != "customer_id"):
            wrong.append(f"{name} {cells[ODD][place]!r}: other rows were changed")
        if len(frame) - len(odd) != ROWS - 1:
            wrong.append(f"{name} {cells[ODD][place]!r}: {len(frame)} rows are left")
        got = odd[name].to_list()
        if len(got) > 1 or any(value not in values for value in got):
            wrong.append(f"{name} {cells[ODD][place]!r}: {got} was read, {values or 'rejected'} is right")
    assert not wrong, "\n".join(wrong)


LAST = 40  # one among twenty thousand may be a slip of the pen
LATE = {
    "a fraction": (["5"], ["1,5"], [5, 1.5]),
    "grouping and a fraction": (["5"], ["4,810.5", "4,810"], [5, 4810.5, 4810]),
    "grouping among fractions": (["1.5"], ["4,810.5", "4,810"], [1.5, 4810.5, 4810]),
    "a fraction after open ones": (["4.810"], ["0.5"], [4.81, 0.5]),
    "grouping after open ones": (["4.810"], ["4.810.000"], [4810, 4810000]),
    "grouping and a fraction after open ones": (["4.810"], ["4.810,5"], [4810, 4810.5]),
    "blanks": (["5000"], ["4 810"], [5000, 4810]),
    "an open one among large ones": (["5000.5"], ["4,810"], [5000.5]),
    "a currency": (["5000.5"], ["4,810.5 ₽"], [5000.5, 4810.5]),
    "a minus": (["5.5"], ["\u22124.5", "(2.5)"], [5.5, -4.5, -2.5]),
    "an open one among small ones": (["5"], ["4,810"], None),
    "open ones only, of fractions": (["4.810"], ["5.230"], None),
}
"""The number of the first rows of a long file, those of the last ones, and what they are; None where there are two readings."""


@pytest.mark.parametrize("case", LATE)
def test_last_rows_of_a_long_file_count_as_the_first_do(tmp_path, case):
    early, late, values = LATE[case]
    path, customers = tmp_path / "money.csv", 20_500
    texts = early * customers + late * LAST
    path.write_text("id;Прибыль\n" + "".join(f"{i};{text}\n" for i, text in enumerate(texts)), encoding="utf-8")
    if values is None:
        with pytest.raises(BadInputError, match=r"(?s)money\.csv.*Прибыль.*formats:"):
            read_and_clean(path, PROFIT, tmp_path)
        return
    profit = read_and_clean(path, PROFIT, tmp_path)[0].table.collect().to_native().sort("customer_id")["profit"]
    assert profit.unique(maintain_order=True).to_list() == values
    assert len(profit) == len(texts) - LAST * (1 + len(late) - len(values))


def quoted(field: str) -> str:
    """A field of a CSV line."""
    return f'"{field}"' if set(field) & set(',;"') else field
