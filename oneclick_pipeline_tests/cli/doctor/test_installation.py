"""Python and packages of a version that is needed, or of another one."""

import importlib.metadata

import pytest

from oneclick_pipeline.cli.doctor import installation


@pytest.mark.parametrize(("installed", "state"), [("3.10.9", "problem"), ("3.12.1", "ok")])
def test_python(findings, home, monkeypatch, installed, state):
    monkeypatch.setattr(installation.platform, "python_version", lambda: installed)
    assert [s for s, _ in findings(home, "python")] == [state]


def test_packages(findings, home, monkeypatch):
    wanted = ["polars>=2.0,<3", "no-such-package>=1", "pytest; extra == 'dev'", "numpy>=1"]
    monkeypatch.setattr(installation, "requires", lambda _: wanted)

    def installed(name):
        if name == "no-such-package":
            raise importlib.metadata.PackageNotFoundError(name)
        return {"polars": "1.9", "numpy": "2.3"}[name]

    monkeypatch.setattr(installation, "version", installed)
    ((state, message),) = findings(home, "packages")
    assert state == "problem"
    assert message.startswith("polars is 1.9, but <3,>=2.0 is needed; no-such-package is not installed install what is locked")
