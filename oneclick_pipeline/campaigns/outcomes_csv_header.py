"""The header of a file of outcomes: what a campaign needs, and which columns of another file come nearest to that."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING

from oneclick_pipeline.campaigns.outcomes_csv_columns import BEFORE, KEYS, is_covariate
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.letters import match_headers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_NEEDS = (
    "give a CSV with one row per customer and the columns customer_id (the store's number of the customer), offer_id (the offer, "
    "or `control` for customers who were deliberately left without one), a numeric one for every outcome, for example revenue, "
    "and, where it is known, what that was before, revenue_before"
)
_OTHER_NAMES = {  # words of headers by which other systems call the keys
    "customer_id": {
        "customer",
        "client",
        "user",
        "buyer",
        "contact",
        "subscriber",
        "покупатель",
        "покупателя",
        "клиент",
        "клиента",
        "пользователь",
        "пользователя",
    },
    "offer_id": {"offer", "variant", "variation", "arm", "group", "treatment", "предложение", "группа", "вариант", "акция"},
}
_WORD = re.compile(r"[^\W_]+")
_STORE_COLUMNS = 2  # so many of its headers make a file an export of the store


def foreign(columns: Sequence[str], path: Path) -> BadInputError:
    """The error for a file that lacks a key, with the columns that may be the keys."""
    missing = []
    for key in KEYS:
        if key not in columns:
            near = _nearest(key, columns)
            missing.append(f"«{key}» is missing" + (f" (is it «{near}»?)" if near else ""))
    store = next((t.file for t in SOURCES if len({c.header for c in t.columns} & set(columns)) >= _STORE_COLUMNS), None)
    what = "this is not the file of a campaign" + (" (it looks binary)" if any("\0" in column for column in columns) else "")
    if store:
        what = f"this is an export of the store ({store}), not the file of a campaign"
    return BadInputError(f"{what}: {', '.join(missing)}", file=str(path), line=1, value=", ".join(columns), remedy=_NEEDS)


def _nearest(key: str, columns: Sequence[str]) -> str | None:
    """The column that may be a key under another name."""
    for column in columns:
        if set(_WORD.findall(column.casefold())) & _OTHER_NAMES[key]:
            return column
    folded = {column.casefold(): column for column in columns}
    if key == "customer_id" and "id" in folded:
        return folded["id"]
    near = difflib.get_close_matches(key, list(folded), n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def mended(header: Sequence[str]) -> dict[str, str]:
    """Headers of what an outcome was before -> the same with the outcome as its own header spells it.

    >>> mended(["Spend", "spend_before"])
    {'spend_before': 'Spend_before'}
    """
    matched = match_headers(header, [outcome + BEFORE for outcome in header if outcome])
    return {delivered: right for delivered, right in matched.items() if delivered != right}


def check(header: Sequence[str], path: Path) -> None:
    """Refuse headers that can be read in two ways."""
    for column, times in Counter(header).items():
        if times > 1 and column:
            raise BadInputError("the column appears twice", file=str(path), line=1, column=column, remedy="remove one of them")
    for column in header:
        if column.endswith(BEFORE) and not is_covariate(column, header):
            raise BadInputError(
                f"there is no outcome «{column.removesuffix(BEFORE)}» for which this could be the value before",
                file=str(path),
                line=1,
                column=column,
                remedy="add the outcome, or give the column another name",
            )
