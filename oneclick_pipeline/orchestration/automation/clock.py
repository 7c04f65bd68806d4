"""A clock that was set back: what Dagster has recorded for later times is detected, and dated to now.

Dagster assumes that the last tick is in the past. A sensor whose last tick is a year ahead is not run for a year, a schedule
starts nothing until then, and the daemons that wait for an interval to pass wait as long.

The clock itself is not monitored: one that was ahead for a second, between two checks, would have the same effect. Each
daemon that saw it has written its heartbeat by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg
    from dagster._core.scheduler.instigation import InstigatorState

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


def remembers_future(instance: dg.DagsterInstance, now: float) -> bool:
    """Whether an instance remembers a heartbeat, a sensor or a schedule of a later time than now.

    Args:
        instance: The instance.
        now: The time, seconds since 1970.
    """
    beats = (beat.timestamp for beat in instance.get_daemon_heartbeats().values())
    times = (time for state in instance.all_instigator_state() for time in _times(state).values())
    return max((*beats, *times), default=0) > now + STEP_SECONDS


def forget_future(instance: dg.DagsterInstance, now: float) -> list[str]:
    """Date to now whatever an instance remembers as later: a clock that was ahead said so.

    A schedule may thus be evaluated twice for one time. Its run has the month as its key, and Dagster starts one run for a key.

    Args:
        instance: The instance; no daemon works on it.
        now: The time, seconds since 1970.

    Returns:
        Names of the sensors and schedules that remembered a later time.
    """
    names = []
    if any(beat.timestamp > now for beat in instance.get_daemon_heartbeats().values()):
        instance.wipe_daemon_heartbeats()
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, after=now)
        for tick in ticks:
            instance.update_tick(tick._replace(tick_data=tick.tick_data._replace(timestamp=now)))
        later = {name: now for name, time in _times(state).items() if time > now}
        if later:
            data: Any = state.instigator_data
            instance.update_instigator_state(state.with_data(data._replace(**later)))
        if ticks or later:
            names.append(state.instigator_name)
    return sorted(names)


def _times(state: InstigatorState) -> dict[str, float]:
    """When a sensor or a schedule was last evaluated, by the name under which that is kept."""
    return {name: time for name in _TIMES if (time := getattr(state.instigator_data, name, None)) is not None}
