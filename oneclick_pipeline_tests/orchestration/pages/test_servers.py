"""The pages start, answer on loopback only, and leave nothing behind."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import psutil
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration.pages import servers
from oneclick_pipeline_tests.orchestration.homes import MONTH

COMMAND = "from oneclick_pipeline.cli.start import main; main()"
DEADLINE_SECONDS = 10
SECRETS = ("ONECLICK_POSTGRES", "ONECLICK_WEBHOOK", "ONECLICK_DATABASE")
PLANTED = (
    *("dagster", "dagster_webserver", "mlflow", "oneclick_pipeline", "yaml", "typing_extensions", "grpc", "uvicorn", "pandas"),
    *("sqlalchemy", "polars", "skops", "fastapi", "flask", "json", "logging", "email", "sitecustomize", "usercustomize"),
)
SERVERS = {
    "oneclick_pipeline.orchestration.automation.daemon": "daemon",
    "oneclick_pipeline.orchestration.pages.webserver": "webserver",
    "oneclick_pipeline.tracking.server": "mlflow",
    "oneclick_pipeline.tracking.app": "mlflow",
    "mlflow": "mlflow",
    "dagster": "code",
}


@pytest.fixture
def ports():
    """Two ports that nobody uses."""
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind((servers.LOOPBACK, 0))
        return first.getsockname()[1], second.getsockname()[1]


def refused(url, host):
    """Status with which a request that names another host is refused; None if it is answered."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host})):
            return None
    except urllib.error.HTTPError as error:
        with error:  # it holds a socket
            return error.code


def test_code_server_works_where_the_package_lies_and_not_within_it():
    """Within the package `yaml` would be ours and not PyYAML."""
    assert (servers._INSTALLED / "oneclick_pipeline" / "definitions.py").is_file()


@pytest.mark.soak  # the pages' own tests start them, too
def test_serve_answers_on_loopback_and_ends_every_process(tmp_path, ports):
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    with servers.serve(tmp_path, *ports) as addresses:
        started = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
        listening = {c.laddr.ip for p in started for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        for address in addresses:
            with urllib.request.urlopen(address) as answer:
                assert answer.status == 200
        json = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{addresses[0]}/graphql", b'{"query": "{version}"}', json)) as answer:
            assert b"version" in answer.read()
        assert [refused(f"{address}/", host) for address in addresses for host in ("evil.example", "")] == [403, 403, 403, 403]
        assert [refused(f"{address}/", "localhost:1") for address in addresses] == [None, None]
    assert len(started) >= 4  # Dagster's pages, daemon and code server, and MLflow
    assert listening <= {servers.LOOPBACK, "::1"}
    assert not [p for p in started if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex((servers.LOOPBACK, port)) != 0


def test_serve_refuses_a_port_that_is_taken(tmp_path, ports):
    with socket.socket() as taken:
        taken.bind((servers.LOOPBACK, ports[1]))
        taken.listen()
        with pytest.raises(BadInputError, match=f"port {ports[1]} is taken.*--mlflow-port"), servers.serve(tmp_path, *ports):
            pass


@contextmanager
def pages(home, ports, cwd, **variables):
    """`oneclick ui` as a person starts it, and what it writes."""
    options = ["--home", str(home), "--dagster-port", str(ports[0]), "--mlflow-port", str(ports[1])]
    command = [sys.executable, "-P", "-c", COMMAND, "ui", *options]
    log = cwd / "ui.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=os.environ | variables, stdout=out, stderr=out, start_new_session=True)
    started = []
    try:
        yield process, log, started
    finally:
        for other in (*below(process), *started, process):
            try:
                other.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()


def below(process):
    """All processes below one; none if it has ended."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def wait_until(ready, process, log, seconds=120):
    deadline = time.monotonic() + seconds
    while not ready():
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.02)  # between two looks at other processes


def check_ends(process, started, number=signal.SIGINT):
    """Interrupt the pages: they end in time, and nothing is left of them."""
    started += [p for p in below(process) if p not in started]
    process.send_signal(number)
    process.wait(DEADLINE_SECONDS)
    _, alive = psutil.wait_procs(started, timeout=DEADLINE_SECONDS)  # whoever watched it ends after it
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
    assert process.returncode in {0, 130}


def graphql(address, query, **variables):
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def run_to_its_end(address):
    """Have the daemon run a month without exports, which fails; returns how the run ended."""
    selector = {
        "repositoryLocationName": servers._LOCATION,
        "repositoryName": "__repository__",
        "pipelineName": "refresh",
    }
    tags = [{"key": "dagster/partition", "value": MONTH}]
    launched = graphql(
        address,
        """mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
             __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }""",
        p={"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}},
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    query = "query($r: ID!) { runOrError(runId: $r) { ... on Run { status } } }"
    deadline = time.monotonic() + 120
    while (status := graphql(address, query, r=launched["run"]["runId"])["runOrError"]["status"]) not in {"SUCCESS", "FAILURE"}:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)  # between two looks at other processes
    return status


def plant(folder, marker):
    """Modules and settings that say so when somebody takes them; a folder where others may write, or a home."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PLANTED:
        (folder / f"{name}.py").write_text(f"with open({str(marker)!r}, 'a') as f: f.write(__file__ + chr(10))\n")
    (folder / ".env").write_text("ONECLICK_SPARK_MASTER=spark://planted:1\n")
    (folder / "workspace.yaml").write_text("load_from: [{python_module: yaml}]\n")
    (folder / "pyproject.toml").write_text('[tool.dagster]\nmodule_name = "yaml"\n')


def test_nothing_is_imported_from_the_current_folder_and_every_server_has_the_secrets_that_it_needs(tmp_path, ports):
    marker, here = tmp_path / "imported", tmp_path / "here"
    plant(here, marker)
    variables = {"HOME": str(here), "ONECLICK_WEBHOOK": "http://127.0.0.1:9/secret", "ONECLICK_DATABASE": "sqlite:///secret.db"}
    with pages(tmp_path / "home", ports, here, **variables) as (process, log, started):
        wait_until(lambda: "Ctrl-C ends both." in log.read_text(errors="replace"), process, log)
        started.extend(below(process))
        given = {}
        for server in started:
            arguments = server.cmdline()
            assert server.cwd() != str(here)
            if "-m" in arguments and (name := SERVERS.get(arguments[arguments.index("-m") + 1])):
                environment = server.environ()
                assert environment["PYTHONSAFEPATH"] == "1"
                given[name] = {secret for secret in SECRETS if secret in environment}
        assert given == {"code": {"ONECLICK_WEBHOOK"}, "daemon": set(), "webserver": set(), "mlflow": set()}
        assert run_to_its_end(f"http://{servers.LOOPBACK}:{ports[0]}") == "FAILURE"
        check_ends(process, started)
    assert not marker.exists(), marker.read_text()


def test_servers_are_asked_whether_they_answer_without_threads_that_outlive_the_question(tmp_path):
    code = f"""
from pathlib import Path
from oneclick_pipeline.orchestration.pages import servers
assert not servers._answers("unix:{tmp_path}/code")
print({{path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "grpc" not in done.stdout


@pytest.mark.parametrize("processes", [1, 4])  # the keeper; keeper, anchor, and the first servers, which are waited for
def test_pages_that_are_interrupted_while_they_start_end_in_time(tmp_path, ports, processes):
    with pages(tmp_path / "home", ports, tmp_path) as (process, log, started):
        wait_until(lambda: len(below(process)) >= processes, process, log)
        check_ends(process, started)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("seed", range(8))
def test_pages_that_are_interrupted_at_any_moment_end_in_time(tmp_path, ports, number, seed):
    with pages(tmp_path / "home", ports, tmp_path) as (process, log, started):
        moment = time.monotonic() + random.Random(f"{number} {seed}").uniform(0, 15)  # noqa: S311
        wait_until(lambda: time.monotonic() > moment and below(process), process, log)
        check_ends(process, started, number)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["dagster", "oneclick_pipeline.orchestration.automation.daemon"])
def test_pages_end_with_a_message_when_one_of_their_servers_has_ended(tmp_path, ports, name):
    """Without the code server or the daemon nothing would start, and no alert would go out."""
    with pages(tmp_path / "home", ports, tmp_path) as (process, log, started):
        wait_until(lambda: "Ctrl-C ends both." in log.read_text(errors="replace"), process, log)
        started.extend(below(process))
        next(server for server in started if server.cmdline()[2:4] == ["-m", name]).kill()
        assert process.wait(DEADLINE_SECONDS) == 1
        assert f"the server {name}" in log.read_text(errors="replace")
        _, alive = psutil.wait_procs(started, timeout=1)
        assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.soak
def test_no_server_survives_pages_that_are_killed(tmp_path, ports):
    with pages(tmp_path / "home", ports, tmp_path) as (process, log, started):
        wait_until(lambda: "Ctrl-C ends both." in log.read_text(errors="replace"), process, log)
        started.extend(below(process))
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(started, timeout=DEADLINE_SECONDS)
        assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]
