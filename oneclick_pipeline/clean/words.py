"""Words of a vocabulary: which there are, and which of them a misspelt one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from oneclick_pipeline.contracts.schema import Column

    Words = Mapping[str, Mapping[Any, tuple[str, str]]]
    """By column and key: the text and its right spelling."""

_SHORTEST_REPAIR = 6  # in shorter words one letter may be the whole difference: «да», «на»


def nearest(text: str, words: Iterable[str]) -> str | None:
    """The one word that `text` is a misspelling of: itself but for case and spaces, or one edit away.

    >>> nearest("предыдцщий_месяц", ["предыдущий_месяц", "препредыдущий_месяц"])
    'предыдущий_месяц'
    >>> nearest("на", ["да", "нет"]) is None
    True
    """

    def plain(word: str) -> str:
        return " ".join(word.casefold().replace("ё", "е").split())

    words = list(words)
    same = [w for w in words if plain(w) == plain(text)]
    if same or len(text) < _SHORTEST_REPAIR:
        return same[0] if same else None
    near = [w for w in words if len(w) >= _SHORTEST_REPAIR and OSA.distance(plain(text), plain(w), score_cutoff=1) <= 1]
    return near[0] if len(near) == 1 else None


def is_word(column: Column) -> bool:
    """Whether the column has a vocabulary."""
    return bool(column.values or column.known)


def right_spellings(texts: nw.LazyFrame, column: Column) -> dict[str, str]:
    """Every different text of a vocabulary column -> its right spelling; unknown words are left out."""
    different = texts.select(column.name).unique().collect()[column.name].drop_nulls().to_list()
    words = list(column.values) or list(column.known)
    right = {text: text if text in words else nearest(text, words) for text in sorted(different)}
    if column.known:  # an open vocabulary: a new word is as good as a known one
        return {text: word or text for text, word in right.items()}
    return {text: word for text, word in right.items() if word is not None}


def chosen(key: nw.Expr, by_key: Mapping[Any, Any], dtype: nw.dtypes.DType) -> nw.Expr:
    """The dictionary's value for the key, null where nothing does."""
    if not by_key:
        return nw.lit(None, dtype)
    return key.replace_strict(list(by_key), list(by_key.values()), default=None, return_dtype=dtype)
