"""Spark, on a real cluster of this machine: the tables of Polars, to the digest, also after an executor was killed."""

import os
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import narwhals as nw
import polars as pl
import psutil
import pytest

from oneclick_pipeline import engine, raw
from oneclick_pipeline.clean import clean
from oneclick_pipeline.engine import files, spark
from oneclick_pipeline.engine.batches import Batches
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import clean as stages_clean
from oneclick_pipeline.orchestration import features as stages_features
from oneclick_pipeline.orchestration import raw as stages_raw
from oneclick_pipeline.orchestration import scores as stages_scores
from oneclick_pipeline.orchestration import segments as stages_segments
from oneclick_pipeline.orchestration.home import Step
from oneclick_pipeline.settings import Cleaning
from oneclick_pipeline.tables import REVENUE, TABLES, table_file
from oneclick_pipeline_tests.conftest import HEADERS
from oneclick_pipeline_tests.engine.cluster import cluster, wait
from oneclick_pipeline_tests.orchestration import homes

pytestmark = pytest.mark.xdist_group("spark")  # one cluster for all of them

MISSING = [name for name, there in (("pyspark", find_spec("pyspark")), ("java", shutil.which("java"))) if not there]
needs_spark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    """A cluster, and the session of this process with it."""
    folder = tmp_path_factory.mktemp("spark")
    with cluster(folder) as started, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(folder / "conf"))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = spark.session(started.master)
        yield started
        session.stop()


@pytest.fixture
def on_spark(running):
    return engine.get("spark", running.master)


@needs_spark
def test_spark_month_has_the_digests_of_polars(tmp_path, tmp_path_factory, worker_id, running):
    finished = homes.finished(tmp_path_factory, worker_id)
    home = tmp_path / "home"
    shutil.copytree(finished.home, home)  # with its champion
    shutil.rmtree(home / "tables")
    names = [*homes.FROM_RAW_TO_FEATURES, "customer_scores", "customer_segments"]
    stages = [stage.ASSETS for stage in (stages_raw, stages_clean, stages_features, stages_scores, stages_segments)]
    assets = [asset for stage in stages for asset in stage]
    result = homes.materialize(home, assets=assets, selection=names, engine="spark", spark_master=running.master)
    assert result.success, homes.told(result)
    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert homes.digests(home) == {name: finished.digests["refresh"][name] for name in names}
    assert all(table_file(home, name, homes.MONTH).is_file() for name in names), "small tables are one file"


PERIODS = list(dict.fromkeys(REVENUE["period"].values))
BAD = [
    "3;предыдцщий_месяц;1,5",
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


@needs_spark
def test_spark_quarantines_and_corrects_as_polars(tmp_path, on_spark):
    path = tmp_path / "market_money.csv"
    good = [f"{i};{period};{1000 + i / 7}" for i in range(100, 120) for period in PERIODS]
    path.write_text("\n".join([HEADERS["market_money"].replace(",", ";"), *good, *BAD]), encoding="utf-8")
    export = raw.open_export(path, "market_money", tmp_path)
    results = []
    for chosen in (engine.get("polars"), on_spark):
        step = Step(homes.MONTH, chosen, tmp_path / chosen.name)
        step.folder.mkdir()
        cleaned = clean(step.take(export), REVENUE, Cleaning(), step.compute)
        parts = {"revenue": cleaned.table, "rejected_rows": cleaned.rejected, "corrections": cleaned.corrections}
        found = [pl.read_parquet(step.stage(n, part).path).sort(pl.all()).rows() for n, part in parts.items()]
        results.append(((cleaned.rows, cleaned.rejected_rows, cleaned.duplicates), *found))
    assert results[1] == results[0]
    assert results[0][0] == (len(good) + len(BAD), 11, 1)
    assert {row[-1] for row in results[0][3]} == {"spelling", "exact_duplicate", "outlier"}


@needs_spark
def test_spark_survives_an_executor_killed_in_a_stage(tmp_path, running, on_spark):
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
    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(on_spark.write, nw.from_native(stage), target)
        wait(lambda: written.done() or len(held()) == 2, "both tasks are at work")
        first, second = (psutil.Process(pid) for pid in sorted(held()))
        victim = next(e for e in running.executors() if first in e.children(recursive=True))
        assert second not in victim.children(recursive=True)
        os.kill(victim.pid, signal.SIGKILL)
        wait(lambda: victim not in running.executors(), "the executor is dead")
        (tmp_path / "go").touch()
        written.result(timeout=120)
    assert len(held()) > 2, "the task of the dead executor was done again"
    assert files.digest(target) == files.digest(source)


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
    files.validate(tmp_path / "out.parquet", TABLES["profit"])
    assert pl.read_parquet(tmp_path / "out.parquet").rows() == [(i, 1000 + i / 7) for i in range(50)]
    found = list(on_spark.map(rows, lambda some: (os.getpid() != driver, some["customer_id"].tolist())))
    assert all(away for away, _ in found)
    assert [i for _, ids in found for i in ids] == list(range(50))


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
    assert files.digest(folder / "out.parquet") == files.digest(folder / "in.parquet")
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
