"""Every path of a home is spelt in `home.paths`, and a month in one never climbs out of it."""

import ast
from pathlib import Path

import pytest

import oneclick_pipeline
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home import paths

PACKAGE = Path(oneclick_pipeline.__file__).parent
OF_MONTHS = [paths.raw_folder, paths.report_file, paths.ledger_file, paths.offers_file, paths.truth_file, paths.true_effects_file]


def spelt(source):
    """Parts of a home that are joined to a path in a source: `home / "ledger"`."""
    joined = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    return [node.right.value for node in joined if isinstance(node.right, ast.Constant) and node.right.value in paths.PARTS]


def test_no_other_module_spells_a_path_of_a_home():
    assert spelt('home / "ledger" / month') == ["ledger"]
    found = {file: spelt(file.read_text(encoding="utf-8")) for file in PACKAGE.rglob("*.py")}
    assert {str(file.relative_to(PACKAGE)) for file, parts in found.items() if parts} == {"home/paths.py"}


@pytest.mark.parametrize("place", OF_MONTHS)
def test_month_that_is_none_gives_no_path(place):
    assert place(Path("home"), "2026-10").is_relative_to("home")
    with pytest.raises(BadInputError, match="is not a month"):
        place(Path("home"), "../2026-10")


def test_paths_are_the_public_ones():
    home, month = Path("/home"), "2026-10"
    assert paths.raw_file(home, month, "market_file") == Path("/home/raw/2026-10/market_file.csv")
    assert paths.table_file(home, "market_file", month) == Path("/home/tables/raw/market_file/2026-10.parquet")
    assert paths.table_file(home, "customer_scores", month) == Path("/home/tables/scores/customer_scores/2026-10.parquet")
    assert paths.report_file(home, month) == Path("/home/reports/2026-10.html")
    assert paths.report_file(home, month, "en") == Path("/home/reports/2026-10.en.html")
    assert paths.ledger_file(home, month) == Path("/home/ledger/2026-10.parquet")
    assert paths.offers_file(home, month) == Path("/home/exports/2026-10/offers.csv")


def test_raw_months_are_folders_named_after_months(tmp_path):
    assert paths.raw_months(tmp_path) == []
    for name in ("2026-10", "2019-03", "2026-13", "notes"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    (tmp_path / "raw" / "2018-01").write_text("no folder")
    assert paths.raw_months(tmp_path) == ["2019-03", "2026-10"]


def test_export_is_found_under_every_name_it_may_have(tmp_path):
    folder = paths.raw_folder(tmp_path, "2026-10")
    folder.mkdir(parents=True)
    assert paths.raw_files(tmp_path, "2026-10", "money") == []
    for ending in reversed(paths.RAW_ENDINGS):
        (folder / f"money{ending}").write_text("")
        assert paths.raw_file(tmp_path, "2026-10", "money") == folder / f"money{ending}"
    assert [path.name for path in paths.raw_files(tmp_path, "2026-10", "money")] == [f"money{one}" for one in paths.RAW_ENDINGS]
