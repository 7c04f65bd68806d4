"""The files of `deploy/`, and the services of its compose file as processes with a real PostgreSQL."""

from __future__ import annotations

import os
import re
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

from oneclick_pipeline import postgres
from oneclick_pipeline.orchestration import execute
from oneclick_pipeline.tables import TABLES
from oneclick_pipeline.tracking import Tracking, upgrade
from oneclick_pipeline.tracking.quiet import quiet_mlflow
from oneclick_pipeline_tests import servers
from oneclick_pipeline_tests.orchestration.homes import MONTH, digests, new_home
from oneclick_pipeline_tests.topology import COMPOSE, DEPLOY, PORTS, ROOT, SERVICES, running, wait_for

ENDED = ("SUCCESS", "FAILURE", "CANCELED")
APP = [name for name in COMPOSE["services"] if name != "postgres"]


def test_pages_are_published_on_loopback_only_and_nothing_else_is():
    published = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert set(published) == {"webserver", "mlflow"}
    for name, ports in published.items():
        assert [re.sub(r"\$\{.*\}", "1", port) for port in ports] == [f"127.0.0.1:1:{PORTS[name]}"]


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


def test_the_password_is_in_no_file_that_is_committed():
    for service in COMPOSE["services"].values():
        for value in service["environment"].values():
            assert "PASSWORD" not in value or "${POSTGRES_PASSWORD:?" in value
    assert re.search(r"^POSTGRES_PASSWORD=$", (DEPLOY / ".env.example").read_text(), re.MULTILINE)
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/.env" in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()


def test_configuration_of_a_team_has_the_storage_of_every_home_and_is_taken_as_edited(monkeypatch, tmp_path):
    ours = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    assert ours.items() >= yaml.safe_load(execute._INSTANCE + execute._STORAGE).items()
    (limit,) = ours["concurrency"]["runs"]["tag_concurrency_limits"]
    assert limit == {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    monkeypatch.setenv(postgres.VARIABLE, "postgresql://u:p@h/n")
    (tmp_path / "dagster").mkdir()
    config = tmp_path / "dagster" / "dagster.yaml"
    config.write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    execute.prepare_instance(tmp_path)
    assert config.read_bytes() == (DEPLOY / "dagster.yaml").read_bytes()


def test_image_has_the_locked_versions_and_no_root():
    def pins(path):
        return set(re.findall(r"^([\w.\-\[\]]+==[^ ;]+)", path.read_text(), re.MULTILINE))

    assert pins(DEPLOY / "requirements.txt") <= pins(ROOT / "requirements.txt"), "run: make lock"
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert "USER oneclick" in lines
    assert any("--require-hashes -r deploy/requirements.txt" in line for line in lines)
    for line in lines:
        if line.startswith("COPY "):
            assert all((ROOT / source).exists() for source in line.split()[1:-1]), line


def test_scripts_are_shell(tmp_path):
    for script in sorted(DEPLOY.glob("*.sh")):
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
    assert listening <= {servers.LOOPBACK, f"::ffff:{servers.LOOPBACK}"}  # gRPC listens by the other spelling


@pytest.mark.soak
def test_foreign_host_is_refused(team):
    for name, code in (("webserver", 400), ("mlflow", 403)):
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
    code = "from oneclick_pipeline.cli import main; main()"
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
    for line in ("dagster instance migrate", "python -m oneclick_pipeline.tracking.upgrade", "oneclick doctor"):
        assert f"docker compose run --rm tools {line}\n" in told
        command = team.local(line.split())
        done = subprocess.run(
            command, env=team.environment, cwd=team.logs, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert servers.PASSWORD not in done.stdout + done.stderr
