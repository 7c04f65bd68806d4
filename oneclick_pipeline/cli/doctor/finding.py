"""What a check of the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """What a check found: its name, `ok`, `warning` or `problem`, what it saw, and what to do."""

    check: str
    state: str
    told: str
    remedy: str = ""
