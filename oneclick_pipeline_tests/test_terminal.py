"""Nothing from data, files or exceptions commands a terminal."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table

from oneclick_pipeline import terminal
from oneclick_pipeline.cli import app
from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline_tests.conftest import export_text
from oneclick_pipeline_tests.home.test_permissions import CLI, command, job
from oneclick_pipeline_tests.orchestration.homes import MONTH, new_home

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\x08\x7f\x9b31m\u202eabc\u2066\u2028\u2029\ud800\nerror: all is well"
FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]")
"""What may not be printed; line feeds are ours."""

anything = st.text(st.characters(exclude_categories=[]), max_size=30)


@given(anything)
@example(HOSTILE)
def test_plain_is_one_line_that_can_be_shown(text):
    shown = terminal.plain(text)
    assert all(c.isprintable() or unicodedata.category(c) == "Zs" for c in shown)
    assert terminal.plain(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs", "M"])))
def test_plain_leaves_what_can_be_shown(text):
    assert terminal.plain(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\u202e", r"\u202e"),
        ("a\nb", r"a\nb"),
        ("\x9b", r"\x9b"),
        ("\ud800", r"\ud800"),
        ("«ё ✓»", "«ё ✓»"),
    ],
)
def test_plain_shows_escapes(text, shown):
    assert terminal.plain(text) == shown


@given(st.dictionaries(anything, anything, max_size=3))
@example({HOSTILE: HOSTILE})
def test_json_is_the_same_and_can_be_shown(content):
    text = terminal.as_json(content)
    assert json.loads(text) == content
    assert not FORBIDDEN.search(text)


@given(anything, anything, anything, anything)
@example(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_message_of_an_error_is_one_line_that_can_be_shown(problem, file, column, value):
    told = str(BadInputError(problem, file=file, column=column, value=value, remedy=problem))
    assert not FORBIDDEN.search(told)
    assert "\n" not in told


def test_console_shows_text_and_tables_plainly_and_keeps_its_colours(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    table = Table("a")
    table.add_row(terminal.markup(HOSTILE))
    made = terminal.console()
    made.print(table)
    made.print(HOSTILE, markup=False)
    made.print(f"[b]{terminal.markup('[red]' + HOSTILE)}[/b]")
    assert not FORBIDDEN.search(out.getvalue())
    assert r"\x1b]0;owned\x07" in out.getvalue()
    assert "[red]" in out.getvalue()


def test_guard_makes_plain_what_anybody_writes(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    terminal.guard()
    terminal.guard()
    sys.stderr.write("\x1b[32mgreen\x1b[0m " + HOSTILE)
    logging.StreamHandler().emit(logging.LogRecord("x", logging.ERROR, "x", 1, HOSTILE, None, None))
    assert out.getvalue().startswith("green ")
    assert not FORBIDDEN.search(out.getvalue())


def test_lines_of_a_message_of_a_log_are_indented():
    error = ValueError(HOSTILE)
    record = logging.LogRecord("x", logging.ERROR, "x", 1, "a\nb %s", (HOSTILE,), (ValueError, error, None))
    text = terminal.PlainFormatter(logging.Formatter("%(levelname)s %(message)s")).format(record)
    assert not FORBIDDEN.search(text)
    first, *rest = text.split("\n")
    assert first == "ERROR a"
    assert all(line.startswith("    ") for line in rest)
    assert "\nerror" not in text


def test_relay_hands_on_what_a_program_writes():
    out = io.StringIO()
    program = "import sys; sys.stdout.buffer.write('\\x1b[32mок\\x1b[0m \\x1b]0;x\\x07\\n'.encode() + b'\\xff\\n')"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        terminal.relay(process.stdout, out)
    assert out.getvalue() == "ок \\x1b]0;x\\x07\n\\xff\n"


def test_package_prints_by_the_helpers_alone():
    """Consoles, echo and print of others let everything through."""
    from pathlib import Path

    package = Path(app.__file__).parent
    texts = {path.name: path.read_text(encoding="utf-8") for path in package.rglob("*.py") if path.name != "terminal.py"}
    assert not [
        name for name, text in texts.items() if re.search(r"typer\.echo|[^.\w]Console\(|^\s*print\(|stderr\.write", text, re.M)
    ]


def hostile_home(home):
    """A home whose export has control characters in its header and its cells."""
    texts = export_text(8)
    cell = '"' + HOSTILE.replace("\ud800", "") + '"'
    texts["money"] = texts["money"].replace("1;1,25", f"1;{cell}").replace("2;2,25", f"2;{cell}")
    texts["market_time"] = texts["market_time"].replace("Период", cell, 1)
    return new_home(home, settings="", texts=texts)


def shown(done):
    """What a program wrote, which must be plain but for its colours."""
    text = (done.stdout + done.stderr).decode("utf-8")
    left = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert not FORBIDDEN.search(left), FORBIDDEN.search(left)
    assert "\nerror: all is well" not in left
    return left


def test_run_of_a_hostile_export_shows_it_plainly(tmp_path):
    done = command("-c", CLI, "run", "--month", MONTH, "--home", hostile_home(tmp_path / "home\x1b[31m"))
    assert done.returncode == 1
    assert b"\x1b" not in done.stdout + done.stderr
    assert r"\x1b]0;owned\x07" in shown(done)
    assert r"home\x1b[31m" in shown(done)


def test_console_of_dagster_shows_it_plainly(tmp_path):
    home = hostile_home(tmp_path / "home")
    done = job(home, 0o022)
    assert done.returncode != 0
    assert r"\x1b]0;owned\x07" in shown(done)


@pytest.mark.parametrize(
    "arguments",
    [["offers", "check", "FILE"], ["score", "--json", "FILE"], ["campaigns", "import", "FILE"], ["doctor", "--home", "FILE"]],
    ids=" ".join,
)
def test_commands_show_hostile_files_and_names_plainly(tmp_path, monkeypatch, capsys, arguments):
    file = tmp_path / "a\x1b]0;owned\x07\u202e\n"
    hostile = HOSTILE.replace("\ud800", "")
    file.write_text(json.dumps({hostile: hostile}, ensure_ascii=False) if "--json" in arguments else hostile, encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["oneclick", *(str(file) if a == "FILE" else a for a in arguments)])
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # the guard goes with the test
    with pytest.raises(SystemExit) as end:
        app.main()
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert not FORBIDDEN.search(out + err)
    assert r"\x1b]0;owned\x07" in out + err
