"""A language of the page: how it writes numbers, months and plurals, and fills its texts.

A text is a template of our own with named fields; a field's format says how its value is written:

    {n:n}                 1,234                  {x:1} {x:2} {x:3}   decimals, 1,234.5
    {n:customer|customers}  1,234 customers      {x:%} {x:%1}        a share as percent
    {n:~is|are}           the word alone         {x:+1} {x:+%1}      with its sign
    {x:m} {x:+m}          finance units          {x:rub}             the same in roubles
    {x:points} {x:pp}     points; signed         {x:p}               p-value
    {m:month} {m:of} {m:in}  October 2026        {s}                 a foreign text, cut and escaped

An interval is written as its estimate; `{x!i:1}` writes its ends. `**…**` is bold. What stands in `⟦…⟧` is left out where the
store does not say what a finance unit is in roubles; `{x:rub}` is then in units.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from string import Formatter
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from oneclick_pipeline.stats import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LONGEST = 80
"""Characters of a foreign text that are shown."""

THIN, NO_BREAK, MINUS = "\u202f", "\u00a0", "\u2212"
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_IN_ROUBLES = re.compile("⟦(.*?)⟧")
_HUNDRED, _TEN = 100, 10
_SMALLEST_P = 0.001


class _Ends(NamedTuple):
    """An interval of which the ends are written."""

    interval: Interval


@dataclass(frozen=True)
class Language:
    """How a language writes.

    Attributes:
        code: `ru` or `en`.
        thousands: Between groups of three digits.
        point: Decimal mark.
        percent: Behind a percentage.
        points: Behind percentage points.
        between: Template of the ends of an interval in a sentence: {low}, {high}.
        plural: Which of the forms goes with a number.
        months: Month names: nominative, genitive, prepositional.
        units: Template of finance units.
        roubles: Words of roubles, thousands, millions, billions of them, as templates of {x}.
        texts: All texts by key.
        features: What columns of customer_features are called.
        values: What their values are called, by column and value.
        unit_roubles: Roubles in a finance unit; None where the store does not say.
    """

    code: str
    thousands: str
    point: str
    percent: str
    points: str
    between: str
    plural: Callable[[int], int]
    months: tuple[Sequence[str], Sequence[str], Sequence[str]]
    units: str
    roubles: tuple[str, str, str, str]
    texts: Mapping[str, str]
    features: Mapping[str, str]
    values: Mapping[tuple[str, str], str]
    unit_roubles: float | None = None

    def __call__(self, key: str, /, **fields: object) -> Markup:
        """The text of a key with its fields filled in, escaped.

        Raises:
            KeyError: If there is no such text, or a field of it is missing.
        """
        text = _IN_ROUBLES.sub("" if self.unit_roubles is None else r"\1", self.texts[key])
        return Markup(_Formatter(self).vformat(_BOLD.sub(r"<strong>\1</strong>", text), (), fields))  # noqa: S704 - our own template; the formatter escapes every field

    def feature(self, name: str) -> str:
        """What a column is called; its own name where it has no other."""
        return self.features.get(name, name)

    def word(self, name: str, value: str) -> str:
        """What a value of a column is called; the value itself, cut, where it has no other name."""
        return self.values.get((name, value)) or cut(value)

    def encoding(self, name: str) -> str:
        """What an encoding is called: `UTF-16` for `utf-16-le`."""
        return self.values.get(("encoding", name)) or name.upper().removesuffix("-LE").removesuffix("-BE")

    def reading(self, name: str, value: str | None) -> str:
        """What a feature, or whether it is a certain word, is called."""
        if value is None:
            return self.feature(name)
        alone = name != "favourite_category" and (name, value) in self.values
        return self.word(name, value) if alone else f"{self.feature(name)}: {self.word(name, value)}"

    def write(self, value: object, form: str) -> str:
        """A value in the form that the head of this module lists; not escaped."""
        if isinstance(value, _Ends):
            low, high = (self.write(x, form) for x in (value.interval.low, value.interval.high))
            return self.between.format(low=low, high=high)
        if isinstance(value, Interval):
            value = value.estimate
        if "|" in form:
            forms = form.removeprefix("~").split("|")
            count = int(value)  # type: ignore[call-overload]
            word = forms[min(self.plural(count), len(forms) - 1)]
            return word if form.startswith("~") else f"{self.number(count, 0)}{NO_BREAK}{word}"
        if form in ("month", "of", "in"):
            year, month = str(value).split("-")
            return f"{self.months[('month', 'of', 'in').index(form)][int(month) - 1]}{NO_BREAK}{year}"
        if not form:
            return cut(str(value))
        return self._figure(float(value), form)  # type: ignore[arg-type]

    def _figure(self, x: float, form: str) -> str:
        signed, kind = form.startswith("+"), form.removeprefix("+")
        if kind == "p":
            return f"<{THIN}{self.number(_SMALLEST_P, 3)}" if x < _SMALLEST_P else self.number(x, 3)
        if kind == "rub":
            return (
                self.units.format(x=self._figure(x, "m"))
                if self.unit_roubles is None
                else self._in_roubles(x * self.unit_roubles)
            )
        if kind == "m":
            return self.number(x, 0 if abs(x) >= _HUNDRED or x == 0 else 1 if abs(x) >= _TEN else 2, signed=signed)
        if kind in ("pp", "points"):
            return self.number(100 * x, 1, signed=kind == "pp") + self.points
        if kind.startswith("%"):
            return self.number(100 * x, int(kind[1:] or 0), signed=signed) + self.percent
        return self.number(x, 0 if kind == "n" else int(kind), signed=signed)

    def number(self, x: float, digits: int, *, signed: bool = False) -> str:
        """A number with so many decimals.

        Raises:
            ValueError: If it is not finite: unknown values are expressed in words.
        """
        if not math.isfinite(x):
            raise ValueError(f"{x} cannot be shown as a number")
        text = f"{abs(x):,.{digits}f}".replace(",", "\0").replace(".", self.point).replace("\0", self.thousands)
        zero = not text.strip(f"0{self.point}{self.thousands}")
        sign = "" if zero else MINUS if x < 0 else "+" if signed else ""
        return sign + text

    def _in_roubles(self, roubles: float) -> str:
        sign, roubles = MINUS if roubles <= -0.5 else "", abs(roubles)  # noqa: PLR2004 - rounds to 0
        for word, size in zip(reversed(self.roubles), (1e9, 1e6, 1e4), strict=False):
            if roubles >= 0.9995 * size:
                thousands = size == 1e4  # noqa: PLR2004 - below ten thousand roubles are counted singly
                return sign + word.format(x=self.number(roubles / (1e3 if thousands else size), 0 if thousands else 1))
        return sign + self.roubles[0].format(x=self.number(roubles, 0))


class _Formatter(Formatter):
    """Fills templates: every field is written by the language and escaped."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def convert_field(self, value: Any, conversion: str | None) -> Any:  # noqa: ANN401 - anything that a text may hold
        """`!i`: the ends of an interval."""
        return _Ends(value) if conversion == "i" else value

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ANN401 - anything that a text may hold
        """The value, written and escaped; texts of our own are escaped already."""
        return str(value if isinstance(value, Markup) else escape(self._language.write(value, format_spec)))


def cut(text: str, longest: int = LONGEST) -> str:
    r"""A foreign text on one line, no longer than a page can show.

    >>> cut("a\n b"), cut("x" * 99, 4)
    ('a b', 'xxx…')
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * longest]).split())
    return line if len(line) <= longest and len(text) <= 4 * longest else line[: longest - 1] + "…"
