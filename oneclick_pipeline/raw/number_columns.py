"""Columns of an export and the formats of their numbers: decided on the first rows where these show it, else on all of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import letters
from oneclick_pipeline.raw.number_formats import MARKS, SHORT, NumberFormat, Shape, decide, is_shown_throughout
from oneclick_pipeline.raw.numbers import APOSTROPHES, LIKE_A_NUMBER, SPACES, number, unsigned

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline.formats import ColumnFormat

FIRST_ROWS = 20_000
NO_NUMBER = "no number"

# Digits with a fraction, and those of them whose mark cannot stand between thousands.
_PLAIN = {mark: f"^-?[0-9]+(?:[{mark}][0-9]+)?$" for mark in MARKS}
_FRACTION = {mark: f"^-?(?:[0-9]+[{mark}](?:[0-9]{{1,2}}|[0-9]{{4,}})|0[{mark}][0-9]{{3}})$" for mark in MARKS}


def of_settings(columns: Mapping[str, ColumnFormat], table: Table) -> dict[str, NumberFormat]:
    """Formats that the settings give by header, by the column's name."""
    return {
        c.name: NumberFormat(columns[c.header].decimal, columns[c.header].grouping, final=True)
        for c in table.columns
        if c.header in columns
    }


def of_rows(
    rows: nw.LazyFrame,
    table: Table,
    given: Mapping[str, NumberFormat] | None = None,
    file: str = "",
    first: pl.DataFrame | None = None,
) -> dict[str, NumberFormat]:
    """The format of every column of numbers.

    Args:
        rows: Columns line and the texts of the table's columns.
        table: Contract of the table that they become.
        given: Formats that are known.
        file: The export, for messages.
        first: The first of the rows, where they were read already.

    Raises:
        BadInputError: If a column can be read in two ways.
    """
    formats = dict(given or {})
    columns = [c for c in table.columns if c.type.is_number and c.name not in formats]
    if not columns:
        return formats
    if first is None:
        first = rows.select("line", *(c.name for c in columns)).head(FIRST_ROWS).collect().to_polars()
    for c in columns:
        formats[c.name] = _of_first(first, c, all_rows=len(first) < FIRST_ROWS) or of_all_rows(rows, table, c, file)
    return formats


def _of_first(first: pl.DataFrame, column: Column, *, all_rows: bool) -> NumberFormat | None:
    """The format that the first rows show; None where one of them does not fit it, so that it takes all rows to decide."""
    whole = column.kind == "int"
    if (plain := of_plain(first[column.name], whole=whole)) is not None:
        return NumberFormat(*plain.marks, final=all_rows)
    found = shapes(nw.from_native(first.lazy()), column.name)
    decision = decide(found, whole=whole)
    if isinstance(decision, NumberFormat) and is_shown_throughout(found, decision, whole=whole):
        return NumberFormat(*decision.marks, final=all_rows)
    return None


def of_plain(text: pl.Series, *, whole: bool) -> NumberFormat | None:
    """The format of values that are digits, or digits with a mark before the fraction; None where it takes more to decide."""
    import polars as pl

    if not text.cast(pl.Int64, strict=False).has_nulls():
        return NumberFormat(final=True)
    for mark in () if whole else MARKS:
        if text.str.contains(_PLAIN[mark]).all() and text.str.contains(_FRACTION[mark]).sum() * SHORT > len(text):
            return NumberFormat(mark, final=True)
    return None


def of_all_rows(rows: nw.LazyFrame, table: Table, column: Column, file: str = "") -> NumberFormat:
    """The format of a column by all of its values.

    Raises:
        BadInputError: If it can be read in two ways.
    """
    decision = decide(shapes(rows, column.name), whole=column.kind == "int")
    if isinstance(decision, NumberFormat):
        return decision
    value = rows.filter(nw.col("line") == decision.line).select(column.name).collect()[column.name].item()
    readings = [(reading(value.strip(letters.BLANKS + letters.INVISIBLE), one), one) for one in decision.formats]
    if NO_NUMBER in dict(readings):  # two ways of writing numbers in one column
        problem = f"it is {' and '.join(f'{text} with {one}' for text, one in readings)}; the column has values of both kinds"
        choices = [f"if the column has {one}" for _, one in readings]
    else:
        texts = [text for text, _ in readings]
        problem = f"it can be read as {' or '.join(texts)}, and the other values of the column do not show which is meant"
        choices = [f"if it is {text}" for text in texts]
    settings = [_setting(table.file, column.header, one) for one in decision.formats]
    remedy = "; ".join(f"{choice}, add to settings.yaml: {line}" for choice, line in zip(choices, settings, strict=True))
    raise BadInputError(
        problem,
        file=file or f"{table.file}.csv",
        line=decision.line,
        column=column.header,
        value=value,
        remedy=remedy,
    )


def shapes(rows: nw.LazyFrame, name: str) -> list[Shape]:
    """The shapes of a column's numbers; texts that are none in any format are left out."""
    text = nw.col(name).str.strip_chars(letters.BLANKS + letters.INVISIBLE)  # all that `clean.texts` strips: what is read counts
    digits = unsigned(nw.col(name))
    shape = digits.str.replace_all("[eE].*", "e").str.replace_all(f"[{SPACES}]", " ").str.replace_all(f"[{APOSTROPHES}]", "'")
    keys = {
        "text": shape.str.replace_all("[0-9]{4,}", "9999").str.replace_all("[0-8]", "9"),
        "zero": digits.str.starts_with("0"),
        "thousand": digits.str.ends_with("000"),
    }
    like = rows.select("line", text.alias(name)).filter(nw.col(name).str.contains(LIKE_A_NUMBER))
    counts = (
        like.select("line", *(key.alias(f"_{one}") for one, key in keys.items()))
        .group_by(*(f"_{one}" for one in keys))
        .agg(nw.len().alias("values"), nw.col("line").min())
        .collect()
    )
    return [
        Shape(str(text), bool(zero), bool(thousand), int(values), int(line))
        for text, zero, thousand, values, line in counts.iter_rows()
    ]


def reading(text: str, format: NumberFormat) -> str:  # noqa: A002 - the word for it
    """What a number is under a format, in digits with a point.

    >>> [reading("4,810", NumberFormat(*marks)) for marks in ((".", ","), (",", ""), (".", ""))]
    ['4810', '4.81', 'no number']
    """
    value: float | None = nw.from_dict({"text": [text]}, backend="polars").select(number(nw.col("text"), format))["text"][0]
    return NO_NUMBER if value is None else f"{value:.15g}"


def _setting(file: str, header: str, format: NumberFormat) -> str:  # noqa: A002 - the word for it
    """The line of settings.yaml that says how a column is written."""
    marks = f"{{decimal: {json.dumps(format.decimal)}, grouping: {json.dumps(format.grouping)}}}"
    return f"formats: {{{file}: {{columns: {{{json.dumps(header, ensure_ascii=False)}: {marks}}}}}}}"
