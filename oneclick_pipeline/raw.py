"""Stage raw: the bytes of an export as a table of texts, nothing judged yet.

A file is read once (`inspect`): hash, encoding, delimiter, decimal mark, line ends, header, and the lines that
are odd: of another width than the header, with quotes, with bytes that are no UTF-8. All others are plain. They
are not copied: whoever needs them scans the file where it lies, after making sure that it still is the file that
was hashed (`Export`). Odd lines are split one by one. A file in another encoding, or one with many odd lines, is
rewritten in constant memory and split whole. One physical line is one row, so that every later message can name
the line. A line that cannot be split is kept with the reason in `problem`: nothing is lost here, and nothing is
repaired but the encoding.
"""

from __future__ import annotations

import csv
import hashlib
import json
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal

import narwhals as nw

from oneclick_pipeline.contracts.exports import RAW, SOURCES
from oneclick_pipeline.engine import files
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import polars as pl

    from oneclick_pipeline.contracts.schema import Table

Encoding = Literal["utf-8", "cp1251", "utf-8 read as cp1251"]

MAX_LINE_BYTES = 65_536
"""A longer line cannot be a row of the export."""

MAX_ODD_LINES, MAX_ODD_BYTES = 100_000, 32 << 20
"""With more odd lines, or longer ones, every line of a file is read as an odd one."""

_CHUNK = 256 << 10
_FIELD = "\x1f"  # separates the fields of a rewritten file: legal in no value
_PROBLEM = "\x1e"  # begins a rewritten line that could not be split
_DELIMITERS = (",", ";", "\t", "|")
_EXCERPT = 200
_SAMPLE_BYTES = 20_000

FACTS = "oneclick"
"""Key of the facts in the metadata of a raw table's Parquet file."""

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
        rewritten: Whether the file had to be rewritten to be split: then none of its lines is plain.
        plain_rows: Rows that are scanned where they lie.
        not_plain: Numbers of the lines between those: odd ones, and blank ones, which are no rows.
        modified_ns: When the file was last written to, nanoseconds since 1970; whoever copies a file may set it.
        changed_ns: When anything about the file last changed; nobody can set it. 0: not kept then.
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
    plain_rows: int
    not_plain: tuple[int, ...]
    modified_ns: int
    changed_ns: int = 0

    def to_json(self) -> str:
        """The facts as text, to be kept with the raw table."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FileFacts:
        """The facts that `to_json` wrote."""
        known = json.loads(text)
        return cls(**known | {name: tuple(known[name]) for name in ("header", "extra_columns", "not_plain")})


@dataclass
class _Bytes:
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


class _Marks:
    """Tells plain lines: the delimiters and line ends of a block of them are one pattern, over and over."""

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
                return lines if _lines_are_short(block) and _is_utf8(block) else 0
        return 0

    def is_odd(self, line: bytes) -> bool:
        """Whether a line without its end is odd."""
        special = b'"' in line or b"\r" in line or len(line) > MAX_LINE_BYTES
        return special or line.count(self.delimiter) != self.width - 1 or not _is_utf8(line)


def _lines_are_short(block: bytes) -> bool:
    """Whether a line end stands in every half of a line's greatest length, so that none can be too long."""
    half = MAX_LINE_BYTES // 2
    return all(block.find(b"\n", start, start + half) >= 0 for start in range(0, len(block) - half, half))


def _is_utf8(text: bytes) -> bool:
    import polars as pl

    try:
        pl.Series([text], dtype=pl.Binary).cast(pl.String)  # a third of the cost of bytes.decode
    except pl.exceptions.ComputeError:
        return False
    return True


def _look(found: _Bytes, block: bytes, marks: _Marks) -> None:
    """Count the lines of a block of whole lines and keep the odd ones."""
    if plain := marks.lines_if_plain(block):
        found.lines += plain
        ends = plain if b"\r" in block[:MAX_LINE_BYTES] else 0
        found.cr += ends
        found.crlf += ends
        return
    found.cr += block.count(b"\r")
    found.crlf += block.count(b"\r\n")
    lines = block.split(b"\n")[:-1]
    for number, ended in enumerate(lines, found.lines + 1):
        line = ended.removesuffix(b"\r")
        if marks.is_odd(line):
            found.odd[number] = line[: MAX_LINE_BYTES + 1]
            found.odd_bytes += len(found.odd[number])
    found.lines += len(lines)
    found.whole = len(found.odd) > MAX_ODD_LINES or found.odd_bytes > MAX_ODD_BYTES


def _scan_bytes(file: BinaryIO, marks: _Marks) -> _Bytes:
    """Read the file once, in chunks."""
    found, digest, rest = _Bytes(), hashlib.sha256(), b""
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        if not found.whole:
            end = chunk.rfind(b"\n") + 1
            if end:
                _look(found, rest + chunk[:end], marks)
                rest = b""
            rest += chunk[end:]
            found.whole |= len(rest) > MAX_LINE_BYTES
    found.lf = found.lines
    found.whole |= not found.lf  # one line, or line ends of old
    if rest and not found.whole:
        _look(found, rest + b"\n", marks)
    found.sha256 = digest.hexdigest()
    return found


def _count_line_ends(file: BinaryIO) -> _Bytes:
    """Lines and their ends in a file whose lines cannot be looked at one by one."""
    found, last = _Bytes(), b""
    while chunk := file.read(_CHUNK):
        found.lf += chunk.count(b"\n")
        found.cr += chunk.count(b"\r")
        found.crlf += chunk.count(b"\r\n") + (last == b"\r" and chunk.startswith(b"\n"))
        last = chunk[-1:]
    return found


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
        sample = decode(file.read(_SAMPLE_BYTES), encoding).splitlines()[1:-1]
    cells = []
    for line in sample:
        fields = split_quoted(line, delimiter)
        if fields is not None and len(fields) == len(header):
            cells += [fields[i] for i in numbers]
    text = "".join(cells)
    return "," if text.count(",") > text.count(".") else "." if "." in text else "none"


def inspect(path: Path, table: Table) -> tuple[FileFacts, dict[int, bytes]]:
    """Look at the export of `table` at `path`.

    Returns:
        What was found, and the odd lines by their number (none where the file is rewritten).

    Raises:
        BadInputError: If the file is missing, empty, or its header is not the export's.
    """
    if not path.is_file():
        raise BadInputError("the file is missing", file=str(path), remedy=f"deliver {path.name} for the month into {path.parent}")
    if not path.stat().st_size:
        raise BadInputError("the file is empty", file=str(path), remedy="export it again")
    encoding, delimiter, header = _read_header(path, table)
    _check_header(header, table, path, _first_line(path))
    with path.open("rb", buffering=0) as file:
        found = _scan_bytes(file, _Marks(delimiter, len(header)))
        # where the delimiter is a blank itself, a blank line may have the right width
        rewritten = encoding != "utf-8" or found.whole or 1 in found.odd or delimiter.isspace()
        file.seek(0)
        line_end = (_count_line_ends(file) if found.whole else found).line_end
    facts = FileFacts(
        file=table.file,
        size=path.stat().st_size,
        sha256=found.sha256,
        encoding=encoding,
        byte_order_mark=_begins_with_mark(path),
        delimiter=delimiter,
        decimal_mark=_decimal_mark(path, encoding, delimiter, header, table),
        line_end=line_end,
        header=header,
        extra_columns=tuple(h for h in header if h not in {c.header for c in table.columns}),
        rewritten=rewritten,
        plain_rows=0 if rewritten else found.lines - 1 - len(found.odd),
        not_plain=() if rewritten else tuple(found.odd),
        modified_ns=path.stat().st_mtime_ns,
        changed_ns=path.stat().st_ctime_ns,
    )
    return facts, {} if rewritten else found.odd


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


def _rewritten(line: bytes, facts: FileFacts, *, too_long: bool) -> str:
    """A line whose fields are separated by U+001F.

    One that cannot be split begins with U+001E, followed by the problem, U+001F and the line's beginning.
    """
    text = decode(line[:MAX_LINE_BYTES], facts.encoding).replace(_FIELD, "\ufffd").replace(_PROBLEM, "\ufffd")
    text = text.replace("\n", "\ufffd").replace("\r", "\ufffd")
    if too_long:
        return f"{_PROBLEM}{TOO_LONG}{_FIELD}{text[:_EXCERPT]}"
    if not text.strip():
        return ""  # blank, whatever the delimiter
    if '"' not in text:
        return text.replace(facts.delimiter, _FIELD)
    if (fields := split_quoted(text, facts.delimiter)) is None:
        return f"{_PROBLEM}{NOT_CLOSED}{_FIELD}{text[:_EXCERPT]}"
    return _FIELD.join(fields) or text  # quotes around nothing are no blank line


def rewrite(path: Path, facts: FileFacts, target: Path) -> None:
    """Write the export as plain UTF-8, every line as `_rewritten` gives it, in constant memory."""
    with path.open("rb") as source, target.open("w", encoding="utf-8", newline="") as out:
        for i, (line, too_long) in enumerate(_physical_lines(source, facts.line_end)):
            raw = line.removeprefix(b"\xef\xbb\xbf") if i == 0 else line
            out.write(_rewritten(raw, facts, too_long=too_long) + "\n")


def _split(lines: pl.LazyFrame, table: Table, facts: FileFacts) -> pl.LazyFrame:
    """Rewritten lines (columns line, text) as the raw table; blank lines are no rows."""
    import polars as pl

    width = len(facts.header)
    text = pl.col("text")
    broken = text.str.starts_with(_PROBLEM)
    wrong = ~broken & (text.str.count_matches(_FIELD, literal=True) != width - 1)
    parts = text.str.split_exact(_FIELD, width - 1).struct
    fields = [
        pl.when(~broken & ~wrong).then(parts.field(f"field_{facts.header.index(c.header)}")).alias(c.name) for c in table.columns
    ]
    as_it_came = text.str.head(_EXCERPT).str.replace_all(_FIELD, facts.delimiter, literal=True)
    told = text.str.strip_prefix(_PROBLEM).str.split_exact(_FIELD, 1).struct
    return lines.filter((pl.col("line") > 1) & (text != "")).select(
        pl.col("line").cast(pl.Int64),
        *fields,
        pl.when(broken).then(told.field("field_0")).when(wrong).then(pl.lit(WRONG_WIDTH)).alias("problem"),
        pl.when(broken).then(told.field("field_1")).when(wrong).then(as_it_came).alias("excerpt"),
    )


def split_by_hand(path: Path, table: Table, facts: FileFacts, odd: dict[int, bytes], scratch: Path) -> pl.LazyFrame:
    """The rows that are not plain; all of them where the file is to be rewritten.

    Args:
        path: The export.
        table: Table that the export is cleaned into.
        facts: What `inspect` found.
        odd: Odd lines by number, as `inspect` found them.
        scratch: Existing folder for a rewritten copy, which must live as long as the frame.

    Returns:
        Lazy Polars frame: line, the texts of the table's columns, problem, excerpt.
    """
    import polars as pl

    if facts.rewritten:
        target = scratch / f"{facts.file}.txt"
        rewrite(path, facts, target)
        lines = pl.scan_lines(target, name="text", row_index_name="line", row_index_offset=1, glob=False)
    else:
        texts = [_rewritten(line, facts, too_long=len(line) > MAX_LINE_BYTES) for line in odd.values()]
        lines = pl.LazyFrame({"line": list(odd), "text": texts}, schema={"line": pl.Int64, "text": pl.String})
    return _split(lines, table, facts)


def _scan_plain(path: Path, table: Table, facts: FileFacts) -> pl.LazyFrame:
    """The plain rows, scanned where they lie."""
    import polars as pl

    lines = pl.scan_csv(
        path,
        separator=facts.delimiter,
        new_columns=[str(i) for i in range(len(facts.header))],
        infer_schema=False,
        quote_char=None,
        encoding="utf8-lossy" if facts.not_plain else "utf8",  # odd lines may hold any bytes; plain ones are UTF-8
        empty_string_is_null=False,
        truncate_ragged_lines=True,  # lines of another width are odd, and left out below
        row_index_name="line",
        row_index_offset=2,
        glob=False,
    )
    if facts.not_plain:
        lines = lines.filter(~pl.col("line").is_in(facts.not_plain))
    return lines.select(
        pl.col("line").cast(pl.Int64),
        *(pl.col(str(facts.header.index(c.header))).alias(c.name) for c in table.columns),
        pl.lit(None, pl.String).alias("problem"),
        pl.lit(None, pl.String).alias("excerpt"),
    )


@dataclass(frozen=True)
class Export:
    """An export that was read: its plain rows lie in the file, the others are at hand.

    Attributes:
        path: The CSV file.
        facts: What was detected about it.
        by_hand: Rows that are not plain (lazy Polars frame; columns of `contracts.exports.RAW[file]`).
    """

    path: Path
    facts: FileFacts
    by_hand: pl.LazyFrame

    def lines(self) -> pl.LazyFrame:
        """The raw table: all rows, as texts, in any order (lazy Polars frame; columns of `contracts.exports.RAW[file]`)."""
        import polars as pl

        if not self.facts.plain_rows:
            return self.by_hand
        plain = _scan_plain(self.path, _source(self.facts.file), self.facts)
        return pl.concat([plain, self.by_hand]) if self.facts.not_plain else plain

    def broken(self) -> int:
        """How many lines could not be split."""
        import polars as pl

        return int(self.by_hand.select(pl.col("problem").count()).collect().item())

    def verify(self) -> None:
        """Make sure that the file still is the one that was read.

        Raises:
            BadInputError: If other bytes have taken its place, or it is gone and rows are still to be read from it.
        """
        there = self.path.stat() if self.path.is_file() else None
        if there is None and not self.facts.plain_rows:
            return  # nothing is read from it any more
        known = self.facts.size, self.facts.modified_ns, self.facts.changed_ns
        if there and (there.st_size, there.st_mtime_ns, there.st_ctime_ns) == known:
            return
        same = there and there.st_size == self.facts.size and _hash(self.path) == self.facts.sha256
        if not same:  # a copy of the file is as good as the file
            raise BadInputError(
                "the file is not the one that was read" if there else "the file is missing",
                file=str(self.path),
                remedy=f"materialize {self.facts.file} again for this month, or run the month again, once the files rest",
            )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source(file: str) -> Table:
    """The table that an export is cleaned into."""
    return next(t for t in SOURCES if t.file == file)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Make sure that a file stays the same while the block reads it.

    Raises:
        BadInputError: If it was replaced or written to meanwhile.
    """
    before = path.stat() if path.is_file() else None
    yield
    after = path.stat() if path.is_file() else None
    identity = [(s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) if s else None for s in (before, after)]
    if identity[0] != identity[1]:
        raise BadInputError("the file changed while it was read", file=str(path), remedy="run the month again once it is whole")


@contextmanager
def side_by_side(exports: Iterable[Export]) -> Iterator[None]:
    """Make sure that exports lie beside one another as they were read, and stay so while the block reads them.

    One after the other may be the file that was read, and the month still be none that was ever delivered: where a store writes
    its files anew all the time, the first is of one delivery and the last of the next.

    Raises:
        BadInputError: If one is another than was read, or was written to meanwhile, be it with the same bytes.
    """
    with ExitStack() as stack:
        for export in exports:
            stack.enter_context(unchanged(export.path))
        for export in exports:
            export.verify()
        yield


def open_export(path: Path, file: str, scratch: Path) -> Export:
    """Read one export.

    Args:
        path: The CSV file.
        file: Which export it is: `market_file`, `market_money`, `market_time` or `money`.
        scratch: Existing folder where a rewritten copy may be put; it must live as long as the export's frames.

    Raises:
        BadInputError: See `inspect`; also when no row follows the header.
    """
    table = _source(file)
    facts, odd = inspect(path, table)
    by_hand = split_by_hand(path, table, facts, odd, scratch).select(RAW[file].names)
    if not facts.plain_rows and by_hand.head(1).collect().is_empty():
        raise BadInputError("the file has a header and no rows", file=str(path), remedy="export it again")
    return Export(path, facts, by_hand)


def read(path: Path, file: str, scratch: Path) -> tuple[nw.LazyFrame, FileFacts]:
    """The raw table of an export, and what was detected about the file; see `open_export` and `Export.lines`."""
    export = open_export(path, file, scratch)
    return nw.from_native(export.lines()), export.facts


def read_facts(table: Path) -> FileFacts:
    """What was kept with a raw table's Parquet file.

    Raises:
        BadInputError: If that cannot be read.
    """
    import polars as pl

    try:
        return FileFacts.from_json(pl.read_parquet_metadata(table)[FACTS])
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise BadInputError(
            "the table is damaged and cannot be read",
            file=str(table),
            value=str(error),
            remedy=f"make it anew: materialize {table.parent.name} again for {table.stem}, or run that month again",
        ) from error


def reopen(path: Path, table: Path) -> Export:
    """The export at `path` as it was read when `table`, its raw table's Parquet file, was written."""
    import polars as pl

    return Export(path, read_facts(table), pl.scan_parquet(table, glob=False))


def rows(table: Path) -> int:
    """Rows of a raw table, from its Parquet file alone."""
    return read_facts(table).plain_rows + files.rows(table)
