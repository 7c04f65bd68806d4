"""What several checks ask of a home."""

from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline_tests.orchestration.homes import MONTH


def test_months_are_those_that_are_over(tmp_path):
    folder = table_file(tmp_path, "customers", MONTH).parent
    folder.mkdir(parents=True)
    for name in (MONTH, "2099-01", "2026-13", "２０２６-09", "2026-09 ", ".2026-09"):
        (folder / f"{name}.parquet").touch()
    assert Home(tmp_path).months == [MONTH]
