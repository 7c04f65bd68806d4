"""How the numbers of a column are written: decimal mark and grouping, decided on all of its values.

A value by itself may have two readings: `4,810` is 4810 or 4.81. What the other values of its column show settles it: `1,250.50`
that the comma groups, `0,5` that it is the decimal mark. Where nothing settles it, the outcome is an `Ambiguity`. Values are
given by their `Shape`, so that few of them stand for a whole column.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MARKS = (".", ",")

RARE = 1000
"""A mark's meaning that one of so many values shows may be a slip of the pen."""
SHORT = 30
"""The same of a fraction where other values are whole: of fractions that end in no 0, one in ten has less than three digits."""
_COMPARABLE = 10
"""Values that are written otherwise cast doubt on the others from one in so many on."""

_DECIMALS = {"": "no fraction", ".": "decimal point", ",": "decimal comma"}
_GROUPINGS = {".": "points", ",": "commas", " ": "blanks", "'": "apostrophes"}


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes:
        decimal: Mark before the fraction, `.` or `,`; empty where no value shows one.
        grouping: Mark between thousands: `.`, `,`, any blank (` `) or any apostrophe (`'`); empty where there is none.
        final: Whether it was decided on all values, or given by the settings; otherwise the first ones show it, and a later
            value that is written otherwise has it decided again.

    >>> str(NumberFormat(",", " "))
    'decimal comma and blanks between thousands'
    """

    decimal: str = ""
    grouping: str = ""
    final: bool = False

    def __str__(self) -> str:
        """The format in words."""
        return _DECIMALS[self.decimal] + (f" and {_GROUPINGS[self.grouping]} between thousands" if self.grouping else "")

    @property
    def marks(self) -> tuple[str, str]:
        """Decimal mark and grouping."""
        return self.decimal, self.grouping


class Shape(NamedTuple):
    """What the values of a column look like that are alike but for their digits.

    Attributes:
        text: The value without sign, currency and percent sign; a digit is 9, four or more are 9999, an exponent is `e`.
        zero: Whether it begins with the digit 0.
        thousand: Whether it ends in 000.
        values: How many values look like that.
        line: Line of the first of them.
    """

    text: str
    zero: bool
    thousand: bool
    values: int
    line: int


class Ambiguity(NamedTuple):
    """Why a column cannot be read: its value on `line` is one number under one format and another, or none, under the other."""

    line: int
    formats: tuple[NumberFormat, NumberFormat]


class _Meaning(NamedTuple):
    """What a value shows of the format of its column.

    Attributes:
        decimal: Its decimal mark; empty where it shows none.
        grouping: Its grouping; empty where it shows none.
        open: The one mark that is either of them.
        ungrouped: Whether it is above 999 and not grouped.
        small: Whether it is a whole number below, which is never grouped.
    """

    decimal: str = ""
    grouping: str = ""
    open: str = ""
    ungrouped: bool = False
    small: bool = False

    def fits(self, format: NumberFormat) -> bool:  # noqa: A002 - the word for it
        """Whether there is one reading of the value under a format."""
        if self.open:
            return self.open in format.marks
        return self.decimal in ("", format.decimal) and self.grouping in ("", format.grouping)


def meaning(shape: Shape, *, whole: bool) -> _Meaning | None:
    """What a value of this shape shows; None where no number is written like that.

    Args:
        shape: The shape.
        whole: Whether the column holds whole numbers, so that `1,064` can only be grouped.

    >>> [meaning(Shape(t, False, False, 1, 2), whole=False) for t in ("9.999,99", "9 99")]
    [_Meaning(decimal=',', grouping='.', open='', ungrouped=False, small=False), None]
    """
    mantissa, exponent, _ = shape.text.partition("e")
    digits = re.split("[., ']", mantissa)
    marks = re.findall("[., ']", mantissa)
    if not marks:
        large = mantissa.startswith("9999")
        return _Meaning(ungrouped=large and not shape.zero, small=not large and not shape.zero)
    last, others = marks[-1], set(marks[:-1])
    if len(marks) == 1 and last in MARKS:
        if exponent or shape.zero or not 1 <= len(digits[0]) <= 3 or len(digits[1]) != 3:  # noqa: PLR2004 - thousands
            return _Meaning(decimal=last)
        if whole and not shape.thousand:
            return _Meaning(grouping=last)
        return _Meaning(open=last)
    fraction = last in MARKS and last not in others
    groups, grouping = (digits[:-1], others) if fraction else (digits, {*others, last})
    grouped = len(grouping) == 1 and 1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])  # noqa: PLR2004
    if exponent or shape.zero or not grouped:
        return None
    return _Meaning(decimal=last if fraction else "", grouping=grouping.pop())


class _Column(NamedTuple):
    """What the values of a column show: how many of each meaning, and the first line."""

    values: Counter[_Meaning]
    lines: dict[_Meaning, int]

    @classmethod
    def of(cls, shapes: Iterable[Shape], *, whole: bool) -> _Column:
        column = cls(Counter(), {})
        for shape in sorted(shapes, key=lambda s: s.line):
            if (shown := meaning(shape, whole=whole)) is not None:
                column.values[shown] += shape.values
                column.lines.setdefault(shown, shape.line)
        return column

    def candidates(self) -> list[NumberFormat]:
        """Formats of the marks that are shown, the one that most certain values fit first, and of those the simplest."""
        decimals, groupings = ({"", *(getattr(m, part) for m in self.values)} for part in ("decimal", "grouping"))
        formats = [NumberFormat(d, g, final=True) for d, g in product(decimals, groupings) if d != g or not d]
        return sorted(formats, key=lambda f: (-self.fitting(f), bool(f.decimal) + bool(f.grouping), f.marks))

    def certain(self) -> list[_Meaning]:
        """What those values show that have a mark and one reading."""
        return [m for m in self.values if m.decimal or m.grouping]

    def fitting(self, format: NumberFormat) -> int:  # noqa: A002 - the word for it
        """How many certain values fit a format."""
        return sum(self.values[m] for m in self.certain() if m.fits(format))


def decide(shapes: Sequence[Shape], *, whole: bool) -> NumberFormat | Ambiguity:
    """The format that a column is written in.

    Values that do not fit it are errors: open ones whose mark no other value explains may be that, too, as long as they are the
    exception.

    Args:
        shapes: The shapes of all values.
        whole: Whether the column holds whole numbers.
    """
    column = _Column.of(shapes, whole=whole)
    best, *others = column.candidates()
    opens = [m for m in column.values if m.open]
    fits = {m for m in column.certain() if m.fits(best)}
    rivals = [f for f in others if any(m.fits(f) for m in column.certain() if m not in fits)]
    if rivals and (column.fitting(rivals[0]) == column.fitting(best) or _is_comparable(column, best, rivals[0], opens)):
        line = min(column.lines[m] for m in (*column.certain(), *opens) if _role(m, best) != _role(m, rivals[0]))
        return Ambiguity(line, (best, rivals[0]))
    evidence = column.fitting(best) + sum(column.values[m] for m in column.values if m.ungrouped)
    small = sum(column.values[m] for m in column.values if m.small)
    for one in sorted(opens, key=lambda m: column.lines[m]):
        shown = sum(column.values[m] for m in fits if one.open in (m.decimal, m.grouping))
        slips = SHORT if one.open == best.decimal and small > shown else RARE
        if column.values[one] > (slips * shown if one.fits(best) else evidence):
            return Ambiguity(column.lines[one], _readings(one.open, best))
    return best


def _is_comparable(column: _Column, best: NumberFormat, rival: NumberFormat, opens: list[_Meaning]) -> bool:
    """Whether open values would be read otherwise under a format that many values are written in, or many beside those."""
    contrary = sum(column.values[m] for m in column.certain() if not m.fits(best))
    unsure = [m for m in opens if _role(m, best) != _role(m, rival)]
    other_numbers = sum(column.values[m] for m in unsure if m.fits(best) and m.fits(rival))
    return bool(unsure) and contrary * _COMPARABLE >= min(column.fitting(best), other_numbers or column.fitting(best))


def _role(shown: _Meaning, format: NumberFormat) -> object:  # noqa: A002 - the word for it
    """How a value is read under a format."""
    return [mark == shown.open for mark in format.marks] if shown.open else shown.fits(format)


def _readings(mark: str, best: NumberFormat) -> tuple[NumberFormat, NumberFormat]:
    """The formats under which an open value is grouped, and a fraction."""
    other = next(m for m in MARKS if m != mark)
    return (
        NumberFormat(other, mark, final=True),
        NumberFormat(mark, "" if best.grouping in MARKS else best.grouping, final=True),
    )


def is_shown_throughout(shapes: Iterable[Shape], format: NumberFormat, *, whole: bool) -> bool:  # noqa: A002
    """Whether all values are numbers that fit a format."""
    return all(shown is not None and shown.fits(format) for shown in (meaning(s, whole=whole) for s in shapes))
