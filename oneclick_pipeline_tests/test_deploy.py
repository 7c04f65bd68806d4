"""The files of `deploy/`, and the services of its compose file as processes with a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import quote, quote_plus

import psutil
import pytest
import sqlalchemy as sa
import yaml

from oneclick_pipeline.contracts.tables import TABLES
from oneclick_pipeline.databases import postgres
from oneclick_pipeline.orchestration.automation.webhook import VARIABLE as WEBHOOK
from oneclick_pipeline.orchestration.instance import _INSTANCE, _STORAGE, prepare_instance
from oneclick_pipeline.tracking import Tracking, upgrade
from oneclick_pipeline.tracking.logs import quiet_mlflow
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests, new_home
from oneclick_pipeline_tests.topology import COMPOSE, DEPLOY, PORTS, ROOT, SERVICES, SOCKET, running, wait_for

ENDED = ("SUCCESS", "FAILURE", "CANCELED")


SERVICE = pytest.mark.parametrize("name", COMPOSE["services"])
NETWORKS = {
    "postgres": {"runs", "models"},
    "code": {"runs", "outside"},
    "webserver": {"runs", "dagster-pages"},
    "daemon": {"runs"},
    "mlflow": {"models", "mlflow-pages"},
    "tools": {"runs", "outside"},
}
SECRETS = {
    "postgres": {"POSTGRES_PASSWORD"},
    "code": {postgres.VARIABLE, WEBHOOK},
    "webserver": {postgres.VARIABLE},
    "daemon": {postgres.VARIABLE},
    "mlflow": {postgres.VARIABLE},
    "tools": {postgres.VARIABLE, WEBHOOK, "ONECLICK_DATABASE"},
}


def test_pages_are_published_on_loopback_only_and_nothing_else_is():
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert set(published) == {"webserver", "mlflow"}
    for name, ports in published.items():
        assert [re.sub(r"\$\{.*\}", "1", port) for port in ports] == [f"127.0.0.1:1:{PORTS[name]}"]


@SERVICE
def test_service_can_change_nothing_but_its_volumes_and_gain_no_rights(name):
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - of a container
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert re.fullmatch(r"\d+g|\$\{ONECLICK_MEMORY:-\d+g\}", service["mem_limit"])
    known = {"cap_add", "privileged", "devices", "network_mode", "pid", "ipc", "userns_mode", "group_add", "extra_hosts"}
    assert not known & set(service)
    assert not [volume for volume in service["volumes"] if "docker.sock" in volume or volume.startswith("/")]


@SERVICE
def test_service_has_a_pinned_image_and_a_user_who_is_not_root(name):
    service = COMPOSE["services"][name]
    base = re.search(r"^FROM (.*)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)[1]
    image = base if "build" in service else service["image"]
    assert re.fullmatch(r"(python:3\.11\.\d+-slim-trixie|postgres:17\.\d+)@sha256:[0-9a-f]{64}", image)
    assert "build" in service or re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])


@SERVICE
def test_service_is_on_the_networks_that_it_needs(name):
    assert set(COMPOSE["services"][name]["networks"]) == NETWORKS[name]
    assert {net for nets in NETWORKS.values() for net in nets} == set(COMPOSE["networks"])
    assert {net for net, how in COMPOSE["networks"].items() if (how or {}).get("internal")} == {"runs", "models"}


@SERVICE
def test_service_is_given_the_secrets_that_it_needs_and_none_as_a_variable(name):
    service = COMPOSE["services"][name]
    assert set(service["secrets"]) == SECRETS[name]
    assert not set(service["environment"]) & (set(COMPOSE["secrets"]) - {"POSTGRES_PASSWORD"})
    assert not [value for value in service["environment"].values() if "://" in value]
    assert "POSTGRES_PASSWORD" not in service["environment"]
    if name != "postgres":
        assert service["environment"]["PYTHONSAFEPATH"] == "1"


def test_code_server_listens_on_a_socket_that_daemon_and_pages_alone_have():
    mounts = {name: [v for v in s["volumes"] if v.startswith("code:")] for name, s in COMPOSE["services"].items()}
    assert {name: volumes for name, volumes in mounts.items() if volumes} == {
        "code": ["code:/run/oneclick"],
        "webserver": ["code:/run/oneclick:ro"],
        "daemon": ["code:/run/oneclick:ro"],
    }
    command = COMPOSE["services"]["code"]["command"]
    assert command[command.index("-s") + 1] == SOCKET
    assert not {"-p", "--port", "-h", "--host"} & set(command)
    assert "--empty-working-directory" in command
    (location,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    assert location["grpc_server"]["socket"] == SOCKET


def test_python_programs_import_nothing_from_the_current_folder():
    for service in COMPOSE["services"].values():
        for command in (service.get("command", []), service.get("healthcheck", {}).get("test", [])):
            for k, word in enumerate(command):
                assert word != "python" or command[k + 1] == "-P"


def test_every_service_waits_for_what_it_needs_is_checked_and_comes_back():
    for name, service in COMPOSE["services"].items():
        if name == "tools":
            continue
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] == "CMD"
        waits = {other for other, how in service.get("depends_on", {}).items() if how == {"condition": "service_healthy"}}
        assert waits == (
            {"postgres", "code"} if name in ("webserver", "daemon") else {"postgres"} if name != "postgres" else set()
        )
    assert {v.split(":")[0] for s in COMPOSE["services"].values() for v in s["volumes"] if v[0] not in "./$"} == set(
        COMPOSE["volumes"]
    )


def test_commands_that_people_copy_import_nothing_from_the_current_folder():
    """But for the benchmarks, which lie in the repository and nowhere else."""
    files = [ROOT / "Makefile", ROOT / "README.md", *DEPLOY.glob("*.md"), *DEPLOY.glob("*.sh")]
    for path in files:
        plain = re.findall(r"\bpython3? -m (?!benchmarks\b|venv\b)\S+", path.read_text(encoding="utf-8"))
        assert not plain, (path, plain)


def test_secrets_are_files_that_git_and_the_image_ignore(tmp_path):
    assert {how["file"] for how in COMPOSE["secrets"].values()} == {f"./secrets/{name}" for name in COMPOSE["secrets"]}
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for name in (".env", "secrets"):
        assert {f"/deploy/{name}", f"/deploy/{name}/"} & set(ignored)
        assert f"deploy/{name}" in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    script = shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    for _ in range(2):  # the second time changes nothing
        subprocess.run([script], check=True)
        made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
        password = made["POSTGRES_PASSWORD"]
        assert re.fullmatch("[0-9a-f]{48}", password)
        assert made == {
            "POSTGRES_PASSWORD": password,
            postgres.VARIABLE: f"postgresql://oneclick:{password}@postgres:5432/oneclick",
            WEBHOOK: "",
            "ONECLICK_DATABASE": "",
        }
        assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
        (tmp_path / "secrets" / "POSTGRES_PASSWORD").chmod(0o644)
    assert len({path.stat().st_mode for path in (tmp_path / "secrets").iterdir()}) == 1


def test_secrets_become_variables_and_empty_ones_do_not(tmp_path):
    for name, value in ((postgres.VARIABLE, 'postgresql://u:a b$c"d@h/n'), (WEBHOOK, ""), ("PATH", "/evil")):
        (tmp_path / name).write_text(value)
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    environment = {"PATH": os.environ["PATH"], "SECRETS": str(tmp_path)}
    command = [DEPLOY / "with-secrets", sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    variables = json.loads(done.stdout)
    assert variables[postgres.VARIABLE] == 'postgresql://u:a b$c"d@h/n'
    assert WEBHOOK not in variables
    assert variables["PATH"] == environment["PATH"]


def test_secret_that_cannot_be_read_starts_nothing(tmp_path):
    (tmp_path / postgres.VARIABLE).mkdir()  # what Docker makes where the file is missing; root can read any file
    environment = {"PATH": os.environ["PATH"], "SECRETS": str(tmp_path)}
    done = subprocess.run(
        [DEPLOY / "with-secrets", "echo", "started"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert postgres.VARIABLE in done.stderr


@pytest.mark.parametrize("password", ["p@s/s:w%rd\"$x' y", "пароль", "a" * 200])
def test_password_of_ones_own_is_the_one_of_the_address(tmp_path, password):
    script = shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    subprocess.run([script], check=True, env=os.environ | {"POSTGRES_PASSWORD": password})
    assert (tmp_path / "secrets" / "POSTGRES_PASSWORD").read_text() == password
    url = postgres.parsed((tmp_path / "secrets" / postgres.VARIABLE).read_text())
    assert (url.username, url.password, url.host, url.port, url.database) == ("oneclick", password, "postgres", 5432, "oneclick")


def test_restore_without_a_name_stops_nothing(tmp_path):
    (tmp_path / "docker").write_text(f"#!/bin/sh\ntouch '{tmp_path}/asked'\n")
    (tmp_path / "docker").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert subprocess.run([DEPLOY / "restore.sh"], env=environment, check=False).returncode != 0
    assert not (tmp_path / "asked").exists()


def test_configuration_of_a_team_has_the_storage_of_every_home_and_is_taken_as_edited(monkeypatch, tmp_path):
    ours = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert ours.items() >= yaml.safe_load(_INSTANCE + _STORAGE).items()
    (limit,) = ours["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limit == {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://u:p@h/n")
    (tmp_path / "dagster").mkdir()
    config = tmp_path / "dagster" / "dagster.yaml"
    config.write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    prepare_instance(tmp_path)
    assert config.read_bytes() == (DEPLOY / "dagster.yaml").read_bytes()


def test_image_has_the_locked_versions_and_no_root():
    def pins(path):
        return set(re.findall(r"^([\w.\-\[\]]+==[^ ;]+)", path.read_text(), re.MULTILINE))

    assert pins(DEPLOY / "requirements.txt") <= pins(ROOT / "requirements.txt"), "run: make lock"
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert lines.index("USER oneclick") > max(k for k, line in enumerate(lines) if line.startswith(("RUN", "COPY")))
    assert lines[-3:] == ["WORKDIR /", 'ENTRYPOINT ["with-secrets"]', 'CMD ["oneclick", "--help"]']
    assert any("--require-hashes -r deploy/requirements.txt" in line for line in lines)
    for line in lines:
        if line.startswith("COPY "):
            assert all((ROOT / source).exists() for source in line.split()[1:-1]), line


def test_scripts_are_shell(tmp_path):
    for script in (*sorted(DEPLOY.glob("*.sh")), DEPLOY / "with-secrets"):
        subprocess.run(["sh", "-n", script], check=True)
        assert os.access(script, os.X_OK)


@pytest.fixture(scope="module")
def server():
    with servers.postgresql() as started:
        yield started


@pytest.fixture(scope="module")
def team(server, tmp_path_factory):
    """The services over a home into which a snapshot was put; the month was run by nobody but the daemon."""
    place = tmp_path_factory.mktemp("team")
    home = new_home(place / "home")
    with running(home, server.new("team"), place / "logs") as topology:
        status = "SELECT run_id, status, pipeline_name FROM runs"

        def ended():
            topology.descendants()
            return [row for row in server.query(status, "team") if row[1] in ENDED]

        wait_for(ended, "a run that the sensor starts", 900)
        topology.first = server.query(status, "team")
        yield topology


def status_of(server, run_id):
    return server.query(f"SELECT status FROM runs WHERE run_id = '{run_id}'", "team")[0][0]  # noqa: S608


def events_of(server, run_id):
    """How often every asset was materialized in a run."""
    query = f"""SELECT asset_key, count(*) FROM event_logs
        WHERE run_id = '{run_id}' AND dagster_event_type = 'ASSET_MATERIALIZATION' GROUP BY 1"""  # noqa: S608
    return dict(server.query(query, "team"))


@pytest.mark.soak
def test_snapshot_is_run_by_the_daemon(team, server):
    assert [row[1:] for row in team.first] == [("SUCCESS", "retrain")]
    events = events_of(server, team.first[0][0])
    assert set(events.values()) == {1}
    assert {f'["{name}"]' for name in TABLES} <= set(events)
    assert server.query("SELECT alias, version FROM mlflow.registered_model_aliases", "team") == [("champion", 1)]
    assert set(digests(team.home)) == set(TABLES)
    assert (team.home / "reports" / f"{MONTH}.html").exists()
    assert not list(team.home.rglob("*.db"))


@pytest.mark.soak
def test_every_service_is_healthy_and_listens_on_loopback_only(team):
    for name in SERVICES:
        wait_for(lambda name=name: team.healthy(name), name)
    listening = {c.laddr.ip for p in team.descendants() for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert listening <= {servers.LOOPBACK, "::1", f"::ffff:{servers.LOOPBACK}"}  # gRPC listens by the other spelling


@pytest.mark.soak
def test_code_server_that_was_killed_comes_back_on_its_socket(team):
    """It leaves its socket behind; the volume outlives the container."""
    os.killpg(team.processes["code"].pid, signal.SIGKILL)
    team.processes["code"].wait()
    assert (team.place / "code").is_socket()
    team.start("code")
    wait_for(lambda: team.healthy("code"), "code")


@pytest.mark.soak
def test_foreign_host_is_refused(team):
    for name, code in (("webserver", 403), ("mlflow", 403)):
        request = urllib.request.Request(f"{team.address(name)}/", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        with caught.value as refusal:  # it holds a socket
            assert refusal.code == code


@pytest.mark.soak
def test_password_is_on_no_page_in_no_log_and_in_no_command(team):
    told = str(team.graphql("{ instance { info runLauncher { name } daemonHealth { allDaemonStatuses { daemonType } } } }"))
    told += str(team.graphql("{ workspaceOrError { ... on Workspace { locationEntries { name } } } }"))
    assert "postgres" in told.lower()
    team.descendants()
    assert len(team.commands) > len(SERVICES)
    logs = "".join(path.read_text(errors="replace") for path in team.logs.iterdir())
    written = [path for path in (team.home / "dagster").rglob("*") if path.is_file()]
    logs += "".join(path.read_text(errors="replace") for path in written)
    assert "Started" in logs or "Serving" in logs
    query = """query($run: ID!) { logsForRun(runId: $run) {
        ... on EventConnection { events { ... on MessageEvent { message } } } } }"""
    events = str(team.graphql(query, run=team.first[0][0]))
    assert "customer_scores" in events
    for spelling in (servers.PASSWORD, quote(servers.PASSWORD, safe=""), quote_plus(servers.PASSWORD)):
        for text in (told, logs, events, *team.commands):
            assert spelling not in text


def oneclick(team, *arguments, **more):
    code = "from oneclick_pipeline.cli.app import main; main()"
    environment = team.environment | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(
        command, env=environment, cwd=team.logs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def newest(server, job="refresh"):
    rows = server.query(f"SELECT run_id, status FROM runs WHERE pipeline_name = '{job}' ORDER BY id DESC LIMIT 1", "team")  # noqa: S608
    return rows[0] if rows else (None, None)


def under_way(server, known, step):
    """Id of a run that is newer and has come to a step."""
    run_id, _ = newest(server)
    query = f"SELECT 1 FROM event_logs WHERE run_id = '{run_id}' AND dagster_event_type = 'STEP_START' AND step_key = '{step}'"  # noqa: S608
    return run_id if run_id not in (None, known) and server.query(query, "team") else None


def whole(team, before):
    """Nothing is lost, doubled or half-visible: the tables are as they were, and nothing else is there."""
    assert digests(team.home) == before
    assert not [path for path in (team.home / "staging").glob("step-*") if path.is_dir()]
    assert not list((team.home / "tables").rglob("*.part"))


@pytest.mark.soak
@pytest.mark.parametrize("step", ["clean", "customer_scores", "offer_plan"])
def test_server_restarted_while_the_command_runs(team, server, step):
    before, known = digests(team.home), newest(server)[0]
    process = oneclick(team, "run", "--job", "refresh", "--month", MONTH)
    run_id = wait_for(lambda: under_way(server, known, step), step)
    server.stop()
    server.start()
    _, errors = process.communicate(timeout=600)
    assert process.returncode in (0, 1), errors
    assert "Traceback" not in errors
    if process.returncode == 0:
        assert status_of(server, run_id) == "SUCCESS"
    else:
        assert "PostgreSQL at 127.0.0.1" in errors
    assert set(events_of(server, run_id).values()) <= {1}
    again = oneclick(team, "run", "--job", "refresh", "--month", MONTH)
    _, errors = again.communicate(timeout=600)
    assert again.returncode == 0, errors
    assert set(events_of(server, newest(server)[0]).values()) == {1}
    whole(team, before)
    assert servers.PASSWORD not in errors


@pytest.mark.soak
def test_server_restarted_while_the_daemon_runs_a_month(team, server):
    before = digests(team.home)
    run_id = team.launch("refresh", MONTH)
    wait_for(lambda: under_way(server, None, "customer_features") == run_id, "the run")
    server.stop()
    server.start()
    wait_for(lambda: status_of(server, run_id) in ENDED, "an end of the run", 600)
    for name in SERVICES:
        wait_for(lambda name=name: team.healthy(name), name)
    again = team.launch("refresh", MONTH)
    wait_for(lambda: status_of(server, again) in ENDED, "an end of the second run", 600)
    assert status_of(server, again) == "SUCCESS"
    assert set(events_of(server, again).values()) == {1}
    whole(team, before)


@pytest.mark.soak
def test_server_that_stays_away_ends_the_run_in_plain_words(team, server):
    before, known = digests(team.home), newest(server)[0]
    process = oneclick(team, "run", "--job", "refresh", "--month", MONTH)
    wait_for(lambda: under_way(server, known, "customer_scores"), "the run")
    server.stop()
    try:
        begin = time.monotonic()
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 1
        assert "PostgreSQL at 127.0.0.1" in errors
        assert "Traceback" not in errors
        assert time.monotonic() - begin < 300
        refused = oneclick(team, "run", "--job", "refresh", "--month", MONTH)
        _, errors = refused.communicate(timeout=300)
        assert refused.returncode == 1
        assert "PostgreSQL at 127.0.0.1" in errors
        assert "Traceback" not in errors
    finally:
        server.start()
    again = oneclick(team, "run", "--job", "refresh", "--month", MONTH)
    _, errors = again.communicate(timeout=600)
    assert again.returncode == 0, errors
    whole(team, before)


@pytest.mark.soak
def test_upgrade_brings_tables_of_an_older_mlflow_to_the_installed_version(server, monkeypatch, tmp_path):
    from alembic import command
    from alembic.script import ScriptDirectory

    monkeypatch.setenv(postgres.VARIABLE, server.new("older"))
    store = Tracking(tmp_path)
    with quiet_mlflow():
        from mlflow.store.db.utils import _get_alembic_config
        from mlflow.store.tracking.dbmodels.initial_models import Base

        server.query("CREATE SCHEMA mlflow", "older")
        engine = sa.create_engine(store.uri, poolclass=sa.NullPool)
        Base.metadata.create_all(engine)
        config = _get_alembic_config(str(engine.url))
        head, older, *_ = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, older)
    assert store.schema() == (older, head)
    assert upgrade.upgrade(store) == (older, head)
    assert upgrade.upgrade(store) == (head, head)


@pytest.mark.soak
def test_commands_of_the_upgrade_do_nothing_where_nothing_is_to_be_done(team):
    told = (DEPLOY / "README.md").read_text(encoding="utf-8")
    for line in ("dagster instance migrate", "python -P -m oneclick_pipeline.tracking.upgrade", "oneclick doctor"):
        assert f"docker compose run --rm tools {line}\n" in told
        command = team.local(line.split())
        done = subprocess.run(
            command, env=team.environment, cwd=team.logs, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert servers.PASSWORD not in done.stdout + done.stderr
