import polars as pl
import pytest

from oneclick_pipeline.contracts.exports import SOURCES
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.simulator.twin import draw, month
from oneclick_pipeline.simulator.twin.month import write_month
from oneclick_pipeline_tests.simulator.twin.conftest import CLEAN, sample

NAMES = sorted(f"{source.file}.csv" for source in SOURCES)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_write_month_gives_the_same_bytes_for_the_same_seed_only(profile, written, tmp_path):
    for name, seed in (("same", 20261), ("other", 4)):
        write_month(profile, tmp_path / name, customers=1300, seed=seed, truth=tmp_path / f"{name}.parquet")
    assert contents(tmp_path / "same") == contents(written / "raw/2026-10")
    assert (tmp_path / "same.parquet").read_bytes() == (written / "twin/2026-10.parquet").read_bytes()
    assert all(contents(tmp_path / "other")[name] != contents(tmp_path / "same")[name] for name in NAMES)


def test_write_month_leaves_the_four_files_and_nothing_else(written):
    assert sorted(path.name for path in (written / "raw/2026-10").iterdir()) == NAMES
    assert [path.name for path in (written / "raw").iterdir()] == ["2026-10"]
    assert [path.name for path in (written / "twin").iterdir()] == ["2026-10.parquet"]


def test_write_month_in_many_chunks_keeps_ids_and_order(profile, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "CHUNK", 100)
    steps = []
    write_month(profile, tmp_path / "m", customers=950, seed=1, progress=lambda done, total: steps.append((done, total)))
    table = pl.read_csv(tmp_path / "m/market_file.csv")
    assert table["id"].to_list() == list(range(215_348, 215_348 + 950))
    runs = table["Покупательская активность"].rle_id().max() + 1
    assert runs == 6
    assert steps == sorted(steps)
    assert steps[-1] == (1900, 1900)


def test_truth_knows_every_customer_and_fits_what_was_written(profile, tmp_path):
    write_month(profile, tmp_path / "m", customers=20_000, seed=1, truth=tmp_path / "t.parquet", quirks=CLEAN)
    truth = pl.read_parquet(tmp_path / "t.parquet")
    table = pl.read_csv(tmp_path / "m/market_file.csv")
    assert truth["customer_id"].to_list() == table["id"].to_list()
    p, declined = truth["p_decline"], table["Покупательская активность"] == "Снизилась"
    error = (p * (1 - p)).sum() ** 0.5
    assert abs(declined.sum() - p.sum()) < 4 * error
    # without quirks the export is the sample
    expected = sample(profile, 20_000, seed=1)
    assert p.to_list() == expected["p_decline"].to_list()
    assert table["Длительность"].to_list() == expected["tenure_days"].to_list()


@pytest.mark.parametrize("customers", [1, 2, 30])
def test_write_month_works_for_a_handful(profile, tmp_path, customers):
    write_month(profile, tmp_path / "m", customers=customers, seed=1)
    assert len(pl.read_csv(tmp_path / "m/market_money.csv")) == 3 * customers


def test_write_month_refuses_to_overwrite_unless_asked(profile, tmp_path):
    folder, truth = tmp_path / "m", tmp_path / "t.parquet"
    write_month(profile, folder, customers=20, seed=1, truth=truth)
    before = contents(folder)
    with pytest.raises(BadInputError, match="exists already"):
        write_month(profile, folder, customers=20, seed=2)
    with pytest.raises(BadInputError, match=r"t\.parquet.*exists already"):
        write_month(profile, tmp_path / "n", customers=20, seed=2, truth=truth)
    assert contents(folder) == before
    write_month(profile, folder, customers=20, seed=2, truth=truth, overwrite=True)
    assert contents(folder) != before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "t.parquet"]


def test_write_month_refuses_a_truth_inside_the_month(profile, tmp_path):
    with pytest.raises(BadInputError, match="must not be in"):
        write_month(profile, tmp_path / "m", customers=20, seed=1, truth=tmp_path / "m/t.parquet")


@pytest.mark.parametrize("overwrite", [False, True])
def test_write_month_that_fails_half_way_leaves_what_was_there(profile, tmp_path, monkeypatch, overwrite):
    folder, truth = tmp_path / "raw/m", tmp_path / "t.parquet"
    if overwrite:
        write_month(profile, folder, customers=20, seed=1, truth=truth)
    before = contents(folder) if overwrite else None
    write, calls = month.export_tables, []

    def fails_later(*args):
        calls.append(args)
        if len(calls) == 2:
            raise OSError("disk full")
        return write(*args)

    monkeypatch.setattr(month, "export_tables", fails_later)
    with pytest.raises(OSError, match="disk full"):
        write_month(profile, folder, customers=500, seed=2, truth=truth, overwrite=overwrite)
    assert folder.exists() == overwrite
    assert truth.exists() == overwrite
    assert (contents(folder) if overwrite else None) == before
    assert list(tmp_path.rglob(".*")) == []
