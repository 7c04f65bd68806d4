"""The scratch folder of a step: there while it works, and gone afterwards, however it ends."""

import subprocess
import sys

import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.step import scratch_folder


def test_scratch_folder_is_there_while_the_step_works_and_gone_afterwards(tmp_path):
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
        (folder / "part.parquet").write_text("")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), scratch_folder(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_scratch_folders_of_dead_steps_go_and_those_of_living_ones_stay(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from oneclick_pipeline.orchestration.step import scratch_folder\n"
        f"with scratch_folder(Path({str(tmp_path)!r})) as folder:\n"
        "    (folder / 'part').write_text(''); print(folder.name, flush=True); sys.stdin.read(1); os._exit(9)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as other:
        name = other.stdout.readline().strip()
        with scratch_folder(tmp_path):
            assert (tmp_path / name / "part").exists()
        assert (tmp_path / name / "part").exists()
        other.stdin.write("x")
        other.stdin.flush()
        assert other.wait(timeout=60) == 9
    assert (tmp_path / name / "part").exists()
    with scratch_folder(tmp_path) as mine:
        assert {p.name.removesuffix(".lock") for p in tmp_path.iterdir()} == {mine.name}
    assert list(tmp_path.iterdir()) == []


def test_scratch_folder_keeps_what_is_not_its_own_kind(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with scratch_folder(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_scratch_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInputError, match="the home cannot be written"), scratch_folder(tmp_path / "file"):
        pass
