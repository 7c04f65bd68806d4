from pathlib import Path

from oneclick_pipeline.home.paths import raw_file, report_file, table_file

HOME = Path("/home")


def test_paths_are_the_public_ones():
    assert raw_file(HOME, "2026-10", "market_file") == Path("/home/raw/2026-10/market_file.csv")
    assert table_file(HOME, "market_file", "2026-10") == Path("/home/tables/raw/market_file/2026-10.parquet")
    assert table_file(HOME, "customers", "2026-10") == Path("/home/tables/clean/customers/2026-10.parquet")
    assert table_file(HOME, "customer_scores", "2026-10") == Path("/home/tables/scores/customer_scores/2026-10.parquet")
    assert report_file(HOME, "2026-10") == Path("/home/reports/2026-10.html")
    assert report_file(HOME, "2026-10", "en") == Path("/home/reports/2026-10.en.html")
