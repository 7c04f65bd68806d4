"""PostgreSQL's own programs: a database into a file, and a file into an empty database, in one transaction."""

from __future__ import annotations

import os
import shutil
import subprocess  # PostgreSQL's own programs, no shell
from contextlib import suppress
from typing import TYPE_CHECKING

from oneclick_pipeline.databases import postgres
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.backup import copies
from oneclick_pipeline.processes.group import variables_of

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

_PLAIN = ("--no-owner", "--no-privileges")


def dump(url: sa.URL, file: Path) -> str:
    """Write a database into a new file.

    Returns:
        SHA-256 of the file.

    Raises:
        BadInputError: If the database or pg_dump cannot be used.
    """
    command, environment = _command("pg_dump", url, "--format=custom", *_PLAIN, f"--file={file}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode != 0:
        raise postgres.unreachable(url, RuntimeError(f"pg_dump: {done.stderr}"))
    copies.settle_file(file)
    return copies.sha256_of(file)


def restore(url: sa.URL, file: Path) -> None:
    """Load a dump into an empty database: all of it or nothing.

    The dump goes through a pipe that ends with this process. Whatever kills us, pg_restore sees an end that it does not
    expect, and the database rolls its transaction back.

    Raises:
        BadInputError: If the database or pg_restore cannot be used, or the dump is damaged.
    """
    command, environment = _command("pg_restore", url, "--exit-on-error", "--single-transaction", *_PLAIN)
    messages = file.with_suffix(".log")  # a file: no one reads a pipe while we write the other one
    with (
        file.open("rb") as content,
        messages.open("wb") as errors,
        subprocess.Popen(  # noqa: S603 - a program of PostgreSQL, our own arguments
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors
        ) as process,
    ):
        assert process.stdin is not None  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError), process.stdin as pipe:  # it ended early, and says below why
            shutil.copyfileobj(content, pipe)
    if process.returncode != 0:
        output = messages.read_text(encoding="utf-8", errors="replace")
        raise postgres.unreachable(url, RuntimeError(f"pg_restore: {output}"))


def empty(expected: bool) -> sa.URL | None:  # noqa: FBT001 - what the manifest says
    """The empty database that a backup is restored into; None for one without PostgreSQL.

    Args:
        expected: Whether the backup holds a dump.

    Raises:
        BadInputError: If there is none, there should be none, or it is not empty.
    """
    import sqlalchemy as sa

    url = postgres.given()
    if (url is not None) != expected:
        remedy = f"{'set' if expected else 'unset'} {postgres.VARIABLE} and restore again"
        raise BadInputError(f"the backup is of a home with{'' if expected else 'out'} PostgreSQL", remedy=remedy)
    if url is not None:
        with postgres.connected(url) as connection:
            tables = sa.inspect(connection).get_table_names()
            if tables or postgres.has_schema(connection, postgres.MLFLOW_SCHEMA):
                raise BadInputError(
                    f"the database {postgres.address_for_people(url)} is not empty",
                    remedy="stop everything that uses it, create a new one (createdb), and restore into that",
                )
    return url


def _command(program: str, url: sa.URL, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """How to run one of PostgreSQL's programs on a database; the password goes by the environment.

    Raises:
        BadInputError: If the program is not there.
    """
    import sqlalchemy as sa

    path = shutil.which(program)
    if path is None:
        raise BadInputError(f"{program} is not on the PATH", remedy="install PostgreSQL's client programs (postgresql-client)")
    named = sa.URL.create(
        "postgresql", username=url.username, host=url.host, port=url.port, database=url.database, query=url.query
    )
    address = named.difference_update_query(["password"]).render_as_string()
    return [path, f"--dbname={address}", *arguments], variables_of(os.environ) | {
        "PGPASSWORD": str(url.password or ""),
        "LC_ALL": "C",
    }
