"""Encodings of files of the store: Unicode by its marks, four of Cyrillic, and UTF-8 that was read as cp1251."""

from __future__ import annotations

import codecs
import re
from encodings import cp1251
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from oneclick_pipeline.formats import Encoding

DOUBLE: Encoding = "utf-8 read as cp1251"
CYRILLIC: tuple[Encoding, ...] = ("cp1251", "cp866", "koi8-r", "mac-cyrillic")
_MARKS: tuple[tuple[bytes, Encoding], ...] = (  # that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_LONGEST = 1 << 20
_CP1251 = codecs.charmap_build(cp1251.decoding_table.replace("\ufffe", "\x98"))
"""cp1251 has no character for byte 0x98, the second byte of «И»; programs put U+0098 in its place."""
_NATIVE = re.compile(r"[\x00-\x7f\x98" + cp1251.decoding_table[128:].replace("\ufffe", "") + "]+")
"""Runs of what cp1251 has."""
_PAIR = re.compile(r"[РС][^\x00-\x7f]")
_CUT = re.compile(rb"([\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?) ")
"""The beginning of a character of several bytes, and a space where byte 0xA0 was."""


def mark(head: bytes) -> tuple[Encoding, int] | None:
    """The encoding that a byte order mark names, and its length; None without one."""
    return next(((encoding, len(m)) for m, encoding in _MARKS if head.startswith(m)), None)


def codec(encoding: Encoding) -> str:
    """Python's name of what the bytes are read by."""
    return "utf-8" if encoding == DOUBLE else encoding


def decode(text: bytes, encoding: Encoding) -> str:
    """Decode text; bytes that do not belong become U+FFFD, so that only their own cell is rejected."""
    decoded = text.decode(codec(encoding), errors="replace")
    return _undone(decoded) if encoding == DOUBLE else decoded


def undo_cp1251(text: str) -> str:
    r"""Undo that UTF-8 was decoded as cp1251: «РџРµСЂРёРѕРґ» -> «Период».

    Byte 0xA0 is U+00A0 in cp1251, which editors turn into a space. «Р» cannot stand before a space in such a text: it is the
    first of two bytes.

    Raises:
        UnicodeError: If the text did not come about that way.

    >>> undo_cp1251("РџРµСЂРёРѕРґ"), undo_cp1251("Р\xa0Р°Р·"), undo_cp1251("Р Р°Р·")
    ('Период', 'Раз', 'Раз')
    """
    data = codecs.charmap_encode(text, "strict", _CP1251)[0]
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _CUT.sub(b"\\1\xa0", data).decode("utf-8")


def _undone(text: str) -> str:
    """Whole lines with cp1251 undone; what did not come about that way stays as it is."""
    try:
        return undo_cp1251(text)
    except UnicodeError:
        lines = text.splitlines(keepends=True)
        return "".join(map(_undone, lines)) if len(lines) > 1 else _NATIVE.sub(_undone_run, text)


def _undone_run(match: re.Match[str]) -> str:
    try:
        return undo_cp1251(match[0])
    except UnicodeError:
        return match[0]


def is_double(text: str) -> bool:
    """Whether a text is UTF-8 that was decoded as cp1251: all of it, by more than spaces and a single letter.

    >>> is_double("РџРµСЂРёРѕРґ"), is_double("Р 1"), is_double("Период"), is_double("№ 5, Р°")
    (True, False, False, False)
    """
    try:
        undone = undo_cp1251(text)
    except UnicodeError:
        return False
    return undone != text and len(set(_PAIR.findall(text))) > 1


def decoded(chunks: Iterable[bytes], encoding: Encoding, *, old_mac: bool) -> Iterator[str]:
    """Decode a file piece by piece.

    Args:
        chunks: Its bytes, without a byte order mark.
        encoding: Their encoding.
        old_mac: Whether its lines end with CR alone: they get LF, and what LF it has is a blank.
    """
    decoder = codecs.getincrementaldecoder(codec(encoding))("replace")
    texts: Iterable[str] = (decoder.decode(chunk, final=not chunk) for chunk in chain(chunks, [b""]))
    if encoding == DOUBLE:
        texts = map(_undone, _whole_lines(texts))
    return (text.replace("\n", "\u2028").replace("\r", "\n") for text in texts) if old_mac else iter(texts)


def _whole_lines(texts: Iterable[str]) -> Iterator[str]:
    """The same text in pieces of whole lines, unless a line is too long for a row."""
    rest = ""
    for text in texts:
        rest += text
        end = max(rest.rfind("\n"), rest.rfind("\r")) + 1 or (len(rest) if len(rest) > _LONGEST else 0)
        yield rest[:end]
        rest = rest[end:]
    yield rest


def is_utf8(text: bytes) -> bool:
    """Whether bytes are UTF-8."""
    import polars as pl

    try:
        pl.Series([text], dtype=pl.Binary).cast(pl.String)  # a third of the cost of bytes.decode
    except pl.exceptions.ComputeError:
        return False
    return True
