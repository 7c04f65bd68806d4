"""An export in a dialect: how programs, locales and people write the same table."""

from __future__ import annotations

import gzip
import io
import re
import unicodedata
import zipfile
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from oneclick_pipeline_tests.raw.written_numbers import APOSTROPHES, BLANKS, MARKS, MINUSES, NumberStyle, is_open

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline_tests.raw.months import Value

ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8-sig",
    "utf-16-le": "utf-16-le",
    "utf-16-be": "utf-16-be",
    "utf-32-le": "utf-32-le",
    "utf-32-be": "utf-32-be",
    "cp1251": "cp1251",
    "cp866": "cp866",
    "koi8-r": "koi8-r",
    "mac-cyrillic": "mac-cyrillic",
    "utf-8 read as cp1251": "utf-8",
    "utf-8 read as cp1251, blanks changed": "utf-8",
}
"""By name, the codec whose characters there are."""
WITHOUT_MARK = ("cp1251", "cp866", "koi8-r", "mac-cyrillic")
MISSING = ("", "-", "\u2013", "\u2014", "NULL", "null", "None", "NaN", "nan", "N/A", "n/a", "#N/A", "#Н/Д", "н/д")
INTERRUPTIONS = ("empty", "blanks", "delimiters", "totals", "header")
TOTALS = ("Итого", "Всего", "Total", "ИТОГО", "Итого:")
CURRENCIES = (("", ""), ("", " ₽"), ("", "₽"), ("", " руб."), ("", "\u00a0руб"), ("", " р."), ("$", ""), ("", " RUB"), ("", " €"))
JUNK = ("", "Омск", "a;b", "x, y", "first\nsecond", 'say "yes"', "1,5", "1.250,00", "  ", "tab\there", "p|q", "=1+1")
PLAIN_JUNK = ("", "Омск", "17", "0.5")
_TOTAL = Decimal("1234567.89")
LATIN = str.maketrans("аеорсухАВЕКМНОРСТХ", "aeopcyxABEKMHOPCTX")


@dataclass(frozen=True)
class Dialect:
    """How an export is written; the fields are those of a description.

    Attributes:
        header: How each column is called.
        numbers: How the numbers of each column are written.
        missing: Markers of missing values.
        words: What may be done to a word: `case`, `latin`, `blank`, `decomposed`.
        lost: Whether one row lacks a number that it must have.
        foreign: How many numbers of a column may be written as in another locale.
    """

    encoding: str
    delimiter: str
    line_end: str
    quotes: str
    container: str
    header: dict[str, str]
    columns: tuple[str, ...]
    numbers: dict[str, NumberStyle]
    missing: tuple[str, ...]
    words: tuple[str, ...] = ()
    junk: tuple[str, ...] = ()
    sep_line: bool = False
    trailing: str = ""
    interruptions: tuple[str, ...] = ()
    lost: bool = False
    foreign: int = 0
    last_end: bool = True


@dataclass
class Delivery:
    """A file that is delivered, and what a reader of it may be asked.

    Attributes:
        table: Which export it is.
        rows: What its rows mean.
        dialect: How they are written.
        content: The bytes.
        digits: The numbers of every column, without sign and currency, but for those of another locale.
        lines: The line on which a row begins, by its key; a line break inside quotes begins one as well.
        lost: Keys of the rows that lack a number.
        foreign_column: The column with numbers of another locale.
        foreign: Keys of their rows.
        aside: How many lines are no rows.
        markers: How many rows that stay have a marker for a missing value.
    """

    table: Table
    rows: list[dict[str, Value]]
    dialect: Dialect
    content: bytes = b""
    digits: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[tuple[Value, ...], int] = field(default_factory=dict)
    lost: set[tuple[Value, ...]] = field(default_factory=set)
    foreign_column: str = ""
    foreign: set[tuple[Value, ...]] = field(default_factory=set)
    aside: int = 0
    markers: int = 0

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"{self.table.file}.{'csv' if 'named' in self.dialect.container else self.dialect.container}"


def encodable(text: str, encoding: str) -> bool:
    """Whether an encoding has all characters of a text.

    A blank that an editor has changed cannot be told from one that was there, but in «Р».
    """
    if encoding.endswith("changed") and re.search("\u00a0|Р(?!\\w)", text):
        return False
    try:
        text.encode(ENCODINGS[encoding])
    except UnicodeEncodeError:
        return False
    return True


def encoded(text: str, encoding: str) -> bytes:
    """A text as bytes, with the byte order mark that the encoding needs."""
    if encoding.startswith("utf-8 read"):
        mixed = "".join("\x98" if b == 0x98 else bytes([b]).decode("cp1251") for b in text.encode())
        return (mixed.replace("\u00a0", " ") if encoding.endswith("changed") else mixed).encode()
    mark = "\ufeff" if encoding[:6] in ("utf-16", "utf-32") else ""
    return (mark + text).encode(ENCODINGS[encoding])


DISGUISES: dict[str, Callable[[str], str]] = {
    "case": str.upper,
    "lower": str.lower,
    "latin": lambda text: text.translate(LATIN) if re.search("[а-яё]", text.translate(LATIN), re.IGNORECASE) else text,
    "blank": lambda text: text.replace(" ", "\u00a0"),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "around": lambda text: f" {text} ",
}
"""What people and programs do to a word that leaves it the same to a reader."""


def disguised(rng: random.Random, text: str, ways: tuple[str, ...], encoding: str) -> str:
    """A word that looks the same, or the word where the encoding cannot hold that."""
    if not ways:
        return text
    other = DISGUISES[rng.choice(ways)](text)
    return other if encodable(other, encoding) else text


def _number_styles(rng: random.Random, table: Table, encoding: str, oddity: float) -> dict[str, NumberStyle]:
    """A locale, and where it shows."""

    def odd(*others: Any, plain: Any) -> Any:
        fit = [other for other in others if encodable("".join(other), encoding)]
        return rng.choice(fit) if fit and rng.random() < oddity else plain

    decimal = rng.choice(",.")
    mark = ",.".replace(decimal, "")
    grouping = mark if rng.random() < 0.25 else odd(mark, *BLANKS, *APOSTROPHES, plain="")
    negative = odd(*MINUSES, "()", "trailing", plain="-")
    before, after = odd(*CURRENCIES, plain=("", ""))
    everywhere, places = rng.random() < 0.3, rng.choice((None, None, 2, 3))
    styles = {}
    for column in (c for c in table.columns if c.type.is_number):
        money, whole = column.name in {"revenue", "profit"}, column.kind == "int"
        large = money or column.name in {"minutes", "tenure_days"}
        percent = odd("%", " %", plain="") if column.maximum == 1 else ""
        styles[column.name] = NumberStyle(
            decimal=decimal,
            grouping=grouping if everywhere or (large and rng.random() < 0.8) else "",
            negative=negative,
            before=before if money else "",
            after=after if money else percent,
            percent=percent != "",
            places=rng.choice((None, None, 1)) if whole else places,
        )
    return styles


def draw(rng: random.Random, table: Table) -> Dialect:
    """A random dialect of an export: nearly plain ones, and those that are odd in all ways at once."""
    oddity = rng.choice((0.05, 0.1, 0.2, 0.5, 0.9))

    def odd(*others: Any, plain: Any) -> Any:
        return rng.choice(others) if rng.random() < oddity else plain

    encoding = odd(*ENCODINGS, plain="utf-8")
    ways = tuple(rng.sample(list(DISGUISES), 2)) if rng.random() < oddity else ()
    # the same bytes are lower-case letters in cp1251 and on a Mac
    fit = tuple(way for way in ways if not (encoding in WITHOUT_MARK and way in {"case", "lower"}))
    header = {c.name: c.header for c in table.columns}
    header |= {name: disguised(rng, header[name], fit, encoding) for name in rng.sample(table.names, 2)}
    junk = tuple(rng.sample(("Город", "Примечание, свободно", "", "Менеджер"), odd(1, 2, 3, plain=0)))
    columns = [*table.names, *(f"junk{i}" for i in range(len(junk)))]
    if rng.random() < oddity:
        rng.shuffle(columns)
    delimiter = rng.choice(",;\t|")
    numbers = _number_styles(rng, table, encoding, oddity)
    # an empty field more may also be a comma too many in a number, unless the last column is never empty
    tails = ("rows", "rows and header") if delimiter != "," or columns[-1] in numbers else ("rows and header",)
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        line_end=odd("\r\n", "\r", plain="\n"),
        quotes=odd("texts", "all", plain="needed"),
        container=odd("csv.gz", "csv.zip", "zip", "gzip named csv", "zip named csv", plain="csv"),
        header=header | {f"junk{i}": name for i, name in enumerate(junk)},
        columns=tuple(columns),
        numbers=numbers,
        missing=tuple(m for m in odd(rng.sample(MISSING, 3), plain=[""]) if encodable(m, encoding)) or ("",),
        words=ways,
        junk=odd(JUNK, plain=PLAIN_JUNK),
        sep_line=odd(True, plain=False),
        trailing=odd(*tails, plain=""),
        interruptions=tuple(rng.choices(INTERRUPTIONS, k=odd(1, 3, plain=0))),
        lost=odd(True, plain=False),
        foreign=odd(1, 2, 3, plain=0),
        last_end=odd(False, plain=True),
    )


class Writer:
    """Writes the rows of an export in a dialect."""

    def __init__(self, rng: random.Random, delivery: Delivery) -> None:
        self.rng, self.delivery, self.table, self.dialect = rng, delivery, delivery.table, delivery.dialect
        self.foreign = self.dialect.numbers["customer_id"]

    def number(self, column: Column, value: Decimal, foreign: NumberStyle | None) -> str:
        """A number as it stands in the cell."""
        style = foreign or self.dialect.numbers[column.name]
        if not foreign:
            self.delivery.digits.setdefault(column.name, []).append(style.digits(value))
        return style.text(value)

    def abroad(self) -> tuple[str, set[tuple[Value, ...]], NumberStyle]:
        """A column, the keys of its numbers that are written in another locale, and how.

        They are fewer than the column's own numbers that show what its marks mean, and show as clearly what theirs do.
        """
        column = self.rng.choice([c for c in self.table.columns if c.kind == "float"])
        own = self.dialect.numbers[column.name]
        grouping = self.rng.choice(("", own.decimal, " "))
        foreign = replace(own, decimal=",.".replace(own.decimal, ""), grouping=grouping, places=self.rng.choice((None, 2)))

        def shows(style: NumberStyle, row: dict[str, Value]) -> bool:
            digits = style.digits(cast("Decimal", row[column.name]))
            return not is_open(digits) and any(mark in digits for mark in MARKS)

        own_ones = sum(shows(own, row) for row in self.delivery.rows) - self.dialect.lost
        most = min(self.dialect.foreign, (own_ones - 1) // 2)
        fit = [tuple(row[name] for name in self.table.key) for row in self.delivery.rows if shows(foreign, row)]
        return column.name, set(self.rng.sample(fit, max(0, min(most, len(fit) - 1)))), foreign

    def cell(self, column: Column, value: Value, foreign: NumberStyle | None = None) -> str:
        """A value as it stands in the cell."""
        if value is None:
            marker = self.rng.choice(self.dialect.missing)
            self.delivery.markers += marker != ""
            return marker
        if isinstance(value, str):
            sound = self.rng.random() < 0.7 or (column.known and value not in column.known)
            return value if sound else disguised(self.rng, value, self.dialect.words, self.dialect.encoding)
        return self.number(column, value, foreign)

    def record(self, fields: list[str], end: str) -> str:
        """A line of the file, with the fields in the order of the file."""
        d = self.dialect

        def quoted(text: str) -> str:
            special = any(mark in text for mark in (d.delimiter, '"', "\n", "\r"))
            text_like = d.quotes == "texts" and re.search(r"[^\W\d]", text)
            return '"' + text.replace('"', '""') + '"' if special or d.quotes == "all" or text_like else text

        return d.delimiter.join(map(quoted, fields)) + end

    def fields(self, row: dict[str, str], junk: tuple[str, ...]) -> list[str]:
        """The fields of a row, in the order of the file; those of unknown columns are drawn."""
        other = [j if encodable(j, self.dialect.encoding) else "" for j in junk]
        return [row[name] if name in row else self.rng.choice(other) for name in self.dialect.columns]

    def interruption(self, kind: str, header: list[str]) -> str:
        """A line that is no row."""
        d, width = self.dialect, len(self.dialect.columns)
        end = (d.delimiter if d.trailing else "") + d.line_end
        if kind == "empty" or (kind == "blanks" and d.delimiter == "\t"):
            return d.line_end
        if kind == "blanks":
            return "   " + d.line_end
        if kind == "delimiters":
            return d.delimiter * (width - 1) + end
        if kind == "header":
            return self.record(header, (d.delimiter if d.trailing == "rows and header" else "") + d.line_end)
        word, amounts = self.rng.choice(TOTALS), {c.name for c in self.table.columns if c.kind == "float"}
        total = {name: self.dialect.numbers[name].text(_TOTAL) if name in amounts else "" for name in self.table.names}
        total["period" if "period" in total and self.rng.random() < 0.5 else "customer_id"] = word
        return self.record(self.fields(total, ("",)), end)

    def row(self, row: dict[str, Value], line: int) -> list[str]:
        """A row's fields; it is remembered where it stands."""
        key = tuple(row[name] for name in self.table.key)
        styles = {self.delivery.foreign_column: self.foreign} if key in self.delivery.foreign else {}
        cells = {c.name: self.cell(c, row[c.name], styles.get(c.name)) for c in self.table.columns}
        self.delivery.lines[key] = line
        if self.dialect.lost and not self.delivery.lost and not styles:
            column = next(c for c in reversed(self.table.columns) if c.type.is_number)
            cells[column.name] = self.rng.choice(self.dialect.missing)
            self.delivery.digits[column.name].pop()
            self.delivery.lost.add(key)
            nullable = [c for c in self.table.columns if c.nullable and row[c.name] is None and cells[c.name]]
            self.delivery.markers -= len(nullable)
        return self.fields(cells, self.dialect.junk)

    def write(self) -> None:
        """Write the file."""
        d, rows = self.dialect, self.delivery.rows
        if d.foreign:
            self.delivery.foreign_column, self.delivery.foreign, self.foreign = self.abroad()
        header = [d.header[name] for name in d.columns]
        parts = ([f"sep={d.delimiter}{d.line_end}"] if d.sep_line else []) + [
            self.record(header, (d.delimiter if d.trailing == "rows and header" else "") + d.line_end)
        ]
        places = {self.rng.randrange(len(rows) + 1): kind for kind in d.interruptions}
        line = len(parts) + 1
        for i, row in enumerate(rows):
            end = (d.delimiter if d.trailing else "") + d.line_end
            if i in places:
                parts.append(self.interruption(places[i], header))
                line += 1
            parts.append(self.record(self.row(row, line), end))
            line += parts[-1].count(d.line_end[-1])
        parts += [self.interruption(kind, header) for place, kind in places.items() if place == len(rows)]
        if not d.last_end:
            parts[-1] = parts[-1].removesuffix(d.line_end)
        self.delivery.aside = len(places) + d.sep_line - (not parts[-1])
        self.delivery.content = packed(encoded("".join(parts), d.encoding), d, self.table)


def deliver(rng: random.Random, table: Table, rows: list[dict[str, Value]], dialect: Dialect) -> Delivery:
    """Write an export in a dialect."""
    delivery = Delivery(table, rows, dialect)
    Writer(rng, delivery).write()
    return delivery


def packed(content: bytes, dialect: Dialect, table: Table) -> bytes:
    """The file as it is sent."""
    if "gz" in dialect.container:
        return gzip.compress(content, mtime=0)
    if "zip" not in dialect.container:
        return content
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(zipfile.ZipInfo(f"{table.file}.csv"), content)
    return archive.getvalue()
