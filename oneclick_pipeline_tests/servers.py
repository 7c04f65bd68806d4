"""A real PostgreSQL of our own, and free ports, for tests that start servers on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOPBACK = "127.0.0.1"
PASSWORD = "s3cr3t/ @x%"  # noqa: S105 - of the test's own server
OPTIONS = f"-c listen_addresses={LOOPBACK} -c unix_socket_directories='' -c fsync=off -c max_connections=60"


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL on loopback; it refuses to run as root, so another user runs it where we are root."""

    folder: Path
    port: int

    def call(self, *command: object, check: bool = True) -> subprocess.CompletedProcess:
        """One of PostgreSQL's programs. Its output goes to a file: the server would hold a pipe open as long as it lives."""
        user = {"user": "nobody"} if os.geteuid() == 0 else {}
        arguments = [str(part) for part in command]
        return subprocess.run(arguments, check=check, capture_output=True, cwd=self.folder, timeout=120, **user)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"{OPTIONS} -c port={self.port}"
        self.call("pg_ctl", "-D", self.folder / "data", "-o", options, "-l", self.folder / "log", "-w", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop it; sessions are ended."""
        self.call("pg_ctl", "-D", self.folder / "data", "-m", mode, "-w", "stop")

    def url(self, database: str = "postgres") -> str:
        """Address of one of its databases, as a user writes it."""
        return f"postgresql://store:{quote(PASSWORD, safe='')}@{LOOPBACK}:{self.port}/{database}"

    def query(self, sql: str, database: str = "postgres") -> list[tuple]:
        """Rows of a statement, which is committed; none for one that gives none."""
        import psycopg2

        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def new(self, database: str) -> str:
        """Address of a new, empty database."""
        self.query(f"CREATE DATABASE {database}")
        return self.url(database)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A server while the block runs; the test is skipped where none is installed."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("no PostgreSQL is installed: initdb and pg_ctl are not on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="oneclick-pg-"))  # not pytest's folder: another user must get there
    if os.geteuid() == 0:
        shutil.chown(folder, user="nobody")
    server = Server(folder, free_port())
    secret, data = folder / "secret", folder / "data"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    try:
        command = ["initdb", "-D", data, "-U", "store", "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--no-locale"]
        server.call(*command, "-N")
        server.start()
        try:
            yield server
        finally:
            if (data / "postmaster.pid").exists():
                server.stop("immediate")
    finally:
        shutil.rmtree(folder)
