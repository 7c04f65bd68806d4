"""What is detected about an export, and kept with its raw table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from oneclick_pipeline.engine.verification import damaged
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import lines
from oneclick_pipeline.raw.lines import Shape
from oneclick_pipeline.raw.number_formats import NumberFormat
from oneclick_pipeline.raw.text import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline.formats import Encoding
    from oneclick_pipeline.raw.text import Text

KEY = "oneclick"
"""Key of the facts in the metadata of a raw table's Parquet file."""


@dataclass(frozen=True)
class FileFacts:
    """What was detected about an export.

    Attributes:
        file: Name of the export, for example `market_file`.
        size: Size in bytes.
        sha256: Hash of the bytes.
        encoding: Encoding; see `encoding.Encoding`.
        byte_order_mark: Whether the file begins with one.
        delimiter: Character between fields.
        line_end: `LF`, `CRLF`, `CR` or `mixed`.
        header: Columns in order; those of the contract as the contract writes them, the others as delivered.
        extra_columns: Columns that the contract does not know; they are ignored.
        rewritten: Whether the file had to be copied or rewritten to be split: then all rows are in the raw table.
        plain_rows: Rows that are scanned in place.
        not_plain: Numbers of the lines between those: odd ones, and blank ones, which do not count as rows.
        modified_ns: When the file was last written to, nanoseconds since 1970; a program that copies a file may set it.
        changed_ns: When anything about the file last changed; it cannot be set. 0: not recorded.
        container: What held the text: `plain`, `gzip` or `zip`.
        header_lines: Lines up to the first row.
        misspelt_headers: Headers that were delivered in another spelling -> the contract's.
        set_aside: Lines that are no rows, by kind: how many, and the line of the first.
        first_markers: `header: marker` of missing values among the first rows -> how often.
        formats: How the numbers of a column are written, by the column's name; empty: not recorded.
    """

    file: str
    size: int
    sha256: str
    encoding: str
    byte_order_mark: bool
    delimiter: str
    line_end: str
    header: tuple[str, ...]
    extra_columns: tuple[str, ...]
    rewritten: bool
    plain_rows: int
    not_plain: tuple[int, ...]
    modified_ns: int
    changed_ns: int = 0
    container: str = "plain"
    header_lines: int = 1
    misspelt_headers: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, tuple[int, int]] = field(default_factory=dict)
    first_markers: dict[str, int] = field(default_factory=dict)
    formats: dict[str, NumberFormat] = field(default_factory=dict)

    def to_json(self) -> str:
        """The facts as text, to be kept with the raw table."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FileFacts:
        """The facts that `to_json` wrote."""
        fields = json.loads(text)
        aside = {kind: tuple(counts) for kind, counts in fields.get("set_aside", {}).items()}
        lists = {name: tuple(fields[name]) for name in ("header", "extra_columns", "not_plain")}
        formats = {name: NumberFormat(**one) for name, one in fields.get("formats", {}).items()}
        fields.pop("decimal_mark", None)  # of the previous version, which knew no grouping
        return cls(**fields | lists | {"set_aside": aside, "formats": formats})


@dataclass(frozen=True)
class Inspection:
    """An export that was looked at, and what is needed to split its text into rows.

    Attributes:
        facts: What was detected; what is set aside is counted when the text is split.
        text: Its text.
        shape: What its rows look like.
        plain: How many rows of the text are plain.
        odd: The other lines by number; None where the whole text has to be rewritten.
    """

    facts: FileFacts
    text: Text
    shape: Shape
    plain: int
    odd: dict[int, bytes] | None


def inspect(
    path: Path, table: Table, scratch: Path, *, encoding: Encoding | None = None, delimiter: str | None = None
) -> Inspection:
    """Look at the export of `table` at `path`.

    Args:
        path: The delivered file.
        table: The export, by its columns; the first of them is the id.
        scratch: Existing folder for a copy of its text, if one is needed.
        encoding: Its encoding, if that is known; else it is detected.
        delimiter: Its delimiter, if that is known; else it is detected.

    Raises:
        BadInputError: If the file is missing, empty, of a kind that cannot be read, or its header is not the export's.
    """
    if not path.is_file():
        raise BadInputError("the file is missing", file=str(path), remedy=f"deliver {path.name} for the month into {path.parent}")
    text = prepare(path, table, scratch, encoding=encoding, delimiter=delimiter)
    found, names = text.header, text.header.names
    shape = Shape(found.delimiter, len(names), names.index(table.columns[0].header), found.empty_tail)
    with text.path.open("rb") as file:
        scan = lines.scan(file, shape, header_bytes=text.header_bytes, header_lines=found.lines, whole=text.quoted)
    plain = 0 if scan.whole else scan.lines - found.lines - len(scan.odd)
    expected = {c.header for c in table.columns}
    facts = FileFacts(
        file=table.file,
        size=path.stat().st_size,
        sha256=scan.sha256 if text.in_place else sha256(path),
        encoding=text.encoding,
        byte_order_mark=text.byte_order_mark,
        delimiter=found.delimiter,
        line_end="CR" if text.old_mac else scan.line_end,
        header=names,
        extra_columns=tuple(h for h in names[: len(names) - found.empty_tail] if h not in expected),
        rewritten=scan.whole or not text.in_place,
        plain_rows=plain if text.in_place else 0,
        not_plain=tuple(scan.odd) if text.in_place and not scan.whole else (),
        modified_ns=path.stat().st_mtime_ns,
        changed_ns=path.stat().st_ctime_ns,
        container=text.container,
        header_lines=found.lines,
        misspelt_headers=found.misspelt,
    )
    return Inspection(facts, text, shape, plain, None if scan.whole else scan.odd)


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_facts(table: Path) -> FileFacts:
    """What was kept with a raw table's Parquet file.

    Raises:
        BadInputError: If that cannot be read.
    """
    import polars as pl

    try:
        return FileFacts.from_json(pl.read_parquet_metadata(table)[KEY])
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise damaged(table, str(error)) from error
