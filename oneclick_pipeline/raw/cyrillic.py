"""Which of the Cyrillic encodings a text is in, by its letters, where no known header shows it.

Each encoding makes other letters of the same bytes. Letters that are frequent in Russian, in words of one case or with a
capital, are likely; what is not likely enough to be certain is not guessed.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from oneclick_pipeline.raw.encoding import CYRILLIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oneclick_pipeline.formats import Encoding

_PER_10_000 = {  # letters of Russian texts
    "о": 1097, "е": 845, "а": 801, "и": 735, "н": 670, "т": 626, "с": 547, "р": 473, "в": 454, "л": 440, "к": 349,
    "м": 321, "д": 298, "п": 281, "у": 262, "я": 201, "ы": 190, "ь": 174, "г": 170, "з": 165, "б": 159, "ч": 144,
    "й": 121, "х": 97, "ж": 94, "ш": 73, "ю": 64, "ц": 48, "щ": 36, "э": 32, "ф": 26, "ё": 20, "ъ": 4,
}  # fmt: skip
_LOG = {letter: math.log(times / 10_000) for letter, times in _PER_10_000.items()}
_BESIDE_WORDS, _ALONE = set("\xa0«»—–…“”„’"), set("№°§±€")
_TITLE, _UPPER, _SIGN, _LATIN, _STRANGE, _SWITCH = -1.0, -2.0, -5.0, -4.0, -12.0, -10.0
"""Logarithms of how likely it is: a capital at the beginning, a word of capitals, a sign, a Latin letter in a Cyrillic word, a
character that does not belong, a capital after a small letter."""
_CERTAIN = 7.0
"""The likeliest encoding must be a thousand times as likely as the next that makes another text of the bytes."""
_LEAST = -6.5
"""Less likely a character on average, a text is none of Russian words."""
_MOST_WORDS = 5_000
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")


def words(chunks: Iterable[bytes]) -> list[bytes]:
    """Different words with bytes above ASCII, in their order."""
    found = (match[0] for chunk in chunks for match in _WORD.finditer(chunk))
    different: dict[bytes, None] = {}
    for word in found:
        different[word] = None
        if len(different) == _MOST_WORDS:
            break
    return list(different)


def by_letters(found: list[bytes]) -> tuple[Encoding | None, list[tuple[Encoding, str]]]:
    """The encoding of words, None where their letters do not show it; and the candidates with what each makes of them."""
    readings: dict[str, tuple[float, Encoding]] = {}
    for encoding in CYRILLIC:
        texts = [word.decode(encoding, errors="replace") for word in found]
        readings.setdefault(" ".join(texts), (sum(map(_likelihood, texts)), encoding))
    best = sorted(readings.items(), key=lambda reading: -reading[1][0])
    text, (likelihood, encoding) = best[0]
    certain = len(best) == 1 or likelihood - best[1][1][0] >= _CERTAIN
    high = sum(not c.isascii() for c in text)
    likely = likelihood >= _LEAST * max(high, 1)
    return encoding if certain and likely else None, [(one, reading) for reading, (_, one) in best]


def _likelihood(word: str) -> float:
    """Logarithm of how likely a word is in a Russian text."""
    total = 0.0
    for run in re.findall(r"[^\W\d_]+", word):
        total += sum(_LOG.get(c, _LATIN if c.isascii() else _STRANGE) for c in run.lower())
        switches = sum(a.islower() and b.isupper() for a, b in pairwise(run))
        total += _SWITCH * switches if switches else 0.0 if run.islower() else _TITLE if run.istitle() else _UPPER
    usual = _BESIDE_WORDS if total else _BESIDE_WORDS | _ALONE
    return total + sum(_SIGN if c in usual else _STRANGE for c in word if not c.isalnum())
