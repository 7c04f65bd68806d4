"""The command as the shell starts it."""

import sys

import pytest

from oneclick_pipeline.cli import app
from oneclick_pipeline.processes.group import Group
from oneclick_pipeline_tests.orchestration.homes import environment_kept


@pytest.fixture
def oneclick(capsys, monkeypatch):
    """Run the command as the shell does: exit code, standard output, standard error."""
    monkeypatch.delenv("ONECLICK_HOME", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(Group, "ended", False)  # `oneclick ui` in an earlier test: the command would end this process

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["oneclick", *map(str, arguments)])
        code = 0
        with environment_kept():
            try:
                app.main()
            except SystemExit as end:
                code = end.code or 0
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call
