"""A finished home to break, and what a check finds in it."""

import sqlite3
from contextlib import closing

import pytest

from oneclick_pipeline.cli.doctor.checks import CHECKS
from oneclick_pipeline.cli.doctor.home import Home
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.backup import home_backup
from oneclick_pipeline_tests.orchestration.homes import environment_kept


@pytest.fixture(autouse=True)
def _environment():
    with environment_kept():
        yield


@pytest.fixture(scope="session")
def untouched(finished, tmp_path_factory):
    """A copy of the finished home whose addresses are its own."""
    place = tmp_path_factory.mktemp("doctor")
    with environment_kept():
        home_backup.backup(finished.home, place / "backup")
        home_backup.restore(place / "backup", place / "home")
    return place / "home"


@pytest.fixture
def home(untouched):
    """The same home to break; what a test breaks, it repairs (`broken`)."""
    return untouched


@pytest.fixture
def broken(home):
    """Change files of the home; they are put back afterwards."""
    kept = {}

    def change(path, content):
        kept[path] = (path.read_bytes(), path.stat().st_mode) if path.exists() else None
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    yield change
    for path, before in kept.items():
        if before is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(before[0])
            path.chmod(before[1])


@pytest.fixture
def findings():
    """What one check finds in a home, as state and text."""

    def look(home, name, now=None):
        try:
            return [(f.state, f"{f.message} {f.remedy}".strip()) for f in CHECKS[name](Home(home, *filter(None, [now])))]
        except BadInputError as error:
            return [("problem", str(error))]

    return look


def execute_sql(database, statement):
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(statement)
