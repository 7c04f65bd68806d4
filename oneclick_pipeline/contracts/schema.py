"""What a table is: columns with their meaning, type, range and vocabulary, and the pandera schema made of them.

A `Column` says what a value means (description, unit, feature group, Russian header in the export) and what it must
hold; `Table.contract` turns the same declaration into the schema that every table passes before it becomes readable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from oneclick_pipeline.contracts.kinds import KINDS

if TYPE_CHECKING:
    import pandas as pd
    import pandera.polars as pa

    from oneclick_pipeline.contracts.kinds import Kind

Group = Literal["key", "target", "product", "communication", "customer", "site", "purchasing", "value", ""]

STAGES = (
    "raw", "clean", "features", "exploration", "model", "scores", "segments", "campaigns", "offers", "monitoring", "report"
)  # fmt: skip


class Columns(Protocol):
    """A table of which columns are read one by one: a frame, or a file that is not held whole."""

    def __getitem__(self, name: str, /) -> pd.Series:
        """A column."""
        ...


@dataclass(frozen=True)
class Column:
    """One column of a table: what it means and what it must hold.

    Attributes:
        name: English name, used everywhere after the raw stage.
        kind: Kind of the values, one of `kinds.KINDS`.
        description: What the value is, for a reader who has never seen the store.
        unit: Unit of measurement, empty where there is none.
        group: Feature group; `key`, `target` and `value` columns never reach a model.
        header: Russian header in the store's export, empty for columns that we compute.
        nullable: Whether a value may be missing.
        minimum: Smallest legal value.
        maximum: Largest legal value.
        values: Closed vocabulary: spelling in the export -> canonical value. A computed column maps
            every value to itself.
        known: Open vocabulary: spellings that near misses are repaired to; other values pass.
        repairable: Whether a robust outlier is replaced by the median of its period.
    """

    name: str
    kind: str
    description: str
    unit: str = ""
    group: Group = ""
    header: str = ""
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: dict[str, str | bool] = field(default_factory=dict)
    known: tuple[str, ...] = ()
    repairable: bool = False

    @property
    def type(self) -> Kind:
        """What libraries call the type of the values."""
        return KINDS[self.kind]

    @property
    def pandas(self) -> str:
        """Type of the values in pandas."""
        return self.type.pandas_with_gaps if self.nullable else self.type.pandas

    @property
    def promise(self) -> str:
        """What the values of the finished table are: the range, or its words."""
        if self.values:
            return "one of " + ", ".join(str(v) for v in dict.fromkeys(self.values.values()))
        return self.rule

    @property
    def rule(self) -> str:
        """What a text of the export must be: the range, or the words that the store uses."""
        if self.values:
            return "one of " + ", ".join(f"«{v}»" for v in self.values)
        if self.minimum is not None and self.maximum is not None:
            return f"between {self.minimum:g} and {self.maximum:g}"
        if self.minimum is not None:
            return f"at least {self.minimum:g}"
        if self.maximum is not None:
            return f"at most {self.maximum:g}"
        return ""


@dataclass(frozen=True)
class Table:
    """One table: its place in the graph, its key, its columns.

    Attributes:
        name: Name of the asset and of the folder.
        stage: Stage (asset group) that makes it.
        description: What one row is.
        columns: Columns in order.
        key: Columns that identify a row; empty where rows have no identity.
        file: Name of the export it is cleaned from, empty for tables that we compute.
    """

    name: str
    stage: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    file: str = ""

    def __getitem__(self, name: str) -> Column:
        """Return the column `name`."""
        return next(c for c in self.columns if c.name == name)

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [c.name for c in self.columns]

    def contract(self) -> pa.DataFrameSchema:
        """The pandera schema of the table (Polars backend): types, nulls, ranges, vocabulary, column order.

        Uniqueness of the key is not in it: a schema sees one batch of rows at a time, so `engine.files.verify`
        checks the key over the whole table.
        """
        import pandera.polars as pa
        import polars as pl

        columns = {}
        for c in self.columns:
            checks = []
            if c.minimum is not None:
                checks.append(pa.Check.ge(c.minimum))
            if c.maximum is not None:
                checks.append(pa.Check.le(c.maximum))
            if c.values and c.kind == "str":
                checks.append(pa.Check.isin(list(dict.fromkeys(c.values.values()))))
            columns[c.name] = pa.Column(
                getattr(pl, c.type.polars),
                checks=checks,
                nullable=c.nullable,
                title=c.header or c.name,
                description=c.description,
                metadata={"unit": c.unit, "group": c.group, "header": c.header},
            )
        return pa.DataFrameSchema(columns, name=self.name, description=self.description, strict=True, ordered=True)


def vocabulary(*values: str) -> dict[str, str | bool]:
    """A closed vocabulary of values that we write ourselves."""
    return {v: v for v in values}
