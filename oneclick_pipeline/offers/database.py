"""The plan in the store's own database: PostgreSQL or SQLite, a month in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.tables import CUSTOMER_SEGMENTS, OFFER_PLAN, check_month

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import sqlalchemy as sa

    from oneclick_pipeline.tables import Table

NAMES = {"oneclick_offer_plan": OFFER_PLAN, "oneclick_customer_segments": CUSTOMER_SEGMENTS}
"""The tables in the database, and what their columns are; the key is month and customer_id."""

_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}
_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        database: URL of the database, without its password.
        rows: Rows of the month by table.
        removed: Rows of the month that were there before and are in the plan no longer, by table.
    """

    database: str
    rows: dict[str, int]
    removed: dict[str, int]


def publish(url: str, month: str, plan: pd.DataFrame, segments: pd.DataFrame) -> Published:
    """Write a month's plan and segments into a database, in one transaction: all of it is there afterwards, or nothing new.

    The tables are made where they are missing. Rows are inserted or updated; rows of the month whose customer is in the
    plan no longer are deleted; other months are left alone.

    Args:
        url: SQLAlchemy URL, for example sqlite:////srv/store.db or postgresql://user:password@host/store.
        month: Snapshot month.
        plan: `tables.OFFER_PLAN`.
        segments: `tables.CUSTOMER_SEGMENTS`.

    Raises:
        BadInputError: If the URL is none, or the database refuses. No message holds the URL's password.
    """
    import sqlalchemy as sa

    month = check_month(month)
    database = _url(url)
    shown = _shown(database)
    metadata = sa.MetaData()
    tables = {name: _table(name, table, metadata) for name, table in NAMES.items()}
    frames = dict(zip(NAMES, (plan, segments), strict=True))
    try:
        # Parameters are customers' data, which has no business in a log.
        engine = sa.create_engine(database, hide_parameters=True, poolclass=sa.NullPool)
        with engine.begin() as connection:
            metadata.create_all(connection)
            for name, frame in frames.items():
                for batch in _batches(frame[NAMES[name].names], month):
                    connection.execute(_upsert(tables[name], database.get_backend_name()), batch)
            removed = {name: _remove_others(connection, tables[name], month, frame) for name, frame in frames.items()}
    except ModuleNotFoundError as error:
        remedy = "install it: pip install 'oneclick_pipeline[postgres]'"
        raise BadInputError(f"the database driver {error.name} is not installed", value=shown, remedy=remedy) from error
    except sa.exc.SQLAlchemyError as error:
        # `from None`: what the driver says may hold the URL, and a chained traceback would print it.
        raise BadInputError(
            f"the database refused, nothing of {month} was changed: {_without_password(error, database)}",
            value=shown,
            remedy="mend the URL or the rights; where the tables are of an older version, drop them: "
            + ", ".join(NAMES)
            + ", and publish again",
        ) from None
    return Published(shown, {name: len(frame) for name, frame in frames.items()}, removed)


def _url(text: str) -> sa.URL:
    """The URL, with the driver that we use.

    Raises:
        BadInputError: If it is none, or of another database. The text is not told: it may hold a password.
    """
    import sqlalchemy as sa

    remedy = "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, with / @ : % in a password written as %2F %40 %3A %25"
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):  # ValueError: a port that is no number
        raise BadInputError("the database URL is not understood", remedy=remedy) from None
    backend = url.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise BadInputError("the database is neither PostgreSQL nor SQLite", value=backend, remedy=remedy)
    return url.set(drivername=_DRIVERS[backend])


def _table(name: str, table: Table, metadata: sa.MetaData) -> sa.Table:
    """The database's table of one of ours, with the month before its columns."""
    import sqlalchemy as sa

    types = {"int": sa.BigInteger, "float": sa.Double, "bool": sa.Boolean, "str": sa.Text}
    columns: list[sa.Column[Any]] = [sa.Column("month", sa.String(7), primary_key=True)]
    for c in table.columns:
        columns += [sa.Column(c.name, types[c.kind], primary_key=c.name in table.key, nullable=c.nullable)]
    return sa.Table(name, metadata, *columns)


def _upsert(table: sa.Table, backend: str) -> Any:  # noqa: ANN401 - the dialects' statements have no common type
    """Insert rows, or update those that are there."""
    from sqlalchemy.dialects import postgresql, sqlite

    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[backend](table)
    key = [column.name for column in table.primary_key]
    return insert.on_conflict_do_update(
        index_elements=key, set_={c.name: insert.excluded[c.name] for c in table.columns if c.name not in key}
    )


def _batches(frame: pd.DataFrame, month: str) -> Iterator[list[dict[str, Any]]]:
    """The rows as the database takes them, unknown values as None, by customer_id: equal orders do not lock each other out."""
    frame, names = frame.sort_values("customer_id"), [str(name) for name in frame.columns]
    for start in range(0, len(frame), _BATCH_ROWS):
        batch = frame.iloc[start : start + _BATCH_ROWS]
        values = [batch[name].astype(object).where(batch[name].notna(), None).to_list() for name in names]
        yield [dict(zip(("month", *names), (month, *row), strict=True)) for row in zip(*values, strict=True)]


def _remove_others(connection: sa.Connection, table: sa.Table, month: str, frame: pd.DataFrame) -> int:
    """Delete the month's rows of customers who are not in `frame`, and count them."""
    import sqlalchemy as sa

    there = connection.execute(sa.select(table.c.customer_id).where(table.c.month == month)).scalars()
    others = sorted(set(there) - set(frame["customer_id"].tolist()))
    statement = sa.delete(table).where(table.c.month == month, table.c.customer_id == sa.bindparam("other"))
    for start in range(0, len(others), _BATCH_ROWS):
        connection.execute(statement, [{"other": other} for other in others[start : start + _BATCH_ROWS]])
    return len(others)


def _secrets(url: sa.URL) -> dict[str, str]:
    """Passwords that stand among the options of the URL instead of before the host; libpq takes them there too."""
    return {name: str(value) for name, value in url.query.items() if "password" in name.lower()}


def _shown(url: sa.URL) -> str:
    """The URL without passwords."""
    return url.update_query_dict(dict.fromkeys(_secrets(url), "***")).render_as_string(hide_password=True)


def _without_password(error: Exception, url: sa.URL) -> str:
    """What the database said, on one line, without the passwords in any spelling."""
    from urllib.parse import quote, quote_plus

    text = " ".join(str(getattr(error, "orig", None) or error).split())
    passwords = {str(url.password or ""), *_secrets(url).values()} - {""}
    spellings = {spelling for p in passwords for spelling in (p, quote(p, safe=""), quote_plus(p))}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    return text
