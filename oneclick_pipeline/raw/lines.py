"""One pass over the bytes of an export: hash, line ends, and the lines that are not plain.

A plain line has as many fields as the header, no quotes, and is UTF-8. All others are odd, blank ones included.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from oneclick_pipeline.raw.encoding import BYTE_ORDER_MARK, is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_LINE_BYTES = 65_536
"""A longer line cannot be a row of the export."""

MAX_ODD_LINES, MAX_ODD_BYTES = 100_000, 32 << 20
"""With more odd lines, or longer ones, every line of a file is read as an odd one."""

_CHUNK = 256 << 10


@dataclass
class Scan:
    """What one pass over the bytes finds.

    Attributes:
        odd: Number and content of every line that is not plain; blank lines are among them.
        whole: Whether there are too many of those, or a line too long to look at.
    """

    sha256: str = ""
    lines: int = 0
    lf: int = 0
    cr: int = 0
    crlf: int = 0
    odd: dict[int, bytes] = field(default_factory=dict)
    odd_bytes: int = 0
    whole: bool = False

    @property
    def line_end(self) -> str:
        """How the lines end."""
        if not self.cr:
            return "LF"
        return "CR" if not self.lf else "CRLF" if self.cr == self.crlf == self.lf else "mixed"

    def look(self, block: bytes, marks: _Marks) -> None:
        """Count the lines of a block of whole lines and keep the odd ones."""
        if plain := marks.lines_if_plain(block):
            self.lines += plain
            ends = plain if b"\r" in block[:MAX_LINE_BYTES] else 0
            self.cr += ends
            self.crlf += ends
            return
        self.cr += block.count(b"\r")
        self.crlf += block.count(b"\r\n")
        lines = block.split(b"\n")[:-1]
        for number, ended in enumerate(lines, self.lines + 1):
            line = ended.removesuffix(b"\r")
            if marks.is_odd(line):
                self.odd[number] = line[: MAX_LINE_BYTES + 1]
                self.odd_bytes += len(self.odd[number])
        self.lines += len(lines)
        self.whole = len(self.odd) > MAX_ODD_LINES or self.odd_bytes > MAX_ODD_BYTES


class _Marks:
    """Recognises plain lines: the delimiters and line ends of a block of them are one pattern, over and over."""

    def __init__(self, delimiter: str, width: int) -> None:
        self.delimiter, self.width = delimiter.encode(), width
        self._others = bytes(set(range(256)) - set(self.delimiter + b'\n\r"'))
        self._ends = [(self.delimiter * (width - 1) + end, end) for end in (b"\n", b"\r\n")]

    def lines_if_plain(self, block: bytes) -> int:
        """How many lines the block of whole lines has; 0 if one of them may be odd."""
        marks = block.translate(None, self._others)
        for pattern, end in self._ends:
            lines = len(marks) // len(pattern)
            if marks == pattern * lines and (end == b"\n" or block.count(end) == lines):
                return lines if _lines_are_short(block) and is_utf8(block) else 0
        return 0

    def is_odd(self, line: bytes) -> bool:
        """Whether a line without its end is odd."""
        special = b'"' in line or b"\r" in line or len(line) > MAX_LINE_BYTES
        return special or line.count(self.delimiter) != self.width - 1 or not is_utf8(line)


def _lines_are_short(block: bytes) -> bool:
    """Whether there is a line end in every half of a line's greatest length, so that none can be too long."""
    half = MAX_LINE_BYTES // 2
    return all(block.find(b"\n", start, start + half) >= 0 for start in range(0, len(block) - half, half))


def scan(file: BinaryIO, delimiter: str, width: int) -> Scan:
    """Read a file once, in chunks.

    Args:
        file: The file, at its beginning.
        delimiter: Character between fields.
        width: Fields of a line.
    """
    found, marks, digest, rest = Scan(), _Marks(delimiter, width), hashlib.sha256(), b""
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        if not found.whole:
            end = chunk.rfind(b"\n") + 1
            if end:
                found.look(rest + chunk[:end], marks)
                rest = b""
            rest += chunk[end:]
            found.whole |= len(rest) > MAX_LINE_BYTES
    found.lf = found.lines
    found.whole |= not found.lf  # one line, or old Mac line ends
    if rest and not found.whole:
        found.look(rest + b"\n", marks)
    found.sha256 = digest.hexdigest()
    return found


def count_line_ends(file: BinaryIO) -> Scan:
    """Lines and their ends in a file whose lines cannot be examined one by one."""
    lines, last = Scan(), b""
    while chunk := file.read(_CHUNK):
        lines.lf += chunk.count(b"\n")
        lines.cr += chunk.count(b"\r")
        lines.crlf += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
        last = chunk[-1:]
    return lines


def first_line(path: Path) -> bytes:
    """The first line of a file without its end and byte order mark."""
    with path.open("rb") as file:
        head = file.read(MAX_LINE_BYTES).removeprefix(BYTE_ORDER_MARK)
    return head.replace(b"\r", b"\n").split(b"\n", 1)[0]


def physical_lines(file: BinaryIO, line_end: str) -> Iterator[tuple[bytes, bool]]:
    """Lines without their ends, and whether each was too long (then only its beginning comes)."""
    end = b"\r" if line_end == "CR" else b"\n"
    rest, too_long = b"", False
    while chunk := file.read(_CHUNK):
        *lines, rest_of_chunk = chunk.split(end)
        for line in lines:
            whole = rest + line
            yield whole[:MAX_LINE_BYTES].removesuffix(b"\r"), too_long or len(whole) > MAX_LINE_BYTES
            rest, too_long = b"", False
        rest += rest_of_chunk
        if len(rest) > MAX_LINE_BYTES:  # keep the beginning only: memory stays constant
            rest, too_long = rest[:MAX_LINE_BYTES], True
    if rest:
        yield rest.removesuffix(b"\r"), too_long
