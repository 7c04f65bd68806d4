"""Texts as values of the contract, and the rules that they may break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.words import chosen, is_word
from oneclick_pipeline.engine.files import dtype
from oneclick_pipeline.raw.missing import is_marker
from oneclick_pipeline.raw.numbers import LIKE_A_NUMBER, OPEN, OPEN_WHOLE, fits, integer, number, plain_integer, plain_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.contracts.schema import Column
    from oneclick_pipeline.raw.number_formats import NumberFormat

    Formats = Mapping[str, NumberFormat]
    """How the numbers of a column are written, by the column's name."""

MISSING = "is missing"


def value_of(column: Column, spellings: dict[str, str | None], formats: Formats, *, plain: bool) -> nw.Expr:
    """The value of the text, null where it has none.

    Args:
        column: The column.
        spellings: Texts of a vocabulary -> their right spelling, None for a missing value.
        formats: How numbers are written.
        plain: Whether only numbers without sign, grouping and such are read; the others are null.
    """
    text = nw.col(column.name)
    if is_word(column):
        spelt = {text: column.values.get(word, word) for text, word in spellings.items() if word is not None}
        return chosen(text, {**column.values, **spelt}, dtype(column))  # pandas would make false of nothing but nulls
    if column.kind == "str":
        return nw.when(~is_marker(text)).then(text)
    one = formats[column.name]
    if plain and not one.grouping:
        return plain_integer(text) if column.kind == "int" else plain_number(text, one.decimal)
    return integer(text, one) if column.kind == "int" else number(text, one)


def broken_rules(column: Column, formats: Formats) -> list[tuple[nw.Expr, nw.Expr]]:
    """Rules of a column that a row may break, with what is true where it does.

    The expressions see the texts under the columns' names and the values under `value_<name>`.
    """
    text, value = nw.col(column.name), nw.col(f"value_{column.name}")
    empty = text.is_null() | is_marker(text)
    rules = [] if column.nullable else [(nw.lit(MISSING), empty)]
    if column.values:
        return [*rules, (nw.lit(f"is not {column.rule}"), ~empty & value.is_null())]
    if column.type.is_number:
        unread = value.is_null() if column.kind == "int" else value.is_null() | ~value.is_finite()  # 1e400 is infinite
        rules.append((no_number(nw.col(column.name), column.kind, formats[column.name]), ~empty & unread))
    if column.minimum is not None:
        rules.append((nw.lit(f"is not {column.rule}"), (value < column.minimum).fill_null(value=False)))
    if column.maximum is not None:
        rules.append((nw.lit(f"is not {column.rule}"), (value > column.maximum).fill_null(value=False)))
    return rules


def otherwise_written(column: Column) -> nw.Expr:
    """Whether a text has no value and would have one in another format."""
    text = nw.col(column.name)
    return nw.col(f"value_{column.name}").is_null() & text.str.contains(LIKE_A_NUMBER).fill_null(value=False)


def no_number(text: nw.Expr, kind: str, format: NumberFormat) -> nw.Expr:  # noqa: A002 - the word for it
    """Why a text is no number of its column, of kind `int` or `float`."""
    whole = kind == "int"
    reason = nw.lit("is not an integer" if whole else "is not a number")
    if format.decimal and not whole:
        otherwise = text.str.contains(LIKE_A_NUMBER) & ~fits(text, format)
        reason = nw.when(otherwise).then(nw.lit(f"is not a number with {format}")).otherwise(reason)
    fraction = text.str.replace_all(",", ".", literal=True).str.replace_all(r"\.?0+$", "")
    readings = nw.concat_str(nw.lit("can be read as "), text.str.replace_all("[.,]", ""), nw.lit(" and as "), fraction)
    return nw.when(text.str.contains(OPEN_WHOLE if whole else OPEN)).then(readings).otherwise(reason)
