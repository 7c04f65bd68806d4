"""A snapshot that is replaced at a bad moment, copied with old times, or has something new in it."""

import os
import shutil

import polars as pl
import pytest

from oneclick_pipeline import raw as stage
from oneclick_pipeline.tables import raw_file
from oneclick_pipeline_tests.faults.homes import CLEAN, materialize, refused
from oneclick_pipeline_tests.orchestration import homes
from oneclick_pipeline_tests.orchestration.homes import FROM_RAW_TO_FEATURES, MONTH, digests, table, told

FUTURE, PAST = 4_000_000_000, 1_000_000_000


@pytest.fixture
def copy(small, tmp_path):
    return shutil.copytree(small, tmp_path / "home")


def other(path):
    """Other content of the same size."""
    return path.read_text(encoding="utf-8").replace(",25", ",75")


def test_snapshot_replaced_between_two_steps_is_refused_and_taken_by_the_next_run(copy):
    path = raw_file(copy, MONTH, "money")
    before = table(copy, "profit")["profit"].to_list()
    path.write_text(other(path), encoding="utf-8")
    message = refused(copy, *CLEAN)
    assert f"{path}: the file is not the one that was read. What to do: materialize money again for this month" in message
    assert homes.materialize(copy).success
    assert table(copy, "profit")["profit"].to_list() == [profit + 0.5 for profit in before]


def test_snapshot_replaced_while_it_is_read_is_refused_and_taken_by_the_next_run(copy, monkeypatch):
    path = raw_file(copy, MONTH, "money")
    with monkeypatch.context() as patch:
        read = stage._scan_bytes

        def replaced_meanwhile(file, marks):
            found = read(file, marks)
            new = path.with_suffix(".new")
            new.write_text(other(path), encoding="utf-8")
            new.replace(path)
            return found

        patch.setattr(stage, "_scan_bytes", replaced_meanwhile)
        message = refused(copy, "money")
    assert f"{path}: the file changed while it was read. What to do: run the month again once it is whole" in message
    assert homes.materialize(copy).success
    assert {profit % 1 for profit in table(copy, "profit")["profit"]} == {0.75}


def test_other_bytes_under_the_old_size_and_time_are_noticed(copy):
    path = raw_file(copy, MONTH, "money")
    old = path.stat()
    path.write_text(other(path), encoding="utf-8")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    assert "the file is not the one that was read" in refused(copy, *CLEAN)


@pytest.mark.parametrize("seconds", [pytest.param(PAST, marks=pytest.mark.soak), FUTURE])
def test_times_of_exports_and_tables_decide_nothing(copy, seconds):
    """As after a clock that was wrong, or was set back: what was made is older or younger than what it was made of."""
    before = digests(copy)
    for path in [*copy.glob("raw/*/*.csv"), *copy.rglob("*.parquet")]:
        os.utime(path, (seconds, seconds))

    assert homes.materialize(copy).success
    assert digests(copy) == before


def test_unknown_column_is_recorded_warned_of_and_ignored(copy):
    before = digests(copy, [*CLEAN, "customer_features"])
    path = raw_file(copy, MONTH, "market_file")
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"{header},Любимый_цвет", *(f"{line},зелёный" for line in lines)]) + "\n", encoding="utf-8")
    result = homes.materialize(copy)
    assert result.success, told(result)
    (evaluation,) = [
        e for e in result.get_asset_check_evaluations() if e.check_name == "known_columns" and e.asset_key.path == ["market_file"]
    ]
    assert not evaluation.passed
    assert evaluation.severity.value == "WARN"
    assert evaluation.metadata["names"].value == "Любимый_цвет"
    (event,) = result.asset_materializations_for_node("market_file")
    assert "Любимый_цвет" in event.metadata["columns"].value
    assert digests(copy, [*CLEAN, "customer_features"]) == before


@pytest.mark.soak
def test_new_category_is_kept_scored_and_counted_by_the_profile(home):
    path = raw_file(home, MONTH, "market_file")
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    place = header.split(",").index("Популярная_категория")
    changed = [line.split(",") for line in lines]
    customers = [int(fields[0]) for fields in changed[::10]]
    for fields in changed[::10]:
        fields[place] = "Книги"
    path.write_text("\n".join([header, *(",".join(fields) for fields in changed)]) + "\n", encoding="utf-8")
    assert homes.materialize(home).success
    result = materialize(home, "customer_scores", "data_profile")
    assert result.success, told(result)
    scores = table(home, "customer_scores").filter(pl.col("customer_id").is_in(customers))
    assert scores.height == len(customers)
    assert scores.filter(pl.col("score_basis") != "not_scored")["p_decline"].null_count() == 0
    profile = table(home, "data_profile").filter(pl.col("column") == "favourite_category")
    known = table(home, "customer_features")["favourite_category"].n_unique()
    assert profile["distinct"].item() <= known
    assert set(FROM_RAW_TO_FEATURES) <= set(digests(home))
