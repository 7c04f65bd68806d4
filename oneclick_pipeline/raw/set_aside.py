"""Lines that are no rows: blank ones, totals, headers that are repeated. They are counted, and neither read nor rejected."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oneclick_pipeline.raw.letters import folded

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY, DELIMITERS_ONLY, TOTALS, HEADERS = "empty lines", "lines of delimiters only", "totals rows", "repeated headers"
SEPARATOR = "line that names the delimiter"
SetAside = dict[str, tuple[int, int]]
"""By kind: how many there are, and the line of the first."""

_TOTAL = re.compile(r"(?:общий |промежуточный )?(?:итого?|всего)\b|(?:grand |sub)?totals?\b", re.IGNORECASE)


def kind_of(fields: Sequence[str], header: Sequence[str], id_place: int) -> str | None:
    """Which kind of line that is no row some fields are; None where they may be a row.

    >>> kind_of(["Итого", "", "12,5"], ["id", "Город", "Прибыль"], 0), kind_of(["7", "Итого", "1"], ["id", "Город", "Прибыль"], 0)
    ('totals rows', None)
    """
    cells = [field.strip() for field in fields]
    if not any(cells):
        return DELIMITERS_ONLY if len(cells) > 1 else EMPTY
    key = cells[id_place] if id_place < len(cells) else ""
    if not key[:1].isdigit() and _is_header(cells, header):
        return HEADERS
    is_word = not any(c.isdigit() for c in key) or _TOTAL.match(key)
    return TOTALS if is_word and any(map(_TOTAL.match, cells)) else None


def _is_header(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether some cells are the header again, for all that a reader can see of it."""
    width = len(header)
    return not any(cells[width:]) and [*map(folded, cells[:width])] == [*map(folded, header)]


def count(found: SetAside, kind: str, line: int) -> None:
    """Count one more line of a kind."""
    times, first = found.get(kind, (0, line))
    found[kind] = times + 1, min(first, line)
