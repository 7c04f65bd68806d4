"""Tables that are never held whole give what whole ones would."""

import threading
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest

from oneclick_pipeline import engine
from oneclick_pipeline.contracts.exports import PROFIT
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files
from oneclick_pipeline.engine.batches import Batches, in_order
from oneclick_pipeline.engine.content_digest import digest
from oneclick_pipeline.engine.verification import verify
from oneclick_pipeline.errors import BadInputError

SEGMENTS = TABLES["customer_segments"]


def people(ids):
    """`contracts.segments.CUSTOMER_SEGMENTS` of customers by number."""
    ids = np.asarray(ids, dtype=np.int64)
    texts = {name: pd.Series([f"{name} {i % 3}" for i in ids], dtype="str") for name in ("segment", "segment_ru", "segment_en")}
    numbers = {"p_decline": ids / 100, "profit": np.where(ids % 2, ids, np.nan), "value_at_risk": ids / 10}
    return pd.DataFrame({"customer_id": ids, **texts, **numbers})[SEGMENTS.names]


def written(tmp_path, frame, name="customer_segments"):
    path = tmp_path / f"{name}.parquet"
    files.write_batches([frame], path, TABLES[name])
    return path


@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("ids", [range(30), [*range(15, 30), *range(15)]], ids=["by key", "in another order"])
def test_batches_come_by_the_key(tmp_path, ids, rows):
    path = written(tmp_path, people(ids))
    found = list(Batches("customer_segments", path, rows=rows))
    assert [len(batch) for batch in found] == [len(part) for part in np.array_split(range(30), range(rows, 30, rows))]
    pd.testing.assert_frame_equal(pd.concat(found, ignore_index=True), people(range(30)))
    narrow = next(iter(Batches("customer_segments", path, rows=rows).only("customer_id", "profit")))
    assert list(narrow) == ["customer_id", "profit"]


@pytest.mark.parametrize("rows", [2, 4, 100])
def test_batches_of_a_folder_of_parts_are_those_of_a_file(tmp_path, rows):
    folder = tmp_path / "customer_segments.parquet"
    folder.mkdir()
    for number, ids in enumerate([range(3), range(3, 4), range(4, 9)]):
        files.write_batches([people(ids)], folder / f"part-{number}.parquet", SEGMENTS)
    table = Batches("customer_segments", folder, rows=rows)
    assert [len(batch) for batch in table] == [len(part) for part in np.array_split(range(9), range(rows, 9, rows))]
    pd.testing.assert_frame_equal(pd.concat(list(table), ignore_index=True), people(range(9)))
    assert len(table) == 9
    assert table["segment"].tolist() == people(range(9))["segment"].tolist()


def test_column_is_whole_and_by_the_key(tmp_path):
    table = Batches("customer_segments", written(tmp_path, people([3, 1, 2])), rows=1)
    assert len(table) == 3
    assert table["p_decline"].tolist() == [0.01, 0.02, 0.03]
    assert table["segment"].tolist() == ["segment 1", "segment 2", "segment 0"]
    assert isinstance(table["segment"].dtype, pd.CategoricalDtype)


def test_table_without_rows_is_one_batch_without_rows(tmp_path):
    table = Batches("customer_segments", written(tmp_path, people([])))
    (only,) = table
    assert list(only) == SEGMENTS.names
    assert (len(only), len(table), len(table["segment"])) == (0, 0, 0)


def test_rows_are_chosen_of_every_batch(tmp_path):
    table = Batches("customer_segments", written(tmp_path, people(range(9))), rows=2)
    pd.testing.assert_frame_equal(
        table.where(lambda some: some["customer_id"] % 4 == 3), people(range(9)).iloc[[3, 7]].reset_index(drop=True)
    )


def test_tables_stand_side_by_side(tmp_path):
    profit = pd.DataFrame({"customer_id": [2, 0, 1], "profit": [7.0, 8.0, 9.0]})
    ours = Batches("customer_segments", written(tmp_path, people(range(3))), rows=2)
    both = ours.only("customer_id", "segment").beside(Batches("profit", written(tmp_path, profit, "profit")))
    found = pd.concat(list(both), ignore_index=True)
    assert list(found) == ["customer_id", "profit", "segment"]
    assert found["profit"].tolist() == [8.0, 9.0, 7.0]
    assert found["segment"].tolist() == [f"segment {i}" for i in range(3)]
    assert both["p_decline"].tolist() == [0.0, 0.01, 0.02]


@pytest.mark.parametrize("others", [[0, 1], [0, 1, 3]])
def test_tables_of_different_customers_do_not(tmp_path, others):
    profit = pd.DataFrame({"customer_id": others, "profit": 1.0})
    ours = Batches("customer_segments", written(tmp_path, people(range(3))), rows=2)
    with pytest.raises(BadInputError, match="profit and customer_segments have different customers"):
        list(ours.beside(Batches("profit", written(tmp_path, profit, "profit"))))


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_what_is_written_in_batches_is_what_an_engine_writes(tmp_path, rows):
    import narwhals as nw

    frame = people(range(30))
    parts = [frame.iloc[begin : begin + rows] for begin in range(0, 30, rows)]
    parts[0] = parts[0].astype({"segment": "category"})
    files.write_batches(parts, tmp_path / "batches.parquet", SEGMENTS)
    engine.get("pandas").write(nw.from_native(frame, eager_only=True).lazy(), tmp_path / "whole.parquet", SEGMENTS)
    assert digest(tmp_path / "batches.parquet") == digest(tmp_path / "whole.parquet")
    verify(tmp_path / "batches.parquet", SEGMENTS)
    assert pl.read_parquet(tmp_path / "batches.parquet")["profit"].null_count() == 15


def test_no_batch_makes_an_empty_table(tmp_path):
    files.write_batches([], tmp_path / "x.parquet", PROFIT)
    verify(tmp_path / "x.parquet", PROFIT)
    assert files.rows(tmp_path / "x.parquet") == 0


def doubled(rows):
    return rows.assign(profit=rows["profit"] * 2.0)


@pytest.mark.parametrize("name", ["polars", "pandas"])
def test_engine_works_on_batches(tmp_path, name):
    rows = Batches("customer_segments", written(tmp_path, people(range(9))), rows=2)
    engine.get(name).apply(rows, doubled, tmp_path / "profit.parquet", PROFIT)
    assert pl.read_parquet(tmp_path / "profit.parquet").rows() == [(i, 2.0 * i if i % 2 else None) for i in range(9)]
    assert list(engine.get(name).map(rows, len)) == [2, 2, 2, 2, 1]
    with pytest.raises(KeyError, match="profit"):
        engine.get(name).apply(rows, lambda some: some.drop(columns="profit"), tmp_path / "profit.parquet", PROFIT)


def test_results_come_in_order_and_only_a_few_ahead():
    last, taken = threading.Event(), []

    def batches():
        for number in range(20):
            taken.append(number)
            yield number

    def work(number):
        if number == 0:
            assert last.wait(timeout=60)  # the first is the last to be done
        elif number == 1:
            last.set()
        return number * 10

    found = in_order(work, batches(), threads=2)
    assert next(found) == 0
    assert taken == [0, 1, 2]
    assert list(found) == [number * 10 for number in range(1, 20)]


def test_errors_of_the_work_come_through():
    def work(number):
        raise BadInputError(f"number {number}")

    with pytest.raises(BadInputError, match="number 0"):
        list(in_order(work, range(5), threads=2))


def test_work_leaves_the_warning_filters_as_they_were():
    before = list(warnings.filters)
    assert list(in_order(lambda number: warnings.simplefilter("ignore") or number, range(5), threads=2)) == list(range(5))
    assert warnings.filters == before
