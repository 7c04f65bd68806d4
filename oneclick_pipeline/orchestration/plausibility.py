"""Whether the clean tables of a month have all their periods, and amounts of a plausible scale: the checks, and why they fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oneclick_pipeline.clean import scale
from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.engine.verification import whole
from oneclick_pipeline.home.paths import table_before
from oneclick_pipeline.orchestration.checks import Check, check

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from oneclick_pipeline.errors import BadInputError
    from oneclick_pipeline.orchestration.step import Staged, Step


@dataclass
class Plausibility:
    """What was found out about the clean tables of a month.

    Attributes:
        checks: Results of their checks.
        errors: Why the run must stop; none if it need not.
    """

    checks: list[Check] = field(default_factory=list)
    errors: list[BadInputError] = field(default_factory=list)


def of_tables(step: Step, home: Path, staged: Iterable[Staged], accepted: Sequence[str]) -> Plausibility:
    """Judge clean tables before they are published.

    Args:
        step: The step that makes them.
        home: The home, in which the nearest earlier month is looked up.
        staged: The tables.
        accepted: Months whose amounts may be of any scale.
    """
    result = Plausibility()
    for table in staged:
        now = scale.typical(table.path, TABLES[table.table], step.month)
        _judge_periods(result, table.table, now)
        _judge_scale(result, table.table, scale.widest_leap(now, _before(home, table.table, step.month)), step.month in accepted)
    return result


def _before(home: Path, name: str, month: str) -> list[scale.Typical]:
    """The amounts of the nearest earlier month; none where there is no such month."""
    path = table_before(home, name, month)
    if path is None:
        return []
    with whole([path]):
        return scale.typical(path, TABLES[name], path.stem)


def _judge_periods(result: Plausibility, name: str, now: Sequence[scale.Typical]) -> None:
    """Look for the periods among the good rows, not those delivered.

    What is scored rests on the good rows, and a period of which every row was rejected is as absent as one that was not exported.
    """
    if "period" not in TABLES[name].names:
        return
    absent = scale.absent_periods(TABLES[name], now)
    result.checks.append(check("every_period", passed=not absent, absent=len(absent)).of(name))
    if absent:
        result.errors.append(scale.of_absent_periods(TABLES[name], absent))


def _judge_scale(result: Plausibility, name: str, leap: scale.Leap | None, accepted: bool) -> None:  # noqa: FBT001
    if leap is None:
        result.checks.append(check("plausible_scale", passed=True, compared=0).of(name).evaluated_if(there=False))
        return
    plausible = leap.times < scale.LIMIT or accepted
    compared = " and ".join(f"{one.month} {one.period}".strip() for one in (leap.now, leap.other))
    medians = check("plausible_scale", passed=plausible, median=leap.now.median, other=leap.other.median, compared=compared)
    result.checks.append(medians.of(name))
    if not plausible:
        result.errors.append(scale.of_leap(TABLES[name], leap))
