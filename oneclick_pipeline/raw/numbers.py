"""Numbers as people and programs write them into CSV files: one grammar for the exports and for outcomes of campaigns.

How a column is written is its `NumberFormat`; a text that does not fit it is null. `integer` and `number` read alike on every
engine. `plain_integer` and `plain_number` read only digits, a minus sign and the decimal mark, which takes a third of the time;
`quick_integer` and `quick_number` are Polars' own parser, which takes a fraction of that. They may miss a number, and never read
another one than the former would.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import narwhals as nw

if TYPE_CHECKING:
    import polars as pl

    from oneclick_pipeline.raw.number_formats import NumberFormat

INTEGERS_END = 10**18
"""Integers have at most 18 digits, so that every engine holds them."""

SPACES = " \u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u202f\u205f\u3000"
"""Blanks that may stand between thousands."""
APOSTROPHES = "'\u2019\u2018\u02bc\u00b4`\u2032"
"""Apostrophes that may."""

_MINUS = "[\\-\u2010-\u2013\u2212]"
_BLANK = f"[{SPACES}]*"
_CURRENCY = "(?:[₽$€]|[рР](?:[уУ][бБ])?\\.?|[rR][uU][bBrR]|[uU][sS][dD]|[eE][uU][rR])"
_GROUPING = {"": "", ".": "\\.", ",": ",", " ": f"[{SPACES}]", "'": f"[{APOSTROPHES}]"}
_DECIMAL = {"": "", ".": "\\.", ",": ","}
_EXPONENT = "(?:[eE][+\\-]?[0-9]+)?"
_NEGATIVE = f"(?:^|[^eE]){_MINUS}|\\("
_SHORTEST_LOST = len("1e-324")
"""Shorter texts that are 0 as a float are 0."""
_FEW, _MANY = "{1,18}", "{1,40}"


def _written(body: str, unit: str, signed: str = "") -> str:
    """A pattern of numbers with their sign, currency or percent sign.

    Args:
        body: Pattern of the digits and marks.
        unit: Pattern of what may stand behind them.
        signed: Pattern of those that a minus sign may follow, where these are fewer: in `500,-` it is a price without pence.
    """
    money, unit, sign = f"(?:{_CURRENCY}{_BLANK})?", f"(?:{_BLANK}(?:{unit}))?", f"(?:(?:\\+|{_MINUS}){_BLANK})?"
    before = f"(?:{sign}{money}|{money}{sign}){body}{unit}"
    behind = f"{money}{signed or body}(?:{unit}{_BLANK}{_MINUS}|{_BLANK}{_MINUS}{unit})"
    around = f"{money}\\({_BLANK}{money}{body}{unit}{_BLANK}\\){unit}"
    return f"(?:{before}|{behind}|{around})"


_LOOSE = f"[0-9.,{SPACES}{APOSTROPHES}]*[0-9]"
LIKE_A_NUMBER = f"^{_written(f'{_LOOSE}[.,{SPACES}{APOSTROPHES}]*{_EXPONENT}', f'{_CURRENCY}|%', _LOOSE + _EXPONENT)}$"
"""What is a number in some format, and little else."""
OPEN = f"^{_written('[1-9][0-9]{0,2}[.,][0-9]{3}', _CURRENCY + '|%')}$"
"""A number that a mark groups or that has a fraction, for all that can be seen of it."""
OPEN_WHOLE = f"^{_written('[1-9][0-9]{0,2}[.,]000', _CURRENCY)}$"
"""The same of a whole number."""


@cache
def _number_pattern(decimal: str, grouping: str) -> str:
    mark = _DECIMAL[decimal]
    groups = f"|[1-9][0-9]{{0,2}}(?:{_GROUPING[grouping]}[0-9]{{3}})+" if grouping else ""
    loose, signed, short = (
        f"(?:(?:[0-9]+{groups})(?:{mark}[0-9]{places})?|{mark}[0-9]+)" if mark else f"(?:[0-9]+{groups})"
        for places, groups in (("*", groups), ("+", groups), ("*", ""))
    )
    return f"^(?:{_written(loose, f'{_CURRENCY}|%', signed)}|(?:\\+|{_MINUS})?{short}{_EXPONENT})$"


@cache
def _integer_pattern(decimal: str, grouping: str) -> str:
    fraction = f"(?:{_DECIMAL[decimal]}0+)?" if decimal else ""
    grouped = f"|[1-9][0-9]{{0,2}}(?:{_GROUPING[grouping]}[0-9]{{3}}){{1,5}}" if grouping else ""
    return f"^{_written(f'(?:0*[0-9]{_FEW}{grouped}){fraction}', _CURRENCY)}$"


def unsigned(text: nw.Expr) -> nw.Expr:
    """A number without sign, currency and percent sign, and without the blanks around them."""
    inner = text.str.replace_all(f"{_CURRENCY}|[()%]", "")
    return inner.str.replace_all(f"^[+{SPACES}\\-\u2010-\u2013\u2212]+|[{SPACES}\\-\u2010-\u2013\u2212]+$", "")


def _digits(text: nw.Expr, format: NumberFormat) -> nw.Expr:  # noqa: A002 - the word for it
    """Digits and a decimal point: what engines read."""
    digits = unsigned(text).str.replace_all(f"[{SPACES}{APOSTROPHES}]", "")
    if format.grouping in (".", ","):
        digits = digits.str.replace_all(format.grouping, "", literal=True)
    return digits.str.replace_all(",", ".", literal=True) if format.decimal == "," else digits


def integer(text: nw.Expr, format: NumberFormat) -> nw.Expr:  # noqa: A002 - the word for it
    """A text as a whole number, null where it is none in this format."""
    digits = _digits(nw.when(text.str.contains(_integer_pattern(*format.marks))).then(text), format)
    value = digits.str.replace_all(r"\.0+$", "").cast(nw.Int64())
    return nw.when(text.str.contains(_NEGATIVE)).then(-value).otherwise(value)


def fits(text: nw.Expr, format: NumberFormat) -> nw.Expr:  # noqa: A002 - the word for it
    """Whether a text is written as the numbers of a format are."""
    return text.str.contains(_number_pattern(*format.marks))


def number(text: nw.Expr, format: NumberFormat) -> nw.Expr:  # noqa: A002 - the word for it
    """A text as a number, null where it is none in this format, or so small that a float is 0; one too large is infinite."""
    digits = _digits(nw.when(fits(text, format)).then(text), format)
    shifted = nw.concat_str(digits, nw.lit("e-2"))  # exact, as a division is not
    value = nw.when(text.str.contains("%", literal=True)).then(shifted).otherwise(digits).cast(nw.Float64())
    kept = (value != 0) | ~digits.str.contains("^[^eE1-9]*[1-9]")
    return nw.when(kept & text.str.contains(_NEGATIVE)).then(-value).otherwise(nw.when(kept).then(value))


def plain_integer(text: nw.Expr) -> nw.Expr:
    """A text as a whole number, null where it is anything but digits and a minus sign."""
    return nw.when(text.str.contains(f"^-?[0-9]{_FEW}$")).then(text).cast(nw.Int64())


def plain_number(text: nw.Expr, decimal: str) -> nw.Expr:
    """A text as a number, null where it is anything but digits, a minus sign and the decimal mark."""
    fraction = f"(?:{_DECIMAL[decimal]}[0-9]{_MANY})?" if decimal else ""
    digits = nw.when(text.str.contains(f"^-?[0-9]{_MANY}{fraction}$")).then(text)
    return (digits.str.replace_all(",", ".", literal=True) if decimal == "," else digits).cast(nw.Float64())


def quick_integer(name: str) -> pl.Expr:
    """A column as whole numbers, null where Polars' own parser reads none."""
    import polars as pl

    return pl.col(name).cast(pl.Int64, strict=False)


def quick_number(name: str, decimal: str) -> pl.Expr:
    """A column as numbers, null where Polars' own parser reads none, or it would take another mark for the decimal one."""
    import polars as pl

    text = pl.col(name)
    if not decimal:
        return text.cast(pl.Int64, strict=False).cast(pl.Float64)
    value = (text.str.replace(",", ".", literal=True) if decimal == "," else text).cast(pl.Float64, strict=False)
    kept = (value != 0) | (text.str.len_bytes() < _SHORTEST_LOST)
    return pl.when(kept & ~text.str.contains(".", literal=True) if decimal == "," else kept).then(value)
