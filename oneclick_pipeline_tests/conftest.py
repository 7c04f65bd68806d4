"""What all tests share: the finished home, small exports, and what they are read with."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import hypothesis
import pytest

# Two test processes share two cores: OpenMP threads that wait for one another by spinning would cost ten times the work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("ONECLICK_POSTGRES", None)  # tests make databases of their own

from oneclick_pipeline.clean.export import Cleaned, clean_export
from oneclick_pipeline.contracts.exports import RAW, SOURCES
from oneclick_pipeline.raw.export import read
from oneclick_pipeline.settings import Cleaning
from oneclick_pipeline_tests.session import pytest_configure, pytest_xdist_make_scheduler  # noqa: F401 - hooks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline_tests.orchestration.homes import Finished

# A busy machine is no error, and two cores have a quarter of an hour for all tests.
hypothesis.settings.register_profile("project", deadline=None, max_examples=50)
hypothesis.settings.load_profile("project")


# Whoever starts tests in the background has them ignore Ctrl-C, and servers would inherit that and have to be killed.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Finished:
    """A home in which `retrain` of the sample has run once; read it, do not change it."""
    from oneclick_pipeline_tests.orchestration import homes

    return homes.finished(tmp_path_factory, worker_id)


@pytest.fixture(autouse=True)
def _umask_kept():
    """A test begins with the umask of most shells, and what it does to the one of the process is undone."""
    before = os.umask(0o022)
    yield
    os.umask(before)


HEADERS = {s.file: ",".join(c.header for c in s.columns) for s in SOURCES}


def market_row(customer: int, activity: str = "Снизилась", **values: str) -> str:
    """One good line of market_file; `values` by English column name."""
    row = {
        "customer_id": str(customer),
        "activity": activity,
        "service_level": "стандарт",
        "marketing_consent": "да",
        "contacts_6m": "3.4",
        "contacts_month": "4",
        "tenure_days": str(100 + customer),
        "promo_share": "0.25",
        "favourite_category": "Товары для детей",
        "categories_per_visit": "3",
        "unpaid_items": "2",
        "service_errors": "1",
        "pages_per_visit": "5",
    } | values
    return ",".join(row.values())


def export_text(customers: int = 4) -> dict[str, str]:
    """Four good exports of a few customers, text by file."""
    ids = range(1, customers + 1)
    revenue = [f"{i},{p},{1000.5 + i}" for i in ids for p in ("текущий_месяц", "предыдущий_месяц", "препредыдущий_месяц")]
    minutes = [f"{i},{p},{10 + i}" for i in ids for p in ("текущий_месяц", "предыдущий_месяц")]
    lines = {
        "market_file": [market_row(i, "Снизилась" if i % 2 else "Прежний уровень") for i in ids],
        "market_money": revenue,
        "market_time": minutes,
        "money": [f"{i};{i},25" for i in ids],
    }
    headers = HEADERS | {"money": HEADERS["money"].replace(",", ";")}
    return {file: "\n".join([headers[file], *rows]) + "\n" for file, rows in lines.items()}


@pytest.fixture
def cleaned(tmp_path: Path) -> Callable[..., Cleaned]:
    """Write one export, read it as raw and clean it: `cleaned(table, content, **settings)`."""

    def run(table: Table, content: str | bytes, **settings: float) -> Cleaned:
        path = tmp_path / f"{table.file}.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        frame, _ = read(path, table.file, tmp_path)
        return clean_export(frame.select(RAW[table.file].names), table, Cleaning(**settings))

    return run
