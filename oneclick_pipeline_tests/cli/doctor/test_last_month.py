"""A newest month that is not whole, or changed since its run."""

import os
from dataclasses import replace

import polars as pl

from oneclick_pipeline.cli.doctor import last_month
from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.home.paths import table_file
from oneclick_pipeline_tests.orchestration.homes import MONTH


def test_month_that_is_not_whole(findings, home, broken):
    broken(table_file(home, "offer_plan", MONTH), None)
    ((state, message),) = findings(home, "last month")
    assert (state, message) == (
        "problem",
        f"{MONTH} is incomplete, it lacks offer_plan run it: oneclick run --job refresh --month {MONTH}",
    )


def test_table_that_is_corrupt_or_is_not_what_its_run_wrote(findings, home, broken):
    path = table_file(home, "customer_scores", MONTH)
    frame = pl.read_parquet(path, glob=False)
    broken(path, path.read_bytes()[:-100])
    assert findings(home, "last month")[0][1].startswith(f"a table of {MONTH} cannot be read: ")
    frame.with_columns(value_at_risk=pl.col("value_at_risk") + 1).write_parquet(path)
    assert f"{MONTH}: changed since its run: customer_scores" in findings(home, "last month")[0][1]
    frame.with_columns(p_decline=pl.col("p_decline") + 1).write_parquet(path)
    assert "customer_scores breaks its contract" in findings(home, "last month")[0][1]


def test_month_of_an_earlier_version_is_no_problem_and_what_changed_in_it_still_is(home, broken):
    """It was called a bug of the pipeline, and incomplete: its tables lack what is recorded since."""
    for name, lost in (("segment_profiles", ["meaning", "value_at_risk_low"]), ("training_set", ["weight"])):
        path = table_file(home, name, MONTH)
        frame = pl.read_parquet(path, glob=False)
        broken(path, path.read_bytes())
        frame.drop(lost).write_parquet(path)
    for name in ("plan_summary", "profit_curve"):
        broken(table_file(home, name, MONTH), None)
    opened = Home(home)
    older, changed = last_month.look(opened)
    assert (older.state, changed.state) == ("warning", "problem")
    assert "segment_profiles lacks value_at_risk_low, meaning; there is no plan_summary" in older.message
    assert changed.message == f"{MONTH}: changed since its run: training_set, segment_profiles"
    opened.__dict__["health"] = replace(opened.health, digests={})  # as its own run wrote them
    assert [found.state for found in last_month.look(opened)] == ["warning"]


def test_exports_that_came_after_the_run(findings, home):
    export = home / "raw" / MONTH / "money.csv"
    times = export.stat()
    export.touch()
    try:
        ((state, message),) = findings(home, "last month")
        assert (state, message.split(" run it")[0]) == ("warning", f"{MONTH}: exports that arrived after its run: money.csv")
    finally:
        os.utime(export, ns=(times.st_atime_ns, times.st_mtime_ns))
