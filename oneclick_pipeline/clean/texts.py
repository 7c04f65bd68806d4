"""Texts of the raw table, without the blanks around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

if TYPE_CHECKING:
    from oneclick_pipeline.contracts.schema import Table

# Unicode's white space: left to themselves, engines differ in what is a blank.
_BLANKS = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"


def stripped(raw: nw.LazyFrame, table: Table) -> nw.LazyFrame:
    """The raw table with its texts stripped of surrounding blanks; empty ones become null."""
    without_blanks = raw.with_columns(nw.col(c.name).str.strip_chars(_BLANKS) for c in table.columns)
    return without_blanks.with_columns(nw.when(nw.col(c.name) != "").then(nw.col(c.name)).alias(c.name) for c in table.columns)
