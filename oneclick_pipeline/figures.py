"""Numbers as people read them: three digits of what is small, and 19.6 M in place of 19,612,345."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

_MILLION, _BILLION, _THOUSAND = 1e6, 1e9, 1e3


def figure(value: object) -> str:
    """A number for a sentence or a table; anything else as it is.

    >>> [figure(value) for value in (0.82134, 37.5, 1300, 5968.4, 19_612_345, -2.5e9, 0.0, 1e-7, "none")]
    ['0.821', '37.5', '1,300', '5,968', '19.6 M', '-2.5 bn', '0', '1e-07', 'none']
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return "unknown"
    for size, word in ((_BILLION, "bn"), (_MILLION, "M")):
        if abs(number) >= size:
            return f"{number / size:,.3g} {word}" if abs(number) < _THOUSAND * size else f"{number / size:,.0f} {word}"
    return f"{number:,.0f}" if isinstance(value, Integral) or abs(number) >= _THOUSAND else f"{number:.3g}"


def rounded(value: Any) -> Any:  # noqa: ANN401 - whatever a page shows
    """A fraction with the four digits that its page shows, still a number to be plotted; anything else as it is.

    >>> rounded(0.8213449), rounded(5968.41), rounded(7), rounded("a")
    (0.8213, 5968.0, 7, 'a')
    """
    return float(f"{float(value):.4g}") if isinstance(value, Real) and not isinstance(value, Integral) else value
