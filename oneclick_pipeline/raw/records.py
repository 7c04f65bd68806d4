"""Records of a CSV file (RFC 4180): fields in quotes may hold delimiters, doubled quotes and line ends.

A quote that is not closed does not take in the rows after it: its line is broken, and reading goes on with the next one.
"""

from __future__ import annotations

import csv
from collections import deque
from dataclasses import dataclass
from itertools import repeat
from typing import IO, TYPE_CHECKING, NamedTuple

from oneclick_pipeline.raw.lines import MAX_LINE_BYTES, pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from oneclick_pipeline.raw.lines import Shape

NOT_CLOSED = "a quote is not closed on the line"
ENCLOSED = "the line looks like a row and is inside the quotes of a line before: one of the two is wrong"
TOO_LONG = f"the line is longer than {MAX_LINE_BYTES} bytes"

FIELD, PROBLEM = "\x1f", "\x1e"
"""Separates the fields of a rewritten record; begins one that could not be split."""
_SAFE = bytes.maketrans(b"\x1e\x1f", b"\x1a\x1a")
"""Both are legal in no value: U+001A, the substitute, takes their place."""
LINE_BREAK = "\u2028"
"""Stands for a line end inside a field: a blank, but in no number."""


class Record(NamedTuple):
    """A record, or a line that is none.

    Attributes:
        line: Number of the physical line where it begins.
        lines: How many physical lines it takes.
        text: The first of them.
        fields: Its fields; empty for a blank line, None where it cannot be split.
        problem: Why it cannot.
    """

    line: int
    lines: int
    text: str
    fields: list[str] | None
    problem: str | None = None


RecordFields = tuple[int, int, str, list[str] | None, str | None]
"""The fields of a `Record`; a million named tuples would take as long as splitting as many lines."""


@dataclass(frozen=True)
class Block:
    """Some physical lines, without their ends.

    Attributes:
        numbers: Their numbers.
        texts: Their texts; of a line that is too long only the beginning.
        too_long: Places of those.
    """

    numbers: Sequence[int]
    texts: list[str]
    too_long: frozenset[int] = frozenset()


def blocks(file: IO[bytes], first: int) -> Iterator[Block]:
    """The lines of a UTF-8 file, in constant memory.

    Args:
        file: The file, at the beginning of a line.
        first: Number of that line.
    """
    cut = False  # whether the piece begins inside a line that is too long
    for piece in pieces(file):
        if cut:
            whole = piece.partition(b"\n")[2]
            cut = not whole and not piece.endswith(b"\n")
        else:
            whole = piece
        if not whole:
            continue
        block, cut = _block(whole, first)
        first += len(block.texts)
        yield block


def _block(piece: bytes, first: int) -> tuple[Block, bool]:
    """The lines of a piece, and whether the last one is cut."""
    lines = piece.removesuffix(b"\n").split(b"\n")
    numbers = range(first, first + len(lines))
    if max(map(len, lines)) <= MAX_LINE_BYTES:  # decoding them at once is faster
        texts = piece.removesuffix(b"\n").translate(_SAFE).decode("utf-8", errors="replace").split("\n")
        return Block(numbers, [_tidy(text) for text in texts] if b"\r" in piece else texts), False
    too_long = frozenset(i for i, line in enumerate(lines) if len(line.rstrip(b"\r")) > MAX_LINE_BYTES)
    cut = not piece.endswith(b"\n") and len(lines[-1]) > MAX_LINE_BYTES
    return Block(numbers, [text_of(line) for line in lines], too_long), cut


def text_of(line: bytes) -> str:
    """The text of a line without its end; of one that is too long, the beginning."""
    return _tidy(line[:MAX_LINE_BYTES].translate(_SAFE).decode("utf-8", errors="replace"))


def _tidy(text: str) -> str:
    """A line without the carriage returns at its end; one inside is a line end in quotes, and belongs nowhere else."""
    text = text.rstrip("\r")
    return text if "\r" not in text else text.replace("\r", LINE_BREAK if '"' in text else "\ufffd")


def records(blocks: Iterable[Block], delimiter: str, shape: Shape | None = None) -> Iterator[RecordFields]:
    """The records of some lines, each as the fields of a `Record`.

    Args:
        blocks: The lines.
        delimiter: Character between fields.
        shape: What rows look like, where that is known.
    """
    lines = _Lines(iter(blocks))
    while block := lines.next_block():
        try:
            split = [] if block.too_long else list(csv.reader(block.texts, delimiter=delimiter, strict=True))
        except csv.Error:
            split = []
        if len(split) == len(block.texts):  # every record is on one line
            yield from zip(block.numbers, repeat(1), block.texts, split, repeat(None))
        else:
            lines.put_back(block)
            yield from _careful(lines, delimiter, shape)


class _Lines:
    """Physical lines one by one, as far as one record may reach; those that were taken can be given back."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self.waiting: deque[tuple[int, str, bool]] = deque()
        self.taken: list[tuple[int, str, bool]] = []
        self._size = 0

    def next_block(self) -> Block | None:
        return next(self._blocks, None)

    def put_back(self, block: Block) -> None:
        self.waiting.extend((n, t, i in block.too_long) for i, (n, t) in enumerate(zip(block.numbers, block.texts, strict=True)))

    def begin(self) -> None:
        """Begin a record."""
        self.taken, self._size = [], 0

    def give_back(self) -> None:
        """Give back what was taken but for the first line."""
        self.waiting.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if not self.waiting and self.taken and (block := self.next_block()):
            self.put_back(block)
        if not self.waiting or self._size > MAX_LINE_BYTES or (self.taken and self.waiting[0][2]):
            raise StopIteration
        line = self.waiting.popleft()
        self.taken.append(line)
        self._size += len(line[1]) + 1
        return line[1] + "\n"


def _careful(lines: _Lines, delimiter: str, shape: Shape | None) -> Iterator[RecordFields]:
    """The records of lines of which one at least is no record by itself."""
    while lines.waiting:
        lines.begin()
        if lines.waiting[0][2]:
            number, text, _ = lines.waiting.popleft()
            yield Record(number, 1, text, None, TOO_LONG)
            continue
        try:
            fields = next(csv.reader(lines, delimiter=delimiter, strict=True))
        except csv.Error:
            fields = None
        (number, text, _), *others = lines.taken
        if fields is None or (others and shape and not shape.fits(fields)):
            lines.give_back()
            yield Record(number, 1, text, None, NOT_CLOSED)
        elif others and shape and _takes_in_rows([line for _, line, _ in lines.taken], shape):
            yield Record(number, 1, text, None, NOT_CLOSED)
            yield from (Record(n, 1, line, None, ENCLOSED) for n, line, _ in others)
        else:
            yield Record(number, len(lines.taken), text, [field.replace("\n", LINE_BREAK) for field in fields])


def _takes_in_rows(texts: list[str], shape: Shape) -> bool:
    """Whether lines that quotes join to one record may be rows by themselves, two of which have a quote too many.

    What stands before the first quote of a line is inside the quotes of the lines before. A line whose id comes later belongs to
    the record, unless the first line is as complete as it.
    """
    first, *others = texts
    rows = [line for line in others if shape.looks_like_row(line)]
    inside = [line.partition('"')[0].count(shape.delimiter) for line in rows]
    return any(place >= shape.id_place for place in inside) or (bool(rows) and shape.looks_like_row(first))
