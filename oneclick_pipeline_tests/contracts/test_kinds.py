import narwhals as nw
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from oneclick_pipeline.contracts.kinds import KINDS


@pytest.mark.parametrize(("name", "values"), [("int", [1, 2]), ("float", [1.5]), ("bool", [True]), ("str", ["a"])])
def test_kind_is_the_same_type_in_every_library(name, values):
    kind = KINDS[name]
    polars = pl.Series(values, dtype=getattr(pl, kind.polars))
    assert nw.from_native(polars, series_only=True).dtype == getattr(nw, kind.polars)
    assert polars.to_arrow().cast(pa.type_for_alias(kind.arrow)).to_pylist() == values
    for pandas in (kind.numpy, kind.pandas, kind.pandas_with_gaps):
        assert pd.Series(values, dtype=pandas).tolist() == values
    assert pd.Series([*values, None], dtype=kind.pandas_with_gaps).isna().tolist() == [*[False] * len(values), True]
    assert issubclass(getattr(sa, kind.sql)().python_type, type(values[0]))


def test_all_kinds_are_tested():
    assert list(KINDS) == ["int", "float", "bool", "str"]
