"""Stage raw: the bytes of an export as a table of texts, nothing judged yet.

A file is looked at once (`inspect`): hash, encoding, delimiter, decimal mark, line ends, header. A file that
is plain UTF-8 without quotes is then split into columns by the engine as it lies; any other is first
rewritten, line by line and in constant memory, into that form (`rewrite`). One physical line is one row, so
that every later message can name the line. A line that cannot be split is kept with the reason in `problem`:
nothing is lost here, and nothing is repaired but the encoding.
"""

from __future__ import annotations

import csv
import hashlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import narwhals as nw
import numpy as np

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tables import RAW, SOURCES, Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Encoding = Literal["utf-8", "cp1251", "utf-8 read as cp1251"]

MAX_LINE_BYTES = 65_536
"""A longer line cannot be a row of the export."""

_CHUNK = 4 << 20
_FIELD = "\x1f"  # separates the fields of a rewritten file: legal in no value
_PROBLEM = "\x1e"  # begins a rewritten line that could not be split
_DELIMITERS = (",", ";", "\t", "|")
_EXCERPT = 200

NOT_CLOSED = "a quote is not closed on the line"
TOO_LONG = f"the line is longer than {MAX_LINE_BYTES} bytes"
WRONG_WIDTH = "the line has another number of fields than the header"


@dataclass(frozen=True)
class FileFacts:
    """What was detected about an export.

    Attributes:
        file: Name of the export, for example `market_file`.
        size: Size in bytes.
        sha256: Hash of the bytes.
        encoding: Encoding; `utf-8 read as cp1251` is UTF-8 that was decoded as cp1251 and encoded again.
        byte_order_mark: Whether the file begins with one.
        delimiter: Character between fields.
        decimal_mark: `,` or `.`; `none` where the sampled numbers have no fraction.
        line_end: `LF`, `CRLF`, `CR` or `mixed`.
        header: Columns as they came, in order.
        extra_columns: Columns that the contract does not know; they are ignored.
        rewritten: Whether the file had to be rewritten to be split.
    """

    file: str
    size: int
    sha256: str
    encoding: Encoding
    byte_order_mark: bool
    delimiter: str
    decimal_mark: str
    line_end: str
    header: tuple[str, ...]
    extra_columns: tuple[str, ...]
    rewritten: bool


@dataclass(frozen=True)
class _Bytes:
    """What one pass over the bytes finds."""

    size: int
    sha256: str
    valid_utf8: bool
    longest_line: int
    lf: int
    crlf: int
    cr: int
    special: int  # quotes and our own separators: such a file is rewritten


def _scan_bytes(file: BinaryIO) -> _Bytes:
    """Read the file once, in chunks."""
    import codecs

    digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")()
    size = lf = crlf = cr = special = longest = current = 0
    valid, last = True, b""
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
        if valid:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                valid = False
        cr += chunk.count(b"\r")
        crlf += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
        last = chunk[-1:]
        special += chunk.count(b'"') + chunk.count(_FIELD.encode()) + chunk.count(_PROBLEM.encode())
        ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
        if ends.size:
            lf += ends.size
            longest = max(longest, current + int(ends[0]), int(np.diff(ends).max(initial=0)))
            current = len(chunk) - int(ends[-1]) - 1
        else:
            current += len(chunk)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        valid = False
    return _Bytes(size, digest.hexdigest(), valid, max(longest, current), lf, crlf, cr, special)


def _unmix(text: str) -> str:
    """Undo UTF-8 that was decoded as cp1251: «РџРµСЂРёРѕРґ» -> «Период».

    cp1251 has no character for byte 0x98, which is the second byte of «И»; programs put U+0098 in its place.

    Raises:
        UnicodeError: If the text did not come about that way.

    >>> _unmix("РџРµСЂРёРѕРґ")
    'Период'
    """
    return b"".join(b"\x98" if c == "\x98" else c.encode("cp1251") for c in text).decode("utf-8")


def decode(line: bytes, encoding: Encoding) -> str:
    """Decode one line; bytes that do not belong become U+FFFD, so that only their own cell is rejected."""
    if encoding == "cp1251":
        return line.decode("cp1251", errors="replace")
    text = line.decode("utf-8", errors="replace")
    if encoding == "utf-8 read as cp1251":
        try:
            return _unmix(text)
        except UnicodeError:
            return text
    return text


def _first_line(path: Path) -> bytes:
    """The first line without its end and byte order mark."""
    with path.open("rb") as file:
        head = file.read(MAX_LINE_BYTES)
    head = head.removeprefix(b"\xef\xbb\xbf")
    return head.replace(b"\r", b"\n").split(b"\n", 1)[0]


def split_quoted(line: str, delimiter: str) -> list[str] | None:
    """Split one line with quotes; None where a quote is not closed.

    >>> split_quoted('1,"a, b",2', ",")
    ['1', 'a, b', '2']
    >>> split_quoted('1,"a', ",") is None
    True
    """
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _read_header(path: Path, table: Table) -> tuple[Encoding, str, tuple[str, ...]]:
    """Encoding, delimiter and columns: the combination under which most of the known headers are found."""
    line, expected = _first_line(path), {c.header for c in table.columns}
    best: tuple[int, Encoding, str, tuple[str, ...]] = (-1, "utf-8", ",", ())
    encodings: tuple[Encoding, ...] = ("utf-8", "utf-8 read as cp1251", "cp1251")
    for encoding in encodings:
        text = decode(line, encoding)
        for delimiter in _DELIMITERS:
            fields = split_quoted(text, delimiter)
            if fields is None:
                continue
            header = tuple(field.strip() for field in fields)
            found = len(expected.intersection(header))
            if found > best[0]:
                best = (found, encoding, delimiter, header)
    return best[1:]


def _check_header(header: tuple[str, ...], table: Table, path: Path, line: bytes) -> None:
    """Refuse a header that lacks a column or has one twice, naming the nearest there is."""
    import difflib

    known = [c.header for c in table.columns]
    if not set(known) & set(header):
        text = line[:80].decode("utf-8", errors="replace")
        raise BadInputError(
            "this is no export of the store: none of its columns is in the first line"
            + (" (the file looks binary)" if b"\0" in line else ""),
            file=str(path),
            line=1,
            value=text,
            remedy=f"export it again as CSV with the columns {', '.join(known)}",
        )
    for column in known:
        if header.count(column) > 1:
            raise BadInputError("the column stands twice", file=str(path), line=1, column=column, remedy="remove one of them")
        if column not in header:
            unknown = [h for h in header if h not in known]
            near = difflib.get_close_matches(column, unknown, n=1, cutoff=0.6)
            raise BadInputError(
                "the column is missing" + (f" (has «{near[0]}» taken its place?)" if near else ""),
                file=str(path),
                line=1,
                column=column,
                value=",".join(header),
                remedy=f"name it «{column}» in the export",
            )


def _decimal_mark(path: Path, encoding: Encoding, delimiter: str, header: tuple[str, ...], table: Table) -> str:
    """The decimal mark in the number columns of the first lines, for the record."""
    numbers = [header.index(c.header) for c in table.columns if c.kind == "float"]
    with path.open("rb") as file:
        sample = decode(file.read(_EXCERPT * 1000), encoding).splitlines()[1:-1]
    cells = []
    for line in sample:
        fields = split_quoted(line, delimiter)
        if fields is not None and len(fields) == len(header):
            cells += [fields[i] for i in numbers]
    text = "".join(cells)
    return "," if text.count(",") > text.count(".") else "." if "." in text else "none"


def inspect(path: Path, table: Table) -> FileFacts:
    """Look at the export of `table` at `path`.

    Raises:
        BadInputError: If the file is missing, empty, only a header, or its header is not the export's.
    """
    if not path.is_file():
        raise BadInputError("the file is missing", file=str(path), remedy=f"deliver {path.name} for the month into {path.parent}")
    with path.open("rb") as file:
        found = _scan_bytes(file)
    if found.size == 0:
        raise BadInputError("the file is empty", file=str(path), remedy="export it again")
    encoding, delimiter, header = _read_header(path, table)
    _check_header(header, table, path, _first_line(path))
    mac = found.cr > 0 and found.lf == 0
    return FileFacts(
        file=table.file,
        size=found.size,
        sha256=found.sha256,
        encoding=encoding,
        byte_order_mark=_begins_with_mark(path),
        delimiter=delimiter,
        decimal_mark=_decimal_mark(path, encoding, delimiter, header, table),
        line_end="CR" if mac else "LF" if not found.cr else "CRLF" if found.cr == found.crlf == found.lf else "mixed",
        header=header,
        extra_columns=tuple(h for h in header if h not in {c.header for c in table.columns}),
        rewritten=encoding != "utf-8" or not found.valid_utf8 or mac or found.special > 0 or found.longest_line > MAX_LINE_BYTES,
    )


def _begins_with_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(3) == b"\xef\xbb\xbf"


def _physical_lines(file: BinaryIO, line_end: str) -> Iterator[tuple[bytes, bool]]:
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


def rewrite(path: Path, facts: FileFacts, target: Path) -> None:
    """Write the export as plain UTF-8 lines whose fields are separated by U+001F, in constant memory.

    Lines that cannot be split begin with U+001E, followed by the problem, U+001F and the line's beginning.
    """
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
        for i, (line, too_long) in enumerate(_physical_lines(source, facts.line_end)):
            raw = line.removeprefix(b"\xef\xbb\xbf") if i == 0 else line
            text = decode(raw, facts.encoding).replace(_FIELD, "\ufffd").replace(_PROBLEM, "\ufffd")
            text = text.replace("\n", "\ufffd").replace("\r", "\ufffd")
            if too_long:
                out.write(f"{_PROBLEM}{TOO_LONG}{_FIELD}{text[:_EXCERPT]}\n")
            elif '"' not in text:
                out.write(text.replace(facts.delimiter, _FIELD) + "\n")
            elif (fields := split_quoted(text, facts.delimiter)) is None:
                out.write(f"{_PROBLEM}{NOT_CLOSED}{_FIELD}{text[:_EXCERPT]}\n")
            else:
                out.write(_FIELD.join(fields) + "\n")


def split_lines(path: Path, table: Table, facts: FileFacts) -> nw.LazyFrame:
    """The lines of a plain file as the raw table; blank lines are no rows.

    Args:
        path: The export itself, or the file that `rewrite` made of it.
        table: Table that the export is cleaned into.
        facts: What `inspect` found.
    """
    import polars as pl

    delimiter = _FIELD if facts.rewritten else facts.delimiter
    width = len(facts.header)
    text = pl.col("text")
    broken = text.str.starts_with(_PROBLEM)
    wrong = ~broken & (text.str.count_matches(delimiter, literal=True) != width - 1)
    parts = text.str.split_exact(delimiter, width - 1).struct
    fields = [
        pl.when(~broken & ~wrong).then(parts.field(f"field_{facts.header.index(c.header)}")).alias(c.name) for c in table.columns
    ]
    as_it_came = text.str.head(_EXCERPT).str.replace_all(delimiter, facts.delimiter, literal=True)
    told = text.str.strip_prefix(_PROBLEM).str.split_exact(_FIELD, 1).struct
    frame = (
        pl.scan_lines(path, name="text", row_index_name="line", row_index_offset=1, glob=False)
        .filter((pl.col("line") > 1) & (text.str.strip_chars() != ""))
        .select(
            pl.col("line").cast(pl.Int64),
            *fields,
            pl.when(broken).then(told.field("field_0")).when(wrong).then(pl.lit(WRONG_WIDTH)).alias("problem"),
            pl.when(broken).then(told.field("field_1")).when(wrong).then(as_it_came).alias("excerpt"),
        )
    )
    return nw.from_native(frame)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Make sure that a file stays the same while the block reads it.

    Raises:
        BadInputError: If it was replaced or written to meanwhile.
    """
    before = path.stat() if path.is_file() else None
    yield
    after = path.stat() if path.is_file() else None
    identity = [(s.st_ino, s.st_size, s.st_mtime_ns) if s else None for s in (before, after)]
    if identity[0] != identity[1]:
        raise BadInputError("the file changed while it was read", file=str(path), remedy="run the month again once it is whole")


def read(path: Path, file: str, scratch: Path) -> tuple[nw.LazyFrame, FileFacts]:
    """Read one export as text.

    Args:
        path: The CSV file.
        file: Which export it is: `market_file`, `market_money`, `market_time` or `money`.
        scratch: Existing folder where a rewritten copy may be put; it must live as long as the frame.

    Returns:
        The raw table (lazy; columns of `tables.RAW[file]`) and what was detected about the file.

    Raises:
        BadInputError: See `inspect`; also when no row follows the header.
    """
    table = next(t for t in SOURCES if t.file == file)
    facts = inspect(path, table)
    source = path
    if facts.rewritten:
        source = scratch / f"{file}.txt"
        rewrite(path, facts, source)
    frame = split_lines(source, table, facts).select(RAW[file].names)
    if frame.head(1).collect().is_empty():
        raise BadInputError("the file has a header and no rows", file=str(path), remedy="export it again")
    return frame, facts
