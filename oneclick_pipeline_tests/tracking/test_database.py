"""One database of a home, whoever comes first."""

import subprocess
import sys

import pytest


@pytest.mark.soak
def test_two_processes_may_come_first_together(tmp_path):
    code = (
        f"from pathlib import Path; from oneclick_pipeline.tracking import Tracking; Tracking(Path({str(tmp_path)!r})).champion()"
    )
    racers = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [racer.communicate(timeout=120)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0], errors
    assert sorted(p.name for p in (tmp_path / "mlflow").iterdir()) == [".lock", "mlflow.db"]
