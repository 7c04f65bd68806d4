"""One pass over the bytes of an export: hash, line ends, and the lines that are not plain.

A plain line has as many fields as the header, no quotes, is UTF-8, and its id begins as a number does. All others are odd: rows
with quotes or of another width, and lines that are no rows at all.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from oneclick_pipeline.raw.dialect import is_open
from oneclick_pipeline.raw.encoding import is_utf8
from oneclick_pipeline.raw.letters import INVISIBLE
from oneclick_pipeline.raw.numbers import APOSTROPHES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LINE_BYTES = 65_536
"""A longer line cannot be a row of the export."""

MAX_ODD_LINES, MAX_ODD_BYTES = 100_000, 32 << 20
"""With more odd lines, or longer ones, every line of a file is read as an odd one."""
_MANY = 1_000
"""The same with more than these, where most lines are odd."""

_ID = re.compile(rf"[\s{INVISIBLE}]*[0-9][0-9.,\s{APOSTROPHES}{INVISIBLE}]*")

_CHUNK = 256 << 10
_DIGITS = 10


@dataclass(frozen=True)
class Shape:
    """What the rows of an export look like.

    Attributes:
        delimiter: Character between fields.
        width: Fields of a row.
        id_place: Place of the id among them.
        empty_tail: Fields at the end of a row that have no header, and are empty.
    """

    delimiter: str
    width: int
    id_place: int
    empty_tail: int = 0

    def fits(self, fields: Sequence[str]) -> bool:
        """Whether some fields are as many as a row has, with or without the empty ones at its end."""
        named = self.width - self.empty_tail
        return len(fields) in (named, self.width) and not any(field.strip() for field in fields[named:])

    def looks_like_row(self, line: str) -> bool:
        """Whether a line is as wide as a row, with or without the empty fields at its end, and has a number as id."""
        fields = line.split(self.delimiter)
        return self.fits(fields) and _ID.fullmatch(fields[self.id_place]) is not None


@dataclass
class Scan:
    """What one pass over the bytes finds.

    Attributes:
        odd: Number and content of every line that is not plain; of one that is too long, the beginning.
        whole: Whether there are too many of those, a line too long to look at, or a quote that goes on to the next line.
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
        return "LF" if not self.cr else "CRLF" if self.cr == self.crlf == self.lf else "mixed"

    def count(self, block: bytes) -> None:
        """Count the lines of a block and their ends."""
        self.lf += block.count(b"\n")
        if b"\r" in block:
            self.cr += block.count(b"\r")
            self.crlf += block.count(b"\r\n")

    def look(self, block: bytes, marks: _Marks) -> None:
        """Count the lines of a block of whole lines and keep the odd ones."""
        if plain := marks.lines_if_plain(block):
            self.lines += plain
            self.lf += plain
            ends = plain if block.find(b"\r", 0, MAX_LINE_BYTES) >= 0 else 0
            self.cr += ends
            self.crlf += ends
            return
        for ended in block.split(b"\n")[:-1]:
            self.lines += 1
            line = ended.removesuffix(b"\r")
            if marks.is_odd(line):
                self.odd[self.lines] = line[: MAX_LINE_BYTES + 1]
                self.odd_bytes += len(self.odd[self.lines])
                self.whole |= marks.is_open(line)
        self.count(block)
        many = len(self.odd) > MAX_ODD_LINES or len(self.odd) > max(_MANY, self.lines // 2)
        self.whole |= many or self.odd_bytes > MAX_ODD_BYTES


class _Marks:
    """Recognises plain lines: the delimiters and line ends of a block of them are one pattern, over and over."""

    def __init__(self, shape: Shape) -> None:
        import numpy as np

        self.shape, self.delimiter = shape, shape.delimiter.encode()
        self._others = bytes(set(range(256)) - set(self.delimiter + b'\n\r"'))
        self._ends = [(self.delimiter * (shape.width - 1) + end, end) for end in (b"\n", b"\r\n")]
        self._ends_before, self._firsts = np.empty(0, bool), np.empty(0, np.uint8)
        self._tail = self.delimiter * shape.empty_tail

    def lines_if_plain(self, block: bytes) -> int:
        """How many lines the block of whole lines has; 0 if one of them may be odd."""
        marks = block.translate(None, self._others)
        for pattern, end in self._ends:
            lines = len(marks) // len(pattern)
            if marks == pattern * lines and (end == b"\n" or block.count(end) == lines):
                tails = not self._tail or block.count(self._tail + end) == lines
                plain = tails and _lines_are_short(block) and self._ids_are_numbers(block) and is_utf8(block)
                return lines if plain else 0
        return 0

    def _ids_are_numbers(self, block: bytes) -> bool:
        """Whether the ids of all lines begin with a digit: the lines have the right width."""
        import numpy as np

        codes, place = np.frombuffer(block, np.uint8), self.shape.id_place
        if place:
            marks = np.flatnonzero((codes == ord("\n")) | (codes == ord(self.delimiter)))
            return bool((codes[marks[place - 1 :: self.shape.width] + 1] - ord("0") < _DIGITS).all())
        if len(self._ends_before) < len(codes):  # new arrays would cost more than what is done with them
            self._ends_before, self._firsts = np.empty(len(codes), bool), np.empty(len(codes), np.uint8)
        ends, firsts = self._ends_before[1 : len(codes)], self._firsts[1 : len(codes)]
        np.equal(codes[:-1], ord("\n"), out=ends)
        np.subtract(codes[1:], ord("0"), out=firsts)
        np.greater_equal(firsts, _DIGITS, out=firsts)
        np.logical_and(ends, firsts, out=ends)
        return block[:1].isdigit() and not ends.any()

    def is_odd(self, line: bytes) -> bool:
        """Whether a line without its end is odd."""
        fields = line.split(self.delimiter)
        if len(fields) != self.shape.width or b'"' in line or b"\r" in line or len(line) > MAX_LINE_BYTES:
            return True
        return not fields[self.shape.id_place][:1].isdigit() or not line.endswith(self._tail) or not is_utf8(line)

    def is_open(self, line: bytes) -> bool:
        """Whether a quote of the line may be closed on a later one."""
        return b'"' in line and is_open(line.decode("utf-8", errors="replace"), self.shape.delimiter)


def _lines_are_short(block: bytes) -> bool:
    """Whether there is a line end in every half of a line's greatest length, so that none can be too long."""
    half = MAX_LINE_BYTES // 2
    return all(block.find(b"\n", start, start + half) >= 0 for start in range(0, len(block) - half, half))


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in pieces of whole lines; a line that is too long to be a row is cut."""
    while piece := file.read(_CHUNK):
        yield piece if piece.endswith(b"\n") else piece + file.readline(MAX_LINE_BYTES + 1)


def scan(file: IO[bytes], shape: Shape, *, header_bytes: int, header_lines: int, whole: bool = False) -> Scan:
    """Read a file once, in pieces.

    Args:
        file: The file, at its beginning.
        shape: What its rows look like.
        header_bytes: Where the rows begin.
        header_lines: Lines before them.
        whole: Whether they need not be looked at one by one.
    """
    header = file.read(header_bytes)
    found, marks, digest = Scan(lines=header_lines, whole=whole), _Marks(shape), hashlib.sha256(header)
    found.count(header)
    for piece in pieces(file):
        digest.update(piece)
        rest = len(piece) - piece.rfind(b"\n") - 1
        found.whole |= rest > MAX_LINE_BYTES
        if found.whole:
            found.count(piece)
        elif rest:  # the last line of the file
            found.look(piece + b"\n", marks)
            found.lf -= 1
        else:
            found.look(piece, marks)
    found.sha256 = digest.hexdigest()
    return found
