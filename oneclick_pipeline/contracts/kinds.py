"""Kinds of values and what every library calls them: a new kind is one entry here.

Types are given by name, so that declaring a table imports no library. Dagster and the docs show the name of the kind.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of values.

    Attributes:
        phrase: What a value is, for people.
        numpy: Type in NumPy.
        pandas: Type in pandas where no value is missing.
        pandas_with_gaps: Type in pandas where values may be missing.
        polars: Type in Polars and in Narwhals.
        arrow: Type in Arrow.
        spark: Type in Spark's SQL.
        sql: Type in SQLAlchemy.
        is_number: Whether values can be added up.
    """

    phrase: str
    numpy: str
    pandas: str
    pandas_with_gaps: str
    polars: str
    arrow: str
    spark: str
    sql: str
    is_number: bool = False


KINDS = {
    "int": Kind("a whole number", "int64", "int64", "Int64", "Int64", "int64", "bigint", "BigInteger", is_number=True),
    "float": Kind("a number", "float64", "float64", "float64", "Float64", "float64", "double", "Double", is_number=True),
    "bool": Kind("true or false", "bool", "bool", "boolean", "Boolean", "bool", "boolean", "Boolean"),
    "str": Kind("a text", "object", "str", "str", "String", "string", "string", "Text"),
}
"""Kinds by the name that a `Column` gives."""
