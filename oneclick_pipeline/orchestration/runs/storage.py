"""Dagster's runs, events and ticks in the team's PostgreSQL, as `dagster.yaml` names it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from dagster_postgres import DagsterPostgresStorage
from sqlalchemy import CreateEnginePlugin
from sqlalchemy.dialects import plugins

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.home import permissions

if TYPE_CHECKING:
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy import URL


class PingedPool(CreateEnginePlugin):
    """Try a pooled connection before it is used: one from before a restart of the server is replaced, and no request sees it.

    Dagster's pages keep a pool without such a test, and there is no option for it; a plugin is configured by the address.
    """

    NAME = "oneclick_pinged_pool"

    def handle_pool_kwargs(self, pool_cls: type, pool_args: dict[str, Any]) -> None:  # noqa: ARG002 - SQLAlchemy's signature
        """Turn the test on."""
        pool_args["pre_ping"] = True

    def update_url(self, url: URL) -> URL:
        """The address as the driver takes it."""
        return url.difference_update_query(["plugin"])


plugins.register(PingedPool.NAME, __name__, PingedPool.__name__)


class PostgresStorage(DagsterPostgresStorage):
    """dagster-postgres, where a plain `postgresql:` address is enough, and which says in plain words that no server answers.

    The tables are made under a lock: the pages, the daemon and a run may all start at once.
    """

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's
        """Open the storage, and make its tables in an empty database.

        Raises:
            BadInputError: If the server cannot be reached or refuses us.
        """
        permissions.restrict()
        url = postgres.parsed(config_value["postgres_url"])
        with postgres.locked(url):
            return cls(postgres.text(url.update_query_pairs([("plugin", PingedPool.NAME)], append=True)), inst_data=inst_data)


class PostgresReader(DagsterPostgresStorage):
    """The same for a reader: nothing is made, and every transaction is read-only."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's
        """Open the storage.

        Raises:
            BadInputError: If the server cannot be reached or refuses us.
        """
        url = postgres.read_only(postgres.parsed(config_value["postgres_url"]))
        with postgres.connected(url):
            return cls(postgres.text(url), should_autocreate_tables=False, inst_data=inst_data)
