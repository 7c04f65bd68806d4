"""The documents say what the code does: generated pages, links, command lines, targets."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from oneclick_pipeline.cli.app import app
from oneclick_pipeline.contracts.schema import STAGES
from oneclick_pipeline.contracts.tables import TABLES

ROOT = Path(__file__).parents[1]
PAGES = sorted(page for folder in (".", "docs", "deploy", "benchmarks") for page in (ROOT / folder).glob("*.md"))
PICTURE_BYTES = 200_000
README_WORDS = 1000
SHELLS = ("", "sh", "console")
NOT_OURS = re.compile(r"HOME|YYYY|/x/|^/|^(raw|ledger|secrets)$|^chosen\.json$")
"""Names of files that are not in the repository."""


def _generator():
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _code_lines(page):
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ").strip() for kind, block in blocks if kind in SHELLS for line in block.splitlines()]


def _prose(page):
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


def _commands():
    return sorted({line for page in PAGES for line in _code_lines(page) if line.startswith("oneclick ")})


def _named_commands():
    """Those of the prose, which leaves out what goes without saying; the changelog names former ones."""
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    return sorted({code for page in pages for code in _prose(page) if code.startswith("oneclick ")})


def _anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", ["tables.md", "settings.md"])
def test_generated_page_is_up_to_date(name):
    made = _generator().PAGES[name]()
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == made, "run: python docs/generate.py"


def test_generated_page_has_whole_rows():
    for make in _generator().PAGES.values():
        for grid in re.findall(r"(?:^\|.*\n)+", make(), re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in grid.splitlines()}) == 1, grid


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_are_named_exist(page):
    """Below the repository, the package, the tests, or the folder of the page."""
    places = (ROOT, ROOT / "oneclick_pipeline", ROOT / "oneclick_pipeline_tests", page.parent)
    named = {code.rstrip("/") for code in _prose(page) if re.fullmatch(r"\.?[\w./-]+(\.(py|md|toml|jinja|json|svg)|/)", code)}
    if page.name != "CHANGELOG.md":
        assert (
            sorted(name for name in named if not NOT_OURS.search(name) and not any((place / name).exists() for place in places))
            == []
        )


@pytest.mark.parametrize("name", ["security.md", "faults.md"])
def test_every_promise_names_tests_that_exist(name):
    rows = [
        row for row in (ROOT / "docs" / name).read_text(encoding="utf-8").splitlines() if row.startswith("| ") and ".py" in row
    ]
    assert len(rows) > 20
    for path, _, test in re.findall(r"`([\w/]+\.py)(::(\w+))?", "\n".join(rows)):
        text = (ROOT / "oneclick_pipeline_tests" / path).read_text(encoding="utf-8")
        assert not test or re.search(rf"^(async )?def {test}\(", text, re.MULTILINE), f"{path}::{test}"


@pytest.mark.parametrize("name", ["security.md"])
def test_every_promise_of_security_has_a_test(name):
    grids = re.findall(
        r"^\| promise \| test \|\n\|---\|---\|\n((?:^\|.*\n)+)", (ROOT / "docs" / name).read_text("utf-8"), re.MULTILINE
    )
    rows = [row for grid in grids for row in grid.splitlines()]
    assert len(rows) > 40
    assert [row for row in rows if not re.search(r"\| `[\w/]+\.py", row)] == []


def test_pictures_are_small_and_used():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for picture in (*(ROOT / "docs").glob("*.svg"), *(ROOT / "docs" / "images").iterdir()):
        assert picture.stat().st_size < PICTURE_BYTES, picture
        assert picture.name in text, picture


@pytest.mark.parametrize("line", _commands())
def test_command_line_parses(line):
    words = shlex.split(line, comments=True)[1:]
    command = get_command(app)
    context = command.make_context("oneclick", list(words), resilient_parsing=True)
    while hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
        context = command.make_context(name, list(words), parent=context)  # raises on unknown options and bad values
    assert context.command is command


@pytest.mark.parametrize("line", _named_commands())
def test_named_command_exists(line):
    words, command = shlex.split(line)[1:], get_command(app)
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    assert command.name != "oneclick"
    assert not words or not hasattr(command, "commands")
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_command_lines_are_found():
    assert len(_commands()) >= 5


def test_command_line_with_an_unknown_option_is_noticed():
    with pytest.raises(Exception, match="No such option"):
        test_command_line_parses("oneclick run --month 2026-10 --colour red")


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        match
        for page in PAGES
        for line in (*_code_lines(page), *re.findall(r"`(make [^`]+)`", page.read_text(encoding="utf-8")))
        for match in re.findall(r"^make ([a-z]+)", line)
    }
    assert {"run", "test", "ui", "lock", "bench"} <= named <= targets


def test_page_and_picture_of_the_graph_name_every_stage_and_table():
    for file in (ROOT / "docs" / "graph.md", ROOT / "docs" / "graph.svg"):
        text = file.read_text(encoding="utf-8")
        assert [name for name in (*STAGES, *TABLES, "activity_model") if name not in text] == [], file.name


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= README_WORDS
