"""A real browser without a window, where one is installed."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update")
EXECUTABLE = next((path for name in _NAMES if (path := shutil.which(name))), None)

needs_browser = pytest.mark.skipif(
    EXECUTABLE is None or find_spec("playwright") is None, reason="no Chromium or no playwright is installed"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, started and ended."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=EXECUTABLE, args=list(_ARGUMENTS))
        try:
            yield started
        finally:
            started.close()
