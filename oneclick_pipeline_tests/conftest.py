"""Small exports that tests write, and what they are read with."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# Two test processes share two cores: OpenMP threads that wait for one another by spinning would cost ten times the work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("ONECLICK_POSTGRES", None)  # tests make databases of their own

from oneclick_pipeline.clean.export import Cleaned, clean_export
from oneclick_pipeline.contracts.exports import RAW, SOURCES
from oneclick_pipeline.raw.export import read
from oneclick_pipeline.settings import Cleaning

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from xdist.remote import Producer

    from oneclick_pipeline.contracts.schema import Table
    from oneclick_pipeline_tests.orchestration.homes import Finished

# A busy machine is no error, and two cores have a quarter of an hour for all tests.
hypothesis.settings.register_profile("project", deadline=None, max_examples=50)
hypothesis.settings.load_profile("project")


# Whoever starts tests in the background has them ignore Ctrl-C, and servers would inherit that and have to be killed.
signal.signal(signal.SIGINT, signal.default_int_handler)


class _Together(LoadScopeScheduling):
    """A module's tests run in one test process, and so do all that share what takes a minute to make: another would wait for it.

    Not those that take minutes each themselves: one process would have half of them, and the other nothing left to do.

    Groups of pytest-xdist 3.8 (`xdist_group`) do nothing with pytest 9.2, which keeps the names of tests elsewhere.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if "/year/" in path:
            return "year"
        return "finished" if path in _FINISHED and self.config.option.markexpr != "soak" else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Together:
    """Who runs which tests."""
    return _Together(config, log)


REQUIRE_ALL = "ONECLICK_REQUIRE_ALL"
"""Variable that makes a skipped test a failed one, as on the machine that guards main: programs are installed there."""

_MAY_LACK = "real export"
"""What a skip may always be for: the store's own data, which never lies in the project."""


class _RequireAll:
    """Fails what is skipped; a plugin of its own, since hooks of this file are not asked about the doctests of the package."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A skip for want of a program fails where everything is required."""
        return _required((yield))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """The same for a module that skips itself."""
        return _required((yield))


def pytest_configure(config: pytest.Config) -> None:
    """Have it asked about all tests, wherever they stand."""
    config.pluginmanager.register(_RequireAll())


_Report = TypeVar("_Report", pytest.TestReport, pytest.CollectReport)


def _required(report: _Report) -> _Report:
    if (
        os.environ.get(REQUIRE_ALL)
        and report.skipped
        and not hasattr(report, "wasxfail")
        and _MAY_LACK not in str(report.longrepr)
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped, and {REQUIRE_ALL} is set: {report.longrepr}"
    return report


def _uses_the_finished_home(path: Path) -> bool:
    return (
        path.parent.name in ("faults", "pages", "doctor")
        or re.search(r"\bfinished\b", path.read_text(encoding="utf-8")) is not None
    )


_HERE = Path(__file__).parent
_FINISHED = {p.relative_to(_HERE.parent).as_posix() for p in _HERE.rglob("test_*.py") if _uses_the_finished_home(p)}


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
