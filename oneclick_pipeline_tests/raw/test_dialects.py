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
from oneclick_pipeline.formats import FileFormat
from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.raw.number_columns import of_settings
from oneclick_pipeline.settings import Cleaning
from oneclick_pipeline_tests.raw import dialects, months
from oneclick_pipeline_tests.raw.written_numbers import is_certain, is_open, readings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from oneclick_pipeline.clean.export import Cleaned
    from oneclick_pipeline.contracts.schema import Column, Table
    from oneclick_pipeline.raw.facts import FileFacts
    from oneclick_pipeline_tests.raw.dialects import Delivery
    from oneclick_pipeline_tests.raw.months import Value

ALWAYS, SOAKED = 100, 2000
SETTINGS = Cleaning(outlier_limit=100)


def read_and_clean(path: Path, table: Table, scratch: Path, given: FileFormat | None = None) -> tuple[Cleaned, FileFacts]:
    """The export as a run reads it, with what the settings say of how it is written."""
    given = given or FileFormat()
    numbers = of_settings(given.columns, table)
    export = open_export(path, table.file, scratch, encoding=given.encoding, delimiter=given.delimiter, formats=numbers)
    return clean_export(nw.from_native(export.lines()), table, SETTINGS, facts=export.facts), export.facts


def settings_of(delivery: Delivery) -> FileFormat:
    """A dialect as `formats:` of the settings give it."""
    encoding, _, _ = delivery.dialect.encoding.removesuffix("-sig").partition(",")
    columns = {delivery.table[name].header: style.formats() for name, style in delivery.dialect.numbers.items()}
    return FileFormat.model_validate({"encoding": encoding, "delimiter": delivery.dialect.delimiter, "columns": columns})


def meant(column: Column, value: Value) -> float | int | str | bool | None:
    """What a value must be read as."""
    if value is None or isinstance(value, str):
        return None if value is None else column.values.get(value, value)
    return int(value) if column.kind == "int" else float(value)


def problems(delivery: Delivery, uncertain: Collection[str], cleaned: Cleaned, facts: FileFacts) -> Iterator[str]:
    """What was read as something else, or lost without a reason that holds.

    Args:
        delivery: The file, and what it means.
        uncertain: Columns whose rows may be rejected with both readings of a number.
        cleaned: What it was read as.
        facts: What was detected about it.
    """
    table = delivery.table
    kept = {tuple(row[k] for k in table.key): row for row in cleaned.table.collect().to_native().rows(named=True)}
    rejected = {row["line"]: row for row in cleaned.rejected.collect().to_native().rows(named=True)}
    if not len(delivery.rows) == cleaned.rows == len(kept) + cleaned.rejected_rows:
        yield f"{len(delivery.rows)} rows were written, {cleaned.rows} read, {len(kept)} kept, {cleaned.rejected_rows} rejected"
    for row in delivery.rows:
        key = tuple(row[name] for name in table.key)
        right = {c.name: meant(c, row[c.name]) for c in table.columns}
        values, line = kept.pop(tuple(right[name] for name in table.key), None), delivery.lines[key]
        if values is not None:
            yield from (f"{key}, {n}: {values[n]!r} was read, {right[n]!r} is right" for n in right if values[n] != right[n])
            if key in delivery.lost:
                yield f"{key}: a row that lacks a number was kept"
        elif line not in rejected:
            yield f"{key}, line {line}: was neither kept nor rejected"
        elif key not in delivery.lost | delivery.foreign and not is_ambiguous(
            delivery, uncertain, rejected[line]["column"], rejected[line]["rule"]
        ):
            yield f"{key} was rejected: {rejected[line]}"
    yield from (f"{key} was read and never written" for key in kept)
    yield from wrong_records(delivery, cleaned, facts)


def wrong_records(delivery: Delivery, cleaned: Cleaned, facts: FileFacts) -> Iterator[str]:
    """What was recorded of markers of missing values and of lines that are no rows, and is not so."""
    rules = Counter(cleaned.corrections.collect()["rule"].to_list())
    if set(rules) - {"spelling", "missing_marker"} or (not cleaned.rejected_rows and rules["missing_marker"] != delivery.markers):
        yield f"{delivery.markers} markers of missing values were written, and corrected were {dict(rules)}"
    if sum(lines for lines, _ in facts.set_aside.values()) != delivery.aside:
        yield f"{delivery.aside} lines are no rows, and set aside were {facts.set_aside}"


def uncertain_columns(delivery: Delivery) -> list[str]:
    """Columns that the file itself does not allow to be read in one way only."""
    return [
        name
        for name, digits in delivery.digits.items()
        if not is_certain(digits, delivery.dialect.numbers[name], whole=delivery.table[name].kind == "int")
        or (delivery.foreign and name == delivery.foreign_column and any(map(is_open, digits)))
    ]


def is_ambiguous(delivery: Delivery, uncertain: Collection[str], column: str | int | None, text: str) -> bool:
    """Whether a text about a column has both readings of one of its numbers."""
    table, dialect = delivery.table, delivery.dialect
    return any(
        is_open(digits) and all(reading in text for reading in readings(digits, percent=dialect.numbers[name].percent))
        for name in uncertain
        if column in {table[name].header, dialect.header[name]}
        for digits in delivery.digits[name]
    )


def is_right_to_stop(delivery: Delivery, uncertain: Collection[str], error: BadInputError) -> bool:
    """Whether a stop names file, column, both readings of a number, and the setting that decides.

    Where a column has numbers of two locales, it may name one of either.
    """
    text, mixed = str(error), delivery.foreign_column
    sound = mixed in uncertain and error.column == delivery.table[mixed].header
    return delivery.name in text and "formats:" in text and (sound or is_ambiguous(delivery, uncertain, error.column, text))


def is_fraction_or_column(delivery: Delivery, error: BadInputError) -> bool:
    """Whether digits behind the last column that has a name stop the run: between commas they may be its fraction."""
    dialect = delivery.dialect
    named = [name for name in dialect.columns if dialect.header[name].strip()]
    last = [column for column in delivery.table.columns if column.name == named[-1] and column.type.is_number]
    return dialect.delimiter == "," and bool(last) and named[-1] != dialect.columns[-1] and "have no header" in error.problem


def verdict(delivery: Delivery, scratch: Path) -> list[str]:
    """What is wrong with how a delivery is read, with and without settings that say how it is written."""
    path, uncertain = scratch / delivery.name, uncertain_columns(delivery)
    path.write_bytes(delivery.content)
    try:
        wrong = list(problems(delivery, uncertain, *read_and_clean(path, delivery.table, scratch)))
    except BadInputError as error:
        if is_fraction_or_column(delivery, error):
            return []
        wrong = [] if is_right_to_stop(delivery, uncertain, error) else [f"stopped, uncertain are {uncertain}: {error}"]
    try:
        given = problems(delivery, (), *read_and_clean(path, delivery.table, scratch, settings_of(delivery)))
        return wrong + [f"with its formats, {problem}" for problem in given]
    except BadInputError as error:
        return [*wrong, f"with its formats, stopped: {error}"]


def of_seed(seed: int) -> Iterator[Delivery]:
    """A month with each of its exports in a dialect of its own."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    month = months.draw(rng)
    for table in SOURCES:
        rows = rng.sample(month.rows[table.file], len(month.rows[table.file]))
        yield dialects.deliver(rng, table, rows, dialects.draw(rng, table))


@pytest.mark.parametrize("seed", [*range(ALWAYS), *(pytest.param(i, marks=pytest.mark.soak) for i in range(ALWAYS, SOAKED))])
def test_dialect(tmp_path, seed):
    failures = [
        "\n".join([f"{delivery.name}, seed {seed}: {delivery.dialect}", *wrong[:5], repr(delivery.content[:300])])
        for delivery in of_seed(seed)
        if (wrong := verdict(delivery, tmp_path))
    ]
    assert not failures, "\n".join(failures)


def test_most_dialects_are_certain():
    """So the test above asks that they be read."""
    uncertain = [bool(uncertain_columns(delivery)) for seed in range(ALWAYS) for delivery in of_seed(seed)]
    assert 0.1 < sum(uncertain) / len(uncertain) < 0.3
