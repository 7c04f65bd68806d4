"""Events of a home's runs, read in place: a database of hundreds of megabytes is not copied for a few queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from dagster import StringSource
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData


class EventsReader(SqliteEventLogStorage):
    """Events of a home for a reader: those of all runs in place, because they are large; those of a run from a copy.

    The database must be at rest, see `database_copies.at_rest`.
    """

    def __init__(self, base_dir: str, home: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._home = home
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Folder of the copies, folder of the home's own databases of events."""
        return {"base_dir": StringSource, "home": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's
        """Open the storage."""
        return cls(inst_data=inst_data, **config_value)

    def path_for_shard(self, run_id: str) -> str:
        """Where a database is."""
        return str(Path(self._home, f"{run_id}.db")) if run_id == INDEX_SHARD_NAME else super().path_for_shard(run_id)

    def conn_string_for_shard(self, shard_name: str) -> str:
        """Address of a database."""
        if shard_name != INDEX_SHARD_NAME:
            return super().conn_string_for_shard(shard_name)
        return f"sqlite:///file:{quote(self.path_for_shard(shard_name))}?mode=ro&immutable=1&uri=true"
