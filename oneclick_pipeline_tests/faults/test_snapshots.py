"""A snapshot that is replaced at a bad moment, copied with old times, or has something new in it."""

import os
import shutil
import threading

import polars as pl
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.home.paths import raw_file
from oneclick_pipeline.orchestration.assets import clean as assets
from oneclick_pipeline.raw import lines
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
        read = lines.scan

        def replaced_meanwhile(*arguments, **options):
            found = read(*arguments, **options)
            new = path.with_suffix(".new")
            new.write_text(other(path), encoding="utf-8")
            new.replace(path)
            return found

        patch.setattr(lines, "scan", replaced_meanwhile)
        message = refused(copy, "money")
    assert f"{path}: the file changed while it was read. What to do: run the month again once the file is complete" in message
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
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"{header},Любимый_цвет", *(f"{line},зелёный" for line in rows)]) + "\n", encoding="utf-8")
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
    header, *rows = path.read_text(encoding="utf-8").splitlines()
    place = header.split(",").index("Популярная_категория")
    changed = [line.split(",") for line in rows]
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


def test_export_that_was_rewritten_and_then_replaced_makes_no_mixed_table(copy):
    """None of its rows is read from the file any more, and it is of another delivery than the others all the same."""
    path = raw_file(copy, MONTH, "money")
    path.write_bytes(path.read_text(encoding="utf-8").encode("cp1251"))
    assert homes.materialize(copy).success
    path.write_bytes(other_of(path, "cp1251"))
    assert f"{path}: the file is not the one that was read" in refused(copy, *CLEAN)


def other_of(path, encoding):
    return path.read_text(encoding=encoding).replace(",25", ",75").encode(encoding)


def test_exports_that_are_written_to_while_they_are_cleaned_make_no_table_though_the_bytes_are_the_same(copy, monkeypatch):
    """Between two deliveries that take turns, each file is sometimes the one that was read."""
    path, clean = raw_file(copy, MONTH, "money"), assets.clean_export
    with monkeypatch.context() as patch:

        def meanwhile(*arguments):
            path.with_suffix(".new").write_bytes(path.read_bytes())
            path.with_suffix(".new").replace(path)
            return clean(*arguments)

        patch.setattr(assets, "clean_export", meanwhile)
        message = refused(copy, *CLEAN)
    assert f"{path}: the file changed while it was read. What to do: run the month again once the file is complete" in message
    assert materialize(copy, *CLEAN).success


TYPED = ("customers", "revenue", "site_minutes", "profit")


class Deliveries(threading.Thread):
    """Puts two deliveries into a home by turns, without an end."""

    def __init__(self, home, seconds):
        super().__init__()
        self._texts = [{s.file: raw_file(home, MONTH, s.file).read_text(encoding="utf-8") for s in SOURCES}]
        self._texts.append({name: replaced(name, text) for name, text in self._texts[0].items()})
        self._home, self._seconds, self._stopped = home, seconds, threading.Event()

    def deliver(self, turn):
        for name, text in self._texts[turn % 2].items():
            path = raw_file(self._home, MONTH, name)
            path.with_suffix(".new").write_text(text, encoding="utf-8")
            path.with_suffix(".new").replace(path)

    def run(self):
        turn = 0
        while not self._stopped.wait(self._seconds):
            turn += 1
            self.deliver(turn)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._stopped.set()
        self.join()


def replaced(name, text):
    """The second delivery: every file is another."""
    old, new = {"market_file": (",0.25,", ",0.75,"), "money": (",25", ",75")}.get(name, (",1", ",2"))
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize("seconds", [0.02, pytest.param(1.0, marks=pytest.mark.soak), pytest.param(0.2, marks=pytest.mark.soak)])
def test_month_whose_files_are_replaced_all_the_time_is_never_mixed_and_is_done_once_they_rest(copy, seconds):
    deliveries = Deliveries(copy, seconds)
    whole = []
    for turn in (1, 0):
        deliveries.deliver(turn)
        assert homes.materialize(copy).success
        whole.append(digests(copy, TYPED))
    assert all(whole[0][name] != whole[1][name] for name in TYPED)
    with deliveries:
        messages = []
        for _ in range(3 if seconds < 0.1 else 12):
            result = homes.materialize(copy)
            messages += [] if result.success else told(result).splitlines()
            assert digests(copy, TYPED) in whole
    assert messages or seconds > 0.1
    for message in messages:
        assert "the file changed while it was read" in message or "the file is not the one that was read" in message
        assert "What to do: " in message
    assert homes.materialize(copy).success
    assert digests(copy, TYPED) in whole
    assert homes.files(copy / "staging") == []
