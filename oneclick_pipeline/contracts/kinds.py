"""Kinds of values and what every library calls them: a new kind is one entry here.

Types stand here by their names, so that declaring a table imports no library. Dagster and the docs show the name of the kind.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of values.

    Attributes:
        phrase: What a value is, for people.
        is_number: Whether values can be added up.
        numpy: Type in NumPy.
        pandas: Type in pandas where no value is missing.
        pandas_with_gaps: Type in pandas where values may be missing.
        polars: Type in Polars and in Narwhals.
        arrow: Type in Arrow.
        spark: Type in Spark's SQL.
        sql: Type in SQLAlchemy.
    """

    phrase: str
    is_number: bool
    numpy: str
    pandas: str
    pandas_with_gaps: str
    polars: str
    arrow: str
    spark: str
    sql: str


KINDS = {
    "int": Kind(
        phrase="a whole number",
        is_number=True,
        numpy="int64",
        pandas="int64",
        pandas_with_gaps="Int64",
        polars="Int64",
        arrow="int64",
        spark="bigint",
        sql="BigInteger",
    ),
    "float": Kind(
        phrase="a number",
        is_number=True,
        numpy="float64",
        pandas="float64",
        pandas_with_gaps="float64",
        polars="Float64",
        arrow="float64",
        spark="double",
        sql="Double",
    ),
    "bool": Kind(
        phrase="true or false",
        is_number=False,
        numpy="bool",
        pandas="bool",
        pandas_with_gaps="boolean",
        polars="Boolean",
        arrow="bool",
        spark="boolean",
        sql="Boolean",
    ),
    "str": Kind(
        phrase="a text",
        is_number=False,
        numpy="object",
        pandas="str",
        pandas_with_gaps="str",
        polars="String",
        arrow="string",
        spark="string",
        sql="Text",
    ),
}
"""Kinds by the name that a `Column` gives."""
