"""A clock that was set back: noticed while a process runs, and what Dagster remembers of the time after it is dated to now.

Dagster takes the time of the last tick for past. A sensor whose last tick lies a year ahead is not asked for a year, a schedule
starts nothing until then, and the daemons that wait for an interval to pass wait as long.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagster as dg

STEP_SECONDS = 30.0
"""A clock that goes back by less is one that is being adjusted: sensors wait that long, and no longer."""

_TIMES = (
    "last_iteration_timestamp",
    "last_sensor_start_timestamp",
    "last_tick_start_timestamp",
    "last_tick_success_timestamp",
    "last_tick_timestamp",
    "start_timestamp",
)
"""Times in what Dagster keeps of a sensor or a schedule."""


@dataclass
class Watch:
    """Tells when the clock was set back, by one that nobody sets.

    Attributes:
        wall: Seconds since 1970, by the clock.
        steady: Seconds by a clock that only goes forward.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Begin to watch."""
        self._apart = self.wall() - self.steady()

    def was_set_back(self) -> bool:
        """Whether the clock was set back since the last look.

        >>> watch = Watch(iter([1000.0, 1005.0, 5000.0, 900.0]).__next__, iter([0.0, 5.0, 10.0, 15.0]).__next__)
        >>> [watch.was_set_back() for _ in range(3)]
        [False, False, True]
        """
        before, self._apart = self._apart, self.wall() - self.steady()
        return self._apart < before - STEP_SECONDS


def forget_future(instance: dg.DagsterInstance, now: float) -> list[str]:
    """Date to now whatever an instance remembers as later: a clock that was ahead said so.

    A schedule may so be asked twice for one time. Its run has the month as its key, and Dagster starts one run for a key.

    Args:
        instance: The instance; no daemon works on it.
        now: The time, seconds since 1970.

    Returns:
        Names of the sensors and schedules that remembered a later time.
    """
    names = []
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=now)
        for tick in ticks:
            instance.update_tick(tick._replace(tick_data=tick.tick_data._replace(timestamp=now)))
        data: Any = state.instigator_data
        later = {name: now for name in _TIMES if (getattr(data, name, None) or 0) > now}
        if later:
            instance.update_instigator_state(state.with_data(data._replace(**later)))
        if ticks or later:
            names.append(state.instigator_name)
    return sorted(names)
