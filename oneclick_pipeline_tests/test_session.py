"""What guards the tests themselves: where everything is required, no skip passes for want of a program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPPING = """
import pytest

def test_in_the_body():
    pytest.skip("no Chromium")

@pytest.mark.skipif(True, reason="no Java")
def test_by_a_mark():
    pass

@pytest.mark.xfail(reason="known", strict=True)
def test_expected_to_fail():
    raise AssertionError

def test_of_the_stores_own_data():
    pytest.skip("the real export is not on this machine")

def test_good():
    pass
"""


@pytest.mark.parametrize(
    ("required", "code", "outcomes"),
    [("", 0, "1 passed, 3 skipped, 1 xfailed"), ("1", 1, "1 failed, 1 passed, 1 skipped, 1 xfailed, 1 error")],
)
def test_skip_fails_where_everything_is_required(tmp_path, required, code, outcomes):
    (tmp_path / "test_skipping.py").write_text(SKIPPING)
    command = [sys.executable, "-m", "pytest", "-p", "oneclick_pipeline_tests.session", "-p", "no:cacheprovider", "-q"]
    environment = os.environ | {
        "ONECLICK_REQUIRE_ALL": required,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "PYTEST_ADDOPTS": "",
    }
    done = subprocess.run(
        [*command, tmp_path], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment, timeout=60
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(outcomes)


def test_skip_of_a_doctest_beside_the_tests_fails_as_well(tmp_path):
    """As of the package, whose doctests do not stand below the tests' conftest.py."""
    tests, package = tmp_path / "tests", tmp_path / "package"
    for folder in (tests, package):
        folder.mkdir()
    (tests / "conftest.py").write_text("from oneclick_pipeline_tests.session import pytest_configure\n")
    (tests / "test_good.py").write_text("def test_good():\n    pass\n")
    (package / "part.py").write_text('"""A part.\n\n>>> import pytest; pytest.skip("no Java")\n"""\n')
    (package / "all_of_it.py").write_text('"""A part.\n\n>>> 1 # doctest: +SKIP\n2\n"""\n')
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--doctest-modules", "tests", "package"]
    environment = os.environ | {"ONECLICK_REQUIRE_ALL": "1", "PYTHONPATH": str(Path(__file__).parents[1]), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 failed, 1 passed")
