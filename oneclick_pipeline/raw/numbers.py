"""Numbers as people and programs write them into CSV files: one grammar for the exports and for outcomes of campaigns.

A fraction follows a point or a comma; digits are not grouped. `integer` and `number` read alike on every
engine. `quick_integer` and `quick_number` are Polars' own parser, which takes a fraction of the time and may miss a number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

if TYPE_CHECKING:
    import polars as pl

INTEGER = r"^[+-]?0*[0-9]{1,18}(?:[.,]0+)?$"
NUMBER = r"^[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?$"
INTEGERS_END = 10**18
"""Integers have at most 18 digits, so that every engine holds them."""


def integer(text: nw.Expr) -> nw.Expr:
    """A text as a whole number, null where it is none."""
    return nw.when(text.str.contains(INTEGER)).then(text).str.replace_all(r"^\+|[.,]0+$", "").cast(nw.Int64())


def number(text: nw.Expr) -> nw.Expr:
    """A text as a number, null where it is none; one too large for a float is infinite."""
    return nw.when(text.str.contains(NUMBER)).then(text).str.replace_all(",", ".", literal=True).cast(nw.Float64())


def quick_integer(name: str) -> pl.Expr:
    """A column as whole numbers, null where Polars' own parser reads none."""
    import polars as pl

    return pl.col(name).cast(pl.Int64, strict=False)


def quick_number(name: str, *, decimal_comma: bool) -> pl.Expr:
    """A column as numbers, null where Polars' own parser reads none."""
    import polars as pl

    text = pl.col(name)
    return (text.str.replace(",", ".", literal=True) if decimal_comma else text).cast(pl.Float64, strict=False)
