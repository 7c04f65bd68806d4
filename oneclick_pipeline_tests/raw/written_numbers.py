"""Numbers as people and programs write them, and whether a column of them can be read in one way only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MARKS = (",", ".")
BLANKS = (" ", "\u00a0", "\u202f", "\u2009")
APOSTROPHES = ("'", "\u2019")
MINUSES = ("-", "\u2212", "\u2013")


@dataclass(frozen=True)
class NumberStyle:
    """How the numbers of a column are written.

    Attributes:
        decimal: Mark before the fraction.
        grouping: Mark between thousands; empty where there is none.
        negative: A minus sign, `()` or `trailing`.
        before: What stands before a number, for example a currency.
        after: What stands after it.
        percent: Whether a share is written as a percentage.
        places: Digits of the fraction; None for as many as the value has.
    """

    decimal: str = "."
    grouping: str = ""
    negative: str = "-"
    before: str = ""
    after: str = ""
    percent: bool = False
    places: int | None = None

    def digits(self, value: Decimal) -> str:
        """The number without sign and currency."""
        value = abs(value * 100 if self.percent else value)
        text = f"{value.normalize():f}"
        whole, _, fraction = text.partition(".")
        fraction = fraction.ljust(self.places or 0, "0")
        if self.grouping:
            whole = re.sub(r"(?<=\d)(?=(\d{3})+$)", self.grouping, whole)
        return whole + (self.decimal + fraction if fraction else "")

    def text(self, value: Decimal) -> str:
        """The number as it stands in the cell."""
        text = self.before + self.digits(value) + self.after
        if value >= 0:
            return text
        if self.negative == "()":
            return f"({text})"
        return f"{text}-" if self.negative == "trailing" else self.negative + text

    def formats(self) -> dict[str, str]:
        """The same for `formats:` of the settings."""
        kind = {**dict.fromkeys(BLANKS, " "), **dict.fromkeys(APOSTROPHES, "'")}
        return {"decimal": self.decimal, "grouping": kind.get(self.grouping, self.grouping)}


def is_open(digits: str) -> bool:
    """Whether its one mark may stand before a fraction and between thousands alike.

    >>> [is_open(text) for text in ("4,810", "0,810", "4,81", "4810,250", "1.234,567", "4 810")]
    [True, False, False, False, False, False]
    """
    return re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", digits) is not None


def readings(digits: str, *, percent: bool = False) -> tuple[str, str]:
    """Both readings of an open number.

    >>> readings("4,810"), readings("45,250", percent=True)
    (('4810', '4.81'), ('452.5', '0.4525'))
    """
    whole, fraction = re.split("[.,]", digits)
    grouped, broken = (Decimal(text).scaleb(-2 if percent else 0) for text in (whole + fraction, f"{whole}.{fraction}"))
    return f"{grouped.normalize():f}", f"{broken.normalize():f}"


def is_certain(column: Iterable[str], style: NumberStyle, *, whole: bool) -> bool:
    """Whether a column can be read in one way only.

    Args:
        column: Its numbers, without sign and currency.
        style: How they are written, which the reader does not know.
        whole: Whether they are known to be whole numbers.

    >>> english, german = NumberStyle(".", ","), NumberStyle(",", "")
    >>> is_certain(["4,810", "940"], english, whole=False), is_certain(["4,810", "1,250.5"], english, whole=False)
    (False, True)
    >>> is_certain(["4,810", "0,5"], german, whole=False), is_certain(["1,000"], english, whole=True)
    (True, False)
    """
    texts = list(column)
    if not any(map(is_open, texts)):
        return True
    others = [text for text in texts if not is_open(text)]
    if style.grouping in MARKS:
        shown = any(style.grouping in text for text in others)
        fraction_impossible = whole and any(is_open(text) and not text.endswith("000") for text in texts)
        return shown or fraction_impossible
    return any(style.decimal in text for text in others)
