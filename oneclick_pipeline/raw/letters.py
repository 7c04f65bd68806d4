"""Letters that look alike: texts that a reader cannot tell apart are compared as one, and a difference is named.

Keyboards, copies from PDF files and programs put Latin letters into Cyrillic words and Cyrillic ones into Latin words, U+00A0
for a space, «и» and a breve for «й», soft hyphens and invisible characters. Digits and signs are never alike: «премиум+» is not
«премиум».
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Unicode's white space: left to themselves, engines differ in what is a blank.
BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
INVISIBLE = "\u00ad\u180e" + "".join(map(chr, (*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)))
"""Soft hyphens, marks of no width, marks of direction, byte order marks."""

_LATIN, _CYRILLIC = "ABCEHKMOPTXYËaceopxykë", "АВСЕНКМОРТХУЁасеорхукё"
_FOREIGN_LATIN, _FOREIGN_CYRILLIC = "IJSijsd", "ІЈЅіјѕԁ"  # Cyrillic letters that Russian does not have
_TO_CYRILLIC = str.maketrans(_LATIN, _CYRILLIC)
_TO_LATIN = str.maketrans(_CYRILLIC + _FOREIGN_CYRILLIC, _LATIN + _FOREIGN_LATIN)
# Letters alike in either case are alike, since programs change the case: «HET» becomes "het".
_SAME = str.maketrans("abcehkmoptxyëё" + "іјѕԁ", "авсенкмортхуее" + "ijsd")
_UNSEEN = dict.fromkeys(map(ord, INVISIBLE))
_RUN_OF_LETTERS = re.compile(r"[^\W\d_]+")
_RUN_OF_BLANKS = re.compile(f"[{BLANKS}]+")
_CLOSE = 0.6


def plain(text: str) -> str:
    r"""The text as a reader sees it: letters composed, every run of blanks one space, nothing invisible.

    >>> plain("Тип\u00a0 сервиса\u200b")
    'Тип сервиса'
    """
    return _RUN_OF_BLANKS.sub(" ", unicodedata.normalize("NFC", text.translate(_UNSEEN))).strip(" ")


@lru_cache(1024)  # the words that texts are compared with come again and again
def folded(text: str) -> str:
    """The text for comparison: as a reader sees it, and neither case, «ё» nor the alphabet of a letter counts.

    >>> folded("Kниги") == folded("книги")
    True
    """
    return plain(text).casefold().translate(_SAME)


def mended(text: str, expected: Iterable[str]) -> str | None:
    """The one expected text that `text` is, but for what `folded` passes over; None where none or several are.

    >>> mended("дa", ["да", "нет"])
    'да'
    >>> mended("да!", ["да", "нет"]) is None
    True
    """
    return _by_folding(expected).get(folded(text))


def _by_folding(words: Iterable[str]) -> dict[str, str]:
    """Words by what `folded` makes of them, without those that it makes the same."""
    words = list(dict.fromkeys(words))
    count = Counter(map(folded, words))
    return {fold: word for word in words if count[fold := folded(word)] == 1}


def in_one_alphabet(text: str) -> str:
    """The text, visible characters only, and words of two alphabets in one, where look-alikes allow it.

    >>> in_one_alphabet("Kниги Apple, SPА")
    'Книги Apple, SPA'
    """
    return _RUN_OF_LETTERS.sub(lambda word: _of_one_alphabet(word[0]), plain(text))


@lru_cache(4096)
def alphabet(letter: str) -> str:
    """`Latin`, `Cyrillic`, or the first word of another letter's name; empty for what is no letter."""
    return unicodedata.name(letter, "").partition(" ")[0].capitalize() if letter.isalpha() else ""


def _of_one_alphabet(word: str) -> str:
    """A word in the alphabet of most of its letters that all can be in; Cyrillic where they are as many."""
    count = Counter(map(alphabet, word))
    if len(count) == 1:
        return word
    forms = {"Cyrillic": word.translate(_TO_CYRILLIC), "Latin": word.translate(_TO_LATIN)}
    possible = [name for name, form in forms.items() if {*map(alphabet, form)} == {name}]
    return forms[max(possible, key=lambda name: count[name])] if possible else word


def difference(text: str, expected: str) -> str:
    """The first character that makes `text` another than `expected`, and its place; empty where they are the same.

    What `folded` passes over is named only where nothing else differs.

    >>> difference("Пpибыль", "Прибыль")
    'letter 2 is Latin p (U+0070), Cyrillic р (U+0440) was expected'
    """
    shown, meant = plain(text), plain(expected)
    for mine, theirs, fold in ((shown, meant, folded), (shown, meant, str), (text, expected, str)):
        for place, (one, other) in enumerate(zip(mine, theirs, strict=False)):
            if fold(one) != fold(other):
                return f"{_place(one, place)} is {_named(one)}, {_named(other)} was expected"
        if len(mine) > len(theirs):
            return f"{_place(mine[len(theirs)], len(theirs))} is {_named(mine[len(theirs)])}, the end was expected"
        if len(mine) < len(theirs):
            return f"it ends where {_named(theirs[len(mine)])} was expected as {_place(theirs[len(mine)], len(mine))}"
    return ""


def _place(character: str, index: int) -> str:
    return f"{'letter' if character.isalpha() else 'character'} {index + 1}"


def _named(character: str) -> str:
    """A character as a message names it: with its alphabet, or by name where it cannot be seen."""
    name = unicodedata.name(character, "control character").lower()
    shown = f"{alphabet(character)} {character}".strip() if character.isprintable() and character != " " else name
    return f"{shown} (U+{ord(character):04X})"


def match_headers(columns: Iterable[str], expected: Iterable[str]) -> dict[str, str]:
    """Delivered header -> the expected one that it is, but for what `folded` passes over; others are left out.

    Where a header is there as expected, it is that one: another that only looks like it is a column of its own.

    >>> match_headers(["ID", "Пpибыль", "Город"], ["id", "Прибыль"])
    {'ID': 'id', 'Пpибыль': 'Прибыль'}
    """
    columns, expected = list(columns), set(expected)
    others = _by_folding(expected.difference(columns))
    return {c: match for c in columns if (match := c if c in expected else others.get(folded(c))) is not None}


def missing_header(expected: str, columns: Sequence[str]) -> str:
    """What is wrong where no column is the expected one: the nearest, and where it differs.

    Args:
        expected: The header that is missing.
        columns: Headers that are not yet taken for another expected one.
    """
    by_folded = {folded(column): column for column in columns}
    near = difflib.get_close_matches(folded(expected), list(by_folded), n=1, cutoff=_CLOSE)
    if not near:
        return "the column is missing"
    column = by_folded[near[0]]
    return f"the column is missing (has «{column}» taken its place? In it, {difference(column, expected)})"
