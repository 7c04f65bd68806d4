"""How the numbers of a column are written: decimal mark and grouping."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes:
        decimal: Mark before the fraction, `.` or `,`; empty where no value shows one.
        grouping: Mark between thousands: `.`, `,`, any blank (` `) or any apostrophe (`'`); empty where there is none.
    """

    decimal: str = ""
    grouping: str = ""
