"""Which database a plan may be published into: the store's own, never the home's, never a temporary one.

An SQLite database is a plain file, given as such. Everything else that SQLite accepts as a name (memory, `file:` URIs and their
options) is refused, not interpreted.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
_SPELLING = "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, with / @ : % in a password written as %2F %40 %3A %25"
_ELSEWHERE = "give a database of the store's own, outside the home"
_IN_HOME = (".db", ".sqlite", ".sqlite3")
"""Ends of names that a database directly in the home's folder may have; what is below it belongs to the home."""
_BESIDE = ("-wal", "-shm", "-journal")
_OWN_TABLES = (
    {"event_logs", "asset_keys"},
    {"runs", "run_tags"},
    {"instigators", "job_ticks"},
    {"experiments", "registered_models"},
)
"""Tables by which a database of Dagster or MLflow is known."""
_IDENTITY = "SELECT system_identifier, current_database() FROM pg_control_system()"
_LOCAL = ("", "localhost", "127.0.0.1", "::1")


def target(text: str, home: Path | None = None) -> sa.URL:
    """The database of an address, with the driver that we use; of SQLite the path is absolute, links resolved.

    Args:
        text: The address.
        home: The home whose databases and folders are refused.

    Raises:
        BadInputError: If it is not the address of a database that may be published into. The text is not shown: it may hold a
            password.
    """
    import sqlalchemy as sa

    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is not a number
        raise BadInputError("the database URL is not understood", remedy=_SPELLING) from None
    backend = url.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise BadInputError("the database is neither PostgreSQL nor SQLite", value=backend, remedy=_SPELLING)
    if backend == "sqlite":
        return sa.URL.create(_DRIVERS[backend], database=str(_file(url, None if home is None else home.resolve())))
    own = postgres.given()
    if own is not None and _spelled(url) == _spelled(own):
        raise _own_server(url)
    return url.set(drivername=_DRIVERS[backend])


def refuse_own(connection: sa.Connection, url: sa.URL) -> None:
    """Refuse an open database that holds runs or models, or is the one of `ONECLICK_POSTGRES` by whatever address.

    Raises:
        BadInputError: If it is; or if the server of `ONECLICK_POSTGRES` cannot be asked.
    """
    import sqlalchemy as sa

    looked = sa.inspect(connection)
    for schema in looked.get_schema_names():
        names = set(looked.get_table_names(schema))
        if any(own <= names for own in _OWN_TABLES):
            raise BadInputError(
                "the database holds the runs or models of a home", value=url.database, remedy=f"{_ELSEWHERE}; nothing was changed"
            )
    own = postgres.given()
    if own is None or url.get_backend_name() != "postgresql":
        return
    here = connection.execute(sa.text(_IDENTITY)).one()
    with postgres.connected(own) as other:
        if other.execute(sa.text(_IDENTITY)).one() == here:
            raise _own_server(url)


def refuse_passing(connection: sa.Connection, names: Iterable[str]) -> None:
    """Refuse tables of PostgreSQL that are gone when the command ends: an address may put them into a schema of that kind.

    Args:
        connection: The database; the tables are there.
        names: The tables, as a statement names them.

    Raises:
        BadInputError: If one is temporary.
    """
    import sqlalchemy as sa

    if connection.dialect.name != "postgresql":
        return
    kind = sa.text("SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass(:name)")
    if any(connection.execute(kind, {"name": name}).scalar_one() == "t" for name in names):
        raise BadInputError(
            "a temporary table is gone when the command ends", remedy="give an address whose search_path is not pg_temp"
        )


def _own_server(url: sa.URL) -> BadInputError:
    """The error for the database in which the home keeps its runs and models."""
    return BadInputError(
        f"the database is the one of {postgres.VARIABLE}, where the home keeps its runs and models",
        value=postgres.address_for_people(url),
        remedy=_ELSEWHERE,
    )


def _spelled(url: sa.URL) -> tuple[str, str, str]:
    """Server and database as an address names them, where what it leaves out is what libpq takes."""
    host, port, name = (str(url.query.get(key, "")) for key in ("host", "port", "dbname"))
    host = (host or url.host or "").lower()
    return ("" if host in _LOCAL else host), port or str(url.port or 5432), name or url.database or url.username or ""


def _file(url: sa.URL, home: Path | None) -> Path:
    """The file of an SQLite database.

    Raises:
        BadInputError: If it is not a file, or is one of the home's.
    """
    name = url.database or ""
    if url.host or url.username or url.password or url.port:
        raise BadInputError("an SQLite database has no server", remedy=_SPELLING)
    if not name.strip() or any(text.lstrip().startswith(":") or "memory" in url.query for text in (name, unquote(name))):
        raise BadInputError("a database in memory is gone when the command ends", remedy="give a file: sqlite:///FILE")
    if url.query or any(text.lstrip().lower().startswith("file:") for text in (name, unquote(name))):
        raise BadInputError("an SQLite database is given as a plain file, without options", remedy="write sqlite:///FILE")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise BadInputError("the name of the database has a control character", value=ascii(name), remedy="give another name")
    if name.endswith(_BESIDE):
        raise BadInputError(
            "SQLite takes a file of this name for part of another database", file=name, remedy="give another name"
        )
    try:
        path = Path(name).resolve()
        status = path.stat() if path.exists() else None
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise BadInputError("the file of the database cannot be used", file=name, value=str(error), remedy=_ELSEWHERE) from error
    if not path.parent.is_dir():
        raise BadInputError(
            "the folder of the database does not exist", file=str(path), remedy="create the folder, or give another"
        )
    if status is not None and not stat.S_ISREG(status.st_mode):
        raise BadInputError("the database is not a plain file", file=str(path), remedy="give the name of a file")
    if home is not None and home.is_dir():
        _refuse_own_file(path, status, home)
    return path


def _refuse_own_file(path: Path, status: os.stat_result | None, home: Path) -> None:
    """Refuse a file of a home: by its path, by what the home's links lead to, by another name of the same file.

    Raises:
        BadInputError: If it is one.
    """
    own = [entry.resolve() for entry in home.iterdir() if entry.is_dir()]
    if any(path.is_relative_to(folder) for folder in own if not home.is_relative_to(folder)):
        raise BadInputError("the database would be in a folder that belongs to the home", file=str(path), remedy=_ELSEWHERE)
    if path.is_relative_to(home) and (path.parent != home or path.suffix not in _IN_HOME):
        raise BadInputError("the database would be among the files of the home", file=str(path), remedy=_ELSEWHERE)
    if status is None:
        return
    for folder, _, names in os.walk(home):
        for other in (Path(folder, name) for name in names if Path(folder) != home):
            if other.exists() and os.path.samestat(other.stat(), status):
                raise BadInputError(f"the database is a file of the home, {other}", file=str(path), remedy=_ELSEWHERE)
