"""How the exports of the month were written, as they were read: one line per file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from oneclick_pipeline.contracts.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from oneclick_pipeline.raw.facts import FileFacts
    from oneclick_pipeline.raw.number_formats import NumberFormat
    from oneclick_pipeline.report.source import Month


@dataclass(frozen=True)
class Delivery:
    """How an export was written.

    Attributes:
        file: Name of the export.
        container: What it was packed in; empty where it was not.
        encoding: Its encoding.
        delimiter: Character between fields.
        numbers: A number as it was written -> headers of the columns with such numbers.
        set_aside: Lines that are no rows, by kind.
        missing: Markers of missing values, with how often each was used.
    """

    file: str
    container: str
    encoding: str
    delimiter: str
    numbers: dict[str, tuple[str, ...]]
    set_aside: dict[str, int]
    missing: dict[str, int]


def deliveries(source: Month) -> tuple[Delivery, ...]:
    """How each export of a month was written."""
    return tuple(_delivery(facts, source.missing.get(file, {})) for file, facts in source.facts.items())


def _delivery(facts: FileFacts, missing: dict[str, int]) -> Delivery:
    return Delivery(
        file=facts.file,
        container="" if facts.container == "plain" else facts.container,
        encoding=facts.encoding,
        delimiter=facts.delimiter,
        numbers=_numbers(facts.file, facts.formats),
        set_aside={kind: count for kind, (count, _) in facts.set_aside.items()},
        missing=missing,
    )


def _numbers(file: str, formats: Mapping[str, NumberFormat]) -> dict[str, tuple[str, ...]]:
    """The ways in which numbers were written; bare digits, which are the same in all of them, only where there is no other."""
    headers: dict[str, tuple[str, ...]] = {}
    for name, one in formats.items():
        shown = f"1{one.grouping}234{one.decimal}{'5' if one.decimal else ''}"
        headers[shown] = (*headers.get(shown, ()), TABLES[file][name].header)
    marked = {shown: columns for shown, columns in headers.items() if not shown.isdigit()}
    return marked or headers
