"""A month in any dialect is read as what it is, or stops with what is ambiguous: no number is ever read as another.

A dialect that fails is run again by its number: `pytest -n 0 -m "soak or not soak" -k "[1234]" PATH`.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import narwhals as nw
import pytest

from oneclick_pipeline.clean.export import clean_export
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.settings import Cleaning
from oneclick_pipeline_tests.raw import dialects, months
from oneclick_pipeline_tests.raw.written_numbers import is_certain, is_open, readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from oneclick_pipeline.clean.export import Cleaned
    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline.raw.facts import FileFacts
    from oneclick_pipeline_tests.raw.dialects import Delivery, Dialect
    from oneclick_pipeline_tests.raw.months import Value
    from oneclick_pipeline_tests.raw.written_numbers import NumberStyle

ALWAYS, SOAKED = 100, 2000
SETTINGS = Cleaning(outlier_limit=100)
ENCODINGS = {"utf-8-sig": "utf-8", "utf-8 read as cp1251, blanks changed": "utf-8 read as cp1251"}
"""Names of the settings, where they differ from the writer's."""


def read_and_clean(path: Path, table: Table, scratch: Path, dialect: Dialect | None = None) -> tuple[Cleaned, FileFacts]:
    """The export as a run reads it; with a dialect, as one whose settings say how it is written."""

    given = (
        {}
        if dialect is None
        else {
            "delimiter": dialect.delimiter,
            "encoding": ENCODINGS.get(dialect.encoding, dialect.encoding),
            "formats": forced(dialect),
        }
    )
    export = open_export(path, table.file, scratch, **given)
    return clean_export(nw.from_native(export.lines()), table, SETTINGS, facts=export.facts), export.facts


def forced(dialect: Dialect) -> dict[str, object]:
    """The dialect's numbers as the settings give them."""
    from oneclick_pipeline.raw.number_formats import NumberFormat

    return {name: NumberFormat(**style.formats(), final=True) for name, style in dialect.numbers.items()}


def meant(column: Column, value: Value) -> float | int | str | bool | None:
    """What a value must be read as."""
    if value is None or isinstance(value, str):
        return None if value is None else column.values.get(value, value)
    return int(value) if column.kind == "int" else float(value)


def wrong(
    table: Table,
    rows: list[dict[str, Value]],
    dialect: Dialect,
    delivery: Delivery,
    uncertain: dict[str, list[str]],
    read: tuple[Cleaned, FileFacts],
) -> Iterator[str]:
    """What was read as something else, lost without a word, or told with another place."""
    cleaned, facts = read
    read_rows = cleaned.table.collect().to_native().rows(named=True)
    got = {tuple(row[k] for k in table.key): row for row in read_rows}
    rejected = cleaned.rejected.collect().to_native().rows(named=True)
    by_line = {row["line"]: row for row in rejected}
    if cleaned.rows != len(rows) or len(read_rows) + cleaned.rejected_rows + cleaned.duplicates != cleaned.rows:
        yield f"{len(rows)} rows were written and {cleaned.rows} read: {len(read_rows)} kept, {cleaned.rejected_rows} rejected"
    for row in rows:
        key = tuple(row[name] for name in table.key)
        true = {c.name: meant(c, row[c.name]) for c in table.columns}
        found = got.pop(tuple(true[name] for name in table.key), None)
        if found is not None:
            yield from (f"{key}, {n}: {found[n]!r} was read, {true[n]!r} is right" for n in true if found[n] != true[n])
            if key in delivery.lost:
                yield f"{key}: a row that lacks a number was kept"
        elif delivery.lines[key] not in by_line:
            yield f"{key}, line {delivery.lines[key]}: was neither kept nor rejected"
        elif key not in delivery.lost | delivery.foreign:
            rejection = by_line[delivery.lines[key]]
            if not names_the_ambiguity(str(rejection["rule"]), str(rejection["column"]), table, dialect, uncertain):
                yield f"{key} was rejected: {rejection}"
    yield from (f"{key} was read and never written" for key in got)
    rules = Counter(cleaned.corrections.collect()["rule"].to_list())
    if set(rules) - {"spelling", "missing_marker"} or (not cleaned.rejected_rows and rules["missing_marker"] != delivery.markers):
        yield f"{delivery.markers} markers of missing values were written, and corrected were {dict(rules)}"
    aside = sum(times for times, _ in facts.set_aside.values())
    if aside != delivery.aside:
        yield f"{delivery.aside} lines are no rows, and set aside were {facts.set_aside}"


def both_readings_told(text: str, digits: Iterable[str], style: NumberStyle) -> bool:
    """Whether a text says of one of the open numbers what both its readings are."""
    return any(all(one in text for one in readings(d, percent=style.percent)) for d in digits if is_open(d))


def of_uncertain_columns(table: Table, dialect: Dialect, delivery: Delivery) -> dict[str, list[str]]:
    """The numbers of those columns that the file itself does not allow to be read in one way only."""
    return {
        name: digits
        for name, digits in delivery.digits.items()
        if not is_certain(digits, dialect.numbers[name], whole=table[name].kind == "int")
        or (delivery.foreign and name == delivery.foreign_column and any(map(is_open, digits)))
    }


def names_the_ambiguity(text: str, column: str, table: Table, dialect: Dialect, uncertain: dict[str, list[str]]) -> bool:
    """Whether a text about a column says both readings of one of its numbers."""
    return any(
        column in {table[name].header, dialect.header[name]} and both_readings_told(text, digits, dialect.numbers[name])
        for name, digits in uncertain.items()
    )


def verdict(table: Table, rows: list[dict[str, Value]], dialect: Dialect, delivery: Delivery, scratch: Path) -> list[str]:
    """What is wrong with how a delivery is read."""
    path = scratch / delivery.name
    path.write_bytes(delivery.content)
    uncertain = of_uncertain_columns(table, dialect, delivery)
    try:
        problems = list(wrong(table, rows, dialect, delivery, uncertain, read_and_clean(path, table, scratch)))
    except BadInputError as error:
        text = str(error)
        mixed = delivery.foreign_column in uncertain and error.column == table[delivery.foreign_column].header
        sound = mixed or names_the_ambiguity(text, str(error.column), table, dialect, uncertain)
        problems = (
            [] if sound and table.file in text and "formats:" in text else [f"stopped, uncertain are {list(uncertain)}: {error}"]
        )
    try:
        again = read_and_clean(path, table, scratch, dialect)
    except BadInputError as error:
        problems.append(f"with its formats, stopped: {error}")
    else:
        problems += [f"with its formats, {p}" for p in wrong(table, rows, dialect, delivery, {}, again)]
    return problems


def of_seed(seed: int) -> Iterator[tuple[Table, list[dict[str, Value]], Dialect, Delivery]]:
    """A month with each of its exports in a dialect of its own."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    month = months.draw(rng)
    for table in SOURCES:
        rows = rng.sample(month.rows[table.file], len(month.rows[table.file]))
        dialect = dialects.draw(rng, table)
        yield table, rows, dialect, dialects.Writer(rng, table, dialect).deliver(rows)


@pytest.mark.parametrize("seed", [*range(ALWAYS), *(pytest.param(i, marks=pytest.mark.soak) for i in range(ALWAYS, SOAKED))])
def test_dialect(tmp_path, seed):
    told = []
    for table, rows, dialect, delivery in of_seed(seed):
        if problems := verdict(table, rows, dialect, delivery, tmp_path):
            told += [f"{table.file}, seed {seed}: {dialect}", *problems[:5], repr(delivery.content[:300])]
    assert not told, "\n".join(told)
