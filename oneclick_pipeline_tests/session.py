"""How a session of tests runs: which process runs which tests; where everything is required, no skip passes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer


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
