"""Texts as values of the contract, and the rules that they may break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.words import chosen, is_word
from oneclick_pipeline.engine.files import dtype
from oneclick_pipeline.raw.missing import is_marker
from oneclick_pipeline.raw.numbers import integer, number

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Column

MISSING = "is missing"


def value_of(column: Column, spellings: dict[str, str | None]) -> nw.Expr:
    """The value of the text, null where it has none."""
    text = nw.col(column.name)
    if is_word(column):
        spelt = {text: column.values.get(word, word) for text, word in spellings.items() if word is not None}
        return chosen(text, {**column.values, **spelt}, dtype(column))  # pandas would make false of nothing but nulls
    if column.kind == "str":
        return nw.when(~is_marker(text)).then(text)
    return integer(text) if column.kind == "int" else number(text)


def broken_rules(column: Column) -> list[tuple[str, nw.Expr]]:
    """Rules of a column that a row may break, with what is true where it does.

    The expressions see the texts under the columns' names and the values under `value_<name>`.
    """
    text, value = nw.col(column.name), nw.col(f"value_{column.name}")
    empty = text.is_null() | is_marker(text)
    rules = [] if column.nullable else [(MISSING, empty)]
    if column.values:
        return [*rules, (f"is not {column.rule}", ~empty & value.is_null())]
    if column.type.is_number:
        # 1e400 fits the pattern and is infinite.
        rules.append(
            (f"is not {'an integer' if column.kind == 'int' else 'a number'}", ~empty & (value.is_null() | ~value.is_finite()))
        )
    if column.minimum is not None:
        rules.append((f"is not {column.rule}", (value < column.minimum).fill_null(value=False)))
    if column.maximum is not None:
        rules.append((f"is not {column.rule}", (value > column.maximum).fill_null(value=False)))
    return rules
