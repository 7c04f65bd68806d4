"""`oneclick simulate`: the months of its year. What the year comes to: simulator/year."""

from datetime import UTC, datetime

import pytest

from oneclick_pipeline.cli import simulate
from oneclick_pipeline.home.months import add_months
from oneclick_pipeline.simulator.year import play


class Opened(Exception):  # noqa: N818 - no error
    """The year would begin."""


@pytest.fixture
def year(oneclick, monkeypatch, tmp_path):
    """The first month and the last one with offers of the year that the command would live at a time."""

    def opened(now, *arguments):
        class Clock(datetime):
            @classmethod
            def now(cls, _):
                return now

        def stop(_, *, first, months, **__):
            raise Opened(first, add_months(first, months - 1))

        monkeypatch.setattr(simulate, "datetime", Clock)
        monkeypatch.setattr(play, "open_year", stop)
        with pytest.raises(Opened) as year:
            oneclick("simulate", "--home", tmp_path / "home", *arguments)
        return year.value.args

    return opened


@pytest.mark.parametrize(
    ("now", "months", "first", "last"),
    [
        (datetime(2026, 11, 28, tzinfo=UTC), 12, "2025-11", "2026-10"),
        (datetime(2026, 12, 1, tzinfo=UTC), 12, "2025-12", "2026-11"),
        (datetime(2027, 1, 31, 23, 59, tzinfo=UTC), 12, "2026-01", "2026-12"),
        (datetime(2028, 2, 29, tzinfo=UTC), 1, "2028-01", "2028-01"),
        (datetime(2031, 7, 4, tzinfo=UTC), 60, "2026-07", "2031-06"),
    ],
)
def test_year_ends_with_the_newest_month_that_is_over(year, now, months, first, last):
    assert year(now, "--months", months) == (first, last)


def test_first_month_can_be_given(year):
    assert year(datetime(2026, 11, 28, tzinfo=UTC), "--from", "2024-06", "--months", 4) == ("2024-06", "2024-09")
