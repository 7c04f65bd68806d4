"""Where a home's MLflow keeps runs and registry: a SQLite file of the home, or the schema `mlflow` of the team's PostgreSQL.

    HOME/mlflow/mlflow.db     SQLite; with ONECLICK_POSTGRES the schema `mlflow` of that database instead

Only `MlflowClient` with an explicit address is used, never MLflow's global tracking address, current run or
autologging: a process may work on several homes, and nothing it does here outlives the call.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from filelock import FileLock

from oneclick_pipeline.databases import copies as database_copies
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.paths import MLFLOW_DATABASE, mlflow_artifacts, mlflow_folder
from oneclick_pipeline.tracking.files import local
from oneclick_pipeline.tracking.logs import quiet_mlflow

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)
"""Tables and columns of MLflow with addresses of files."""
_MOVING_SECONDS, _STEPS = 60.0, 100_000
"""Seconds in which all addresses must be changed; steps of SQLite between looks at the clock."""
_DATABASE, _NEW = MLFLOW_DATABASE, f"{MLFLOW_DATABASE}.new"


@dataclass(frozen=True)
class Database:
    """The database of one home's MLflow.

    Attributes:
        home: The home; everything is written below `home/mlflow`.
        copies: For a reader who must not change anything: a folder that takes a copy of the database.
    """

    home: Path
    copies: Path | None = None

    @property
    def folder(self) -> Path:
        """Absolute path of the folder."""
        return mlflow_folder(self.home.absolute())

    @property
    def uri(self) -> str:
        """Address of the database, for `MLFLOW_BACKEND_STORE_URI` and for clients; it may hold a password."""
        url = self._postgres()
        if url is not None:
            return postgres.text(postgres.in_schema(url, postgres.MLFLOW_SCHEMA))
        return f"sqlite:///{(self.copies or self.folder) / _DATABASE}"

    def _postgres(self) -> sa.URL | None:
        """The database of the team, for a reader without the right to write; None where there is none."""
        url = postgres.given()
        return url if url is None or self.copies is None else postgres.read_only(url)

    def exists(self) -> bool:
        """Whether the home has a database; asking makes none.

        Raises:
            BadInputError: If PostgreSQL was asked for and does not answer.
        """
        url = self._postgres()
        if url is None:
            return (self.folder / _DATABASE).exists()
        with postgres.connected(url) as connection:
            return postgres.has_schema(connection, postgres.MLFLOW_SCHEMA)

    def prepare(self) -> str:
        """Make sure that the database exists, and return its address.

        The first call migrates an empty one (some seconds) under a name of its own and renames it, under a lock:
        processes that start at once make one database, and one that is killed leaves none.

        Raises:
            BadInputError: If PostgreSQL was asked for and does not answer, or holds the models of another home; if the home had a
                database, and only its files are left.
        """
        url = postgres.given()
        if self.copies is not None:
            if url is None and not (self.copies / _DATABASE).exists():
                database_copies.copy(self.folder / _DATABASE, self.copies / _DATABASE)
        elif url is not None:
            _prepare_postgres(url, self.folder)
        elif not self.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock():
                if not self.exists():
                    self._refuse_orphans()
                    (self.folder / _NEW).unlink(missing_ok=True)  # of a process that was killed
                    _migrate(f"sqlite:///{self.folder / _NEW}", self.folder)
                    (self.folder / _NEW).replace(self.folder / _DATABASE)
        return self.uri

    def schema(self) -> tuple[str, str]:
        """Version of the database's schema, and the version that the installed MLflow has."""
        with quiet_mlflow(), postgres.plain_words():
            from mlflow.store.db import utils

            engine = sa.create_engine(self.prepare() if self.copies else self.uri, poolclass=sa.NullPool)
            current, head = utils._get_schema_version(engine), utils._get_latest_schema_revision()  # type: ignore[no-untyped-call] # noqa: SLF001
            return str(current), str(head)  # there is no public way

    def moved(self, old: Path, new: Path | None = None) -> None:
        """Change the addresses that MLflow keeps in full, in a database that was brought here from another home.

        Args:
            old: The path that the home had.
            new: The path that it will have; by default the one that it has.

        Raises:
            sqlalchemy.exc.DatabaseError: If it is no database of MLflow, or does not come to an end.
        """
        new = new or self.home.absolute()
        if old == new or not self.exists():
            return
        before, after = (mlflow_artifacts(home).as_uri() for home in (old, new))
        with sa.create_engine(self.uri, poolclass=sa.NullPool).begin() as connection:
            _limit(connection)
            for name, column in _ADDRESSES:
                table = sa.table(name, sa.column(column))
                changed = sa.func.replace(table.c[column], before, after)
                connection.execute(
                    sa.update(table).where(table.c[column].startswith(before, autoescape=True)).values({column: changed})
                )

    def _refuse_orphans(self) -> None:
        """Make no new database beside the files of one that is gone: it would count versions from 1 again.

        Raises:
            BadInputError: If there are such files.
        """
        artifacts = mlflow_artifacts(self.home)
        if any(path.is_file() for path in artifacts.rglob("*")):
            raise BadInputError(
                "the database is gone, but its models are still there",
                file=str(self.folder / _DATABASE),
                remedy=f"restore it from a backup; or move {self.folder} away and run retrain, to start without them",
            )

    def _client(self) -> MlflowClient:
        uri = self.prepare()
        with quiet_mlflow():
            from mlflow import MlflowClient

            logging.getLogger("mlflow.store.db.utils").setLevel(
                logging.CRITICAL
            )  # what it logs it raises as well, for us to report
            return cast("MlflowClient", _Plain(MlflowClient(tracking_uri=uri, registry_uri=uri)))

    def _lock(self) -> Any:  # noqa: ANN401 - the class differs between systems
        return FileLock(self.folder / ".lock")

    def _store(self) -> SqlAlchemyStore:
        """MLflow's store of runs, for what its client does not offer."""
        from mlflow import MlflowClient

        store = MlflowClient(tracking_uri=self.prepare())._tracking_client.store  # noqa: SLF001
        return cast("SqlAlchemyStore", store)


class _Plain:
    """A client whose methods say in plain words that PostgreSQL went away."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the method of the client
        return postgres.plain_words()(getattr(self._client, name))


def _migrate(uri: str, folder: Path) -> None:
    with quiet_mlflow():
        from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

        SqlAlchemyStore(uri, (folder / "artifacts").as_uri()).engine.dispose()  # type: ignore[no-untyped-call]


@lru_cache(maxsize=8)  # a process asks hundreds of times
def _prepare_postgres(url: sa.URL, folder: Path) -> None:
    """Make sure that the schema exists and is of this home."""
    new = f"{postgres.MLFLOW_SCHEMA}_new"
    folder.mkdir(parents=True, exist_ok=True)  # of the locks of this home
    with postgres.locked(url) as connection:
        try:
            if not postgres.has_schema(connection, postgres.MLFLOW_SCHEMA):
                connection.execute(sa.text(f"DROP SCHEMA IF EXISTS {new} CASCADE"))  # of a process that was killed
                connection.execute(sa.schema.CreateSchema(new))
                _migrate(postgres.text(postgres.in_schema(url, new)), folder)
                connection.execute(sa.text(f"ALTER SCHEMA {new} RENAME TO {postgres.MLFLOW_SCHEMA}"))
            first = sa.text(f"SELECT artifact_location FROM {postgres.MLFLOW_SCHEMA}.experiments WHERE experiment_id = 0")  # noqa: S608 - a constant
            owner = local(connection.execute(first).scalar_one()).parent.parent
        except sa.exc.ProgrammingError as error:  # no permission to make a schema, or one of another owner
            raise postgres.unreachable(url, error) from None
    if owner != folder:
        raise BadInputError(
            f"PostgreSQL at {postgres.address_for_people(url)} holds the models of another home, {owner.parent}",
            value=str(folder.parent),
            remedy=f"give this home its own database, or unset {postgres.VARIABLE} to keep its runs and models in the home",
        )


def _limit(connection: sa.Connection) -> None:
    """Abort statements that do not end: a database made by someone else may have triggers that run for ever."""
    end, driver = time.monotonic() + _MOVING_SECONDS, connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
