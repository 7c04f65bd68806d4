"""What a check of the doctor finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """What a check found: its name, `ok`, `warning` or `problem`, a message, and what to do."""

    check: str
    state: str
    message: str
    remedy: str = ""
