"""What programs and people write where there is no value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclick_pipeline.raw.letters import BLANKS, INVISIBLE

if TYPE_CHECKING:
    import narwhals as nw
    import polars as pl

    from oneclick_pipeline.contracts.schema import Table

_SPELLINGS = (
    # dashes, alone or drawn as a line
    *"-\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "--", "---", "\u2013\u2013", "\u2014\u2014", ".", "...", "\u2026", "?",
    # databases, pandas, R, C
    "null", "(null)", "<null>", "[null]", "none", "nil", "nan", "+nan", "-nan", "nat", "<na>", "na", "\\n", "undefined",
    # people
    "n/a", "n.a.", "н/д", "н.д.", "нд", "нет данных", "no data", "(пусто)", "(blank)", "(empty)",
    "n/а", "#n/а", "h/д", "#h/д",  # with a letter of the other alphabet
    # Excel's errors, in English and in Russian
    "#n/a", "#null!", "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#getting_data", "#spill!", "#calc!",
    "#н/д", "#пусто!", "#дел/0!", "#знач!", "#ссылка!", "#имя?", "#число!",
)  # fmt: skip

MARKERS = tuple(
    dict.fromkeys((*_SPELLINGS, *map(str.upper, _SPELLINGS), *map(str.capitalize, _SPELLINGS), "NaN", "-NaN", "+NaN", "NaT"))
)
"""Texts, without surrounding blanks, that stand for a missing value."""


def markers_of(rows: pl.DataFrame, table: Table) -> dict[str, int]:
    """How often each column has each marker among some rows: `header: marker` -> count."""
    import polars as pl

    counts = {}
    for column in table.columns:
        cells = rows[column.name]
        number = cells.cast(pl.Float64, strict=False).is_finite()
        cells = cells.filter(~number.fill_null(value=False)).str.strip_chars(BLANKS + INVISIBLE)
        for marker, times in sorted(cells.filter(cells.is_in(MARKERS)).value_counts().iter_rows()):
            counts[f"{column.header}: {marker}"] = int(times)
    return counts


def is_marker(text: nw.Expr) -> nw.Expr:
    """Whether a text stands for a missing value."""
    return text.is_in(MARKERS)
