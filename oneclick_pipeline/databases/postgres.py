"""The team's PostgreSQL: one environment variable says where Dagster's runs and MLflow's models are kept.

    ONECLICK_POSTGRES=postgresql://USER:PASSWORD@HOST[:PORT]/NAME

Without it both are SQLite files of the home. Dagster's tables are in the default schema of the database, MLflow's in a
schema `mlflow`: both keep a table `alembic_version`. No message holds the password.
"""

from __future__ import annotations

import os
import selectors
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from oneclick_pipeline.errors import BadInputError

try:
    import psycopg2
    import psycopg2.extensions
except ModuleNotFoundError:  # an extra; who connects says that it is not installed
    psycopg2 = None

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import sqlalchemy as sa

VARIABLE = "ONECLICK_POSTGRES"
MLFLOW_SCHEMA = "mlflow"

_SPELLING = "postgresql://USER:PASSWORD@HOST[:PORT]/NAME, with / @ : % in a password written as %2F %40 %3A %25"
_DRIVER = "postgresql+psycopg2"
"""SQLAlchemy 2.1 takes psycopg 3 for a plain `postgresql:`, with which dagster-postgres 0.29 does not work: its NOTIFY has a
parameter, and `with connection:` closes it."""

_CONNECT_SECONDS = "10"
_SILENT_SECONDS = 300.0
"""How long the server may take to answer: longer than any statement of a home takes."""
_THERE = 0
"""libpq's CONNECTION_OK."""
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)  # select cannot wait for a file numbered above 1023
_LOCK = 0x6F6E65636C69636B  # «oneclick», the key of our advisory lock


def given() -> sa.URL | None:
    """The database of the environment variable; None where it is not set.

    Raises:
        BadInputError: If it is not the address of a PostgreSQL database. The message does not quote it: it may hold a password.
    """
    text = os.environ.get(VARIABLE, "")
    return parsed(text) if text else None


def parsed(text: str) -> sa.URL:
    """An address with the driver that we use, and a limit to how long a connection may take.

    Raises:
        BadInputError: If it is none of a PostgreSQL.

    >>> str(parsed("postgresql://me:secret@db/oneclick"))
    'postgresql+psycopg2://me:***@db/oneclick?connect_timeout=10'
    """
    import sqlalchemy as sa

    try:
        url = sa.make_url(text) if text.isprintable() else None  # for another the driver would raise an error of its own
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is not a number
        url = None
    if url is None:
        raise BadInputError(f"the address in {VARIABLE} is not understood", remedy=f"write {_SPELLING}")
    if url.get_backend_name() not in ("postgresql", "postgres") or not url.database:
        raise BadInputError(f"the address in {VARIABLE} is not that of a PostgreSQL database", remedy=f"write {_SPELLING}")
    _bound_waits()
    url = url.set(drivername=_DRIVER)
    return url if "connect_timeout" in url.query else url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})


@cache
def _bound_waits() -> None:
    """Make the driver give up a server that does not answer: by itself it waits for ever, even if the network drops it all."""
    if psycopg2 is not None:
        psycopg2.extensions.set_wait_callback(_wait)


def _wait(connection: Any) -> None:  # noqa: ANN401 - the driver has no types
    """Wait until the server has answered, for a while: what the driver calls in place of waiting itself.

    Raises:
        psycopg2.OperationalError: If it does not answer in time; the driver closes the connection.
    """
    extensions = psycopg2.extensions
    events = {extensions.POLL_READ: selectors.EVENT_READ, extensions.POLL_WRITE: selectors.EVENT_WRITE}
    while (state := connection.poll()) != extensions.POLL_OK:
        seconds = _SILENT_SECONDS if connection.info.status == _THERE else _patience(extensions.parse_dsn(connection.dsn))
        with _Selector() as selector:
            selector.register(connection.fileno(), events[state])
            if not selector.select(seconds):
                raise psycopg2.OperationalError(f"the server has not answered for {seconds:.0f} s")


def _patience(options: Mapping[str, str]) -> float:
    """Seconds for a connection to be made, as its address says it: 0, for ever, is too long.

    >>> _patience({"connect_timeout": "3"}), _patience({"connect_timeout": "0"}), _patience({})
    (3.0, 10.0, 10.0)
    """
    text = options.get("connect_timeout", "")
    return float(text if text.isascii() and text.isdigit() and int(text) else _CONNECT_SECONDS)


def in_schema(url: sa.URL, schema: str) -> sa.URL:
    """The same database, where names without a schema are of this one.

    >>> str(in_schema(parsed("postgresql://db/oneclick?options=-cstatement_timeout=9"), "mlflow"))
    'postgresql+psycopg2://db/oneclick?connect_timeout=10&options=-cstatement_timeout%3D9+-csearch_path%3Dmlflow'
    """
    return _with_option(url, f"search_path={schema}")


def read_only(url: sa.URL) -> sa.URL:
    """The same database, where nothing can be written.

    >>> str(read_only(parsed("postgresql://db/oneclick")))
    'postgresql+psycopg2://db/oneclick?connect_timeout=10&options=-cdefault_transaction_read_only%3Don'
    """
    return _with_option(url, "default_transaction_read_only=on")


def _with_option(url: sa.URL, option: str) -> sa.URL:
    options = url.query.get("options", "")
    earlier = options if isinstance(options, str) else " ".join(options)
    return url.update_query_dict({"options": f"{earlier} -c{option}".strip()})


def text(url: sa.URL) -> str:
    """The address with its password, for programs; never for people."""
    return url.render_as_string(hide_password=False)


def address_for_people(url: sa.URL) -> str:
    """The address for people: host, port and name.

    >>> address_for_people(parsed("postgresql://me:secret@db:5433/oneclick?password=again"))
    'db:5433/oneclick'
    """
    return f"{url.host or url.query.get('host', 'localhost')}{f':{url.port}' if url.port else ''}/{url.database}"


@contextmanager
def connected(url: sa.URL) -> Iterator[sa.Connection]:
    """A connection that commits every statement, closed with the block.

    Raises:
        BadInputError: If the server cannot be reached or refuses us, or the driver is not installed.
    """
    import sqlalchemy as sa

    try:
        connection = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True).connect()
    except ModuleNotFoundError as error:
        remedy = "install it: pip install 'oneclick_pipeline[postgres]'"
        raise BadInputError(f"the database driver {error.name} is not installed", remedy=remedy) from error
    except sa.exc.SQLAlchemyError as error:
        raise unreachable(url, error) from None
    with connection:
        yield connection


def unreachable(url: sa.URL, error: BaseException | None = None) -> BadInputError:
    """The error for a server that does not answer or refuses us; it quotes the driver, but not the passwords."""
    reason = " ".join(str(getattr(error, "orig", None) or error or "").split()).rstrip(".")
    passwords = {str(url.password or ""), *(str(value) for name, value in url.query.items() if "password" in name)} - {""}
    spellings = {spelling for p in passwords for spelling in (p, quote(p, safe=""), quote_plus(p))}
    for spelling in sorted(spellings, key=len, reverse=True):
        reason = reason.replace(spelling, "***")
    return BadInputError(
        f"PostgreSQL at {address_for_people(url)} cannot be used" + (f": {reason}" if reason else ""),
        remedy=f"start the server or fix {VARIABLE} (host, port, user, password, name of the database), then try again",
    )


@contextmanager
def plain_words() -> Iterator[None]:
    """Say in plain words that the server became unavailable; without the variable nothing is changed.

    Raises:
        BadInputError: For any error that goes back to a lost or refused connection.
    """
    try:
        yield
    except Exception as error:
        url = given()
        lost = _lost_connection(error)
        if url is None or lost is None or isinstance(error, BadInputError):
            raise
        raise unreachable(url, lost) from error


def _lost_connection(error: BaseException | None) -> BaseException | None:
    """The error of the database behind an error; None where there is none."""
    import sqlalchemy as sa

    while error is not None:
        if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError)):
            return error
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def locked(url: sa.URL) -> Iterator[sa.Connection]:
    """A connection that holds the database's one lock for makers of tables; it goes with the process, however that ends.

    Raises:
        BadInputError: See `connected`.
    """
    import sqlalchemy as sa

    with connected(url) as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(_LOCK)))
        yield connection


def has_table(connection: sa.Connection, table: str) -> bool:
    """Whether the default schema of the database has a table."""
    import sqlalchemy as sa

    return sa.inspect(connection).has_table(table)


def has_schema(connection: sa.Connection, schema: str) -> bool:
    """Whether the database has a schema."""
    import sqlalchemy as sa

    return sa.inspect(connection).has_schema(schema)
