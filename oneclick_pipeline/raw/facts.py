"""What is detected about an export, and kept with its raw table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from oneclick_pipeline.engine.verification import damaged
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw import dialect, header, lines
from oneclick_pipeline.raw.encoding import Encoding, has_byte_order_mark
from oneclick_pipeline.raw.number_formats import NumberFormat

if TYPE_CHECKING:
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table

KEY = "oneclick"
"""Key of the facts in the metadata of a raw table's Parquet file."""


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
        header: Columns as delivered, in order.
        extra_columns: Columns that the contract does not know; they are ignored.
        rewritten: Whether the file had to be rewritten to be split: then none of its lines is plain.
        plain_rows: Rows that are scanned in place.
        not_plain: Numbers of the lines between those: odd ones, and blank ones, which do not count as rows.
        modified_ns: When the file was last written to, nanoseconds since 1970; a program that copies a file may set it.
        changed_ns: When anything about the file last changed; it cannot be set. 0: not recorded.
        formats: How the numbers of a column are written, by the column's name; empty: not recorded.
        container: What the file is packed in: `plain`, `gzip` or `zip`.
        set_aside: Lines that are no rows, by kind: how many there are, and the line of the first.
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
    formats: dict[str, NumberFormat] = field(default_factory=dict)
    container: str = "plain"
    set_aside: dict[str, tuple[int, int]] = field(default_factory=dict)

    def to_json(self) -> str:
        """The facts as text, to be kept with the raw table."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> FileFacts:
        """The facts that `to_json` wrote."""
        fields = json.loads(text)
        fields["formats"] = {name: NumberFormat(**one) for name, one in fields.get("formats", {}).items()}
        fields["set_aside"] = {kind: tuple(lines) for kind, lines in fields.get("set_aside", {}).items()}
        return cls(**fields | {name: tuple(fields[name]) for name in ("header", "extra_columns", "not_plain")})


def inspect(path: Path, table: Table) -> tuple[FileFacts, dict[int, bytes]]:
    """Look at the export of `table` at `path`.

    Returns:
        What was detected, and the odd lines by their number (none where the file is rewritten).

    Raises:
        BadInputError: If the file is missing, empty, or its header is not the export's.
    """
    if not path.is_file():
        raise BadInputError("the file is missing", file=str(path), remedy=f"deliver {path.name} for the month into {path.parent}")
    if not path.stat().st_size:
        raise BadInputError("the file is empty", file=str(path), remedy="export it again")
    encoding, delimiter, names = header.read(path, table)
    with path.open("rb", buffering=0) as file:
        scan = lines.scan(file, delimiter, len(names))
        # where the delimiter is a blank itself, a blank line may have the right width
        rewritten = encoding != "utf-8" or scan.whole or 1 in scan.odd or delimiter.isspace()
        file.seek(0)
        line_end = (lines.count_line_ends(file) if scan.whole else scan).line_end
    fractions = [names.index(c.header) for c in table.columns if c.kind == "float"]
    facts = FileFacts(
        file=table.file,
        size=path.stat().st_size,
        sha256=scan.sha256,
        encoding=encoding,
        byte_order_mark=has_byte_order_mark(path),
        delimiter=delimiter,
        decimal_mark=dialect.decimal_mark(path, encoding, delimiter, len(names), fractions),
        line_end=line_end,
        header=names,
        extra_columns=tuple(h for h in names if h not in {c.header for c in table.columns}),
        rewritten=rewritten,
        plain_rows=0 if rewritten else scan.lines - 1 - len(scan.odd),
        not_plain=() if rewritten else tuple(scan.odd),
        modified_ns=path.stat().st_mtime_ns,
        changed_ns=path.stat().st_ctime_ns,
    )
    return facts, {} if rewritten else scan.odd


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
