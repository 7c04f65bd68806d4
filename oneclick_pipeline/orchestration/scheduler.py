"""A part of `dagster.yaml` that every process loads with a home's instance, whoever started it: pages, daemon, code server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from dagster._core.scheduler import DagsterDaemonScheduler

from oneclick_pipeline import permissions

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData


class OwnersScheduler(DagsterDaemonScheduler):
    """Dagster's own scheduler; who loads it writes files for their owner alone.

    Dagster has no setting for that, and a scheduler is loaded at once, not when it is needed.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's
        """Load the scheduler.

        Raises:
            BadInputError: See `permissions.access`.
        """
        permissions.restrict()
        return super().from_config_value(inst_data, config_value)
