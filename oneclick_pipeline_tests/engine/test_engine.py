"""Engines write the same tables, digests tell tables apart, contracts are held on files."""

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline import engine
from oneclick_pipeline.contracts.clean import CORRECTIONS
from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, REVENUE
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.content_digest import digest
from oneclick_pipeline.engine.verification import verify
from oneclick_pipeline.errors import BadInputError

HERE = ("polars", "pandas")  # test_spark.py has the one that needs a cluster
FRAME = pl.DataFrame({"i": [1, 2, None], "f": [0.5, None, -2.0], "b": [True, False, None], "s": ["да", None, ""]})


def written(tmp_path, frame, name="table"):
    path = tmp_path / f"{name}.parquet"
    frame.write_parquet(path)
    return path


@pytest.fixture(params=HERE)
def chosen(request):
    return engine.get(request.param)


def test_engine_reads_what_it_wrote(tmp_path, chosen):
    path = tmp_path / "out.parquet"
    chosen.write(chosen.scan(written(tmp_path, FRAME)), path)
    assert pl.read_parquet(path).equals(FRAME)
    assert pq.read_schema(path).metadata in (None, {}) or b"pandas" not in pq.read_schema(path).metadata


def test_engines_have_their_names(chosen):
    assert chosen.name in engine.ENGINES
    assert isinstance(chosen, type(engine.get(chosen.name)))


def test_unknown_engine_is_told_with_those_there_are():
    with pytest.raises(BadInputError, match=r"the engine 'spork' does not exist\. What to do: choose one of polars, pandas"):
        engine.get("spork")


def test_write_puts_columns_in_order_and_type(tmp_path, chosen):
    source = written(tmp_path, pl.DataFrame({"extra": [1], "profit": [3], "customer_id": pl.Series([7], dtype=pl.Int32)}))
    path = tmp_path / "profit.parquet"
    chosen.write(chosen.scan(source), path, PROFIT)
    assert pl.read_parquet(path).schema == {"customer_id": pl.Int64, "profit": pl.Float64}
    assert pl.read_parquet(path).rows() == [(7, 3.0)]


def test_words_are_written_once_and_read_as_texts(tmp_path, chosen):
    source = written(tmp_path, GOOD.select("revenue", "period", "customer_id"))
    paths = [tmp_path / "texts.parquet", tmp_path / "words.parquet"]
    chosen.write(chosen.scan(source), paths[0], REVENUE)
    categories = pl.scan_parquet(source).with_columns(pl.col("period").cast(pl.Categorical))
    engine.get("polars").write(nw.from_native(categories), paths[1], REVENUE)
    for path in paths:
        assert pl.read_parquet(path).schema == {"customer_id": pl.Int64, "period": pl.String, "revenue": pl.Float64}
        assert chosen.scan(path).collect_schema()["period"] == nw.String
        assert pq.read_schema(path).field("period").type in (pa.string(), pa.large_string())
        assert pd.api.types.is_string_dtype(pd.read_parquet(path)["period"])
        verify(path, REVENUE)
    assert digest(paths[0]) == digest(paths[1]) == digest(written(tmp_path, GOOD, "good"))


def test_path_with_glob_characters_is_one_file(tmp_path, chosen):
    (tmp_path / "a").mkdir()
    folder = tmp_path / "[a]"
    folder.mkdir()
    path = written(folder, FRAME)
    assert chosen.scan(path).collect().shape == FRAME.shape
    assert digest(path) == digest(written(tmp_path, FRAME))


def test_digest_is_the_same_for_both_engines(tmp_path):
    source = written(tmp_path, FRAME)
    found = set()
    for name in HERE:
        path = tmp_path / f"{name}.parquet"
        engine.get(name).write(engine.get(name).scan(source), path)
        found.add(engine.digest(path))
    assert len(found) == 1


def test_digest_does_not_depend_on_the_order_of_rows(tmp_path):
    assert digest(written(tmp_path, FRAME)) == digest(written(tmp_path, FRAME.reverse(), "reversed"))


@pytest.mark.parametrize(
    "other",
    [
        FRAME.head(2),
        FRAME.head(0),
        pl.concat([FRAME, FRAME.head(1)]),
        FRAME.with_columns(i=pl.Series([1, 3, None])),
        FRAME.with_columns(i=pl.Series([1, 2, 0])),
        FRAME.with_columns(f=pl.Series([0.5, None, -2.0000000000000004])),
        FRAME.with_columns(b=pl.Series([True, False, False])),
        FRAME.with_columns(s=pl.Series(["да", "", None])),
        FRAME.with_columns(s=pl.Series(["да", "", ""])),
        FRAME.with_columns(i=pl.Series([2, 1, None])),
        FRAME.rename({"s": "t"}),
        FRAME.select("f", "i", "b", "s"),
        FRAME.with_columns(pl.col("i").cast(pl.Int32)),
    ],
)
def test_digest_tells_any_other_table(tmp_path, other):
    assert digest(written(tmp_path, FRAME)) != digest(written(tmp_path, other, "other"))


def test_digest_counts_copies_of_rows(tmp_path):
    twice = pl.concat([FRAME.head(1)] * 2)
    thrice = pl.concat([FRAME.head(1)] * 3)
    assert digest(written(tmp_path, twice)) != digest(written(tmp_path, thrice, "thrice"))


def test_digest_of_a_known_table_does_not_drift(tmp_path):
    first, second = (digest(written(tmp_path, FRAME, name)) for name in "ab")
    assert first == second
    assert len(first) == 32


GOOD = pl.DataFrame({"customer_id": [1, 1, 2], "period": ["m0", "m1", "m0"], "revenue": [1.0, 2.0, 0.0]})


def test_validate_takes_a_good_table(tmp_path):
    verify(written(tmp_path, GOOD), REVENUE)
    verify(written(tmp_path, GOOD.head(0)), REVENUE)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (GOOD.with_columns(period=pl.lit("m0")), r"\('customer_id', 'period'\)"),
        (GOOD.with_columns(revenue=pl.Series([1.0, -2.0, 0.0])), "revenue breaks its contract"),
        (GOOD.with_columns(period=pl.Series(["m0", "m1", "m3"])), "revenue breaks its contract"),
        (GOOD.with_columns(revenue=pl.Series([1.0, None, 0.0])), "revenue breaks its contract"),
        (GOOD.with_columns(pl.col("revenue").cast(pl.Float32)), "revenue breaks its contract"),
        (GOOD.drop("revenue"), "revenue breaks its contract"),
        (GOOD.select("period", "customer_id", "revenue"), "revenue breaks its contract"),
    ],
)
def test_validate_refuses_a_bad_table(tmp_path, bad, told):
    path = written(tmp_path, bad)
    with pytest.raises(BadInputError, match=told) as error:
        verify(path, REVENUE)
    assert str(path) in str(error.value)
    assert "bug in the pipeline" in str(error.value)


def test_validate_looks_at_every_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_BATCH_ROWS", 2)
    verify(written(tmp_path, GOOD), REVENUE)
    for bad in (
        GOOD.with_columns(revenue=pl.Series([1.0, 2.0, -1.0])),
        GOOD.with_columns(customer_id=1, period=pl.Series(["m0", "m1", "m0"])),
    ):
        with pytest.raises(BadInputError):
            verify(written(tmp_path, bad, "bad"), REVENUE)


def test_validate_lets_rows_without_identity_repeat(tmp_path):
    row = {"file": "money", "line": 2, "column": None, "old": "1", "new": None, "rule": "exact_duplicate"}
    schema = dict.fromkeys(row, pl.String) | {"line": pl.Int64}
    verify(written(tmp_path, pl.DataFrame([row, row], schema=schema)), CORRECTIONS)


def test_conform_selects_orders_and_casts():
    frame = pl.DataFrame({name: ["1"] for name in reversed(CUSTOMERS.names)} | {"more": [0]}).with_columns(
        marketing_consent=pl.lit(1)
    )
    done = files.conform(nw.from_native(frame.lazy()), CUSTOMERS).collect()
    assert done.columns == CUSTOMERS.names
    assert list(done.schema.dtypes()) == [files.dtype(c) for c in CUSTOMERS.columns]


def test_conform_refuses_a_frame_that_lacks_a_column():
    frame = nw.from_native(pl.DataFrame({"customer_id": [1]}).lazy())
    with pytest.raises(Exception, match="profit"):
        files.conform(frame, PROFIT).collect()


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5)))
def test_stands_twice_says_what_a_set_says(numbers):
    assert files.stands_twice(np.array(numbers, np.int64)) == (len(set(numbers)) < len(numbers))


def test_rows_counts_from_the_footer(tmp_path):
    assert files.rows(written(tmp_path, FRAME)) == 3
    assert files.rows(written(tmp_path, FRAME.head(0))) == 0


def folder_of_parts(tmp_path, name="folder"):
    """FRAME in three part files."""
    folder = tmp_path / name
    folder.mkdir(parents=True)
    for i in range(3):
        FRAME.slice(i, 1).write_parquet(folder / f"part-0000{i}-c000.zstd.parquet")
    return folder


def left_by_a_cluster(tmp_path):
    """The same with what Spark leaves beside the parts."""
    folder = folder_of_parts(tmp_path)
    for part in list(folder.iterdir()):
        (folder / f".{part.name}.crc").write_bytes(b"crc")
    (folder / "_SUCCESS").touch()
    return folder


def test_gather_makes_one_file_of_a_small_table(tmp_path):
    path = tmp_path / "table.parquet"
    files.gather(left_by_a_cluster(tmp_path), path)
    assert path.is_file()
    assert pl.read_parquet(path).equals(FRAME)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.parquet"]


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A table in a folder, at a path that looks like a pattern."""
    monkeypatch.setattr(files, "_ONE_FILE_BYTES", 0)
    path = tmp_path / "[a]" / "table.parquet"
    files.gather(left_by_a_cluster(tmp_path / "[a]"), path)
    return path


def test_gather_leaves_a_large_table_in_its_folder(large):
    assert [p.suffix for p in large.iterdir()] == [".parquet"] * 3
    assert not large.with_name("folder").exists()


def test_folder_is_read_as_one_table(tmp_path, large, chosen):
    assert files.rows(large) == 3
    assert digest(large) == digest(written(tmp_path, FRAME))
    assert sorted(chosen.scan(large).collect()["i"].drop_nulls().to_list()) == [1, 2]
    assert len(pd.read_parquet(large, columns=["s"], filters=[("i", "==", 2)])) == 1


def test_validate_looks_into_every_part(tmp_path):
    folder = tmp_path / "revenue.parquet"
    folder.mkdir()
    GOOD.write_parquet(folder / "part-0.parquet")
    verify(folder, REVENUE)
    GOOD.head(1).write_parquet(folder / "part-1.parquet")
    with pytest.raises(BadInputError, match=r"1 keys \('customer_id', 'period'\) appear twice"):
        verify(folder, REVENUE)


@pytest.mark.parametrize("before", ["nothing", "file", "folder"])
@pytest.mark.parametrize("now", ["file", "folder"])
def test_publish_puts_a_table_in_the_place_of_another(tmp_path, before, now):
    made = {"file": lambda name: written(tmp_path, FRAME, name), "folder": lambda name: folder_of_parts(tmp_path, name)}
    target = tmp_path / "final" / "table.parquet"
    target.parent.mkdir()
    if before != "nothing":
        made[before]("old").rename(target)
    files.publish(made[now]("new"), target)
    assert target.is_dir() == (now == "folder")
    assert digest(target) == digest(written(tmp_path, FRAME, "again"))
    assert [p.name for p in target.parent.iterdir()] == ["table.parquet"]
