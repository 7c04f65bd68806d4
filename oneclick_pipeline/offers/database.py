"""The plan in the store's own database: PostgreSQL or SQLite, a month in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

from oneclick_pipeline.campaigns.ledger_rules import SENT
from oneclick_pipeline.contracts.offers import OFFER_PLAN
from oneclick_pipeline.contracts.segments import CUSTOMER_SEGMENTS
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.home.months import check_month
from oneclick_pipeline.offers import database_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import sqlalchemy as sa

    from oneclick_pipeline.contracts.schema import Table

NAMES = {"oneclick_offer_plan": OFFER_PLAN, "oneclick_customer_segments": CUSTOMER_SEGMENTS}
"""The tables in the database, and what their columns are; the key is month and customer_id."""

_BATCH_ROWS = 10_000
_LOCK = 0x6F6E655F706C616E  # «one_plan», the key of our advisory lock in the store's database
_WAIT_SECONDS = 60
_MAY_LACK = {c.name for c in OFFER_PLAN.columns} - {c.name for c in SENT}
"""Columns that a CRM's own log in the ledger may leave out."""


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        database: URL of the database, without its password.
        rows: Rows of the month by table.
        removed: Rows of the month that were there before and are no longer in the plan, by table.
    """

    database: str
    rows: dict[str, int]
    removed: dict[str, int]


def publish(url: str, month: str, plan: pd.DataFrame, segments: pd.DataFrame, home: Path | None = None) -> Published:
    """Write a month's plan and segments into a database, in one transaction: all of it is there afterwards, or nothing new.

    The tables are made where they are missing, and columns are added that an older version did not have; concurrent first
    calls take turns. Rows are inserted or updated; rows of the month whose customer is no longer in the plan are
    deleted; other months are left alone.

    Args:
        url: SQLAlchemy URL, for example sqlite:////srv/store.db or postgresql://user:password@host/store.
        month: Snapshot month.
        plan: `contracts.offers.OFFER_PLAN`.
        segments: `contracts.segments.CUSTOMER_SEGMENTS`.
        home: The home, whose own databases and folders are refused.

    Raises:
        BadInputError: If the URL is invalid or that of a database that may not be published into, or the database refuses. No
            message holds the URL's password.
    """
    import sqlalchemy as sa

    month = check_month(month)
    database = database_address.target(url, home)
    shown = _shown(database)
    metadata = sa.MetaData()
    tables = {name: _table(name, table, metadata) for name, table in NAMES.items()}
    frames = dict(zip(NAMES, (plan, segments), strict=True))
    try:
        with _engine(database).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            database_address.refuse_own(connection, database)
            for table in tables.values():
                _adapt(connection, table)
            metadata.create_all(connection)
            database_address.refuse_passing(connection, tables)
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
            f"the database refused, and nothing of {month} was changed: {_without_password(error, database)}",
            value=shown,
            remedy=f"fix the URL or the permissions; if a table is from an older version, {_rename(' or '.join(NAMES))}",
        ) from None
    return Published(shown, {name: len(frame) for name, frame in frames.items()}, removed)


def _engine(database: sa.URL) -> sa.Engine:
    """Connections to a database. Of SQLite every transaction waits for the others from its begin, tables included."""
    import sqlalchemy as sa

    # Parameters are customers' data, which does not belong in a log.
    if database.get_backend_name() != "sqlite":
        return sa.create_engine(database, hide_parameters=True, poolclass=sa.NullPool)
    file = Path(database.database or "")
    if not file.exists():
        file.touch(mode=0o600)  # it will hold personal data
    arguments = {"timeout": _WAIT_SECONDS, "isolation_level": None}  # the driver begins no transaction of its own
    engine = sa.create_engine(database, hide_parameters=True, poolclass=sa.NullPool, connect_args=arguments)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _table(name: str, table: Table, metadata: sa.MetaData) -> sa.Table:
    """The database's table of one of ours, with the month before its columns."""
    import sqlalchemy as sa

    columns: list[sa.Column[Any]] = [sa.Column("month", sa.String(7), primary_key=True)]
    for c in table.columns:
        nullable = c.nullable or (table is OFFER_PLAN and c.name in _MAY_LACK)
        columns += [sa.Column(c.name, getattr(sa, c.type.sql), primary_key=c.name in table.key, nullable=nullable)]
    return sa.Table(name, metadata, *columns)


def _adapt(connection: sa.Connection, table: sa.Table) -> None:
    """Give a table that an older version made the columns that it lacks, empty in its rows; nothing in it is changed.

    Raises:
        BadInputError: If its key is another one.
    """
    import sqlalchemy as sa

    looked = sa.inspect(connection)
    if not looked.has_table(table.name):
        return
    key = {column.name for column in table.primary_key}
    keys = [looked.get_pk_constraint(table.name)["constrained_columns"]]
    keys += [constraint["column_names"] for constraint in looked.get_unique_constraints(table.name)]
    if key not in [set(columns) for columns in keys]:
        raise BadInputError(
            f"the table {table.name} in the database is not ours: its key is not {' and '.join(sorted(key))}",
            remedy=_rename(table.name),
        )
    present = {column["name"]: column for column in looked.get_columns(table.name)}
    preparer = connection.dialect.identifier_preparer
    for column in table.columns:
        name = preparer.quote(column.name)
        if column.name not in present:
            kind = column.type.compile(connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {name} {kind}")
        elif column.nullable and not present[column.name]["nullable"] and connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ALTER COLUMN {name} DROP NOT NULL")


def _rename(name: str) -> str:
    """What to do with a table that cannot be used; nothing of it is lost."""
    return (
        f"rename it ({name}: ALTER TABLE … RENAME TO …_old), or give another schema or database; its rows are kept. "
        "Then publish again"
    )


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
    """Passwords among the options of the URL instead of before the host; libpq takes them there too."""
    return {name: str(value) for name, value in url.query.items() if "password" in name.lower()}


def _shown(url: sa.URL) -> str:
    """The URL without passwords."""
    return url.update_query_dict(dict.fromkeys(_secrets(url), "***")).render_as_string(hide_password=True)


def _without_password(error: Exception, url: sa.URL) -> str:
    """What the database said, on one line, without the passwords in any spelling."""
    text = " ".join(str(getattr(error, "orig", None) or error).split())
    passwords = {str(url.password or ""), *_secrets(url).values()} - {""}
    spellings = {spelling for p in passwords for spelling in (p, quote(p, safe=""), quote_plus(p))}
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, "***")
    return text
