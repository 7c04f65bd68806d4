"""Encodings of files of the store: UTF-8, cp1251, and UTF-8 that was decoded as cp1251 and encoded again."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Encoding = Literal[
    "utf-8",
    "utf-8 read as cp1251",
    "cp1251",
    "cp866",
    "koi8-r",
    "mac-cyrillic",
    "utf-16-le",
    "utf-16-be",
    "utf-32-le",
    "utf-32-be",
]
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-8 read as cp1251", "cp1251")

BYTE_ORDER_MARK = codecs.BOM_UTF8

_SAMPLE_BYTES = 65_536
_CHUNK_BYTES = 1 << 20


def decode(text: bytes, encoding: Encoding) -> str:
    """Decode text; bytes that do not belong become U+FFFD, so that only their own cell is rejected."""
    if encoding == "cp1251":
        return text.decode("cp1251", errors="replace")
    decoded = text.decode("utf-8", errors="replace")
    if encoding == "utf-8":
        return decoded
    try:
        return _undo_cp1251(decoded)
    except UnicodeError:
        return decoded


def _undo_cp1251(text: str) -> str:
    """Undo that UTF-8 was decoded as cp1251: «РџРµСЂРёРѕРґ» -> «Период».

    cp1251 has no character for byte 0x98, which is the second byte of «И»; programs put U+0098 in its place.

    Raises:
        UnicodeError: If the text did not come about that way.

    >>> _undo_cp1251("РџРµСЂРёРѕРґ")
    'Период'
    """
    return b"".join(b"\x98" if c == "\x98" else c.encode("cp1251") for c in text).decode("utf-8")


def is_utf8(text: bytes) -> bool:
    """Whether bytes are UTF-8."""
    import polars as pl

    try:
        pl.Series([text], dtype=pl.Binary).cast(pl.String)  # a third of the cost of bytes.decode
    except pl.exceptions.ComputeError:
        return False
    return True


def has_byte_order_mark(path: Path) -> bool:
    """Whether a file begins with UTF-8's byte order mark."""
    with path.open("rb") as file:
        return file.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK


def of_content(path: Path) -> Encoding:
    """The encoding of a file by its whole content, for files whose known headers are ASCII and do not reveal it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        head = file.read(_SAMPLE_BYTES)
        try:
            decoder.decode(head)
            while chunk := file.read(_CHUNK_BYTES):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1251"
    lines = head.removeprefix(BYTE_ORDER_MARK).splitlines()
    sample = b"\n".join(lines[: max(1, len(lines) - 1)])  # the last line may be cut
    return "utf-8" if decode(sample, "utf-8 read as cp1251") == decode(sample, "utf-8") else "utf-8 read as cp1251"
