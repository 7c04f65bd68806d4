"""What a terminal cannot show, and a reader who has gone, end no command."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclick_pipeline.cli import streams
from oneclick_pipeline_tests.orchestration.homes import MONTH, new_home

COMMAND = "from oneclick_pipeline.cli.app import main; main()"
ENCODINGS = ("ascii", "latin-1", "cp1251", "cp866", "koi8-r", "utf-8")


def oneclick(*arguments, **variables):
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | variables)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(ENCODINGS))
def test_every_text_can_be_written(text, encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors=streams._HANDLER)
    stream.write(text)
    stream.flush()
    shown = raw.getvalue().decode(encoding)
    if encoding == "utf-8" or text.isascii():
        assert shown.replace(os.linesep, "\n") == text.replace(os.linesep, "\n")


def test_lone_surrogates_of_a_file_name_can_be_written():
    assert "name-\udcff".encode("utf-8", streams._HANDLER) == b"name-\\udcff"


def test_handler_is_of_writing_only():
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", streams._HANDLER)


def test_files_never_take_the_place_of_standard_streams_that_were_closed(tmp_path):
    """A lock or a table would else get what libraries and children write to their standard error."""
    child = "import os; os.write(1, b'noise'); os.write(2, b'noise')"
    code = (
        "import subprocess, sys; from oneclick_pipeline.cli import streams; streams.install(); file = open(sys.argv[1], 'w')\n"
        f"file.write(str(file.fileno() > 2)); file.flush(); subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    subprocess.run([*closed, sys.executable, "-c", code, tmp_path / "table"], check=True)
    assert (tmp_path / "table").read_text() == "True"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_table_with_russian_and_signs_is_shown_in_every_encoding(encoding, tmp_path):
    process = oneclick("offers", "check", "--home", tmp_path, PYTHONIOENCODING=encoding)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")
    assert "Offer" in out.decode(encoding)


NARROW = ({"PYTHONIOENCODING": "cp866"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})


@pytest.mark.parametrize("variables", NARROW)
def test_marks_of_steps_do_not_end_a_run(variables, tmp_path):
    process = oneclick("run", "--month", MONTH, "--home", tmp_path, **variables)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert b"Traceback" not in errors
    assert b"1/" in out
    assert b"not run: " in errors  # the run came to its own end: its exports are missing


def test_run_goes_on_when_nobody_reads_its_output(tmp_path):
    process = oneclick("run", "--month", MONTH, "--home", tmp_path, PYTHONUNBUFFERED="1")
    process.stdout.readline()
    process.stdout.close()  # as `| head -1` does
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(120) == 1
    assert b"Traceback" not in errors
    assert b"Exception ignored" not in errors
    assert b"not run: " in errors


def test_exit_code_is_the_commands_own_when_nobody_reads_its_output(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", COMMAND, "offers", "check", "--home", str(tmp_path)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_streams_that_are_closed_end_no_command(tmp_path):
    command = [sys.executable, "-c", COMMAND, "offers", "check", "--home", str(tmp_path)]
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], capture_output=True, check=False, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")


def test_full_disk_is_told_and_not_swallowed():
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        output = streams.tolerant(full)
        output.write("a line\n")
        with pytest.raises(OSError, match="No space left"):
            output.flush()
        with pytest.raises(OSError, match="No space left"):
            output.close()


@pytest.mark.soak
def test_month_is_complete_where_the_terminal_shows_ascii_and_nobody_reads(tmp_path):
    home = new_home(tmp_path / "home")
    process = oneclick("run", "--month", MONTH, "--home", home, PYTHONIOENCODING="ascii", PYTHONUNBUFFERED="1")
    process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait(600) in {0, 3}, errors
    assert b"Traceback" not in errors
    assert (home / "reports" / f"{MONTH}.html").exists()
