"""Every command of the documents runs as it stands.

The commands of the blocks of code, and of README's prose, are looked up in the tables below: how each is made quick, or why it
is only checked. A command that is in no table fails, and so does an entry that no document has any more.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from oneclick_pipeline.settings import Settings
from oneclick_pipeline_tests.servers import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for folder in ("docs", "deploy", "benchmarks") for page in ROOT.glob(f"{folder}/*.md"))]
)
SETTINGS = """
model: {families: [logistic_regression], folds: 2, repeats: 1, inner_folds: 2, draws: 1, nested_draws: 1}
gates: {max_ece: 0.2}
exploration: {phik_bins: 3, max_rows: 1000}
"""
SECONDS = 300


@dataclass(frozen=True)
class How:
    """How a command is run.

    Attributes:
        more: Arguments that are appended to make it quick; where an option is given twice, the last one counts.
        prints: What its output holds.
        stdin: What is typed.
        before: What is prepared in the checkout that it runs in.
    """

    more: str = ""
    prints: str = ""
    stdin: str = ""
    before: Callable[[Path], None] = lambda _: None


def _environment_again(checkout: Path) -> None:
    (checkout / ".venv").symlink_to(ROOT / ".venv")


def _campaign(checkout: Path) -> None:
    rows = [f"{i},{'control' if i % 2 else 'voucher'},{i % 7}" for i in range(400)]
    (checkout / "campaign.csv").write_text("\n".join(["customer_id,offer_id,orders", *rows]) + "\n")


def _older_version(checkout: Path) -> None:
    """Version 2 as older software left it: tables of customers among its artifacts, and no record."""
    mlflow = checkout / "data" / "mlflow"
    record = json.loads((mlflow / "registered" / "2" / "record.json").read_text())
    for name, file in record["kept"].items():
        if "effects" not in name:
            (mlflow / file["path"]).rename(mlflow / "artifacts" / record["run_id"] / "artifacts" / name)
    shutil.rmtree(mlflow / "registered" / "2")


def _home_on_a_server(checkout: Path) -> None:
    shutil.copytree(checkout / "data", checkout / "srv" / "oneclick")
    (checkout / "mnt" / "backups").mkdir(parents=True)


def _two_months_earlier(checkout: Path) -> None:
    shutil.rmtree(checkout / "elsewhere", ignore_errors=True)
    for home in ("elsewhere", "data"):
        shutil.copytree(checkout / "data" / "raw" / "2026-10", checkout / home / "raw" / "2026-09")
    shutil.copy(checkout / "data" / "settings.yaml", checkout / "elsewhere")


QUICK = {
    "make clean": How(),
    "make help": How(prints="run", before=_environment_again),
    "make run": How(prints="all 26 tables"),
    "oneclick run --month 2026-10 --replan": How(prints="version 2"),
    "oneclick report --month 2026-10 --language en": How(prints="2026-10.en.html"),
    "oneclick score --customer 215400": How(prints="p_decline"),
    """echo '{"pages_per_visit": 2, "minutes_m0": 4}' | oneclick score --json -""": How(prints="p_decline"),
    "oneclick model list": How(prints="champion"),
    "oneclick model promote 2": How(),
    "oneclick model rollback": How(),
    "oneclick model accept 2": How(stdin="y\n", before=_older_version),
    "oneclick offers check": How(prints="8"),
    "oneclick offers what-if --month 2026-10 --budget 50,100,200": How(prints="Nothing was changed"),
    "oneclick offers publish --month 2026-10 --database sqlite:///crm.db": How(),
    "oneclick campaigns import campaign.csv --equal-split": How(prints="voucher", before=_campaign),
    "oneclick doctor --home /srv/oneclick": How(before=_home_on_a_server),
    "oneclick backup /mnt/backups/2026-11-22 --home /srv/oneclick": How(),
    "oneclick restore /mnt/backups/2026-11-22 --home /srv/new": How(),
    "oneclick backup /mnt/backups/2026-11-22 --home data": How(before=lambda c: shutil.rmtree(c / "mnt/backups/2026-11-22")),
    "oneclick restore /mnt/backups/2026-11-22 --home data": How(before=lambda c: (c / "data").rename(c / "lost")),
    "oneclick twin month --month 2026-09 --customers 5000 --seed 7 --home elsewhere": How("--customers 300"),
    "oneclick twin fit --from data/raw/2026-10 --out profile.json": How(),
    "oneclick twin month --month 2026-08 --profile profile.json --home elsewhere": How("--customers 300"),
    "oneclick twin months --from 2026-01 --to 2026-09 --customers 5000 --home year": How("--customers 200"),
    "oneclick simulate --customers 2000 --months 6 --seed 1 --fast": How("--customers 100 --months 1 --home fast"),
    "oneclick simulate --customers 20000 --months 12 --seed 1 --fast": How("--customers 100 --months 1 --home year_in_memory"),
    "python docs/generate.py": How(),
    "cp .env.example .env": How(),
    "./secrets.sh": How(),
}
"""Run with `make test`, in this order, in one checkout."""

SOAK = {
    "make run MONTH=2026-09": How(before=_two_months_earlier),
    "oneclick run --from 2026-06 --month 2026-09": How(),
    "oneclick run --month 2026-09 --home elsewhere": How(),
    "oneclick run --month 2026-09 --home elsewhere --job refresh --engine pandas": How(),
    "oneclick run --month 2026-10 --job refresh --home /srv/oneclick": How(),
    "oneclick simulate --customers 20000 --months 12 --seed 1": How("--customers 300 --months 1 --history 3 --home graph"),
}
"""Run with `make soak`, after the quick ones: each is a month of the whole graph, or several."""

SERVERS = {
    "oneclick serve --home data --port 5001": "/ping",
    "make ui": "/server_info",
    "oneclick ui --home elsewhere --dagster-port 3001 --mlflow-port 5001": "/server_info",
}
"""Started on a free port, asked once, and stopped; with `make soak` but for the first."""

QUESTION = """curl -s http://127.0.0.1:5001/invocations -H 'Content-Type: application/json' \
-d '{"dataframe_records": [{"pages_per_visit": 2, "minutes_m0": 4}]}'"""
"""What `oneclick serve` is asked."""

MINUTES = {
    "make setup": "downloads the environment, which the tests have",
    "make test": "runs this test",
    "make soak": "takes an hour",
    "make test-spark": "downloads 490 MB once; the CI runs it",
    "make lock": "changes the locks, by what the registry has today",
    "make audit": "needs a database of advisories",
    "make bench": "takes a quarter of an hour",
    "make bench SIZES=10000000": "takes a quarter of an hour",
    'make bench SIZES="100000 1000000 10000000"': "takes half an hour",
    "make bench-old-home": "takes a quarter of an hour",
    "python -m benchmarks.exports --customers 1000000 --against ../the-other-checkout": "takes minutes",
    "python -m benchmarks.month --customers 1300 --runs 3": "takes minutes",
    "python -m benchmarks.scale --customers 100000 1000000 10000000 --out docs/images/cost.png": "takes half an hour",
    "python -m benchmarks.dagster_share": "takes minutes",
    "python -m benchmarks.assignment": "takes minutes",
    "python -m benchmarks.serve": "takes minutes",
    "python -m benchmarks.serve --home data": "takes minutes",
    "python -m benchmarks.old_home --keep FOLDER --runs 3": "takes a quarter of an hour",
}
"""Too long, or not to be done by a test: `make -n` shows what a target would do, `--help` reads the arguments before it."""

ELSEWHERE = {
    "git pull": "needs the repository's server",
    "./backup.sh": "needs Docker",
    "./backup.sh before-upgrade": "needs Docker",
    "./restore.sh 2026-11-22_03-00": "needs Docker",
}
"""Beside the commands of Docker, which are parsed, since the tests have no daemon of Docker."""


def _code(page: Path) -> list[str]:
    """The lines of the blocks of code of a page, comments taken off; a line that goes on is one."""
    blocks = re.findall(r"^ *```(?:sh|console)\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\\\n\s*", "", "".join(blocks)).splitlines()
    return [line for text in lines if (line := re.sub(r"(^|\s+)# .*", "", text).strip())]


def _prose(page: Path) -> list[str]:
    """The commands in the prose of a page."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [code for code in re.findall(r"`([^`\n]+)`", text) if re.match(r"(oneclick|make) \w", code)]


COMMANDS = {line for page in PAGES for line in _code(page)} | set(_prose(ROOT / "README.md"))
DOCKER = sorted(line for line in COMMANDS if line.startswith("docker "))
TABLES = (QUICK, SOAK, SERVERS, MINUTES, ELSEWHERE, (QUESTION,), DOCKER)


def test_every_command_of_the_documents_is_run_or_says_why_not():
    listed = [line for table in TABLES for line in table]
    assert sorted(COMMANDS - set(listed)) == [], "not in any table of this file"
    assert sorted(set(listed) - COMMANDS) == [], "in no document any more"
    assert len(listed) == len(set(listed))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ONECLICK_", "DAGSTER_", "MLFLOW_"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{kept['PATH']}", "COLUMNS": "140"}


def _kept(line: str) -> str:
    """A target of make that takes the environment as it is, however old: it is that of the tests themselves."""
    return f"{line} -o .venv/.complete" if line.startswith("make") else line


def _run(checkout: Path, line: str, how: How) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout, with its absolute folders below it, too."""
    how.before(checkout)
    text = re.sub(r"(?<=\s)/(srv|mnt)/", rf"{checkout}/\1/", f"{_kept(line)} {how.more}")
    folder = checkout / "deploy" if line in ("cp .env.example .env", "./secrets.sh") else checkout
    return subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=_environment(),
        input=how.stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _check(done: subprocess.CompletedProcess[str], how: How) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert how.prints in done.stdout, done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What a clone of the repository holds, with small settings; the environment is that of the tests."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", ".venv", "pyproject.toml", "workspace.yaml", *(p.name for p in ROOT.glob("requirements*.txt"))):
        (folder / name).symlink_to(ROOT / name)
    for name in ("docs", "deploy"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("secrets", ".env"))
    shutil.copytree(ROOT / "data" / "raw" / "2026-10", folder / "data" / "raw" / "2026-10")
    (folder / "data" / "settings.yaml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module")
def quick(checkout):
    """What the quick commands did, run one after the other: the later ones use what the earlier ones made."""
    return {line: _run(checkout, line, how) for line, how in QUICK.items()}


@pytest.fixture(scope="module")
def soak(checkout, quick):
    """The same of the long ones."""
    return {line: _run(checkout, line, how) for line, how in SOAK.items()}


@pytest.mark.parametrize("line", QUICK)
def test_command_runs(quick, line):
    _check(quick[line], QUICK[line])


@pytest.mark.soak
@pytest.mark.parametrize("line", SOAK)
def test_long_command_runs(soak, line):
    _check(soak[line], SOAK[line])


def _answer(process: subprocess.Popen[str], address: str) -> bytes:
    """What a server answers once it is there."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(address, timeout=10) as answer:
                return answer.read()
        except (URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"{address} did not answer")


def _serve(checkout: Path, line: str, more: str, address: str, ask: Callable[[], None] = lambda: None) -> None:
    """Start a server, ask it once, stop it as Ctrl-C does."""
    with (checkout / "server.log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"{_kept(line)} {more}"],
            cwd=checkout,
            env=_environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            assert _answer(process, address)
            ask()
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(30) in {0, 2, 130, -signal.SIGINT}  # the last two of make, which was interrupted itself
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_server_of_scores_answers_the_question(checkout, quick):
    line, port = "oneclick serve --home data --port 5001", free_port()

    def ask() -> None:
        done = subprocess.run(
            ["bash", "-c", QUESTION.replace("5001", str(port))], capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        assert '"p_decline"' in done.stdout

    _serve(checkout, line, f"--port {port}", f"http://{LOOPBACK}:{port}{SERVERS[line]}", ask)


@pytest.mark.soak
@pytest.mark.parametrize("line", [line for line in SERVERS if " ui" in line])
def test_pages_open(checkout, soak, line):
    dagster, mlflow = free_port(), free_port()
    more = "DAGSTER_PORT={} MLFLOW_PORT={}" if line.startswith("make") else "--dagster-port {} --mlflow-port {}"
    _serve(checkout, line, more.format(dagster, mlflow), f"http://{LOOPBACK}:{dagster}{SERVERS[line]}")


@pytest.mark.parametrize("line", MINUTES)
def test_long_command_is_understood(line):
    words = shlex.split(line)
    command = [*words, "-n"] if words[0] == "make" else [sys.executable, *words[1:], "--help"]
    done = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("file", sorted(ROOT.glob("benchmarks/*.py")), ids=lambda file: file.name)
def test_names_that_a_benchmark_imports_exist(file):
    """Their commands take minutes, so that here nothing but their arguments is read; most imports stand in functions."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("oneclick_pipeline"):
            for alias in node.names:
                assert hasattr(import_module(node.module), alias.name) or import_module(f"{node.module}.{alias.name}")


COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
OPTIONS = {
    "build": set(),
    "up": {"--detach", "--wait", "--force-recreate"},
    "run": {"--rm"},
    "cp": set(),
    "stop": set(),
    "down": {"--volumes"},
}
"""Sub-commands of `docker compose` that the guide uses, and their options."""


@pytest.mark.parametrize("line", DOCKER)
def test_command_of_docker_is_well_formed(line):
    _, kind, name, *words = shlex.split(line)
    if kind == "buildx":
        assert re.fullmatch(r"imagetools inspect [\w.:-]+ --format \{\{\.Manifest\.Digest\}\}", " ".join([name, *words]))
        return
    assert kind == "compose"
    given = [word for word in words if word.startswith("--")] if name != "run" else words[:1]
    assert set(given) <= OPTIONS[name]
    services = [word.partition(":")[0] for word in words[len(given) :] if not word.startswith("./")]
    assert set(services[:1] if name == "run" else services) <= set(COMPOSE["services"])


@pytest.mark.parametrize("line", ["./backup.sh", "./restore.sh 2026-11-22_03-00"])
def test_script_of_docker_is_well_formed(line):
    script = ROOT / "deploy" / line.split()[0]
    subprocess.run(["sh", "-n", script], check=True)
    calls = re.findall(r"^docker compose .*", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert calls
    for call in calls:
        test_command_of_docker_is_well_formed(call)


def _blocks(kind: str) -> list[str]:
    pattern = rf"^ *```{kind}\n(.*?)^ *```$"
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    return [dedent(block) for text in texts for block in re.findall(pattern, text, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize("block", _blocks("python"))
def test_python_of_the_documents_runs(checkout, quick, block):
    subprocess.run([sys.executable, "-c", block], cwd=checkout, env=_environment(), check=True, timeout=SECONDS)


@pytest.mark.parametrize("block", [block for block in _blocks("yaml") if "offers:\n  - id" not in block])
def test_settings_of_the_documents_are_settings(block):
    assert Settings.model_validate(yaml.safe_load(block)) != Settings()
