from math import inf

import polars as pl
import pytest

from oneclick_pipeline.clean import scale
from oneclick_pipeline.clean.scale import LIMIT, Leap, Typical, absent_periods, typical, widest_leap
from oneclick_pipeline.contracts.exports import CUSTOMERS, PROFIT, REVENUE, SITE_MINUTES


def written(path, **columns):
    pl.DataFrame(columns).write_parquet(path)
    return path


def of(month, **medians):
    return [Typical(month, "" if period == "all" else period, 100, median) for period, median in medians.items()]


def test_median_is_of_the_size_of_what_is_not_zero_by_period(tmp_path):
    path = written(tmp_path / "t", period=["m1", "m0", "m0", "m0", "m0"], revenue=[7.0, 0.0, 10.0, 30.0, 20.0])
    assert typical(path, REVENUE, "2026-10") == [Typical("2026-10", "m0", 4, 20), Typical("2026-10", "m1", 1, 7)]
    path = written(tmp_path / "p", profit=[-4.0, 0.0, 2.0, -3.0])
    assert typical(path, PROFIT, "2026-10") == [Typical("2026-10", "", 4, 3)]
    path = written(tmp_path / "c", tenure_days=[0, 0])
    assert typical(path, CUSTOMERS, "2026-10") == [Typical("2026-10", "", 2, 0)]


def test_periods_that_no_row_has_are_absent(tmp_path):
    path = written(tmp_path / "t", period=["m1", "m1"], revenue=[7.0, 0.0])
    assert absent_periods(REVENUE, typical(path, REVENUE, "2026-10")) == ["текущий_месяц", "препредыдущий_месяц"]
    path = written(tmp_path / "m", period=["m1", "m0"], minutes=[7.0, 0.0])
    assert absent_periods(SITE_MINUTES, typical(path, SITE_MINUTES, "2026-10")) == []
    assert absent_periods(PROFIT, typical(written(tmp_path / "p", profit=[1.0]), PROFIT, "2026-10")) == []


def test_of_a_large_table_a_part_is_read_and_a_rare_period_is_still_found(tmp_path, monkeypatch):
    monkeypatch.setattr(scale, "_EXACT_ROWS", 50)
    values = [float(i) for i in range(3000)]
    path = written(tmp_path / "t", period=["m0", "m1", "m2"] * 1000, revenue=values)
    found = typical(path, REVENUE, "2026-10")
    assert [one.period for one in found] == ["m0", "m1", "m2"]
    assert all(30 < one.rows < 35 and one.median == pytest.approx(1500, rel=0.05) for one in found)
    path = written(tmp_path / "rare", period=["m0", "m1", "m1"] * 999 + ["m2", "m0", "m1"], revenue=values)
    assert absent_periods(REVENUE, typical(path, REVENUE, "2026-10")) == []


BEFORE = of("2026-09", m0=4000, m1=4000, m2=4000)


@pytest.mark.parametrize(
    ("now", "before", "times"),
    [
        (of("2026-10", m0=4000, m1=4100, m2=3900), BEFORE, 4100 / 3900),
        (of("2026-10", m0=20_000, m1=4000, m2=4000), BEFORE, 5),  # December
        (of("2026-10", m0=4e6, m1=4e6, m2=4e6), BEFORE, 1000),
        (of("2026-10", m0=4e5, m1=4e5, m2=4e5), BEFORE, 100),
        (of("2026-10", m0=40, m1=40, m2=40), BEFORE, 100),
        (of("2026-10", m0=4, m1=4, m2=4), BEFORE, 1000),
        (of("2026-10", m0=800 * 100, m1=4000, m2=4000), BEFORE, 20),  # a hundred times, of a month that fell to a fifth
        (of("2026-10", m0=4000, m1=4, m2=4000), [], 1000),  # the first month: its periods alone
        (of("2026-10", m0=4, m1=4, m2=4), [], 1),
        (of("2026-10", m0=4000, m1=4000, m2=0), [], inf),
        (of("2026-10", m0=0, m1=0), of("2026-09", m0=0, m1=0), 1),
        (of("2026-10", all=0), of("2026-09", all=300), inf),
        (of("2026-10", all=0.3), of("2026-09", all=300), 1000),
        (of("2026-10", m0=5), of("2026-09", m1=5000), None),  # no period in common
        (of("2026-10", all=5), [], None),
        (of("2026-10", all=5), [Typical("2026-09", "", 9, 5000)], None),  # too few rows
        ([], BEFORE, None),
    ],
)
def test_widest_leap_is_that_of_the_two_medians_furthest_apart(now, before, times):
    leap = widest_leap(now, before)
    assert (leap and leap.times) == (times if times is None else pytest.approx(times))


def test_a_unit_is_over_the_limit_and_a_season_is_not():
    assert 5 < LIMIT <= 100 / 5


def test_error_names_both_medians_both_months_the_column_and_the_setting():
    text = str(scale.of_leap(REVENUE, Leap(Typical("2024-05", "m0", 100, 4.81), Typical("2024-04", "m0", 100, 4810))))
    assert text.startswith(
        "market_money.csv, column «Выручка»: the median is 4.81 in 2024-05, текущий_месяц, and 4,810 in 2024-04, текущий_месяц: "
        "20 times apart or more"
    )
    assert 'cleaning: {accept_scale: ["2024-05"]}' in text
    text = str(scale.of_leap(PROFIT, Leap(Typical("2024-05", "", 100, 2000), Typical("2024-04", "", 100, 2))))
    assert "money.csv, column «Прибыль»: the median is 2,000 in 2024-05, and 2 in 2024-04: " in text


def test_error_names_the_absent_periods():
    text = str(scale.of_absent_periods(REVENUE, ["препредыдущий_месяц"]))
    assert text.startswith("market_money.csv, column «Период»: no row that can be used is of the period «препредыдущий_месяц»")
