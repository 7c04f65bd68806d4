"""Spark, on a real cluster of this machine: the tables of Polars, to the digest, also after a process of it was killed."""

import os
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import narwhals as nw
import polars as pl
import pytest

from oneclick_pipeline import engine
from oneclick_pipeline.clean.export import clean_export
from oneclick_pipeline.contracts.exports import CUSTOMERS, REVENUE
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine import files, spark
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.engine.content_digest import digest
from oneclick_pipeline.engine.verification import verify
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline.orchestration.resources import Step
from oneclick_pipeline.raw.export import open_export
from oneclick_pipeline.settings import Cleaning
from oneclick_pipeline_tests.conftest import HEADERS, market_row
from oneclick_pipeline_tests.engine.cluster import cluster, wait
from oneclick_pipeline_tests.orchestration import homes

ROWS = 11  # of a batch: every part has several
MISSING = [name for name, there in (("pyspark", find_spec("pyspark")), ("java", shutil.which("java"))) if not there]


def needs_spark(test):
    """Run the test where `make test-spark` does, on one cluster for all of them."""
    return pytest.mark.spark(pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")(test))


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """A cluster, and the session of this process with it."""
    folder = tmp_path_factory.mktemp("spark")
    with cluster(folder) as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder / "conf"))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        patch.setattr(spark, "ROWS", ROWS)
        session = spark.session(started.master)
        yield started
        session.stop()


@pytest.fixture
def on_spark(running):
    return engine.get("spark", running.master)


@needs_spark
def test_spark_month_has_the_digests_of_polars(tmp_path, tmp_path_factory, worker_id, running):
    home = tmp_path / "home"
    shutil.copytree(homes.finished(tmp_path_factory, worker_id).home, home)  # with its champion
    month = "2026-09"  # not the one that it was trained on: it scores every customer
    shutil.copytree(home / "raw" / homes.MONTH, home / "raw" / month)
    found = []
    for options in {"engine": "polars"}, {"engine": "spark", "spark_master": running.master}:
        outcome = homes.run(home, "refresh", month=month, **options)
        assert outcome.success, outcome.errors
        published = [*(home / "ledger").glob(f"{month}*"), *(home / "exports" / month).iterdir()]
        assert len(published) > 1
        assert "model" in set(homes.table(home, "customer_scores", month)["score_basis"])
        found.append((outcome.warnings, homes.digests(home, month=month), {path.name: path.read_bytes() for path in published}))
        for path in (*published, *(table_file(home, name, month) for name in found[0][1])):
            path.unlink()  # a table of Spark is one file, too, where it is small
    assert len(found[0][1]) > len(homes.FROM_RAW_TO_FEATURES)
    assert set(found[0][1]) >= {"customer_scores", "profit_curve", "customer_segments", "segment_profiles", "offer_plan"}
    assert found[1] == found[0]


PERIODS = list(dict.fromkeys(REVENUE["period"].values))
BAD = [
    "3;предыдцщий_месяц;1.5",
    "12;текущий_месяц;1,5",
    "12;предыдущий_месяц;5,230",
    "12;препредыдущий_месяц;\u22121.5 ₽",
    "3;\u2003текущий_месяц\xa0;2.50",
    "3;препредыдущий_месяц;5e1",
    "3;следующий_месяц;1",
    "4;текущий_месяц;1e400",
    "5;текущий_месяц;-1",
    "6;текущий_месяц;" + "ы" * 300,
    f"{'9' * 19};текущий_месяц;1",
    "٣;текущий_месяц;1",
    ";текущий_месяц;",
    "7;текущий_месяц;10",
    "7;текущий_месяц;10",
    "8;текущий_месяц;10",
    "8;текущий_месяц;11",
    "9;текущий_месяц;1000000000",
    "10;текущий_месяц",
    '11;"текущий_месяц',
]


def cleaned_by(chosen, export, table, folder):
    """What cleaning makes of an export on an engine: the counts, and the rows of the three tables."""
    step = Step("clean_tables", homes.MONTH, chosen, folder / chosen.name)
    step.folder.mkdir()
    cleaned = clean_export(step.take(export), table, Cleaning(), step.compute, export.facts)
    parts = {table.name: cleaned.table, "rejected_rows": cleaned.rejected, "corrections": cleaned.corrections}
    found = [pl.read_parquet(step.stage(part, n).path).sort(pl.all()).rows() for n, part in parts.items()]
    return (cleaned.rows, cleaned.rejected_rows, cleaned.duplicates), cleaned.missing_markers, *found


@needs_spark
def test_spark_quarantines_and_corrects_as_polars(tmp_path, on_spark):
    path = tmp_path / "market_money.csv"
    good = [f"{i};{period};{1000 + i / 7}" for i in range(100, 120) for period in PERIODS]
    path.write_text("\n".join([HEADERS["market_money"].replace(",", ";"), *good, *BAD]), encoding="utf-8")
    export = open_export(path, "market_money", tmp_path)
    results = [cleaned_by(chosen, export, REVENUE, tmp_path) for chosen in (engine.get("polars"), on_spark)]
    assert results[1] == results[0]
    assert results[0][0] == (len(good) + len(BAD), 14, 1)
    assert {row[-1] for row in results[0][4]} == {"spelling", "exact_duplicate", "outlier"}


@needs_spark
def test_spark_reads_words_and_missing_values_as_polars(tmp_path, on_spark):
    changes = [
        {"activity": "NULL", "marketing_consent": "дa", "favourite_category": "Kниги"},
        {"activity": "—", "marketing_consent": "HET", "favourite_category": "книги"},
        {"activity": "Прежнии\u0306\u00a0уровень", "favourite_category": "Книги"},
        {"contacts_6m": "#Н/Д"},
        {"service_level": "премиум+"},
        {"favourite_category": "-"},
    ]
    path = tmp_path / "market_file.csv"
    header = HEADERS["market_file"].replace("id", "ID").replace(" ", "\u00a0")
    path.write_text("\n".join([header, *(market_row(i, **change) for i, change in enumerate(changes))]), encoding="utf-8")
    export = open_export(path, "market_file", tmp_path)
    results = [cleaned_by(chosen, export, CUSTOMERS, tmp_path) for chosen in (engine.get("polars"), on_spark)]
    assert results[1] == results[0]
    assert results[0][0] == (6, 3, 0)
    assert len(results[0][1]) == 4
    assert {row[-1] for row in results[0][4]} == {"spelling", "missing_marker"}


def executor(_, pid, executors):
    """The executor that a task of this pid is at work in."""
    return next(e for e in executors if pid in [child.pid for child in e.children(recursive=True)])


def worker(running, pid, executors):
    """The worker of that executor."""
    return next(w for w in running.workers if w.pid == executor(running, pid, executors).ppid())


@needs_spark
@pytest.mark.parametrize("victim_of", [executor, worker])
def test_spark_survives_a_process_killed_in_a_stage(tmp_path, running, on_spark, victim_of):
    source, target = tmp_path / "source.parquet", tmp_path / "target.parquet"
    pl.DataFrame({"customer_id": range(1000), "profit": [i / 7 for i in range(1000)]}).write_parquet(source)
    folder = str(tmp_path)

    def hold(batches):
        """Pass batches on once the file `go` is there; the file <attempt>_<pid>.held says that the task is at work."""
        import time
        from pathlib import Path

        from pyspark import TaskContext

        Path(folder, f"{TaskContext.get().taskAttemptId()}_{os.getpid()}.held").touch()
        until = time.monotonic() + 60
        while not Path(folder, "go").exists():
            if time.monotonic() > until:
                raise TimeoutError
            time.sleep(0.05)
        yield from batches

    def held():
        return [int(path.stem.split("_")[1]) for path in tmp_path.glob("*.held")]

    native = on_spark.scan(source).to_native()
    stage = native.repartition(2, "customer_id").mapInArrow(hold, native.schema)  # the shuffle's files die with the executor
    wait(lambda: len(running.executors()) == 2, "both executors live")
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(on_spark.write, nw.from_native(stage), target)
        wait(lambda: written.done() or len(held()) == 2, "both tasks are at work")
        executors, (first, second) = running.executors(), held()
        dying = executor(running, first, executors)
        assert dying != executor(running, second, executors)
        victim_of(running, first, executors).kill()
        wait(lambda: dying not in running.executors() and not dying.is_running(), "the executor is dead")
        (tmp_path / "go").touch()
        written.result(timeout=120)
    assert len(held()) > 2, "the task of the dead executor was done again"
    assert digest(target) == digest(source)
    if victim_of is worker:
        running.start_worker()


@needs_spark
def test_spark_works_on_rows_where_they_are_and_by_their_key(tmp_path, on_spark):
    ids = [*range(25, 50), *range(25)]
    profit = pl.DataFrame({"customer_id": ids, "profit": [i / 7 for i in ids]})
    profit.write_parquet(tmp_path / "profit.parquet")
    profit.with_columns(customer_id="customer_id", profit=pl.lit(0.0)).write_parquet(tmp_path / "other.parquet")
    rows = Batches("profit", tmp_path / "profit.parquet").beside(Batches("profit", tmp_path / "other.parquet"))
    driver = os.getpid()

    def elsewhere(some):
        return some.assign(profit=some["profit"] + 1000 * (os.getpid() != driver))

    on_spark.apply(rows, elsewhere, tmp_path / "out.parquet", TABLES["profit"])
    verify(tmp_path / "out.parquet", TABLES["profit"])
    assert pl.read_parquet(tmp_path / "out.parquet").rows() == [(i, 1000 + i / 7) for i in range(50)]
    found = list(on_spark.map(rows, lambda some: (os.getpid() != driver, some["customer_id"].tolist())))
    assert len(found) >= 50 / ROWS
    assert all(away for away, _ in found)
    assert [i for _, ids in found for i in ids] == list(range(50))


@needs_spark
def test_spark_refuses_tables_of_other_customers(tmp_path, on_spark):
    for name, ids in (("ours", [1, 2]), ("others", [1, 3])):
        pl.DataFrame({"customer_id": ids, "profit": [0.5, None]}).write_parquet(tmp_path / f"{name}.parquet")
    ours, others = (Batches("profit", tmp_path / f"{name}.parquet") for name in ("ours", "others"))
    with pytest.raises(BadInputError, match="profit and profit have different customers"):
        list(on_spark.map(ours.beside(others), len))


@needs_spark
def test_spark_makes_an_empty_table_of_an_empty_one(tmp_path, on_spark):
    path = tmp_path / "none.parquet"
    files.write_batches([], path, TABLES["profit"])
    on_spark.apply(Batches("profit", path), lambda some: some, tmp_path / "out.parquet", TABLES["profit"])
    verify(tmp_path / "out.parquet", TABLES["profit"])
    assert digest(tmp_path / "out.parquet") == digest(path)


@needs_spark
def test_spark_reads_what_it_wrote_from_paths_that_look_like_patterns(tmp_path, on_spark, monkeypatch):
    monkeypatch.setattr(files, "_ONE_FILE_BYTES", 0)
    folder = tmp_path / "[a]{b,c}*?"
    folder.mkdir()
    frame = pl.DataFrame({"i": [1, None], "f": [0.5, None], "b": [True, None], "s": ["да", None]})
    frame.write_parquet(folder / "in.parquet")
    on_spark.write(on_spark.scan(folder / "in.parquet"), folder / "out.parquet")
    assert (folder / "out.parquet").is_dir()
    on_spark.write(on_spark.scan(folder / "out.parquet").head(0), folder / "none.parquet")
    assert digest(folder / "out.parquet") == digest(folder / "in.parquet")
    assert pl.read_parquet(folder / "none.parquet", glob=False).equals(frame.head(0))


def test_spark_without_pyspark_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(spark, "find_spec", {"pyspark": None}.get)
    with pytest.raises(BadInputError, match=r'pip install "oneclick_pipeline\[spark\]"'):
        engine.get("spark", "spark://127.0.0.1:7077")


@pytest.mark.parametrize("master", ["spark://127.0.0.1:{port}", "spark://127.0.0.1:x", "spark://127.0.0.1"])
def test_spark_master_that_does_not_answer_is_told(monkeypatch, master):
    monkeypatch.setattr(spark, "find_spec", {"pyspark": "there"}.get)
    with socket.socket() as taken:  # bound, not listening: nobody else gets the port, and nobody answers there
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(BadInputError, match="no Spark master answers"):
            engine.get("spark", master.format(port=taken.getsockname()[1]))


def test_spark_without_a_master_asks_for_one(monkeypatch):
    monkeypatch.setattr(spark, "find_spec", {"pyspark": "there"}.get)
    with pytest.raises(BadInputError, match="--spark-master spark://HOST:PORT"):
        engine.get("spark")


def test_executors_are_told_to_import_nothing_from_their_current_folder():
    assert spark._options("spark://somewhere:7077")["spark.executorEnv.PYTHONSAFEPATH"] == "1"
