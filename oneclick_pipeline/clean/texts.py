"""Texts of the raw table, without the blanks around them, and which of them are needed beside their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from oneclick_pipeline.clean.words import is_word
from oneclick_pipeline.raw.letters import BLANKS, INVISIBLE

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Column, Table


def stripped(raw: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """The raw table with its texts stripped of surrounding blanks and invisible characters; empty ones become null."""
    without_blanks = raw.with_columns(nw.col(c.name).str.strip_chars(BLANKS + INVISIBLE) for c in table.columns)
    return without_blanks.with_columns(nw.when(nw.col(c.name) != "").then(nw.col(c.name)).alias(c.name) for c in table.columns)


def is_kept(column: Column) -> bool:
    """Whether the texts of a column are kept beside its values: what replaces one of them is listed with the text."""
    return column.repairable or (column.nullable and not is_word(column))
