"""Snapshot months: `YYYY-MM`, checked before anything is built from one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from datetime import datetime


_MONTH = re.compile(r"(?!0000)[0-9]{4}-(0[1-9]|1[0-2])")  # no calendar has a year 0


def is_month(text: str) -> bool:
    """Whether a text is a snapshot key `YYYY-MM`, in ASCII digits and with nothing around it.

    >>> [is_month(text) for text in ("2026-10", "2026-13", "２０２６-10", "2026-10 ")]
    [True, False, False, False]
    """
    return _MONTH.fullmatch(text) is not None


def is_over(month: str, now: datetime) -> bool:
    """Whether a month has ended; the snapshot of one that has not cannot exist yet.

    Args:
        month: Snapshot month.
        now: The time, in UTC.
    """
    return month < f"{now.year:04}-{now.month:02}"


def newest_month(now: datetime) -> str:
    """The last month that has ended.

    Args:
        now: The time, in UTC.
    """
    return add_months(f"{now.year:04}-{now.month:02}", -1)


def check_month(month: str) -> str:
    """Return `month` if it is a snapshot key `YYYY-MM`.

    Everything that builds a path from a month calls this first, so a month can never climb out of the home.

    Raises:
        BadInputError: If it is not a calendar month.

    >>> check_month("2026-10")
    '2026-10'
    """
    if not is_month(month):
        raise BadInputError(
            f"{month!r} is not a month",
            remedy="write the snapshot month as YYYY-MM, for example 2026-10",
        )
    return month


def add_months(month: str, months: int) -> str:
    """The month so many months later, or earlier where `months` is negative.

    Raises:
        BadInputError: If `month` is not a calendar month, or the result is outside the years 1 to 9999.

    >>> add_months("2026-10", 3), add_months("2026-01", -1)
    ('2027-01', '2025-12')
    """
    year, number = divmod(int(check_month(month)[:4]) * 12 + int(month[5:]) - 1 + months, 12)
    return check_month(f"{year:04}-{number + 1:02}")
