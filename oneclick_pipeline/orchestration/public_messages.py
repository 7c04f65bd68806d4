"""What may be said outside the company about a failure: our own words, never a value.

A message is put together at run time and may hold a customer's data; the message of an error is therefore not passed on. It
is looked up among the sentences in the source of this package, and the words of the one that it was made from are
passed on, with `…` for whatever was filled in. Names of files and columns are passed on where a contract has them.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from oneclick_pipeline.catalogue.offer import Offer
from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.home.paths import CATALOGUE, DAGSTER_CONFIG, MLFLOW_DATABASE, RAW_ENDINGS, SETTINGS
from oneclick_pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable

    from oneclick_pipeline.errors import BadInputError

_HOLE = "…"
UNKNOWN = "it cannot continue; the page says why"
"""The message if none of our sentences matches."""
_LONGEST = 10_000
"""Characters of a message that is looked up; a longer one is not ours."""


@dataclass(frozen=True)
class Cause:
    """Why a step failed, in words that may leave the company.

    Attributes:
        step: Name of the step.
        rule: The rule that was broken, or the kind of the error where that is not known.
        place: File, line and column, as far as they are known.
    """

    step: str
    rule: str
    place: str = ""

    def __str__(self) -> str:
        """The cause as one phrase."""
        return f"{self.step}: {self.rule}" + (f" ({self.place})" if self.place else "")


def cause(step: str, error: BadInputError) -> Cause:
    """The cause of an input error, in words that may leave the company."""
    return Cause(step, rule(error.problem) or UNKNOWN, place(vars(error)))


def rule(message: str) -> str | None:
    """The sentence of ours that a message was made from, with … for what was filled in; None where there is none.

    >>> rule("the month 1234-56 is outside the graph")
    'the month … is outside the graph'
    >>> rule("4711") is None
    True
    """
    if len(message) > _LONGEST:
        return None
    phrases, templates = _sentences()
    if message in phrases:
        return " ".join(message.split())
    for parts in templates:
        holes = _holes(message, parts)
        if holes is not None:
            words = [hole if hole in _names() or hole in phrases else _HOLE for hole in holes]
            sentence = "".join(text for pair in zip(parts, [*words, ""], strict=True) for text in pair)
            return " ".join(sentence.split())
    return None


def place(facts: Mapping[str, Any]) -> str:
    """File, line and column of an error, where a contract or a home knows such a file and such a column.

    >>> place({"file": "/home/4711/raw/2026-10/money.csv", "line": 7, "column": "Прибыль", "value": "4711"})
    'money.csv, line 7, column «Прибыль»'
    >>> place({"file": "/home/4711.csv", "column": "4711"})
    ''
    """
    name, line, column = PurePath(str(facts.get("file", ""))).name, facts.get("line"), facts.get("column")
    table = PurePath(str(facts.get("file", ""))).parent.name
    shown = name if name in _files() else table if table in TABLES else ""
    header = f"column {column}" if isinstance(column, int) else f"column «{column}»" if column in _names() else ""
    parts = [shown, f"line {line}" if isinstance(line, int) else "", header]
    return ", ".join(part for part in parts if part)


def _holes(message: str, parts: tuple[str, ...]) -> list[str] | None:
    """The text between the parts of a sentence in a message; None if the message was not made from that sentence."""
    first, *middle, last = parts
    if len(message) < len(first) + len(last) or not (message.startswith(first) and message.endswith(last)):
        return None
    fillings, at, end = [], len(first), len(message) - len(last)
    for part in middle:
        where = message.find(part, at, end)
        if where < 0:
            return None
        fillings.append(message[at:where])
        at = where + len(part)
    return [*fillings, message[at:end]]


@cache
def _sentences() -> tuple[frozenset[str], tuple[tuple[str, ...], ...]]:
    """Phrases of several words, and f-strings as their constant parts, those with most words of ours first."""
    phrases: set[str] = set()
    templates: set[tuple[str, ...]] = set()
    for source in _sources(files("oneclick_pipeline")):
        tree = ast.parse(source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
                phrases.add(node.value)
            elif isinstance(node, ast.JoinedStr | ast.BinOp):
                templates.update(parts for parts in _parts(node) if len(parts) > 1 and re.search(r"[a-z]{5,}", "".join(parts)))
    return frozenset(phrases), tuple(sorted(templates, key=lambda parts: (-len("".join(parts)), parts)))


def _parts(node: ast.expr) -> list[tuple[str, ...]]:
    """The constant texts of a sentence, before, between and after what is filled in; several if it has alternatives."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [(node.value,)]
    if isinstance(node, ast.JoinedStr):
        parts = [""]
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts[-1] += str(value.value)
            else:
                parts.append("")
        return [tuple(parts)]
    if isinstance(node, ast.IfExp):
        return [*_parts(node.body), *_parts(node.orelse)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [(*a[:-1], a[-1] + b[0], *b[1:]) for a in _parts(node.left) for b in _parts(node.right)]
    return [("", "")]


def _sources(folder: Traversable) -> Iterator[str]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _sources(item)
        elif item.name.endswith(".py"):
            yield item.read_text(encoding="utf-8")


@cache
def _files() -> frozenset[str]:
    """Names of files that every home has."""
    exports = {f"{source.file}{ending}" for source in SOURCES for ending in RAW_ENDINGS}
    return frozenset({*exports, SETTINGS, CATALOGUE, DAGSTER_CONFIG, MLFLOW_DATABASE})


@cache
def _names() -> frozenset[str]:
    """Names of tables, columns, headers, settings and fields of the catalogue."""
    columns = [column for table in (*SOURCES, *TABLES.values()) for column in table.columns]
    return frozenset(
        {*TABLES, *_files(), *_settings(Settings), *(field.name for field in fields(Offer))}
        | {name for column in columns for name in (column.name, column.header) if name}
    )


def _settings(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Names of settings with those of their sections, as `alerts.snapshot_day`."""
    for name, field in model.model_fields.items():
        yield before + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, f"{before}{name}.")
