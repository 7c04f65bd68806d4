"""Words of a vocabulary: which there are, and which of them a misspelt one is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import narwhals as nw
from rapidfuzz.distance import OSA, Prefix

from oneclick_pipeline.raw.letters import alphabet, folded, in_one_alphabet, mended, plain
from oneclick_pipeline.raw.missing import MARKERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from oneclick_pipeline.contracts.schema import Column

    Words = Mapping[str, Mapping[Any, tuple[str, str | None]]]
    """By column and key: the text and its right spelling; None where the text stands for a missing value."""

_SHORTEST_REPAIR = 6  # in shorter words one letter may be the whole difference: «да», «на»
_SEPARATORS = re.compile("[ _-]+")


def nearest(text: str, words: Iterable[str]) -> str | None:
    """The one word that `text` is a misspelling of: it looks like it (`letters.folded`), or is one edit away.

    An edit is a letter more, less, exchanged or moved, or a separator more or less; space, `_` and `-` are one separator. A digit
    or another sign makes another word.

    >>> nearest("предыдцщий_месяц", ["предыдущий_месяц", "препредыдущий_месяц"])
    'предыдущий_месяц'
    >>> nearest("на", ["да", "нет"]) is None
    True
    >>> nearest("премиум+", ["премиум"]) is None
    True
    """
    words = list(words)
    same = mended(text, words)
    shown = plain(text)
    if same is not None or len(shown) < _SHORTEST_REPAIR:
        return same
    shown = _SEPARATORS.sub("_", shown)
    near = [w for w in words if len(w) >= _SHORTEST_REPAIR and abs(len(shown) - len(w)) <= 1 and _one_edit_away(shown, w)]
    return near[0] if len(near) == 1 else None


def _one_edit_away(shown: str, word: str) -> bool:
    """Whether one edit of letters, or one separator more or less between them, makes `word` of a text with `_` between words."""
    mine, theirs = folded(shown), folded(_SEPARATORS.sub("_", word))
    if OSA.distance(mine, theirs, score_cutoff=1) > 1:
        return False
    if mine.replace("_", "") == theirs.replace("_", ""):
        return mine.strip("_") == mine
    if [c for c in mine if not c.isalpha()] != [c for c in theirs if not c.isalpha()]:
        return False
    place = Prefix.similarity(mine, theirs)
    return len(mine) <= len(theirs) or alphabet(shown[place : place + 1]) in map(alphabet, word)  # «премиумS» is no misspelling


def is_word(column: Column) -> bool:
    """Whether the column has a vocabulary."""
    return bool(column.values or column.known)


def right_spellings(texts: nw.LazyFrame, column: Column) -> dict[str, str | None]:
    """Every different text of a vocabulary column -> its right spelling; texts that break a rule are left out.

    A marker of a missing value becomes None where a value may be missing. In an open vocabulary a new word is as good as a known
    one: it keeps its spelling, but for letters of another alphabet and what cannot be seen.
    """
    different = texts.select(column.name).unique().collect()[column.name].drop_nulls().to_list()
    words = list(column.values) or list(column.known)
    right: dict[str, str | None] = {text: None for text in sorted(different) if text in MARKERS and column.nullable}
    for text in sorted({*different} - {*MARKERS}):
        word = text if text in words else nearest(text, words)
        if word is not None or column.known:
            right[text] = word or in_one_alphabet(text)
    return right


def chosen(key: nw.Expr, by_key: Mapping[Any, Any], dtype: nw.dtypes.DType) -> nw.Expr:
    """The dictionary's value for the key, null where nothing does."""
    if not by_key:
        return nw.lit(None, dtype)
    return key.replace_strict(list(by_key), list(by_key.values()), default=None, return_dtype=dtype)
