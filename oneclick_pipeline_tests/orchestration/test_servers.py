"""The pages start, answer on loopback only, and leave nothing behind."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import psutil
import pytest

from oneclick_pipeline.errors import BadInputError
from oneclick_pipeline.orchestration import servers


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
