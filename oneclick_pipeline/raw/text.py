"""The text of an export: lines of UTF-8, in the delivered file itself, or in a copy where that is packed or written otherwise.

A copy has the same lines as the delivered text, so that numbers of lines are always those of the text that people see.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import container, header
from oneclick_pipeline.raw.cyrillic import by_letters, words
from oneclick_pipeline.raw.encoding import DOUBLE, decode, decoded, is_double, is_utf8, mark
from oneclick_pipeline.raw.lines import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.formats import Encoding

_HEAD, _CHUNK = 4 * MAX_LINE_BYTES, 1 << 20
_EXAMPLE = 40


@dataclass(frozen=True)
class Text:
    """The text of an export.

    Attributes:
        path: Where it is: the delivered file, or a copy.
        in_place: Whether it is the delivered file.
        container: What held it: `plain`, `gzip` or `zip`.
        encoding: Encoding as delivered.
        byte_order_mark: Whether it begins with one, as delivered.
        old_mac: Whether its lines end with CR alone, as delivered.
        header: What its first lines say.
        header_bytes: Where its rows begin.
        quoted: Whether the header has quotes: rows will have them, too.
    """

    path: Path
    in_place: bool
    container: str
    encoding: Encoding
    byte_order_mark: bool
    old_mac: bool
    header: header.Header
    header_bytes: int
    quoted: bool


def prepare(path: Path, table: Table, scratch: Path, *, encoding: Encoding | None = None, delimiter: str | None = None) -> Text:
    """Find out how an export is packed and written, and copy it as UTF-8 unless it can be read where it is.

    Args:
        path: The delivered file.
        table: The export, by its columns.
        scratch: Existing folder for a copy.
        encoding: Its encoding, if that is known; else it is detected.
        delimiter: Its delimiter, if that is known; else it is detected.

    Raises:
        BadInputError: If it is of a kind that cannot be read, its encoding is not certain, or its header is not the export's.
    """
    with container.opened(path) as (kind, file):
        head = file.read(_HEAD)
        if not head:
            raise BadInputError("the file is empty", file=str(path), remedy="export it again")
        named, mark_bytes = mark(head) or (None, 0)
        head = head[mark_bytes:]
        _check_mark(named, encoding, path)
        used = encoding or _of_head(head, named, table, delimiter) or _of_content(head, table, path)
        beginning = decode(head, used).removeprefix("\ufeff")
        if file.read(1) and "\n" in beginning:  # the last line is cut
            beginning = beginning[: beginning.rfind("\n")]
        old_mac = _ends_with_cr(beginning)
        if old_mac:
            beginning = beginning.replace("\n", "\u2028").replace("\r", "\n")
        found = header.read(beginning, table, path, delimiter)
    header_bytes = _end(head, found.lines)
    line = head[:header_bytes].removesuffix(b"\n").rsplit(b"\n", 1)[-1]
    quoted = b'"' in line
    plain = quoted or (line.count(found.delimiter.encode()) == len(found.names) - 1 and is_utf8(line))
    of_file = (kind, used, bool(mark_bytes), old_mac, found)
    if plain and kind == container.PLAIN and used == "utf-8" and not old_mac:
        return Text(path, True, *of_file, mark_bytes + header_bytes, quoted)  # noqa: FBT003
    copy = scratch / f"{table.file}.utf8"
    end = "\r\n" if beginning.partition("\n")[0].endswith("\r") else "\n"
    first = end * (found.lines - 1) + found.delimiter.join(map(str, range(len(found.names)))) + end
    with container.opened(path) as (_, file):
        file.read(mark_bytes)
        texts = decoded(iter(lambda: file.read(_CHUNK), b""), used, old_mac=old_mac)
        container.write((text.encode("utf-8", errors="replace") for text in _below(texts, found.lines, first)), copy, path)
    return Text(copy, False, *of_file, len(first.encode()), quoted)  # noqa: FBT003


def _check_mark(named: Encoding | None, encoding: Encoding | None, path: Path) -> None:
    if named and encoding not in (None, named) and (named, encoding) != ("utf-8", DOUBLE):
        raise BadInputError(
            f"the byte order mark of the file says {named}, the settings say {encoding}",
            file=str(path),
            remedy="remove the encoding of this file from formats in settings.yaml",
        )


def _of_head(head: bytes, named: Encoding | None, table: Table, delimiter: str | None) -> Encoding | None:
    """The encoding by the mark and by the header; None where neither shows it."""
    by_header = header.encoding_of(head, table, delimiter) if named in (None, "utf-8") else None
    return by_header if by_header and (named is None or by_header == DOUBLE) else named


def _of_content(head: bytes, table: Table, path: Path) -> Encoding:
    """The encoding by the whole content: UTF-8 where all of it is, else by its letters.

    Raises:
        BadInputError: If the letters do not show it, and the header is ASCII, so that nothing else will.
    """
    if b"\0" in head:
        return "utf-8"  # no text: the header says so
    if _is_utf8(path):
        lines = decode(head, "utf-8")
        return DOUBLE if is_double(lines[: lines.rfind("\n") + 1] or lines) else "utf-8"
    with container.opened(path) as (_, file):
        found, candidates = by_letters(words(iter(lambda: file.read(_CHUNK), b"")))
    if found is None and all(c.header.isascii() for c in table.columns):
        readings = "; ".join(f"«{text[:_EXAMPLE]}» in {one}" for one, text in candidates)
        raise BadInputError(
            f"the letters do not show which encoding the file is in: {readings}",
            file=str(path),
            remedy="save it as UTF-8, or name its encoding in settings.yaml: "
            f"formats: {{{table.file or 'campaign'}: {{encoding: {candidates[0][0]}}}}}",
        )
    return found or candidates[0][0]


def _is_utf8(path: Path) -> bool:
    """Whether all of a file is UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with container.opened(path) as (_, file):
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _ends_with_cr(text: str) -> bool:
    """Whether the first line ends with CR alone."""
    cr, lf = text.find("\r"), text.find("\n")
    return cr >= 0 and (lf < 0 or cr < lf - 1)


def _end(head: bytes, lines: int) -> int:
    """Where some lines end."""
    end = 0
    for _ in range(lines):
        end = head.find(b"\n", end) + 1 or len(head)
    return end


def _below(texts: Iterable[str], lines: int, first: str) -> Iterator[str]:
    """A text with other first lines."""
    yield first
    for text in texts:
        end = 0
        while lines and (after := text.find("\n", end) + 1):
            end, lines = after, lines - 1
        if not lines:
            yield text[end:]
